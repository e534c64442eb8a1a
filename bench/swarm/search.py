"""Search: the real walks (`lightpeer/core/search/walks.py`) over the real views, beside flooding.

A light client asks one server, which shares out the walkers; a hop takes one unit of time. What is found
at hop h is back where it is wanted at 2 h, and no step is taken after that: the client has what it wants.
Flooding is what Gnutella did: everybody sends the query on to all neighbours but the one that it came from,
seven hops deep; beside it stands the shallowest flood that finds as much as the walks.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from dataclasses import dataclass
from random import Random

from bench.chart import Chart, Series
from bench.swarm.graph import Links
from bench.swarm.population import Swarm
from bench.swarm.report import Section, percent
from lightpeer.core.search.walks import DEFAULT_BUDGET, MAX_HOPS, MAX_WALKERS, Budget, Walks

REPLICATIONS = (0.01, 0.001, 0.0001)
QUERIES = 400
FLOOD_QUERIES = 10
FLOOD_HOPS = 7  # Gnutella's
SUCCESS = 0.95
OF_FLOODING = 1 / 20
GREATEST_BUDGET = Budget(MAX_WALKERS, MAX_HOPS)
QUERY_ID, QUERY = b"a query ", "a song"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query: the hop at which the first holder was met, messages in all, distinct servers asked."""

    found_at: int | None
    messages: int
    visited: int


def walk(links: Links, origin: int, holders: set[int], budget: Budget, rng: Random) -> Outcome:
    """Send a query to one server, and see what becomes of it."""
    servers: defaultdict[int, Walks[int]] = defaultdict(Walks)
    waiting = deque([(0, origin, -1, budget)])
    found_at: int | None = None
    messages = 1
    while waiting:
        hop, server, came_from, left = waiting.popleft()
        if found_at is not None and hop >= 2 * found_at:
            break
        visit = servers[server].visit(QUERY_ID, QUERY, came_from, left, now=float(hop))
        if visit.is_first and server in holders and found_at is None:
            found_at = hop
            if not hop:
                break
        for step in visit.steps(rng.sample(links[server], len(links[server]))):
            messages += 1
            waiting.append((hop + 1, step.peer, server, step.budget))
    return Outcome(found_at, messages, len(servers))


def flood(links: Links, origin: int, hops: int) -> tuple[set[int], int]:
    """Return who is reached by a flood, and how many messages it takes."""
    seen, ring, messages = {origin}, [(origin, -1)], 1
    for _ in range(hops):
        following = []
        for server, came_from in ring:
            for neighbour in links[server]:
                if neighbour == came_from:
                    continue
                messages += 1
                if neighbour not in seen:
                    seen.add(neighbour)
                    following.append((neighbour, server))
        ring = following
    return seen, messages


def run(settled: Swarm, seed: int) -> Section:
    """Search for what one server in a hundred, a thousand and ten thousand has."""
    section = Section(
        f"Search: {QUERIES} queries each, {DEFAULT_BUDGET.walkers} walkers of {DEFAULT_BUDGET.hops} hops"
    )
    rng = Random(seed)
    links = settled.links()
    reached = [flood(links, rng.choice(list(links)), FLOOD_HOPS) for _ in range(FLOOD_QUERIES)]
    flooding = statistics.fmean(messages for _, messages in reached)
    section.add(
        f"flooding {FLOOD_HOPS} hops deep: messages a query",
        f"{flooding:,.0f}",
        f"reaches {percent(statistics.fmean(len(seen) for seen, _ in reached) / len(links))}",
    )
    numbers = dict.fromkeys(max(1, round(share * len(links))) for share in REPLICATIONS)
    lines = [
        _replication(section, links, copies, flooding, rng, is_goal=not i) for i, copies in enumerate(numbers)
    ]
    section.charts["swarm-search"] = Chart("Found within so many hops", "hops", "share of queries (%)", lines)
    return section


def _replication(
    section: Section, links: Links, copies: int, flooding: float, rng: Random, *, is_goal: bool
) -> Series:
    """Search for what so many servers have, with the usual and the greatest budget."""
    outcomes = _queries(links, copies, DEFAULT_BUDGET, rng)
    success = _success(outcomes)
    messages = statistics.fmean(outcome.messages for outcome in outcomes)
    visited = statistics.fmean(o.visited for o in outcomes if o.found_at is None) if success < 1 else 0
    name = f"{percent(copies / len(links), 2)} have it"
    independent = 1 - (1 - copies / len(links)) ** DEFAULT_BUDGET.visits
    section.add(
        f"{name}: found",
        percent(success),
        f"{percent(independent)} if {DEFAULT_BUDGET.visits} servers were drawn independently",
        percent(SUCCESS, 0) if is_goal else "",
        reached=success >= SUCCESS if is_goal else None,
    )
    section.add(
        f"{name}: messages a query",
        f"{messages:,.0f}",
        f"1/{flooding / messages:,.0f} of flooding"
        + (f"; a query in vain visits {visited:.0f}" if visited else ""),
        "1/20" if is_goal else "",
        reached=messages <= flooding * OF_FLOODING if is_goal else None,
    )
    hops = [o.found_at for o in outcomes if o.found_at is not None]
    if hops:
        section.add(f"{name}: hops to the first holder, median", f"{statistics.median(hops):.0f}")
    section.add(f"{name}: the shallowest flood that finds as much", *_shallowest(links, copies, success, rng))
    greatest = _queries(links, copies, GREATEST_BUDGET, rng)
    section.add(
        f"{name}: found with the greatest budget, {MAX_WALKERS} walkers of {MAX_HOPS} hops",
        percent(_success(greatest)),
        f"{statistics.fmean(o.messages for o in greatest):,.0f} messages a query",
    )
    return _found_by(name, outcomes, DEFAULT_BUDGET)


def _queries(links: Links, copies: int, budget: Budget, rng: Random) -> list[Outcome]:
    servers = list(links)
    return [
        walk(links, rng.choice(servers), set(rng.sample(servers, copies)), budget, rng)
        for _ in range(QUERIES)
    ]


def _success(outcomes: list[Outcome]) -> float:
    return sum(outcome.found_at is not None for outcome in outcomes) / len(outcomes)


def _found_by(name: str, outcomes: list[Outcome], budget: Budget) -> Series:
    def found_within(hops: int) -> float:
        return sum(o.found_at is not None and o.found_at <= hops for o in outcomes) / len(outcomes)

    return Series(name, [(hops, 100 * found_within(hops)) for hops in range(budget.hops + 1)], marked=True)


def _shallowest(links: Links, copies: int, success: float, rng: Random) -> tuple[str, str]:
    """Return the depth and messages of the flood that reaches enough servers to find as much."""
    for hops in range(1, FLOOD_HOPS + 1):
        floods = [flood(links, rng.choice(list(links)), hops) for _ in range(FLOOD_QUERIES)]
        seen = statistics.fmean(len(reached) for reached, _ in floods)
        chance = 1 - math.exp(copies * math.log1p(-min(seen / len(links), 1 - 1e-12)))
        if chance >= success:
            break
    return f"{hops} hops", f"{statistics.fmean(m for _, m in floods):,.0f} messages a query"
