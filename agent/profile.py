"""A firmware profile: what one kind of box can bear, and how the agent is set up on it.

One TOML file a kind of box, in ``firmware_profiles/``. It says how much the agent may take, which
the export's gates hold a policy to, and it cannot contradict itself: tables that do not fit the
memory, or a runtime that the box has no package of, are refused with what to change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field, ValidationInfo, field_validator

from agent.config import FlowSettings, Settings
from agent.errors import ProfileError
from agent.flows.capacity import Capacity
from agent.flows.footprint import Footprint
from agent.profile_sections import (
    CapturePlan,
    EnforcementPlan,
    EnginePlan,
    Limits,
    Machine,
    PolicyPlan,
    Runner,
    Section,
    TeacherPlan,
)
from agent.toml_file import read_toml

# Beside the packages, in a checkout and where a wheel puts them.
FOLDER: Final = Path(__file__).parents[1] / "firmware_profiles"

MIB: Final = 1 << 20

# Resident MiB of an idle agent beside its tables: Python, the libraries, the policy, its runner.
# Measured on x86-64 with CPython 3.11: 58 without onnxruntime, 85 with it; rounded up.
PROCESS_MIB: Final[dict[Runner, int]] = {"onnxruntime": 96, "numpy": 64}

# Part of the RAM that is left to the kernel, its caches and the box's other services.
_SYSTEM_SHARE: Final = 0.25

# onnxruntime's wheels on PyPI for Linux are manylinux, that is glibc, of these two.
_ONNXRUNTIME_WHEELS: Final = ("x86-64", "aarch64")
_ONNXRUNTIME_RAM_MIB: Final = 512

S = TypeVar("S")


class Profile(Section):
    """The whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="as its file is called")
    description: str = Field(min_length=1, description="which boxes it is for, in a line")
    machine: Machine
    limits: Limits
    teacher: TeacherPlan = TeacherPlan()
    policy: PolicyPlan
    capture: CapturePlan
    enforcement: EnforcementPlan
    engine: EnginePlan = EnginePlan()
    capacity: Capacity = Field(Capacity(), validate_default=True)

    # The checks below belong to the section that is best changed; those declared before it that
    # were found wrong themselves are missing from ``info.data``.

    @field_validator("limits")
    @classmethod
    def _leaves_room_for_the_system(cls, limits: Limits, info: ValidationInfo) -> Limits:
        if (machine := _known(info, "machine", Machine)) and limits.memory_mib > _usable(machine):
            raise ValueError(
                f"memory_mib is {limits.memory_mib}, and of {machine.ram_mib} MiB of RAM a quarter"
                f" is left to the system; lower it by {limits.memory_mib - _usable(machine)}, to"
                f" {_usable(machine)} or less"
            )
        return limits

    @field_validator("teacher")
    @classmethod
    def _fits_beside_the_agent(cls, teacher: TeacherPlan, info: ValidationInfo) -> TeacherPlan:
        machine, limits = _known(info, "machine", Machine), _known(info, "limits", Limits)
        if not (teacher.on_box and machine and limits):
            return teacher
        rest = _usable(machine) - limits.memory_mib
        if teacher.memory_mib > rest:
            raise ValueError(
                f"a teacher of {teacher.memory_mib} MiB does not fit: beside the system and the"
                f" agent's {limits.memory_mib} MiB, {rest} of {machine.ram_mib} MiB are free,"
                f" {teacher.memory_mib - rest} too few; leave it off the box (on_box = false), or"
                " lower limits.memory_mib"
            )
        return teacher

    @field_validator("policy")
    @classmethod
    def _has_a_runtime(cls, policy: PolicyPlan, info: ValidationInfo) -> PolicyPlan:
        machine = _known(info, "machine", Machine)
        if policy.runner != "onnxruntime" or not machine:
            return policy
        why = ""
        if machine.libc != "glibc":
            why = f"has no wheel for {machine.libc}"
        elif machine.architecture not in _ONNXRUNTIME_WHEELS:
            why = f"has no wheel for {machine.architecture}"
        elif machine.ram_mib < _ONNXRUNTIME_RAM_MIB:
            short = _ONNXRUNTIME_RAM_MIB - machine.ram_mib
            why = f"needs {_ONNXRUNTIME_RAM_MIB} MiB of RAM, {short} more than there is"
        if why:
            raise ValueError(f'onnxruntime {why}; set policy.runner = "numpy"')
        return policy

    @field_validator("enforcement")
    @classmethod
    def _has_devices(cls, enforcement: EnforcementPlan, info: ValidationInfo) -> EnforcementPlan:
        capture = _known(info, "capture", CapturePlan)
        if enforcement.backend != "nftables" or not capture or capture.interfaces:
            return enforcement
        if enforcement.family == "netdev" or enforcement.hook == "ingress":
            raise ValueError(
                f"the hook {enforcement.hook} of {enforcement.family} is on a device;"
                " name it in capture.interfaces"
            )
        return enforcement

    @field_validator("capacity")
    @classmethod
    def _fits_the_memory(cls, capacity: Capacity, info: ValidationInfo) -> Capacity:
        limits, policy = _known(info, "limits", Limits), _known(info, "policy", PolicyPlan)
        capture, engine = _known(info, "capture", CapturePlan), _known(info, "engine", EnginePlan)
        if not (limits and policy and capture and engine):
            return capacity
        tables = Footprint.of(capacity, engine.batch)
        process = PROCESS_MIB[policy.runner]
        needed = process + capture.buffer_mib + _mib(tables.total)
        if needed > limits.memory_mib:
            raise ValueError(
                f"the tables take {_mib(tables.total)} MiB ({capacity.flows:,} flows"
                f" {tables.flows / MIB:.0f}, {capacity.hosts:,} hosts {tables.hosts / MIB:.0f},"
                f" {capacity.pairs:,} pairs {tables.pairs / MIB:.0f}), Python with {policy.runner}"
                f" {process} and the capture buffer {capture.buffer_mib}: {needed} MiB,"
                f" {needed - limits.memory_mib} more than limits.memory_mib ="
                f" {limits.memory_mib}; lower the counts, or raise it to {needed}"
            )
        return capacity

    @property
    def footprint(self) -> Footprint:
        """What the tables take."""
        return Footprint.of(self.capacity, self.engine.batch)

    @property
    def memory_bytes(self) -> int:
        """Resident memory to be expected of the agent when its tables are full."""
        fixed_mib = PROCESS_MIB[self.policy.runner] + self.capture.buffer_mib
        return fixed_mib * MIB + self.footprint.total

    def settings(self, base: Settings | None = None) -> Settings:
        """The agent's settings on such a box: ``base``, or the defaults, with its tick and caps."""
        base = base or Settings()
        flows: FlowSettings = base.flows.model_copy(update={"capacity": self.capacity})
        return base.model_copy(update={"tick_s": self.engine.tick_s, "flows": flows})

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read a TOML file.

        Raises:
            ProfileError: it cannot be read, is no TOML, or describes what cannot be.
        """
        return read_toml(path, cls, ProfileError)

    @classmethod
    def named(cls, name: str) -> Profile:
        """A shipped profile.

        Raises:
            ProfileError: there is none of this name.
        """
        if name not in shipped():
            raise ProfileError(f"no profile is called {name}; there are {', '.join(shipped())}")
        return cls.load(path_of(name))

    @classmethod
    def of(cls, name: str) -> Profile:
        """A shipped profile, or that of a TOML file.

        Raises:
            ProfileError: there is none, or it cannot be used.
        """
        return cls.load(Path(name)) if name.endswith(".toml") else cls.named(name)


def shipped() -> tuple[str, ...]:
    """The names of the shipped profiles, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def path_of(name: str) -> Path:
    """The file of a shipped profile."""
    return FOLDER / f"{name}.toml"


def _known(info: ValidationInfo, name: str, kind: type[S]) -> S | None:
    """A section that was declared before and found right."""
    section = info.data.get(name)
    return section if isinstance(section, kind) else None


def _usable(machine: Machine) -> int:
    """MiB for the agent and its teacher together."""
    return int(machine.ram_mib * (1 - _SYSTEM_SHARE))


def _mib(count: int) -> int:
    """Bytes as MiB, rounded up."""
    return -(-count // MIB)
