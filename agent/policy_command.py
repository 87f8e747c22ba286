"""``sluice policy``: look at policy bundles, install them, and choose which decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from agent.policy_store import Installed, PolicyStore

app = typer.Typer(no_args_is_help=True, add_completion=False)

OneBundle = Annotated[Path, typer.Argument(help="a .sluice file, or a folder of its files")]
Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", help="public key to trust beside the settings' (a .pub file)"),
]
Config = Annotated[Path | None, typer.Option(help="settings, as /etc/sluice/sluice.toml")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON on standard output")]


@app.callback()
def _root() -> None:
    """Look at policy bundles, install them, and choose which decides."""


@app.command()
def inspect(
    bundle: OneBundle,
    card: Annotated[bool, typer.Option("--card", help="and its model card")] = False,
    keys: Keys = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what a bundle says of itself, and whether anyone trusted has signed it."""
    from agent.policy_text import Inspection, print_inspection

    found = Inspection.of(bundle, _store(config, keys))
    if as_json:
        print(json.dumps(found.as_json(with_card=card)))
    else:
        print_inspection(found, with_card=card)


@app.command()
def verify(
    bundle: OneBundle, keys: Keys = None, config: Config = None, as_json: Json = False
) -> None:
    """Check a bundle's signature and every file; exits with 1 and the reason if it is not whole."""
    from agent.bundle import Bundle
    from agent.errors import BundleError
    from agent.keys import public_text
    from agent.words import printable

    try:
        found = Bundle.open(bundle, _store(config, keys).keys)
    except BundleError as error:
        if as_json:
            print(json.dumps({"path": str(bundle), "verified": False, "reason": str(error)}))
        raise
    key = public_text(found.key)
    if as_json:
        print(json.dumps(_named(found) | {"verified": True, "key": key}))
    else:
        print(f"{printable(bundle)}: {printable(found.manifest.name)}, signed by {key}")


@app.command()
def install(
    bundle: OneBundle, keys: Keys = None, config: Config = None, as_json: Json = False
) -> None:
    """Verify a bundle, hold it to the box's profile, and copy it among the installed ones."""
    from agent.cli import complain, load_settings
    from agent.keys import public_text
    from agent.words import printable

    found, copied = _store(config, keys).install(bundle)
    if found.key not in load_settings(config).policy.trusted:
        key = public_text(found.key)
        complain(f"note: {key} is not under policy.keys; without --key it is refused", "yellow")
    if as_json:
        print(json.dumps(_named(found) | {"installed": copied}))
        return
    print(f"{'installed' if copied else 'installed already'}: {printable(found.path)}")
    print(f"put it in use: sluice policy use {found.digest[:16]}")


@app.command("list")
def list_command(keys: Keys = None, config: Config = None, as_json: Json = False) -> None:
    """List the installed policies, and which is in use."""
    from agent.policy_text import print_installed

    store = _store(config, keys)
    found = store.installed()
    if as_json:
        rows = [_row(each) for each in found]
        print(json.dumps({"store": str(store.folder), "policies": rows}))
    else:
        print_installed(found)


@app.command()
def use(
    policy: Annotated[
        str | None,
        typer.Argument(help="a name, the beginning of a SHA-256, or default: the shipped one"),
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="go back to what was in use before")
    ] = False,
    keys: Keys = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put an installed policy in use, after verifying it again."""
    from agent.words import printable

    if (policy is None) != previous:
        raise typer.BadParameter("say which policy, or --previous; one of them")
    store = _store(config, keys)
    found = store.use_previous() if policy is None else store.use(policy)
    if as_json:
        print(json.dumps(_named(found)))
    else:
        print(f"in use: {printable(found.manifest.name)}, SHA-256 {found.digest[:16]}")


def _store(config: Path | None, keys: list[Path] | None) -> PolicyStore:
    """The settings' store, which trusts these keys too."""
    from agent.cli import load_settings
    from agent.keys import read_public_key
    from agent.policy_store import PolicyStore

    settings = load_settings(config)
    given = map(read_public_key, keys or ())
    return PolicyStore.of(settings, (*settings.policy.trusted, *given))


def _named(bundle: Bundle) -> dict[str, object]:
    return {"name": bundle.manifest.name, "sha256": bundle.digest, "path": str(bundle.path)}


def _row(each: Installed) -> dict[str, object]:
    about = each.claims
    return {
        "entry": each.entry,
        "name": about.manifest.name if about else None,
        "sha256": about.digest if about else None,
        "profile": about.manifest.profile if about else None,
        "quantisation": about.manifest.quantisation if about else None,
        "bytes": about.size if about else None,
        "path": str(each.path),
        "in_use": each.in_use,
        "previous": each.previous,
        "problem": each.problem or None,
    }
