"""The shape of the network: how evenly servers are known, and how close to a random graph it is."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from random import Random

from bench.chart import Chart, Series
from bench.swarm.cyclon import CyclonSwarm
from bench.swarm.graph import Links, clustering, components, in_degrees, path_length, random_graph, undirected
from bench.swarm.population import Swarm
from bench.swarm.report import Section, percent

SETTLED_ROUNDS = 200
EVERY = 10
WITHIN = 0.10  # of Cyclon's figures


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured of one graph."""

    degrees: list[int]
    clustering: float
    path_length: float
    components: list[int]

    @classmethod
    def of(cls, links: Links, seed: int) -> Shape:
        both = undirected(links)
        rng = Random(seed)
        return cls(in_degrees(links), clustering(both, rng), path_length(both, rng), components(both))

    @property
    def mean(self) -> float:
        return statistics.fmean(self.degrees)

    @property
    def sigma(self) -> float:
        return statistics.pstdev(self.degrees)

    def histogram(self) -> list[tuple[float, float]]:
        counts = Counter(self.degrees)
        return [(d, 100 * counts[d] / len(self.degrees)) for d in range(min(counts), max(counts) + 1)]


def settle(swarm: Swarm, rounds: int = SETTLED_ROUNDS) -> list[tuple[int, float, float]]:
    """Let rounds pass; return for some of them the deviation of in-degrees, and the clustering."""
    course = []
    for n in range(rounds + 1):
        if n:
            swarm.round()
        if n % EVERY == 0:
            links = swarm.links()
            rng = Random(n)
            course.append(
                (n, statistics.pstdev(in_degrees(links)), clustering(undirected(links), rng, sample=2000))
            )
    return course


def run(swarm: Swarm, seed: int, *, rounds: int = SETTLED_ROUNDS, compare: bool = True) -> Section:
    """Settle a grown swarm, and compare it with Cyclon and a random graph of the same size and degree."""
    peers = len(swarm.living())
    section = Section(f"Shape: {peers:,} servers, {rounds} rounds after they joined")
    ours_course = settle(swarm, rounds)
    ours = Shape.of(swarm.links(), seed)
    chance = Shape.of(random_graph(peers, round(ours.mean), Random(seed)), seed)
    shapes, courses = {"lightpeer": ours, "random graph": chance}, {"lightpeer": ours_course}
    if compare:
        reference = CyclonSwarm.grown(peers, seed)
        courses["Cyclon"] = settle(reference, rounds)
        shapes["Cyclon"] = Shape.of(reference.links(), seed)
    _table(section, ours, chance, shapes.get("Cyclon"))
    section.charts["swarm-in-degree"] = Chart(
        f"How many know a server ({peers:,} servers)",
        "in-degree",
        "share of servers (%)",
        [Series(name, shape.histogram(), dashed=name != "lightpeer") for name, shape in shapes.items()],
    )
    section.charts["swarm-clustering"] = Chart(
        f"Clustering after {peers:,} servers joined through three of them",
        "rounds",
        "clustering coefficient",
        [
            *(
                Series(name, [(n, c) for n, _, c in course], dashed=name != "lightpeer")
                for name, course in courses.items()
            ),
            Series("random graph", [(0, chance.clustering), (rounds, chance.clustering)], dashed=True),
        ],
        log_y=True,
    )
    return section


def _table(section: Section, ours: Shape, chance: Shape, cyclon: Shape | None) -> None:
    def beside(form: str, cyclon_value: float | None, chance_value: float) -> str:
        cyclon_text = "" if cyclon_value is None else f"Cyclon {cyclon_value:{form}}, "
        return f"{cyclon_text}random graph {chance_value:{form}}"

    section.add("in-degree, mean", f"{ours.mean:.1f}", "" if cyclon is None else f"Cyclon {cyclon.mean:.1f}")
    section.add(
        "in-degree, standard deviation",
        f"{ours.sigma:.2f}",
        beside(".2f", cyclon and cyclon.sigma, chance.sigma),
        "at most 10 % above Cyclon's",
        reached=cyclon and ours.sigma <= cyclon.sigma * (1 + WITHIN),
    )
    section.add(
        "in-degree, least and greatest",
        f"{min(ours.degrees)}, {max(ours.degrees)}",
        f"random graph {min(chance.degrees)}, {max(chance.degrees)}",
    )
    section.add(
        "clustering coefficient",
        f"{ours.clustering:.5f}",
        beside(".5f", cyclon and cyclon.clustering, chance.clustering),
        "at most 10 % above Cyclon's",
        reached=cyclon and ours.clustering <= cyclon.clustering * (1 + WITHIN),
    )
    section.add(
        "path length, hops",
        f"{ours.path_length:.3f}",
        beside(".3f", cyclon and cyclon.path_length, chance.path_length),
    )
    section.add("largest component", percent(ours.components[0] / len(ours.degrees), 2))
