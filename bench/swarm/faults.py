"""What the network survives: crashes of many at once, newcomers, and constant coming and going."""

from __future__ import annotations

import statistics
from collections import Counter

from bench.chart import Chart, Series
from bench.swarm.graph import components, in_degrees, undirected
from bench.swarm.population import Swarm
from bench.swarm.report import Section, percent

CRASHES = (0.3, 0.5, 0.7, 0.9)
HEAL_ROUNDS = 60
HEALED_WITHIN = 40
CONNECTED = 0.999
NEWCOMERS = 0.01
NEWCOMER_ROUNDS = 60
EVEN = 0.9  # of what the others are known by
MEDIAN_SESSION_ROUNDS = 60  # an hour, at a round a minute
CHURN_ROUNDS = 240


def largest_component(swarm: Swarm) -> float:
    """Return the share of the living that are in the largest component."""
    sizes = components(undirected(swarm.links()))
    return sizes[0] / sum(sizes)


def crashes(settled: Swarm) -> Section:
    """Crash shares of a settled swarm at once, and watch it heal. Nobody goes to a bootstrap peer."""
    section = Section("Crashes at once")
    lines = []
    for share in CRASHES:
        swarm = settled.copy()
        living = swarm.living()
        swarm.crash(swarm.rng.sample(living, round(share * len(living))))
        connected = largest_component(swarm)
        stale = [swarm.stale_links()]
        while stale[-1] and len(stale) <= HEAL_ROUNDS:
            swarm.round()
            stale.append(swarm.stale_links())
        healed = None if stale[-1] else len(stale) - 1
        is_goal = share == 0.7
        section.add(
            f"{percent(share, 0)} crash: survivors in one component, at once",
            percent(connected, 2),
            f"{percent(largest_component(swarm), 2)} when healed",
            f"{percent(CONNECTED)}" if is_goal else "",
            reached=connected >= CONNECTED if is_goal else None,
        )
        section.add(
            f"{percent(share, 0)} crash: rounds until no link is stale",
            f"more than {HEAL_ROUNDS}" if healed is None else str(healed),
            f"{stale[0]:,} stale links at first",
            str(HEALED_WITHIN),
            reached=healed is not None and healed <= HEALED_WITHIN,
        )
        lines.append(
            Series(f"{percent(share, 0)} crashed", [(n, 100 * s / stale[0]) for n, s in enumerate(stale)])
        )
    section.charts["swarm-healing"] = Chart(
        "Links at the dead after a crash of many at once", "rounds", "share of those at first (%)", lines
    )
    return section


def newcomers(settled: Swarm) -> Section:
    """Let one more in a hundred join through one peer at once, and see when they are known as others are."""
    section = Section("Newcomers")
    swarm = settled.copy()
    usual = statistics.fmean(in_degrees(swarm.links()))
    host = swarm.rng.choice(swarm.living())
    new = [swarm.join(host) for _ in range(max(1, round(NEWCOMERS * len(swarm.living()))))]
    course: list[tuple[float, float]] = []
    for n in range(NEWCOMER_ROUNDS + 1):
        if n:
            swarm.round()
        known = _known_by(swarm)
        course.append((n, statistics.fmean(known[m] for m in new)))
    even = next((n for n, mean in course if mean >= EVEN * usual), None)
    section.add(
        f"{len(new)} join through one peer: rounds until known by {percent(EVEN, 0)} of the usual number",
        "never" if even is None else f"{even:.0f}",
        f"{usual:.0f} pointers at two a round: 16 rounds at the least",
    )
    known = _known_by(swarm)
    section.add(
        f"in-degree of the newcomers after {NEWCOMER_ROUNDS} rounds, mean and standard deviation",
        f"{course[-1][1]:.1f}, {statistics.pstdev(known[m] for m in new):.2f}",
        f"all: {statistics.fmean(known.values()):.1f}, {statistics.pstdev(known.values()):.2f}",
    )
    section.charts["swarm-newcomers"] = Chart(
        f"How many know a newcomer ({len(new)} joined through one peer)",
        "rounds",
        "in-degree, mean",
        [
            Series("newcomers", course),
            Series("the others", [(0, usual), (NEWCOMER_ROUNDS, usual)], dashed=True),
        ],
    )
    return section


def _known_by(swarm: Swarm) -> Counter[int]:
    return Counter(m for neighbours in swarm.links().values() for m in neighbours)


def churn(settled: Swarm) -> Section:
    """Let everybody go, and somebody new come in its place, after sessions of an hour in the median."""
    section = Section("Constant churn: sessions exponential, an hour in the median at a round a minute")
    swarm = settled.copy()
    swarm.rejoin = True
    leaves = 1 - 0.5 ** (1 / MEDIAN_SESSION_ROUNDS)  # the chance in each round
    stale: list[tuple[float, float]] = []
    connected: list[float] = []
    for n in range(1, CHURN_ROUNDS + 1):
        living = swarm.living()
        leaving = [m for m in living if swarm.rng.random() < leaves]
        swarm.crash(leaving)
        staying = swarm.living()
        for _ in leaving:
            swarm.join(swarm.rng.choice(staying))
        swarm.round()
        links = swarm.links()
        alive, dead = sum(map(len, links.values())), swarm.stale_links()
        stale.append((n, 100 * dead / (alive + dead)))
        if n % 20 == 0:
            connected.append(largest_component(swarm))
    degrees = in_degrees(swarm.links())
    section.add("largest component of the living, least of all looks", percent(min(connected), 2))
    section.add(
        "share of neighbours that are dead, mean of the second half",
        f"{statistics.fmean(s for _, s in stale[CHURN_ROUNDS // 2 :]):.1f} %",
        f"{percent(leaves, 2)} of the servers leave in a round",
    )
    section.add(
        "in-degree of the living, mean and standard deviation",
        f"{statistics.fmean(degrees):.1f}, {statistics.pstdev(degrees):.1f}",
    )
    section.charts["swarm-churn"] = Chart(
        "Neighbours that are dead, under churn",
        "rounds",
        "share of all neighbours (%)",
        [Series("lightpeer", stale)],
    )
    return section
