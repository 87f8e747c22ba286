"""Networks of other sizes, drawn from the official one's parts by a seed.

The shape is Scenario2's: user desktops reveal enterprise servers, one enterprise server (the pivot)
reveals the operational server, and the operational subnet lies behind the enterprise one.
"""

from __future__ import annotations

import random
import re
from typing import Final

from training.cage2.scenario import MAX_HOSTS, Host, Scenario, Subnet
from training.errors import ScenarioError

MIN_HOSTS: Final = 5  # foothold, entry, two enterprise servers, the operational server
_GUARD_FROM: Final = 8  # hosts from which on one is blue's own
_DESKTOPS: Final = ("ftp_desktop", "smb_desktop", "mail_desktop", "database_desktop")
_SERVERS: Final = ("linux_server", "windows_server")
_NAME: Final = re.compile(r"generated-(\d+)(?:-(\d+))?")


def parse(name: str) -> Scenario | None:
    """The scenario that a name like ``generated-20-7`` stands for; None for other names."""
    match = _NAME.fullmatch(name)
    return generate(int(match[1]), int(match[2] or 0)) if match else None


def generate(hosts: int, seed: int = 0) -> Scenario:
    """A network of so many hosts; the same seed gives the same network.

    Raises:
        ScenarioError: more or fewer hosts than a scenario can have.
    """
    if not MIN_HOSTS <= hosts <= MAX_HOSTS:
        raise ScenarioError(f"a generated network has {MIN_HOSTS} to {MAX_HOSTS} hosts: {hosts}")
    rng = random.Random(seed)
    guards = int(hosts >= _GUARD_FROM)
    # Thirds, as near as the minimum of two servers, two desktops and one operational host allows.
    servers = max(2, (hosts - guards) // 3)
    operational = max(1, (hosts - guards) // 3)
    desktops = hosts - guards - servers - operational
    return Scenario(
        name=f"generated-{hosts}-{seed}",
        subnets=(
            Subnet(name="Enterprise"),
            Subnet(name="Operational", behind="Enterprise"),
            Subnet(name="User"),
        ),
        hosts=(
            *_enterprise(rng, guards, servers),
            *_operational(operational),
            *_users(rng, desktops, servers),
        ),
        foothold="User0",
        server="Op_Server0",
        entries=tuple(f"User{i}" for i in range(1, desktops)),
        pivot=f"Enterprise{servers - 1}",
    )


def _enterprise(rng: random.Random, guards: int, servers: int) -> list[Host]:
    guard = [Host(name="Defender", subnet="Enterprise", image="guard", weight=0.1)] * guards
    pivot = servers - 1
    return guard + [
        Host(
            name=f"Enterprise{i}",
            subnet="Enterprise",
            image=rng.choice(_SERVERS),
            weight=1.0,
            reveals="Op_Server0" if i == pivot else None,
        )
        for i in range(servers)
    ]


def _operational(count: int) -> list[Host]:
    hosts = [
        Host(name=f"Op_Host{i}", subnet="Operational", image="linux_server", weight=0.1)
        for i in range(count - 1)
    ]
    server = Host(name="Op_Server0", subnet="Operational", image="linux_server", weight=1.0)
    return [*hosts, server]


def _users(rng: random.Random, desktops: int, servers: int) -> list[Host]:
    foothold = Host(name="User0", subnet="User", image=rng.choice(_DESKTOPS), weight=0.0)
    return [foothold] + [
        Host(
            name=f"User{i}",
            subnet="User",
            image=rng.choice(_DESKTOPS),
            weight=0.1,
            reveals=f"Enterprise{rng.randrange(servers - 1)}",
        )
        for i in range(1, desktops)
    ]
