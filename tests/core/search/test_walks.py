"""Random walks: budgets, loops, where walkers go, and what is remembered."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.search.walks import (
    DEFAULT_BUDGET,
    GREATEST_BUDGET,
    MAX_EXCHANGED,
    MAX_FAN_OUT,
    MAX_HOPS,
    MAX_QUERIES,
    MAX_WALKERS,
    NO_BUDGET,
    REMEMBER_S,
    Budget,
    Step,
    Walks,
    budget_for,
)

QUERY, WORDS = b"queryid1", "some words"
PHONE = -1


def steps(
    walks: Walks[int], budget: Budget, neighbours=range(100), came_from: int = PHONE
) -> list[Step[int]]:
    return walks.visit(QUERY, WORDS, came_from, budget, 0.0).steps(neighbours)


def test_walkers_fan_out_over_the_neighbours_and_lose_a_hop():
    assert steps(Walks(), Budget(3, 5)) == [Step(peer, Budget(1, 4)) for peer in (0, 1, 2)]


def test_a_few_neighbours_share_the_walkers_evenly():
    assert steps(Walks(), Budget(8, 5), range(3)) == [
        Step(0, Budget(3, 4)),
        Step(1, Budget(3, 4)),
        Step(2, Budget(2, 4)),
    ]


@pytest.mark.parametrize("budget", [NO_BUDGET, Budget(0, 5), Budget(5, 0)])
def test_without_budget_nobody_is_asked(budget):
    walks: Walks[int] = Walks()
    visit = walks.visit(QUERY, WORDS, PHONE, budget, 0.0)
    assert visit.is_first
    assert visit.steps(range(9)) == []


def test_a_budget_is_clamped_whatever_was_asked():
    visit = Walks[int]().visit(QUERY, WORDS, PHONE, Budget(10**6, 10**6), 0.0)
    assert visit.budget == Budget(MAX_WALKERS, MAX_HOPS)
    assert len(visit.steps(range(1000))) == MAX_FAN_OUT


def test_a_walker_never_goes_back_to_where_it_came_from():
    assert [step.peer for step in steps(Walks(), Budget(9, 2), range(3), came_from=1)] == [0, 2]


def test_walkers_that_come_again_get_no_answer_and_go_on_as_one_to_somebody_else():
    walks: Walks[int] = Walks()
    first = walks.visit(QUERY, WORDS, PHONE, Budget(1, 9), 0.0)
    assert first.is_first
    assert [step.peer for step in first.steps(range(3))] == [0]
    second = walks.visit(QUERY, WORDS, 2, Budget(7, 5), 1.0)
    assert not second.is_first
    assert second.steps(range(3)) == [Step(1, Budget(1, 4))]
    assert walks.visit(QUERY, WORDS, 1, Budget(1, 5), 2.0).steps(range(3)) == [], "all have had it"


def test_the_walkers_of_a_step_that_failed_go_elsewhere():
    visit = Walks[int]().visit(QUERY, WORDS, PHONE, Budget(4, 9), 0.0)
    first, _ = visit.steps(range(2))
    assert visit.steps(range(4), first.budget.walkers) == [Step(2, Budget(1, 8)), Step(3, Budget(1, 8))]
    assert visit.steps(range(4), 0) == []


def test_a_query_without_an_id_goes_no_further_and_is_not_remembered():
    walks: Walks[int] = Walks()
    for _ in range(2):
        visit = walks.visit(b"", WORDS, PHONE, Budget(9, 9), 0.0)
        assert visit.is_first
        assert visit.steps(range(9)) == []
    assert len(walks) == 0


def test_a_query_is_forgotten_after_a_while():
    walks: Walks[int] = Walks()
    walks.visit(QUERY, WORDS, PHONE, NO_BUDGET, 0.0)
    walks.visit(b"another1", WORDS, PHONE, NO_BUDGET, 1.0)
    assert not walks.visit(QUERY, WORDS, PHONE, NO_BUDGET, REMEMBER_S - 0.1).is_first
    assert len(walks) == 2
    assert walks.visit(QUERY, WORDS, PHONE, NO_BUDGET, REMEMBER_S).is_first
    assert not walks.visit(b"another1", WORDS, PHONE, NO_BUDGET, REMEMBER_S).is_first


def test_a_flood_of_queries_costs_the_oldest_and_no_more_memory():
    walks: Walks[int] = Walks()
    for number in range(MAX_QUERIES + 1):
        walks.visit(number.to_bytes(8, "big"), WORDS, PHONE, NO_BUDGET, 0.0)
    assert len(walks) == MAX_QUERIES
    assert not walks.visit((1).to_bytes(8, "big"), WORDS, PHONE, NO_BUDGET, 0.0).is_first
    assert walks.visit(bytes(8), WORDS, PHONE, NO_BUDGET, 0.0).is_first


def test_one_query_again_and_again_is_sent_to_a_bounded_number_of_peers():
    walks: Walks[int] = Walks()
    asked = []
    for caller in range(1000, 1300):
        visit = walks.visit(QUERY, WORDS, caller, Budget(1, 9), 0.0)
        asked += [step.peer for step in visit.steps(range(500))]
    assert 0 < len(asked) < MAX_EXCHANGED
    assert len(set(asked)) == len(asked)


@given(walkers=st.integers(0, 200), hops=st.integers(0, 40), neighbours=st.integers(0, 60))
def test_walkers_are_neither_made_nor_lost_while_there_is_somewhere_to_go(walkers, hops, neighbours):
    visit = Walks[int]().visit(QUERY, WORDS, PHONE, Budget(walkers, hops), 0.0)
    taken = visit.steps(range(neighbours))
    there_is_a_way = visit.budget.visits > 0 and neighbours > 0
    assert sum(step.budget.walkers for step in taken) == (visit.budget.walkers if there_is_a_way else 0)
    assert all(step.budget.walkers > 0 and step.budget.hops == visit.budget.hops - 1 for step in taken)


def walk(random: Random, peers: int, budget: Budget, view: int = 32) -> tuple[set[int], int]:
    """Run one query over a random graph; return who answered, and how many messages that took."""
    neighbours = {}
    nodes: dict[int, Walks[int]] = {}
    answered, messages = set(), 0
    waiting = [(0, PHONE, budget)]
    while waiting:
        node, came_from, left = waiting.pop(0)
        visit = nodes.setdefault(node, Walks()).visit(QUERY, WORDS, came_from, left, 0.0)
        if visit.is_first:
            answered.add(node)
        known = neighbours.setdefault(node, random.sample(range(peers), min(view, peers)))
        for step in visit.steps([n for n in random.sample(known, len(known)) if n != node]):
            messages += 1
            waiting.append((step.peer, node, step.budget))
    return answered, messages


def test_the_default_budget_reaches_enough_of_ten_thousand_peers_for_what_one_in_a_hundred_has():
    for seed in range(5):
        answered, messages = walk(Random(seed), 10_000, DEFAULT_BUDGET)
        assert messages <= DEFAULT_BUDGET.visits
        assert 1 - 0.99 ** len(answered) > 0.96
        assert messages * 20 < 10_000 * 31, "a twentieth of what flooding sends"


def test_in_a_small_network_all_are_reached_and_nobody_is_asked_twice_by_the_same():
    answered, messages = walk(Random(1), 10, DEFAULT_BUDGET)
    assert answered == set(range(10))
    assert messages < 10 * 9, "at most once each way"


def test_an_id_that_was_used_for_another_query_is_not_used_up():
    walks: Walks[int] = Walks()
    walks.visit(QUERY, "other words", PHONE, Budget(1, 9), 0.0)
    assert walks.visit(QUERY, WORDS, PHONE, Budget(1, 9), 1.0).is_first
    assert not walks.visit(QUERY, WORDS, PHONE, Budget(1, 9), 2.0).is_first


@pytest.mark.parametrize(
    ("answered", "found_any", "budget"),
    [(0, False, DEFAULT_BUDGET), (1, False, GREATEST_BUDGET), (1, True, NO_BUDGET), (2, False, NO_BUDGET)],
)
def test_a_client_goes_further_once_where_nothing_was_found(answered, found_any, budget):
    assert budget_for(answered, found_any=found_any) == budget
