"""Who attacks, from where, and whom."""

from __future__ import annotations

from dataclasses import dataclass

from training.gateway.synth.draws import spread
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.wire import Host


@dataclass(frozen=True)
class Intrusion:
    """One campaign's machines.

    Attributes:
        sources: of the attacks from outside, one host or a group.
        foothold: the machine of the house that is infected, if one is.
        controller: what it talks to.
        vigour: how many times more, and faster, it scans, floods and guesses than one who takes
            care not to be seen: tools as they are run by default try a thousand ports at once.
    """

    site: Site
    sources: list[Host]
    foothold: Machine
    controller: Host
    vigour: float = 1.0

    @property
    def bot(self) -> Host:
        """The foothold's address."""
        return self.foothold.host

    def victim(self, port: int = 0) -> Host:
        """A machine of the house, if possible one that answers at the port."""
        machines = [each for each in self.site.machines if each is not self.foothold]
        fitting = [each for each in machines if port in each.open]
        return self.site.wire.random.choice(fitting or machines).host

    def volume(self, least: int, most: int) -> int:
        """How many packets, probes or sessions."""
        return round(spread(self.site.wire.random, least, most) * self.vigour)

    def pace(self, least: float, most: float) -> float:
        """How many of them a second."""
        return spread(self.site.wire.random, least, most) * self.vigour


def intrude(site: Site) -> Intrusion:
    """A new attacker; one controller in six hides among the machines of an honest service."""
    dice = site.wire.random
    group = 1 if dice.random() < 0.7 else dice.randint(2, 8)
    sources = [site.remote(client=dice.random() < 0.7) for _ in range(group)]
    foothold = dice.choice([each for each in site.machines if each is not site.monitor])
    hidden = dice.choice(dice.choice(site.services).servers)
    controller = hidden if dice.random() < 1 / 6 else site.remote()
    vigour = spread(dice, 2, 16) if dice.random() < 0.35 else 1.0
    return Intrusion(site, sources, foothold, controller, vigour)
