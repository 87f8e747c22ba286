"""The installed policies: what gets in, what runs, and the way back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import policy_store
from agent.bundle import POLICY_NPZ, Bundle, Gate
from agent.cli import load_policy
from agent.config import PolicySettings, Settings
from agent.errors import (
    BundleError,
    BundleMisfit,
    BundleTampered,
    ConfigError,
    ProfileError,
    SchemaMismatch,
    StoreError,
)
from agent.keys import public_text
from agent.policy_store import PolicyStore, box_profile, misfits
from agent.profile import Profile
from tests.agent.bundles import (
    OTHER_SECRET,
    PUBLIC,
    flip,
    full,
    linear_npz,
    make,
    rewrite,
    unfolded,
)

GATE = Gate(name="agreement", unit="share", limit=0.99, found=0.5, passed=False)


def store_in(folder: Path, profile: str = "") -> PolicyStore:
    return PolicyStore(folder / "store", (PUBLIC,), profile, "auto")


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    return store_in(tmp_path)


def names(store: PolicyStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_installing_copies_the_very_bytes_once(tmp_path: Path, store: PolicyStore) -> None:
    source = full(tmp_path / "source.sluice", name="My policy/1")
    bundle, copied = store.install(source)
    assert copied
    assert names(store) == [f"My-policy-1-{bundle.digest[:16]}.sluice"]
    assert bundle.path.read_bytes() == source.read_bytes()
    assert bundle.path.stat().st_mode & 0o777 == 0o644
    before = bundle.path.stat()
    assert store.install(source) == (bundle, False)
    assert bundle.path.stat().st_ino == before.st_ino


def test_a_damaged_copy_is_replaced(tmp_path: Path, store: PolicyStore) -> None:
    source = full(tmp_path / "source.sluice")
    there = store.install(source)[0].path
    there.write_bytes(flip(there.read_bytes(), 4000))
    assert store.install(source)[1]
    assert there.read_bytes() == source.read_bytes()


def test_a_folder_is_installed_as_a_zip(tmp_path: Path, store: PolicyStore) -> None:
    source = full(tmp_path / "source.sluice")
    bundle, _ = store.install(unfolded(source, tmp_path / "folder"))
    assert bundle.path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"secret": OTHER_SECRET}, BundleTampered),
        ({"playground": "cage2"}, BundleError),
        ({"onnx_bytes": b"no graph"}, BundleError),
        ({"gates": [GATE]}, BundleMisfit),
    ],
)
def test_what_is_refused_leaves_nothing(
    tmp_path: Path, store: PolicyStore, changes: dict[str, object], error: type[Exception]
) -> None:
    source = make(tmp_path / "b.sluice", **changes)  # type: ignore[arg-type]
    with pytest.raises(error, match=str(source)):
        store.install(source)
    assert not store.folder.exists()


def test_another_schema_is_not_installed(
    tmp_path: Path, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "b.sluice")
    monkeypatch.setattr("agent.bundle.SCHEMA_HASH", "fedcba9876543210")
    with pytest.raises(SchemaMismatch, match="this agent makes fedcba9876543210"):
        store.install(source)


def test_what_changes_while_it_is_copied_is_not_installed(
    tmp_path: Path, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "b.sluice")
    other = make(tmp_path / "other.sluice", name="other").read_bytes()
    monkeypatch.setattr(policy_store, "_content", lambda _: iter([other]))
    with pytest.raises(BundleError, match="changed while it was installed"):
        store.install(source)
    assert names(store) == []


def test_use_and_the_way_back(tmp_path: Path, store: PolicyStore) -> None:
    assert store.in_use().digest == Bundle.default().digest
    with pytest.raises(StoreError, match="no policy was in use before"):
        store.use_previous()
    one = store.install(make(tmp_path / "1.sluice", name="one"))[0]
    two = store.install(make(tmp_path / "2.sluice", name="two"))[0]
    assert store.in_use().digest == Bundle.default().digest
    assert store.use("one") == store.in_use() == one
    assert store.use(two.digest[:10]) == store.in_use() == two
    assert store.use("two") == two  # already: what was before stays so
    assert store.use_previous() == store.in_use() == one
    assert store.use_previous() == two
    assert store.use("default").digest == store.in_use().digest == Bundle.default().digest
    assert store.use_previous() == two
    assert store.use(one.path.name) == one
    assert (store.folder / "current").readlink() == Path(one.path.name)
    assert not [name for name in names(store) if name.startswith(".")]


def test_names_that_fit_several_or_none(tmp_path: Path, store: PolicyStore) -> None:
    one, two = (
        store.install(make(tmp_path / "b.sluice", provenance={"seed": seed}))[0] for seed in (1, 2)
    )
    with pytest.raises(StoreError) as caught:
        store.use("linear")
    for bundle in (one, two):
        assert bundle.path.name.removesuffix(".sluice") in str(caught.value)
    assert "ambiguous" in str(caught.value)
    for wanted in ("lin", "", "../x", "current"):
        with pytest.raises(StoreError, match=r"no installed policy is called .*there are default,"):
            store.use(wanted)
    assert store.use(two.digest) == two


def test_use_verifies_again(tmp_path: Path, store: PolicyStore) -> None:
    one = store.install(full(tmp_path / "1.sluice", name="one"))[0]
    rewrite(one.path, POLICY_NPZ, flip)
    with pytest.raises(BundleTampered, match=r"policy\.npz is not the file"):
        store.use("one")
    assert store.in_use().digest == Bundle.default().digest


def test_what_is_in_use_and_damaged_is_an_error_and_no_other_policy(
    tmp_path: Path, store: PolicyStore
) -> None:
    one = store.install(full(tmp_path / "1.sluice", name="one"))[0]
    store.use("one")
    rewrite(one.path, POLICY_NPZ, flip)
    with pytest.raises(BundleTampered, match=r"policy\.npz is not.*`use default` the shipped one"):
        store.in_use()
    one.path.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        store.in_use()
    assert store.use("default").digest == store.in_use().digest


@pytest.mark.parametrize("target", ["../elsewhere.sluice", "/etc/passwd", "notes.txt"])
def test_a_link_out_of_the_store_is_refused(store: PolicyStore, target: str) -> None:
    store.folder.mkdir()
    (store.folder / "current").symlink_to(target)
    with pytest.raises(StoreError, match="leads out of the store"):
        store.in_use()


def test_a_crash_between_the_two_links_keeps_what_ran(
    tmp_path: Path, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        store.install(make(tmp_path / f"{name}.sluice", name=name))
    one = store.use("one")
    replace, done = Path.replace, []

    def dying(path: Path, target: Path) -> Path:
        if done:
            raise OSError(28, os.strerror(28))
        done.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(StoreError, match="No space left on device"):
        store.use("two")
    monkeypatch.undo()
    assert store.in_use() == one
    assert not [name for name in names(store) if name.startswith(".")]
    assert store.use("two") == store.in_use()
    assert store.use_previous() == one


def test_the_list_says_what_runs_and_what_would_not(tmp_path: Path) -> None:
    store = store_in(tmp_path, "openwrt-256mb")
    good = store.install(full(tmp_path / "1.sluice", name="good"))[0]
    bad = store.install(full(tmp_path / "2.sluice", name="bad"))[0]
    store.use("good")
    rewrite(bad.path, POLICY_NPZ, flip)
    (store.folder / "ruin.sluice").write_bytes(b"PK")
    shipped, *others = store.installed()
    assert (shipped.entry, shipped.in_use, shipped.previous) == ("default", False, True)
    assert shipped.problem == ""  # the shipped policy is made for the smallest box
    found = {each.path.name: each for each in others}
    assert found[good.path.name].in_use
    assert found[good.path.name].problem == ""
    assert found[bad.path.name].problem == "policy.npz is not the file that was signed"
    assert found["ruin.sluice"].claims is None
    assert "whole .sluice zip" in found["ruin.sluice"].problem


def test_a_store_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = PolicyStore(tmp_path / "file" / "store", (PUBLIC,), "", "auto")
    with pytest.raises(StoreError, match=r"use sudo, or name another folder") as caught:
        store.install(make(tmp_path / "b.sluice"))
    assert "\n" not in str(caught.value)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "current").mkdir()
    with pytest.raises(StoreError, match="is no link"):
        store_in(tmp_path).in_use()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_the_right_to_write(tmp_path: Path, store: PolicyStore) -> None:
    source = make(tmp_path / "b.sluice")
    store.folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        store.install(source)


def test_a_bundle_that_fits_has_no_misfits(tmp_path: Path) -> None:
    bundle = Bundle.load(full(tmp_path / "b.sluice"), (PUBLIC,))
    assert misfits(bundle, None) == misfits(bundle, Profile.named("openwrt-256mb")) == []


def test_every_misfit_is_told_with_its_numbers(tmp_path: Path) -> None:
    path = make(
        tmp_path / "b.sluice",
        npz=None,
        profile="x86-64-gateway",
        limits={"memory_mib": 448},
        gates=[GATE],
        provenance={"noise": os.urandom(150_000).hex()},
    )
    bundle, kib = Bundle.load(path, (PUBLIC,)), path.stat().st_size / 1024
    assert 100 < kib < 300  # hexadecimal digits compress to their four bits, not further
    small = Profile.named("openwrt-256mb")
    limits = small.limits.model_copy(update={"bundle_kib": 100})
    small = small.model_copy(update={"limits": limits})
    assert misfits(bundle, small) == [
        "its gate agreement did not pass (0.5 share, the limit is 0.99)",
        f"it has {kib:,.1f} KiB, openwrt-256mb bears 100",
        "it was made for x86-64-gateway, where the agent may take 448 MiB; on openwrt-256mb it may"
        " take 96",
        "openwrt-256mb computes by numpy, and it has no policy.npz",
    ]
    assert misfits(bundle, None) == [misfits(bundle, small)[0]]
    assert misfits(bundle, Profile.named("x86-64-gateway")) == [misfits(bundle, small)[0]]


def test_a_bundle_for_a_larger_box_is_refused_in_one_line(tmp_path: Path) -> None:
    source = make(tmp_path / "b.sluice", profile="x86-64-gateway", limits={"memory_mib": 448})
    with pytest.raises(BundleMisfit) as caught:
        store_in(tmp_path, "openwrt-256mb").install(source)
    assert str(caught.value).startswith(f"{source}: not for this box: it was made for x86-64-gate")
    assert str(caught.value).count("; ") == 2
    assert "no policy.npz" in str(caught.value)
    assert store_in(tmp_path, "x86-64-gateway").install(source)[1]
    with pytest.raises(BundleMisfit, match="may take 96"):
        store_in(tmp_path, "openwrt-256mb").use("linear")


def test_a_bundle_for_a_smaller_box_fits(tmp_path: Path) -> None:
    assert store_in(tmp_path, "x86-64-gateway").install(full(tmp_path / "b.sluice"))[1]


def test_a_profile_is_a_name_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    shipped = Path(__file__).parents[2] / "firmware_profiles" / "container.toml"
    path.write_text(shipped.read_text().replace('name = "container"', 'name = "mine"'))
    mine, named = box_profile(str(path)), box_profile("container")
    assert mine is not None
    assert named is not None
    assert (mine.name, named.name, box_profile("")) == ("mine", "container", None)
    with pytest.raises(ProfileError, match="no profile is called toaster"):
        box_profile("toaster")


def test_what_load_policy_takes(tmp_path: Path, store: PolicyStore) -> None:
    shipped = Bundle.default().digest
    settings = Settings(policy=PolicySettings(keys=(public_text(PUBLIC),), store=store.folder))
    assert load_policy(None, None, settings).bundle.digest == shipped
    one = store.install(make(tmp_path / "1.sluice", npz=linear_npz()))[0]
    store.use("linear")
    assert load_policy(None, None, settings).bundle == one
    assert load_policy(None, None).bundle.digest == shipped  # no settings: nothing is installed
    strange = make(tmp_path / "strange.sluice", secret=OTHER_SECRET)
    with pytest.raises(ConfigError, match="public key cannot be read"):
        load_policy(strange, None)
    with pytest.raises(BundleTampered, match="trusted key"):
        load_policy(strange, None, settings)
    keyless = Settings(policy=PolicySettings(store=store.folder))
    with pytest.raises(BundleTampered, match="trusted key"):
        load_policy(None, None, keyless)
    key = tmp_path / "key.pub"
    key.write_text(public_text(PUBLIC))
    assert load_policy(None, key, keyless).bundle == one


def test_a_key_beside_a_bundle_counts_only_where_none_is_configured(tmp_path: Path) -> None:
    strange = make(tmp_path / "strange.sluice", secret=OTHER_SECRET)
    other = Ed25519PrivateKey.from_private_bytes(OTHER_SECRET).public_key().public_bytes_raw()
    strange.with_suffix(".pub").write_text(public_text(other))
    assert load_policy(strange, None, Settings()).bundle.key == other
    settings = Settings(policy=PolicySettings(keys=(public_text(PUBLIC),)))
    with pytest.raises(BundleTampered, match="trusted key"):
        load_policy(strange, None, settings)
    assert load_policy(strange, strange.with_suffix(".pub"), settings).bundle.key == other
