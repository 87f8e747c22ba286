"""Firmware profiles: what they accept, and how they refuse."""

from __future__ import annotations

import re
import tomllib
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.allowlist import AllowList, networks
from agent.config import HOME_NETWORKS, GuardSettings, Settings
from agent.errors import ProfileError
from agent.flows.capacity import Capacity
from agent.flows.footprint import Footprint
from agent.flows.table import FlowTable
from agent.profile import MIB, Profile, path_of, shipped
from agent.profile_sections import HOOKS

SHIPPED = {
    *("x86-64-gateway", "raspberry-pi-5", "raspberry-pi-4-1gb", "nanopi-r5s"),
    *("generic-aarch64-512mb", "openwrt-256mb", "container"),
}


def changed(name: str = "raspberry-pi-4-1gb", **sections: dict[str, Any]) -> dict[str, Any]:
    """A shipped profile's content, with some fields changed."""
    content = tomllib.loads(path_of(name).read_text(encoding="utf-8"))
    for section, fields in sections.items():
        content[section] = {**content.get(section, {}), **fields}
    return content


def refusal(name: str = "raspberry-pi-4-1gb", **sections: dict[str, Any]) -> str:
    """Why a changed profile is refused: the first error, as ``section: message``."""
    with pytest.raises(ValidationError) as caught:
        Profile.model_validate(changed(name, **sections))
    error = caught.value.errors()[0]
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_the_profiles_that_we_promise_are_shipped() -> None:
    assert set(shipped()) == SHIPPED


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_loads_under_its_own_name_and_fits(name: str) -> None:
    profile = Profile.named(name)
    assert profile.name == name
    assert profile.memory_bytes <= profile.limits.memory_mib * MIB
    assert profile.enforcement.hook == "forward"  # a gateway's traffic is not its own


def test_openwrt_needs_no_wheel() -> None:
    profile = Profile.named("openwrt-256mb")
    assert (profile.machine.libc, profile.policy.runner) == ("musl", "numpy")
    assert profile.machine.ram_mib == 256


def test_settings_take_the_tick_and_the_caps_and_leave_the_rest() -> None:
    profile = Profile.model_validate(changed(engine={"tick_s": 2.0}))
    base = Settings(guard=GuardSettings(allow=("port 22",)))
    settings = profile.settings(base)
    assert settings.tick_s == 2.0
    assert settings.flows.capacity == profile.capacity
    assert settings.flows.idle_s == base.flows.idle_s
    assert settings.guard == base.guard
    assert profile.settings().guard == GuardSettings()


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"machine": {"architecture": "sparc"}}, "machine.architecture: .*'aarch64'"),
        ({"machine": {"ram": 5}}, "machine.ram: Extra inputs"),
        ({"capture": {"backend": "pcap"}}, "capture.backend: .*'ring' or 'files'"),
        ({"enforcement": {"backend": "iptables"}}, "enforcement.backend: .*'nftables' or 'record'"),
        ({"policy": {"runner": "torch"}}, "policy.runner: .*'onnxruntime' or 'numpy'"),
        ({"policy": {"quantisation": "int4"}}, "policy.quantisation: .*'fp32' or 'int8'"),
        ({"limits": {"latency_us": float("inf")}}, "limits.latency_us: .*finite"),
        ({"engine": {"tick_s": 0}}, "engine.tick_s: .*greater than 0"),
        ({"capacity": {"flows": 1}}, "capacity.flows: .*greater than or equal to 16"),
        ({"capture": {"interfaces": []}}, r'capture: .*needs interfaces; .*\["br-lan"\]'),
        ({"capture": {"interfaces": ["eth0", "eth0"]}}, "capture: .*named twice"),
        ({"capture": {"interfaces": ["eth 0"]}}, "capture.interfaces.0: .*pattern"),
        ({"capture": {"interfaces": ["averylonginterface"]}}, "capture.interfaces.0: .*pattern"),
        ({"teacher": {"on_box": True}}, "teacher: .*on_box needs memory_mib"),
        ({"teacher": {"memory_mib": 64}}, "teacher: .*set on_box"),
    ],
)
def test_a_mistake_within_a_section_is_named(sections: dict[str, Any], says: str) -> None:
    assert re.match(says, refusal(**sections))


def test_the_agent_leaves_a_quarter_of_the_ram() -> None:
    assert refusal(limits={"memory_mib": 800}).endswith("lower it by 32, to 768 or less")
    assert Profile.model_validate(changed(limits={"memory_mib": 768}))


def test_a_teacher_needs_memory_beside_the_agent() -> None:
    # 768 MiB of 1,024 are usable, 192 the agent's: 576 are left.
    says = refusal(teacher={"on_box": True, "memory_mib": 600})
    assert says.startswith("teacher: ")
    assert "576 of 1024 MiB are free, 24 too few; leave it off the box (on_box = false)" in says
    assert Profile.model_validate(changed(teacher={"on_box": True, "memory_mib": 576}))


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        ({"libc": "musl"}, "has no wheel for musl"),
        ({"architecture": "armv7l"}, "has no wheel for armv7l"),
        ({"architecture": "riscv64"}, "has no wheel for riscv64"),
        ({"ram_mib": 384}, "needs 512 MiB of RAM, 128 more than there is"),
    ],
)
def test_onnxruntime_is_refused_where_it_cannot_be(machine: dict[str, Any], says: str) -> None:
    expected = f'policy: Value error, onnxruntime {says}; set policy.runner = "numpy"'
    assert refusal(machine=machine) == expected
    assert Profile.model_validate(changed(machine=machine, policy={"runner": "numpy"}))


@pytest.mark.parametrize("family", HOOKS)
@pytest.mark.parametrize("hook", sorted({hook for hooks in HOOKS.values() for hook in hooks}))
def test_a_hook_is_one_of_its_family(family: str, hook: str) -> None:
    chosen = {"family": family, "hook": hook}
    if hook in HOOKS[family]:  # type: ignore[index]
        assert Profile.model_validate(changed(enforcement=chosen)).enforcement.hook == hook
    else:
        says = refusal(enforcement=chosen)
        assert f"enforcement.hook: Value error, nftables has no hook '{hook}' in" in says
        assert "; it has " in says


def test_the_default_hook_is_checked_too() -> None:
    content = changed()
    content["enforcement"] = {"backend": "nftables", "family": "netdev"}
    with pytest.raises(ValidationError, match="no hook 'forward' in family netdev; it has ingress"):
        Profile.model_validate(content)


@pytest.mark.parametrize(("family", "hook"), [("netdev", "egress"), ("inet", "ingress")])
def test_a_hook_on_a_device_needs_the_device(family: str, hook: str) -> None:
    capture = {"backend": "files", "interfaces": []}
    says = refusal(capture=capture, enforcement={"family": family, "hook": hook})
    assert says.endswith("is on a device; name it in capture.interfaces")
    dry = {"backend": "record", "family": family, "hook": hook}
    assert Profile.model_validate(changed(capture=capture, enforcement=dry))


def test_tables_that_do_not_fit_are_told_by_how_much() -> None:
    says = refusal(capacity={"flows": 1 << 20})
    assert says.startswith("capacity: Value error, the tables take ")
    assert "1,048,576 flows 356," in says
    assert "Python with onnxruntime 96 and the capture buffer 8" in says
    assert "lower the counts, or raise it to" in says


def test_the_default_capacity_is_checked_too() -> None:
    content = changed("openwrt-256mb")
    del content["capacity"]
    with pytest.raises(ValidationError, match="131,072 flows 45"):
        Profile.model_validate(content)


@given(
    flows=st.integers(16, 1 << 21), hosts=st.integers(16, 1 << 18), limit=st.integers(100, 1_500)
)
def test_a_profile_is_taken_if_and_only_if_it_fits(flows: int, hosts: int, limit: int) -> None:
    capacity = {"flows": flows, "hosts": hosts}
    machine = {"ram_mib": 8192}
    tables = Footprint.of(Capacity(flows=flows, hosts=hosts), 4096)  # pairs, rules: as shipped
    needed = 96 + 8 - (-tables.total // MIB)
    if needed <= limit:
        made = changed(machine=machine, limits={"memory_mib": limit}, capacity=capacity)
        assert Profile.model_validate(made).memory_bytes <= limit * MIB
        return
    says = refusal(machine=machine, limits={"memory_mib": limit}, capacity=capacity)
    assert f"{needed - limit} more than limits.memory_mib" in says
    enough = int(says.rpartition(" ")[2])
    assert enough == needed
    raised = changed(machine=machine, limits={"memory_mib": enough}, capacity=capacity)
    assert Profile.model_validate(raised)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(path_of("container").read_text(encoding="utf-8").replace("int8", "int7"))
    with pytest.raises(ProfileError, match=r"mine\.toml: policy\.quantisation: "):
        Profile.load(path)
    with pytest.raises(ProfileError, match="cannot be read"):
        Profile.load(tmp_path / "absent.toml")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match="called toaster; there are container, generic"):
        Profile.named("toaster")
    with pytest.raises(ProfileError, match="no profile is called"):
        Profile.named("../pyproject")


def allocated(capacity: Capacity, batch: int) -> int:
    """Bytes of the arrays that the tables allocate."""
    allowed, home = AllowList.parse([]), networks(HOME_NETWORKS)
    tracemalloc.start()
    try:
        table = FlowTable(capacity, 120.0, 1800.0, home, allowed, 1, batch)
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    assert table.index.capacity == capacity.flows
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in snapshot.filter_traces([arrays]).traces)


@pytest.mark.parametrize(
    ("capacity", "batch"),
    [
        (Capacity(flows=1000, hosts=16, pairs=16, rules=16), 16),
        (Capacity(flows=16, hosts=1000, pairs=16, rules=16), 16),
        (Capacity(flows=16, hosts=16, pairs=1000, rules=16), 16),
        (Capacity(flows=16, hosts=16, pairs=16, rules=1000), 16),
        (Capacity(flows=16, hosts=16, pairs=16, rules=16), 1000),
        (Capacity(flows=4096, hosts=512, pairs=2048, rules=256), 1024),
    ],
)
def test_a_footprint_is_what_the_tables_allocate(capacity: Capacity, batch: int) -> None:
    least = Capacity(flows=16, hosts=16, pairs=16, rules=16)
    grown = allocated(capacity, batch) - allocated(least, 16)
    assert grown == Footprint.of(capacity, batch).total - Footprint.of(least, 16).total


def test_footprint_by_hand() -> None:
    capacity = Capacity(flows=16, hosts=16, pairs=16, rules=16)
    found = Footprint.of(capacity, 2)
    assert found.flows == 17 * (296 + 52) + 4 * 32
    assert found.pairs == 17 * (48 + 52) + 4 * 32
    assert found.rules == 17 * (24 + 52) + 4 * 32
    assert found.hosts == 17 * (392 + 52) + 4 * 32 + 129 * (8 + 52) + 4 * 256 + 17 * 5 * 4
    assert found.passes == 2 * 696
