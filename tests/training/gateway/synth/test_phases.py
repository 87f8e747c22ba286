"""Each phase of a campaign, drawn often, makes flows of its own family and of no other."""

from __future__ import annotations

import pytest

from training.gateway.synth import control, guessing, overload, phases
from training.gateway.synth.intrusion import intrude
from training.gateway.synth.phases import Phase
from training.gateway.synth.reconnaissance import inner_scan, scan
from training.gateway.synth.site import imagine
from training.gateway.synth.wire import Wire

SEEDS = range(10)
PHASES: dict[Phase, str] = {
    **{phases.exfiltrate: "exfiltration", phases.infect: "worm", phases.mine: "cryptomining"},
    **{phases.move: "lateral movement", guessing.guess: "brute force", scan: "scan"},
    **{inner_scan: "scan", overload.flood: "flood"},
    **dict.fromkeys((control.command, *control._WAYS), "c2"),
    **dict.fromkeys((guessing._spray, guessing._attack_others, guessing._register), "brute force"),
    **dict.fromkeys((overload._segments, overload._visits, overload._amplified), "flood"),
    **dict.fromkeys((phases._posts, phases._transfers), "exfiltration"),
}


def carried_out(phase: Phase, seed: int) -> Wire:
    wire = Wire(seed, 1_600_000_000, end=600)
    phase(intrude(imagine(wire)), 30.0)
    return wire


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_a_phase_is_of_its_family_and_drawn_anew(phase: Phase) -> None:
    wires = [carried_out(phase, seed) for seed in SEEDS]
    found = {row[-2:] for wire in wires for row in wire._flows.values()}
    assert found == {("malicious", PHASES[phase])}
    assert len({len(wire) for wire in wires}) > len(SEEDS) / 2
    assert max(map(len, wires)) < 40_000
    again = carried_out(phase, SEEDS[1])
    assert (again._frames, again._flows) == (wires[1]._frames, wires[1]._flows)
