"""An attempt to eclipse: colluders who name nobody but each other.

The colluders behave until the network has settled; then they
- answer whoever introduces itself with the name of another colluder, and take nobody in;
- introduce themselves to honest servers at random: at protocol speed, which is twice a round each, at
  twice that, or as fast as the honest servers' limits allow, whose every place goes to a colluder first;
- know all servers, are never down, and each has a network group of its own, or they share a few.

What they cannot do is speak for others: an introduction is a sealed call by the peer itself, whose address
is dialled back. What honest servers accept in a round is what `lightpeer-serve` accepts. Plain Cyclon has
colluders who start shuffles at protocol speed and send nobody but colluders.
"""

from __future__ import annotations

from typing import Self

from bench.chart import Chart, Series
from bench.swarm import light
from bench.swarm.cyclon import SHUFFLE_LENGTH, CyclonSwarm, Pointers
from bench.swarm.population import Server, Swarm
from bench.swarm.report import Section, percent
from lightpeer.core.guard.fairness import Fairness
from lightpeer.serve.overlay.gossip import (
    ACCEPTED_AT_ONCE,
    ACCEPTED_IN_ALL,
    ACCEPTED_PER_NETWORK,
    INTRODUCTIONS,
    PERIOD_S,
)

SHARES = (0.01, 0.05, 0.2)
ROUNDS = 100
FAST_ROUNDS = 20  # what there is to see is over by then
LOOK_EVERY = 2
GOAL = 0.3
FEW_NETWORKS = (2, 4, 16)
ATTEMPTS = 2 * ACCEPTED_IN_ALL  # at a server in half a round: twice what it accepts in a whole one
ECLIPSED = 0.9  # of a view
CYCLON_SETTLED = 60  # rounds
MOST_FOR_ALL = 2_000  # servers: in a larger network, the one attack that there is a goal for


class Besieged(Swarm):
    """A settled swarm, some of whose servers start to collude."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.colluders: list[int] = []
        self.is_colluder: list[bool] = []
        self.honest: list[int] = []
        self.speed: int | None = 1
        self.limits: dict[int, Fairness] = {}
        self.now_s = 0.0

    @classmethod
    def of(cls, settled: Swarm, share: float, speed: int | None = 1, networks: int | None = None) -> Self:
        """Return a copy in which a share collude from now on.

        Args:
            settled: the swarm.
            share: of its servers.
            speed: introductions in each turn; None for as many as are accepted.
            networks: how many they are in; None for one each.
        """
        swarm = cls(0)
        swarm.__dict__.update(settled.copy().__dict__)
        living = swarm.living()
        swarm.colluders = swarm.rng.sample(living, round(share * len(living)))
        swarm.is_colluder = [False] * len(swarm.servers)
        for i, n in enumerate(swarm.colluders):
            swarm.is_colluder[n] = True
            network = -1 - (i if networks is None else i % networks)
            swarm.servers[n] = Server(n, network)
        swarm.honest = [n for n in living if not swarm.is_colluder[n]]
        swarm.speed = speed
        swarm.limits = {n: _limit() for n in swarm.honest}
        return swarm

    def share_of_views(self) -> float:
        """Return the colluders' share of all places taken in honest views."""
        views = [self.neighbours(n) for n in self.honest]
        return sum(self.is_colluder[m] for view in views for m in view) / max(1, sum(map(len, views)))

    def eclipsed(self) -> float:
        """Return the share of honest servers whose neighbours are colluders, nine in ten of them or more."""
        views = [self.neighbours(n) for n in self.honest]
        lost = sum(sum(self.is_colluder[m] for m in view) >= ECLIPSED * len(view) for view in views)
        return lost / len(self.honest)

    def round(self) -> None:
        for _ in range(self.turns_per_round):
            self.now_s += PERIOD_S / self.turns_per_round
            if self.speed is None:
                self._rush()
            order = self.honest if self.speed is None else self.living()
            for number in self.rng.sample(order, len(order)):
                self.turn(number)

    def turn(self, number: int) -> None:
        if self.is_colluder[number]:
            for host in self.rng.sample(self.honest, self.speed or 0):
                self.introduced(host, number, wants_name=True)
        else:
            super().turn(number)

    def _rush(self) -> None:
        """Let colluders take all that honest servers accept by now."""
        for host in self.honest:
            for guest in self.rng.sample(self.colluders, min(ATTEMPTS, len(self.colluders))):
                self.introduced(host, guest, wants_name=True)

    def introduced(self, host: int, guest: int, *, wants_name: bool) -> Server | None:
        if self.is_colluder[host]:
            return self.servers[self.rng.choice(self.colluders)] if wants_name else None
        network = str(self.servers[guest].network)
        if guest not in self.views[host] and not self.limits[host].admit(guest, network, 1, self.now_s):
            return None
        return super().introduced(host, guest, wants_name=wants_name)


class BesiegedCyclon(CyclonSwarm):
    """Cyclon's views, and colluders who shuffle at protocol speed and send colluders alone."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.besieged = False

    def besiege(self, share: float) -> None:
        self.colluders = self.rng.sample(self.living(), round(share * len(self.living())))
        self.besieged = True
        colluding = set(self.colluders)
        self.is_colluder = [n in colluding for n in range(len(self.servers))]
        self.honest = [n for n in self.living() if n not in colluding]

    share_of_views = Besieged.share_of_views

    def turn(self, number: int) -> None:
        if self.besieged and self.is_colluder[number]:
            host = self.rng.choice(self.honest)
            super().swapped(host, number, self.lies() | {number: self.now})
        else:
            super().turn(number)

    def swapped(self, host: int, guest: int, received: Pointers) -> Pointers:
        return (
            self.lies()
            if self.besieged and self.is_colluder[host]
            else super().swapped(host, guest, received)
        )

    def lies(self) -> Pointers:
        return dict.fromkeys(self.rng.sample(self.colluders, SHUFFLE_LENGTH), self.now)


def _limit() -> Fairness:
    rate_per_s = 1 / PERIOD_S
    return Fairness(
        rate_per_s, ACCEPTED_AT_ONCE, group_shares=ACCEPTED_PER_NETWORK, total_shares=ACCEPTED_IN_ALL
    )


def course(swarm: Besieged | BesiegedCyclon, rounds: int) -> list[tuple[float, float]]:
    """Let an attack go on; return the colluders' share of honest views, in percent, every few rounds."""
    shares: list[tuple[float, float]] = [(0, 100 * swarm.share_of_views())]
    for n in range(1, rounds + 1):
        swarm.round()
        if n % LOOK_EVERY == 0:
            shares.append((n, 100 * swarm.share_of_views()))
    return shares


def run(settled: Swarm, seed: int, *, compare: bool = True) -> Section:
    """Measure the colluders' share of views and caches, for several numbers, speeds and networks of them."""
    assert Swarm.turns_per_round == INTRODUCTIONS
    peers = len(settled.living())
    section = Section(f"Eclipse, {peers:,} servers: the colluders' share after 100 rounds, 20 of the fastest")
    lines: list[Series] = []
    if peers > MOST_FOR_ALL:
        _attack(section, lines, Besieged.of(settled, SHARES[-1]), f"{percent(SHARES[-1], 0)}, protocol speed")
        return section
    for speed, label in ((1, "protocol speed"), (2, "twice that"), (None, "as fast as limits allow")):
        for share in SHARES:
            _attack(section, lines, Besieged.of(settled, share, speed), f"{percent(share, 0)}, {label}")
    for networks in FEW_NETWORKS:
        swarm = Besieged.of(settled, SHARES[-1], None, networks)
        label = f"{percent(SHARES[-1], 0)}, as fast as limits allow, {networks} networks"
        _attack(section, lines, swarm, label)
    if compare:
        lines.append(_plain_cyclon(section, peers, seed))
    section.charts["swarm-eclipse"] = Chart(
        "Colluders' share of honest views", "rounds of attack", "share (%)", lines
    )
    return section


def _attack(section: Section, lines: list[Series], swarm: Besieged, label: str) -> None:
    shares = course(swarm, ROUNDS if swarm.speed else FAST_ROUNDS)
    views, caches = shares[-1][1] / 100, light.share_of_caches(swarm)
    is_goal = len(swarm.colluders) == round(SHARES[-1] * len(swarm.living()))
    goal = percent(GOAL, 0) if is_goal else ""
    section.add(
        f"{label}: of honest views",
        percent(views),
        f"{percent(swarm.eclipsed())} of honest servers have nine colluders in ten",
        goal,
        reached=views <= GOAL if is_goal else None,
    )
    two = percent(light.share_of_caches(swarm, asks_always=True))
    orphaned = percent(light.share_of_caches(swarm, uses_with_bootstrap=light.USES // 2))
    section.add(
        f"{label}: of light caches",
        percent(caches),
        f"{two} if a second peer were asked always; {orphaned} without the bootstrap peer since noon",
        goal,
        reached=caches <= GOAL if is_goal else None,
    )
    if is_goal:
        lines.append(Series(label, shares))


def _plain_cyclon(section: Section, peers: int, seed: int) -> Series:
    swarm = BesiegedCyclon.grown(peers, seed)
    for _ in range(CYCLON_SETTLED):
        swarm.round()
    swarm.besiege(SHARES[-1])
    shares = course(swarm, ROUNDS)
    section.add(
        f"plain Cyclon, {percent(SHARES[-1], 0)}, protocol speed: of honest views",
        percent(shares[-1][1] / 100),
        f"{shares[3][1]:.0f} % after {shares[3][0]:.0f} rounds",
    )
    return Series("plain Cyclon, 20 %, protocol speed", shares, dashed=True)
