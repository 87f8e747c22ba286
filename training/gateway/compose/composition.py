"""A composed gateway: parts of captures in their places, as one capture with labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scapy.utils import RawPcapWriter

from agent.addresses import text
from agent.capture.link_types import Link
from agent.export_observations import seconds_exact
from agent.labels import REQUIRED, Label
from training.errors import CorpusError
from training.gateway.compose.conversations import NS
from training.gateway.compose.packets import ETHERNET_BYTES, SNAPLEN
from training.gateway.compose.placement import Key, PlacedFlow, Placement

_COLUMNS = (*REQUIRED, "capture")


@dataclass(frozen=True, slots=True)
class Composition:
    """A gateway's traffic.

    Attributes:
        seed: it was composed with.
        placements: benign parts first, then attacks.
    """

    seed: int
    placements: tuple[Placement, ...]

    @property
    def captures(self) -> list[str]:
        """The captures that it was composed from, sorted; paths in their corpus."""
        return sorted({placement.part.capture for placement in self.placements})

    @property
    def flows(self) -> list[PlacedFlow]:
        """All flows, in order of time."""
        flows = [flow for placement in self.placements for flow in placement.flows]
        return sorted(flows, key=lambda flow: flow.start_ns)

    def labelled(self) -> Iterator[tuple[PlacedFlow, Label]]:
        """Flows with their labels, in order of time.

        What two parts say different things of stays unlabelled. Only flows to groups can meet so:
        machines without an address yet all ask for one as ``0.0.0.0``.
        """
        said: dict[Key, list[set[Label | None]]] = {}
        for placement in self.placements:
            labels: dict[Key, set[Label | None]] = {}
            for flow in placement.flows:
                labels.setdefault(flow.key, set()).add(flow.label)
            for key, those in labels.items():
                said.setdefault(key, []).append(those)
        disputed = {
            key for key, all_ in said.items() if len(all_) > 1 and len(set.union(*all_)) > 1
        }
        for flow in self.flows:
            if flow.label and flow.key not in disputed:
                yield flow, flow.label

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.pcap``, in nanoseconds, and ``name.labels.csv``.

        The labels' last column is the capture that a flow is from.

        Raises:
            CorpusError: they cannot be written.
        """
        try:
            self._save_packets(folder / f"{name}.pcap")
            self._save_labels(folder / f"{name}.labels.csv")
        except OSError as error:
            raise CorpusError(f"{error.filename}: cannot be written ({error.strerror})") from error

    def _save_packets(self, path: Path) -> None:
        times = np.concatenate([placement.times for placement in self.placements])
        frames = np.concatenate([placement.frames() for placement in self.placements])
        kept = np.concatenate([placement.part.kept for placement in self.placements])
        wire = np.concatenate([placement.part.wire for placement in self.placements])
        with RawPcapWriter(
            str(path), linktype=Link.ETHERNET, endianness="<", snaplen=SNAPLEN, nano=True
        ) as writer:
            writer.write_header(None)
            for row in np.argsort(times, kind="stable").tolist():
                seconds, ns = divmod(int(times[row]), NS)
                frame = frames[row].tobytes()[: ETHERNET_BYTES + int(kept[row])]
                writer.write_packet(
                    frame, sec=seconds, usec=ns, caplen=len(frame), wirelen=int(wire[row])
                )

    def _save_labels(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
            for flow, label in self.labelled():
                verdict = "malicious" if label.malicious else "benign"
                src, dst = (text(*flow.src), flow.sport), (text(*flow.dst), flow.dport)
                start = seconds_exact(flow.start_ns)
                rows.writerow([start, *src, *dst, flow.proto, verdict, label.family, flow.capture])
