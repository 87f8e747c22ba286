"""All habits: how often machines of which kind follow them, and in which houses they are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from training.gateway.synth.benign import (
    automation,
    database,
    devices,
    directory,
    gaming,
    household,
    industrial,
    mail_server,
    management,
    neighbours,
    office,
    peer_to_peer,
    personal,
    serving,
    telephony,
    trouble,
    tunnels,
)
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site

Habit: TypeAlias = Callable[[Site, Machine], None]
"""One occasion of something that a machine does."""


def _by(
    desktop: float = 0, phone: float = 0, media: float = 0, thing: float = 0, server: float = 0
) -> dict[str, float]:
    """How often machines of each kind do something; printers are things."""
    weights = {"desktop": desktop, "phone": phone, "media": media, "thing": thing}
    weights |= {"printer": thing, "server": server}
    return {kind: weight for kind, weight in weights.items() if weight}


EVERYDAY: Final[dict[Habit, dict[str, float]]] = {
    personal.browse: _by(18, 18, 4, 2),
    personal.mistype: _by(2.5, 2.5, 0, 0.3),
    personal.deaf_resolver: _by(0.3, 0.3),
    personal.tabs: _by(1.5, 1.5),
    personal.watch: _by(0.8, 0.8, 3),
    personal.fetch: _by(0.8, 0.8, 0, 0.3, 1),
    personal.post: _by(2, 2, 0, 0, 1),
    personal.talk: _by(0.9, 0.9),
    personal.play: _by(0.5, 0.5, 0.6),
    personal.tunnel: _by(0.8, 0.8),
    household.listen: _by(2, 5, 0, 1.5, 0.7),
    household.back_up: _by(0.7, 0.7, 0, 0.3, 1),
    household.open_share: _by(1, 1, 0, 0, 1),
    household.print_pages: _by(0.5, 0.5),
    household.administer: _by(0.7, 0.05, 0, 0, 0.7),
    household.retry: _by(0.4, 0.4, 0, 0.4, 0.5),
    household.report: _by(1, 1, 3, 5, 1.5),
    household.ping_out: _by(0.3, 0.3, 0, 0.5),
    household.watch_over: _by(server=0.7),
    neighbours.come_up: _by(0.5, 1, 0.5, 0.5, 0.2),
    neighbours.keep_neighbour: _by(0.5, 0.5, 0.5, 0.2, 0.5),
    neighbours.refuse_late_answers: _by(0.5, 0.5, 0.3, 0.3, 0.3),
    serving.serve: _by(0.1, 0, 0.1, 0.2, 4),
}
"""What is done everywhere."""


@dataclass(frozen=True)
class Topic:
    """Habits that go together.

    Attributes:
        chance: that a house of each kind knows them.
        habits: each with how often machines of a kind follow it.
    """

    chance: dict[str, float]
    habits: dict[Habit, dict[str, float]]


_SHARING: Final = Topic(
    {"home": 0.6, "office": 0.3, "things": 0.2},
    {
        peer_to_peer.gossip: _by(1.5, 0.4, 0.3, 0.1, 1),
        peer_to_peer.swarm: _by(1.5, 0.3, 0.3, 0, 1),
        peer_to_peer.gnutella: _by(1.2, 0.1, 0, 0, 0.3),
        peer_to_peer.micro_transport: _by(1, 0.3, 0, 0, 0.7),
        peer_to_peer.announce: _by(1, 0.2, 0, 0, 0.7),
        peer_to_peer.map_port: _by(1, 0.5, 0.6, 0.3, 0.5),
        peer_to_peer.keep_node: _by(0.8, 0, 0, 0.1, 1),
        peer_to_peer.fetch_from_peer: _by(0.6, 0.1, 0, 0, 0.3),
    },
)
_DESKS: Final = Topic(
    {"home": 0.15, "office": 0.85, "things": 0.15},
    {
        directory.log_on: _by(2, 0.1, 0, 0, 0.4),
        directory.rush: _by(server=0.6),
        directory.refresh: _by(2, 0.1, 0, 0, 0.7),
        directory.search_domains: _by(2, 0.3, 0, 0.1, 0.5),
        directory.netbios: _by(1.2, 0, 0.1, 0.3, 0.5),
        office.groupware: _by(2, 1, 0, 0, 0.2),
        office.poll_mail: _by(0.6, 0.8),
        office.update: _by(0.8, 0.1, 0, 0, 0.5),
        office.share_updates: _by(0.7, 0, 0.1),
        office.work_remotely: _by(1, 0.1, 0, 0, 0.3),
        office.print_raw: _by(0.8, 0.1, 0, 0, 0.4),
        office.mount_shares: _by(1, 0, 0.1, 0.1, 0.3),
        office.save_often: _by(0.8, 0, 0, 0.1, 0.2),
    },
)
_DATA: Final = Topic(
    {"home": 0.1, "office": 0.5, "things": 0.2},
    {
        database.pool: _by(0.3, 0, 0, 0.05, 2),
        database.connect_each_time: _by(0.3, 0, 0, 0.1, 1.5),
        database.replicate: _by(0.05, 0, 0, 0, 0.8),
        database.analyse: _by(0.5, 0, 0, 0, 0.5),
    },
)
_SERVING: Final = Topic(
    {"home": 0.45, "office": 0.7, "things": 0.4},
    {
        serving.be_popular: _by(0.05, 0, 0, 0.1, 2),
        serving.be_crawled: _by(server=2),
        serving.be_watched: _by(0, 0, 0, 0.05, 1),
        serving.be_polled: _by(0.05, 0, 0, 0.2, 1.8),
        serving.be_called_back: _by(server=0.8),
        serving.check_health: _by(server=1.2),
        serving.pass_on: _by(server=1.2),
        serving.answer_strangers: _by(0.1, 0, 0, 0, 1.2),
        serving.hand_out: _by(server=0.7),
    },
)
_MAIL: Final = Topic(
    {"home": 0.12, "office": 0.4, "things": 0.05},
    {
        mail_server.receive: _by(server=2.5),
        mail_server.send_queue: _by(0, 0, 0, 0.05, 1.2),
        mail_server.keep_accounts: _by(server=1.5),
        mail_server.wrong_password: _by(0.3, 0.6, 0, 0.2),
    },
)
_PROGRAMS: Final = Topic(
    {"home": 0.25, "office": 0.55, "things": 0.25},
    {
        automation.run_playbook: _by(0.7, 0, 0, 0, 1.2),
        automation.use_repository: _by(1, 0, 0, 0.05, 1.2),
        automation.run_regularly: _by(0.4, 0, 0, 0.2, 1),
        automation.copy_files: _by(0.7, 0.05, 0, 0, 0.8),
        automation.build: _by(0.5, 0, 0, 0, 0.8),
        automation.install: _by(0.8, 0.2, 0, 0.1, 0.8),
        automation.ask_in_a_loop: _by(1, 0.2, 0, 0.2, 1),
        automation.mistype_password: _by(0.9, 0.1, 0, 0, 0.3),
        automation.offer_keys: _by(0.3, 0, 0, 0.1, 0.5),
    },
)
_CARE: Final = Topic(
    {"home": 0.35, "office": 0.7, "things": 0.5},
    {
        management.poll_counters: _by(server=0.9),
        management.sweep: _by(server=0.9),
        management.take_stock: _by(server=0.7),
        management.discover: _by(1, 0.8, 0.8, 0.6, 0.2),
        management.set_clock: _by(0.4, 0.2, 0.2, 0.6, 0.8),
        management.report_events: _by(0.3, 0, 0, 0.8, 1.2),
        management.back_up_all: _by(server=0.6),
        management.distribute: _by(server=0.6),
        management.restart: _by(server=1),
    },
)
_TROUBLE: Final = Topic(
    {"home": 0.8, "office": 0.7, "things": 0.6},
    {
        trouble.race_addresses: _by(1.2, 1.5, 0.5, 0.1, 0.2),
        trouble.run_into_blocks: _by(1, 1.2, 0.8, 0.5),
        trouble.meet_portal: _by(0.3, 0.6, 0.2, 0.1),
        trouble.lose_line: _by(0.4, 0.4, 0.2, 0.2, 0.2),
        trouble.wake_up: _by(1, 1.2, 0.3, 0.1),
        trouble.try_ports: _by(0.4, 0.4, 0.4, 0.5, 0.2),
        trouble.measure_speed: _by(0.3, 0.3, 0.1, 0.05),
    },
)
_THINGS: Final = Topic(
    {"home": 0.6, "office": 0.3, "things": 0.95},
    {
        devices.beat: _by(0.1, 0.2, 0.4, 1.5),
        devices.publish: _by(thing=0.9, server=0.4),
        devices.ask_sensors: _by(0.05, 0.1, 0.1, 0.5, 0.3),
        devices.watch_camera: _by(0.3, 0.3, 0.3, 0.1, 0.6),
        devices.punch_through: _by(thing=0.8),
        devices.cast: _by(0.3, 0.8, 0.5, 0.2),
        devices.shout: _by(0.05, 0.05, 0.3, 0.8),
        devices.get_firmware: _by(media=0.2, thing=0.5),
    },
)
_PLANTS: Final = Topic(
    {"home": 0.08, "office": 0.12, "things": 0.45},
    {
        industrial.poll: _by(0.4, 0, 0, 0.8, 1.2),
        industrial.gather: _by(0.1, 0, 0, 0.6, 0.6),
        industrial.automate_building: _by(0.2, 0, 0, 0.5, 0.8),
        industrial.load_program: _by(0.6, 0, 0, 0, 0.2),
    },
)
_TELEPHONES: Final = Topic(
    {"home": 0.5, "office": 0.5, "things": 0.1},
    {
        telephony.register: _by(0.4, 1, 0, 0.3, 0.3),
        telephony.keep_trunks: _by(server=0.8),
        telephony.telephone: _by(0.4, 0.6, 0, 0.1, 0.2),
        telephony.find_ways: _by(0.8, 1, 0.2, 0.2),
    },
)
_GAMES: Final = Topic(
    {"home": 0.55, "office": 0.1, "things": 0.1},
    {
        gaming.browse_servers: _by(1, 0.3, 0.8),
        gaming.join_lobby: _by(0.8, 0.6, 1),
        gaming.ping_regions: _by(0.6, 0.6, 0.8),
        gaming.stream_by_datagram: _by(0.7, 0.8, 1),
    },
)
_TUNNELS: Final = Topic(
    {"home": 0.35, "office": 0.6, "things": 0.2},
    {
        tunnels.tunnel_by_datagram: _by(1, 0.8, 0.1, 0.2, 0.6),
        tunnels.tunnel_by_stream: _by(0.8, 0.4, 0, 0.1, 0.4),
        tunnels.tunnel_by_ssh: _by(0.6, 0, 0, 0.2, 0.6),
        tunnels.mesh: _by(0.7, 0.5, 0.1, 0.1, 0.6),
    },
)
TOPICS: Final = (
    *(_SHARING, _DESKS, _DATA, _SERVING, _MAIL, _PROGRAMS, _CARE),
    *(_TROUBLE, _THINGS, _PLANTS, _TELEPHONES, _GAMES, _TUNNELS),
)
"""What is done in some houses only."""
