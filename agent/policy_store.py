"""The policies that are installed on a box: a folder of bundles, and links that say which runs.

The links ``current`` and ``previous`` hold the name of a bundle beside them, or `SHIPPED` for the
one in the package; without ``current`` that one runs. A bundle comes in by a rename and a link is
switched by one, so whoever looks, also after a power cut, finds the old state or the new one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.bundle import Bundle, Claims
from agent.bundle_files import opened, zipped
from agent.errors import BundleError, BundleMisfit, SluiceError, StoreError

if TYPE_CHECKING:
    from agent.config import RunnerChoice, Settings
    from agent.profile import Profile

SHIPPED: Final = "default"
_CURRENT: Final = "current"
_PREVIOUS: Final = "previous"
_SUFFIX: Final = ".sluice"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Installed:
    """A policy that can be put in use, or that no longer can.

    Attributes:
        entry: the file's name in the store, or `SHIPPED`.
        claims: what the bundle says of itself; none if it is damaged beyond that.
        problem: why it would be refused; empty if it would not.
    """

    entry: str
    path: Path
    claims: Claims | None
    problem: str
    in_use: bool
    previous: bool


@dataclass(frozen=True, slots=True)
class PolicyStore:
    """The folder, and what its bundles are held to.

    Attributes:
        folder: of the bundles and links; made when the first is installed.
        keys: trusted public keys, 32 bytes each.
        profile: a shipped firmware profile's name, or a TOML file; empty: none.
        runner: what computes a policy here.
    """

    folder: Path
    keys: tuple[bytes, ...]
    profile: str
    runner: RunnerChoice

    @classmethod
    def of(cls, settings: Settings, keys: tuple[bytes, ...]) -> PolicyStore:
        """The store that the settings name, with these keys."""
        policy = settings.policy
        return cls(policy.store, keys, policy.profile, policy.runner)

    def in_use(self) -> Bundle:
        """The bundle that decides, verified.

        Raises:
            BundleError: it must not be loaded; none other is taken instead.
            StoreError: the folder cannot be read.
        """
        entry = self._linked(_CURRENT)
        if entry is None or entry == SHIPPED:
            return Bundle.default()
        try:
            return self._load(self.folder / entry)
        except BundleError as error:
            hint = "`sluice policy use` puts another in use, `use default` the shipped one"
            raise type(error)(f"{error}; {hint}") from error

    def installed(self) -> list[Installed]:
        """The shipped policy, and every bundle in the folder."""
        current, previous = self._linked(_CURRENT) or SHIPPED, self._linked(_PREVIOUS)
        shipped = Bundle.default()
        misfit = "; ".join(misfits(shipped, box_profile(self.profile)))
        found: list[tuple[str, Path, Claims | None, str]] = [
            (SHIPPED, shipped.path, shipped, misfit)
        ]
        found += [(path.name, path, _claims(path), self._problem(path)) for path in self._bundles()]
        return [
            Installed(entry, path, claims, problem, entry == current, entry == previous)
            for entry, path, claims, problem in found
        ]

    def install(self, source: Path) -> tuple[Bundle, bool]:
        """Verify a bundle and copy it into the folder; what is there already stays as it is.

        Args:
            source: a folder or a ``.sluice`` zip.

        Returns:
            The bundle in the folder, and whether it was copied.

        Raises:
            BundleError: it does not verify, or must not run on this box.
            StoreError: the folder cannot be written.
        """
        given = self._load(source)
        self._must_run(given)
        target = self.folder / _file_name(given)
        try:
            there = self._load(target)
        except BundleError:
            pass  # there is none, or a damaged one, which is replaced
        else:
            if there.digest == given.digest:
                return there, False
        with _changing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._incoming(source) as incoming:
                # The copy is what will run, so it is the copy that counts.
                if self._load(incoming).digest != given.digest:
                    raise BundleError(f"{source}: changed while it was installed; try again")
                incoming.replace(target)
            self._sync()
        return self._load(target), True

    def use(self, wanted: str) -> Bundle:
        """Put a policy in use, verified again; what was in use becomes the previous one.

        Args:
            wanted: a name, the beginning of a digest, or `SHIPPED`.

        Raises:
            BundleError: it does not verify any more, or must not run on this box.
            StoreError: none is called so, or several are; or the folder cannot be written.
        """
        return self._switch(SHIPPED if wanted == SHIPPED else self._found(wanted))

    def use_previous(self) -> Bundle:
        """Go back to what was in use before.

        Raises:
            BundleError, StoreError: as `use`.
        """
        entry = self._linked(_PREVIOUS)
        if entry is None:
            raise StoreError(f"{self.folder}: no policy was in use before this one")
        return self._switch(entry)

    def _switch(self, entry: str) -> Bundle:
        bundle = Bundle.default() if entry == SHIPPED else self._load(self.folder / entry)
        self._must_run(bundle)
        before = self._linked(_CURRENT) or SHIPPED
        if entry != before:
            with _changing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._link(_PREVIOUS, before)
                self._link(_CURRENT, entry)
                self._sync()
        return bundle

    def _load(self, path: Path) -> Bundle:
        return Bundle.load(path, self.keys)

    def _must_run(self, bundle: Bundle) -> None:
        """It keeps the profile's limits, and computes here."""
        from agent.policy import Policy

        if reasons := misfits(bundle, box_profile(self.profile)):
            raise BundleMisfit(f"{bundle.path}: not for this box: {'; '.join(reasons)}")
        Policy(bundle, self.runner)

    def _problem(self, path: Path) -> str:
        try:
            bundle = self._load(path)
        except BundleError as error:
            return str(error).removeprefix(f"{path}: ")
        return "; ".join(misfits(bundle, box_profile(self.profile)))

    def _found(self, wanted: str) -> str:
        """The entry of a name or the beginning of a digest."""
        known = [(path, claims) for path in self._bundles() if (claims := _claims(path))]
        if wanted in (path.name for path, _ in known):
            return wanted
        matching = {
            path.name
            for path, claims in known
            if claims.manifest.name == wanted or (wanted and claims.digest.startswith(wanted))
        }
        if len(matching) == 1:
            return matching.pop()
        names = [path.name.removesuffix(_SUFFIX) for path, _ in known]
        if not matching:
            there = ", ".join([SHIPPED, *names])
            raise StoreError(f"no installed policy is called {wanted!r}; there are {there}")
        several = ", ".join(name.removesuffix(_SUFFIX) for name in sorted(matching))
        raise StoreError(f"{wanted!r} is ambiguous: {several}; say more of the digest")

    def _bundles(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    @contextmanager
    def _incoming(self, source: Path) -> Iterator[Path]:
        """A durable copy of a bundle in the folder, as a zip; removed unless renamed."""
        number, name = tempfile.mkstemp(prefix=".incoming-", dir=self.folder)
        copy = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                for chunk in _content(source):
                    file.write(chunk)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _linked(self, link: str) -> str | None:
        """The entry that a link holds; none if there is no link."""
        path = self.folder / link
        try:
            entry = str(path.readlink())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path}: is no link that can be read ({error.strerror})") from error
        if "/" in entry or not (entry == SHIPPED or entry.endswith(_SUFFIX)):
            raise StoreError(f"{path}: leads out of the store, to {entry!r}; remove it")
        return entry

    def _link(self, link: str, entry: str) -> None:
        fresh = self.folder / f".{link}-{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(entry)
        try:
            fresh.replace(self.folder / link)
        except OSError:
            fresh.unlink()
            raise

    def _sync(self) -> None:
        """Make renames in the folder last through a power cut."""
        number = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def misfits(bundle: Bundle, profile: Profile | None) -> list[str]:
    """Why a bundle must not run on a box of this profile, all reasons; none: it may.

    Args:
        bundle: verified.
        profile: of the box; none: only the bundle's own gates count.
    """
    made = bundle.manifest
    reasons = [
        f"its gate {gate.name} did not pass ({gate.found:g} {gate.unit}"
        + (")" if gate.limit is None else f", the limit is {gate.limit:g})")
        for gate in made.gates
        if not gate.passed
    ]
    if profile is None:
        return reasons
    kib = bundle.size / 1024
    if kib > profile.limits.bundle_kib:
        reasons.append(f"it has {kib:,.1f} KiB, {profile.name} bears {profile.limits.bundle_kib:,}")
    if (memory := made.limits.get("memory_mib", 0)) > profile.limits.memory_mib:
        reasons.append(
            f"it was made for {made.profile or 'a box'}, where the agent may take {memory:,g} MiB;"
            f" on {profile.name} it may take {profile.limits.memory_mib:,}"
        )
    if profile.policy.runner == "numpy" and bundle.npz is None:
        reasons.append(f"{profile.name} computes by numpy, and it has no policy.npz")
    return reasons


def box_profile(name: str) -> Profile | None:
    """The profile of a name or of a TOML file; none for an empty name.

    Raises:
        ProfileError: there is none, or it contradicts itself.
    """
    from agent.profile import Profile

    return Profile.of(name) if name else None


def _claims(path: Path) -> Claims | None:
    try:
        return Claims.read(path)
    except BundleError:
        return None


def _file_name(bundle: Bundle) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", bundle.manifest.name).strip("-.")[:48]
    return f"{name or 'policy'}-{bundle.digest[:16]}{_SUFFIX}"


def _content(source: Path) -> Iterator[bytes]:
    """The bytes of a bundle's zip; those of a folder are zipped."""
    if source.is_dir():
        with opened(source) as files:
            yield zipped({name: files.read(name) for name in files.sizes})
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """What the operating system refuses, in one line."""
    try:
        yield
    except SluiceError:
        raise
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be changed ({error.strerror or error}); use sudo, or name another"
            " folder as policy.store in a file for --config"
        ) from error
