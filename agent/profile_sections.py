"""The sections of a firmware profile, and what can be told of each by itself."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

Runner = Literal["onnxruntime", "numpy"]
Family = Literal["inet", "ip", "ip6", "bridge", "netdev"]

# nft(8), address families; ingress of inet is there since Linux 5.10, egress since 5.16.
_IP_HOOKS: Final = ("prerouting", "input", "forward", "output", "postrouting")
HOOKS: Final[dict[Family, tuple[str, ...]]] = {
    "inet": (*_IP_HOOKS, "ingress"),
    "ip": _IP_HOOKS,
    "ip6": _IP_HOOKS,
    "bridge": _IP_HOOKS,
    "netdev": ("ingress", "egress"),
}

# A network device's name in Linux: dev_valid_name(), of at most IFNAMSIZ - 1 bytes.
Interface = Annotated[str, StringConstraints(pattern=r"^[^\s/:]{1,15}$")]


class Section(BaseModel):
    """A table of the file: no unknown key, no change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(Section):
    """The box."""

    architecture: Literal["x86-64", "aarch64", "armv7l", "riscv64"] = Field(
        description="instruction set that packages are chosen for"
    )
    libc: Literal["glibc", "musl"] = Field(
        description="C library of the distribution: decides which wheels can be installed"
    )
    distribution: str = Field(
        min_length=1, description="operating system that the profile is made for"
    )
    cores: int = Field(ge=1, description="CPU cores; the agent uses one")
    ram_mib: int = Field(ge=64, description="memory of the whole box, or a container's limit, MiB")


class Limits(Section):
    """What the export's gates hold the agent and its policy to."""

    memory_mib: int = Field(
        ge=1, description="most resident memory of the agent, tables full, teacher not counted, MiB"
    )
    bundle_kib: int = Field(ge=1, description="largest size of the policy's bundle, KiB")
    latency_us: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="99th percentile of judging one observation alone, on one core, µs",
    )


class TeacherPlan(Section):
    """The language model that teaches; no verdict waits for it."""

    on_box: bool = Field(False, description="whether it is installed on the box, too")
    memory_mib: int = Field(
        0, ge=0, description="most resident memory of its own process, MiB; 0 where not on the box"
    )

    @model_validator(mode="after")
    def _has_memory(self) -> Self:
        if self.on_box and not self.memory_mib:
            raise ValueError("on_box needs memory_mib; the shipped model takes 66 MiB: 96 will do")
        if self.memory_mib and not self.on_box:
            raise ValueError("memory_mib is for a teacher on the box; set on_box, or leave it out")
        return self


class PolicyPlan(Section):
    """The form in which the policy is installed."""

    runner: Runner = Field(description="what computes it")
    quantisation: Literal["fp32", "int8"] = Field(
        description="arithmetic of the ONNX network: int8 kernels, or the same integers in floats"
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64), min_length=1, description="units of the student's hidden layers, before pruning"
    )
    pruned: float = Field(
        0.0, ge=0, lt=1, description="share of each hidden layer's units that is pruned"
    )


class CapturePlan(Section):
    """Where packets come from."""

    backend: Literal["ring", "files"] = Field(
        description="AF_PACKET ring of live packets, or capture files"
    )
    interfaces: tuple[Interface, ...] = Field(
        (), description="network devices that are watched: the side where the local hosts are"
    )
    buffer_mib: int = Field(
        4, ge=1, le=1024, description="the ring, or the block that is read of a file, MiB"
    )

    @model_validator(mode="after")
    def _has_interfaces(self) -> Self:
        if self.backend == "ring" and not self.interfaces:
            raise ValueError('a ring needs interfaces; name the LAN side, as in ["br-lan"]')
        if len(set(self.interfaces)) < len(self.interfaces):
            raise ValueError("an interface is named twice; its packets would count twice")
        return self


class EnforcementPlan(Section):
    """What puts verdicts in force."""

    backend: Literal["nftables", "record"] = Field(
        description="the kernel's firewall, or a dry run that only records"
    )
    family: Family = Field("inet", description="address family of the nftables table")
    hook: str = Field(
        "forward",
        validate_default=True,
        description="of the nftables chain: forward stops what passes through the gateway, input"
        " protects the box alone",
    )

    @field_validator("hook")
    @classmethod
    def _is_of_the_family(cls, hook: str, info: ValidationInfo) -> str:
        family: Family | None = info.data.get("family")
        if family and hook not in HOOKS[family]:
            raise ValueError(
                f"nftables has no hook '{hook}' in family {family}; it has {_and(HOOKS[family])}"
            )
        return hook


class EnginePlan(Section):
    """How often the agent decides, and about how much at a time."""

    tick_s: float = Field(
        1.0, gt=0, le=60, description="packet time after which verdicts come into force, s"
    )
    batch: int = Field(
        4096, ge=1, le=1 << 20, description="most decision points of one pass (696 bytes each)"
    )


def _and(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]
