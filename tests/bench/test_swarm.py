"""The swarm bench at a size of seconds: its measures are right, and a few hundred servers show the same."""

from __future__ import annotations

import statistics
from random import Random

import pytest

from bench.swarm import eclipse, faults, light, search, shape
from bench.swarm.cyclon import VIEW, CyclonSwarm
from bench.swarm.graph import clustering, components, in_degrees, path_length, random_graph, rings, undirected
from bench.swarm.population import Swarm
from bench.swarm.report import Section
from lightpeer.core.search.walks import DEFAULT_BUDGET, Budget

PEERS = 300


@pytest.fixture(scope="module")
def settled() -> Swarm:
    swarm = Swarm.grown(PEERS, seed=1)
    for _ in range(60):
        swarm.round()
    return swarm


# The measures, on graphs whose figures are known.


def ring(nodes: int) -> dict[int, list[int]]:
    return {n: [(n + 1) % nodes] for n in range(nodes)}


def test_a_ring_has_no_clusters_and_long_paths():
    both = undirected(ring(9))
    assert in_degrees(ring(9)) == [1] * 9
    assert clustering(both, Random(1)) == 0
    assert path_length(both, Random(1)) == pytest.approx((1 + 2 + 3 + 4) * 2 / 8)
    assert [len(part) for part in rings(both, 0)] == [1, 2, 2, 2, 2]


def test_everybody_linked_to_everybody_is_one_cluster():
    links = {n: [m for m in range(6) if m != n] for n in range(6)}
    assert clustering(undirected(links), Random(1)) == 1
    assert path_length(undirected(links), Random(1)) == 1


def test_parts_are_told_apart():
    links = {**ring(5), 10: [11], 11: [], 20: []}
    assert components(undirected(links)) == [5, 2, 1]


def test_a_random_graph_is_as_theory_has_it():
    links = random_graph(1000, 20, Random(1))
    assert all(len(set(neighbours)) == 20 and n not in neighbours for n, neighbours in links.items())
    assert statistics.pstdev(in_degrees(links)) == pytest.approx((20 * 0.98) ** 0.5, rel=0.1)
    assert clustering(undirected(links), Random(1)) == pytest.approx(40 / 1000, rel=0.1)


def test_a_flood_counts_every_message():
    links = {0: [1, 2], 1: [0, 2], 2: [0, 1], 3: [0]}
    assert search.flood(links, 0, 1) == ({0, 1, 2}, 3)
    assert search.flood(links, 0, 2) == ({0, 1, 2}, 5)
    assert search.flood(links, 3, 9)[0] == {0, 1, 2, 3}


def test_a_walk_ends_with_its_budget_or_when_what_it_found_is_back():
    links = {n: [(n + 1) % 50, (n - 1) % 50] for n in range(50)}
    in_vain = search.walk(links, 0, {25}, Budget(2, 5), Random(1))
    assert (in_vain.found_at, in_vain.messages, in_vain.visited) == (None, 1 + 2 * 5, 11)
    found = search.walk(links, 0, {2}, Budget(2, 20), Random(1))
    assert found.found_at == 2
    assert found.messages == 1 + 2 * 4
    at_once = search.walk(links, 0, {0}, Budget(2, 20), Random(1))
    assert (at_once.found_at, at_once.messages) == (0, 1)


# What the views do.


def test_the_same_seed_gives_the_same_network(settled):
    again = Swarm.grown(PEERS, seed=1)
    for _ in range(60):
        again.round()
    assert again.links() == settled.links()
    assert settled.copy().links() == settled.links()


def test_servers_are_known_evenly_and_at_random(settled):
    links = settled.links()
    degrees = in_degrees(links)
    assert 27 < statistics.fmean(degrees) < 34
    assert statistics.pstdev(degrees) < 2.2  # 5.4 in a random graph
    chance = random_graph(PEERS, 32, Random(1))
    mean = clustering(undirected(chance), Random(1))
    assert clustering(undirected(links), Random(1)) == pytest.approx(mean, rel=0.1)


def test_a_crash_of_most_leaves_one_network_that_heals(settled):
    section = faults.crashes(settled)
    assert [row.reached for row in section.rows if row.goal] == [True] * 5


def test_newcomers_are_soon_known_as_others_are(settled):
    row = faults.newcomers(settled).rows[0]
    assert int(row.measured) <= 45


def test_what_many_have_is_found(settled):
    links = settled.links()
    outcomes = [search.walk(links, n, {(n + 150) % PEERS}, DEFAULT_BUDGET, Random(n)) for n in range(60)]
    found = [outcome for outcome in outcomes if outcome.found_at is not None]
    assert len(found) > 30  # 384 visits, some of them twice, to 300 servers, of which one has it
    assert max(outcome.messages for outcome in outcomes) <= 1 + DEFAULT_BUDGET.visits


def test_colluders_gain_little_by_naming_each_other(settled):
    swarm = eclipse.Besieged.of(settled, 0.2)
    shares = eclipse.course(swarm, 40)
    assert 15 < shares[0][1] < 25
    assert shares[-1][1] < 33
    assert swarm.eclipsed() == 0
    of_caches = light.share_of_caches(swarm)
    assert of_caches < 0.33
    assert light.share_of_caches(swarm, asks_always=True) > of_caches
    assert of_caches < light.share_of_caches(swarm, uses_with_bootstrap=2) < 0.6


def test_one_network_of_colluders_stays_small_however_fast_it_is(settled):
    swarm = eclipse.Besieged.of(settled, 0.2, None, 1)
    assert eclipse.course(swarm, 40)[-1][1] < 10


# The other one, and the report.


def test_plain_cyclon_falls_to_the_same_attack():
    swarm = eclipse.BesiegedCyclon.grown(400, seed=1)
    assert isinstance(swarm, CyclonSwarm)
    for _ in range(20):
        swarm.round()
    assert all(len(pointers) == VIEW for pointers in swarm.pointers)
    swarm.besiege(0.2)
    assert eclipse.course(swarm, 60)[-1][1] > 95


def test_a_section_is_a_table():
    section = Section("Title")
    section.add("a", "1", "2", "3", reached=True)
    section.add("b", "4", reached=False)
    lines = list(section.markdown())
    assert lines[0] == "### Title"
    assert lines[4:6] == ["| a | 1 | 2 | 3 | yes |", "| b | 4 |  |  | NO |"]


def test_shapes_are_measured():
    measured = shape.Shape.of(ring(8), 1)
    assert (measured.mean, measured.sigma, measured.clustering) == (1, 0, 0)
    assert measured.histogram() == [(1, 100)]
