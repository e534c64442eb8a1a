"""An attempt to eclipse: colluders who name nobody but each other.

The colluders behave until the network has settled; then they
- answer whoever introduces itself with the name of another colluder, and take nobody in;
- introduce themselves to honest servers at random: at protocol speed, which is twice a round each, or as
  fast as the honest servers' limits allow, each of which takes the next colluder as soon as it takes anybody;
- know all servers, are never down, and each has a network group of its own, or they share a few.

What they cannot do is speak for others: an introduction is a sealed call by the peer itself, whose address
is dialled back. What honest servers accept in a round is what `lightpeer-serve` accepts.
"""

from __future__ import annotations

from typing import Self

from bench.chart import Chart, Series
from bench.swarm import light
from bench.swarm.cyclon import SHUFFLE_LENGTH, CyclonSwarm, Pointers
from bench.swarm.population import Server, Swarm
from bench.swarm.report import Section, percent
from lightpeer.core.fairness import Fairness
from lightpeer.serve.gossip import ACCEPTED_AT_ONCE, INTRODUCTIONS, NETWORK_SHARES, PERIOD_S, TOTAL_SHARES

SHARES = (0.01, 0.05, 0.2)
ROUNDS = 150
LOOK_EVERY = 5
GOAL = 0.3
FEW_NETWORKS = (4, 16)
ATTEMPTS = 2 * TOTAL_SHARES  # at a server in half a round: more than it accepts
ECLIPSED = 0.9  # of a view


class Besieged(Swarm):
    """A settled swarm, some of whose servers start to collude."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.colluders: list[int] = []
        self.is_colluder: list[bool] = []
        self.honest: list[int] = []
        self.fast = False
        self.limits: dict[int, Fairness] = {}
        self.now_s = 0.0

    @classmethod
    def of(cls, settled: Swarm, share: float, *, fast: bool = False, networks: int | None = None) -> Self:
        """Return a copy in which a share collude from now on, in so many networks of their own."""
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
        swarm.fast = fast
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
            if self.fast:
                for host in self.honest:
                    for guest in self.rng.sample(self.colluders, min(ATTEMPTS, len(self.colluders))):
                        self.introduced(host, guest, wants_name=True)
            order = self.honest if self.fast else self.living()
            for number in self.rng.sample(order, len(order)):
                self.turn(number)

    def turn(self, number: int) -> None:
        if self.is_colluder[number]:
            self.introduced(self.rng.choice(self.honest), number, wants_name=True)
        else:
            super().turn(number)

    def introduced(self, host: int, guest: int, *, wants_name: bool) -> Server | None:
        if self.is_colluder[host]:
            return self.servers[self.rng.choice(self.colluders)] if wants_name else None
        if not self.limits[host].admit(guest, str(self.servers[guest].network), 1, self.now_s):
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
    return Fairness(rate_per_s, ACCEPTED_AT_ONCE, group_shares=NETWORK_SHARES, total_shares=TOTAL_SHARES)


def course(swarm: Besieged | BesiegedCyclon, rounds: int = ROUNDS) -> list[tuple[float, float]]:
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
    section = Section(f"Eclipse: colluders' share after {ROUNDS} rounds of attack")
    lines: list[Series] = []
    for share in SHARES:
        _attack(section, lines, settled, share, "protocol speed, networks of their own")
    for share in SHARES:
        _attack(section, lines, settled, share, "as fast as limits allow, networks of their own", fast=True)
    for networks in FEW_NETWORKS:
        label = f"as fast as limits allow, {networks} networks"
        _attack(section, lines, settled, SHARES[-1], label, fast=True, networks=networks)
    if compare:
        lines.append(_plain_cyclon(section, len(settled.living()), seed))
    section.charts["swarm-eclipse"] = Chart(
        "Colluders' share of honest views", "rounds of attack", "share (%)", lines
    )
    return section


def _attack(
    section: Section,
    lines: list[Series],
    settled: Swarm,
    share: float,
    label: str,
    *,
    fast: bool = False,
    networks: int | None = None,
) -> None:
    swarm = Besieged.of(settled, share, fast=fast, networks=networks)
    shares = course(swarm)
    views = shares[-1][1] / 100
    is_goal = share == SHARES[-1]
    goal = percent(GOAL, 0) if is_goal else ""
    name = f"{percent(share, 0)} collude, {label}"
    section.add(
        f"{name}: of honest views",
        percent(views),
        f"{percent(swarm.eclipsed())} of honest servers have nine in ten",
        goal,
        reached=views <= GOAL if is_goal else None,
    )
    caches = light.share_of_caches(swarm)
    section.add(
        f"{name}: of light caches", percent(caches), "", goal, reached=caches <= GOAL if is_goal else None
    )
    if is_goal:
        lines.append(Series(f"{percent(share, 0)}, {label}", shares))


def _plain_cyclon(section: Section, peers: int, seed: int) -> Series:
    swarm = BesiegedCyclon.grown(peers, seed)
    for _ in range(ROUNDS // 3):
        swarm.round()
    swarm.besiege(SHARES[-1])
    shares = course(swarm)
    section.add(
        f"plain Cyclon, {percent(SHARES[-1], 0)} collude, protocol speed: of honest views",
        percent(shares[-1][1] / 100),
        f"{shares[1][1]:.0f} % after {LOOK_EVERY} rounds",
    )
    return Series("plain Cyclon, 20 %, protocol speed", shares, dashed=True)
