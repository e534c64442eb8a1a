"""What a network of links looks like as a graph: degrees, clustering, paths, components.

Links are directed (who knows whom); clustering, paths and components take them as undirected, as the
Cyclon paper does, since a contact goes either way once it stands.
"""

from __future__ import annotations

import statistics
from collections import Counter
from random import Random

Links = dict[int, list[int]]
Undirected = dict[int, set[int]]


def random_graph(nodes: int, degree: int, rng: Random) -> Links:
    """Return a graph in which everybody knows so many others, chosen at random."""
    return {
        n: [m + (m >= n) for m in rng.sample(range(nodes - 1), min(degree, nodes - 1))] for n in range(nodes)
    }


def undirected(links: Links) -> Undirected:
    """Return the neighbours of each, whichever way the link goes."""
    both: Undirected = {n: set(neighbours) for n, neighbours in links.items()}
    for n, neighbours in links.items():
        for m in neighbours:
            both[m].add(n)
    return both


def in_degrees(links: Links) -> list[int]:
    """Return how many know each node."""
    counts = Counter(m for neighbours in links.values() for m in neighbours)
    return [counts[n] for n in links]


def clustering(both: Undirected, rng: Random, sample: int = 10_000) -> float:
    """Return the mean share of a node's pairs of neighbours that are neighbours (Watts, Strogatz 1998)."""
    nodes = [n for n in both if len(both[n]) > 1]
    if len(nodes) > sample:
        nodes = rng.sample(nodes, sample)
    return statistics.fmean(_clustering_at(both, n) for n in nodes) if nodes else 0.0


def _clustering_at(both: Undirected, node: int) -> float:
    around = both[node]
    linked = sum(len(around & both[m]) for m in around)
    return linked / (len(around) * (len(around) - 1))


def path_length(both: Undirected, rng: Random, sources: int = 20) -> float:
    """Return the mean number of hops between nodes that reach each other, from some sources at random."""
    hops = reached = 0
    for source in rng.sample(list(both), min(sources, len(both))):
        for distance, ring in enumerate(rings(both, source)):
            hops += distance * len(ring)
            reached += len(ring) if distance else 0
    return hops / max(1, reached)


def rings(both: Undirected, source: int) -> list[set[int]]:
    """Return the nodes at distance 0, 1, 2 and so on."""
    seen, found = {source}, [{source}]
    while ring := set().union(*(both[n] for n in found[-1])) - seen:
        seen |= ring
        found.append(ring)
    return found


def components(both: Undirected) -> list[int]:
    """Return the sizes of the connected parts, the largest first."""
    left, sizes = set(both), []
    while left:
        part = set().union(*rings(both, next(iter(left))))
        left -= part
        sizes.append(len(part))
    return sorted(sizes, reverse=True)
