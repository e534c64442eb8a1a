"""Token buckets for a peer, its network, and all."""

from __future__ import annotations

from lightpeer.core.fairness import GROUP_SHARES, MAX_BUCKETS, TOTAL_SHARES, Buckets, Fairness


def admitted(fairness: Fairness, peers, groups=("10.1",), now: float = 0.0) -> int:
    """How many unit costs are admitted until nobody has one left."""
    return sum(fairness.admit(peer, group, 1, now) for group in groups for peer in peers for _ in range(1000))


def test_a_peer_has_its_burst_and_then_its_rate():
    fairness = Fairness(rate_per_s=2, burst=10)
    assert admitted(fairness, ["a"]) == 10
    assert admitted(fairness, ["a"], now=3.0) == 6
    assert admitted(fairness, ["a"], now=1000.0) == 10


def test_what_costs_more_than_is_left_is_refused_and_costs_nothing():
    fairness = Fairness(rate_per_s=1, burst=10)
    assert fairness.admit("a", "g", 7, 0.0)
    assert not fairness.admit("a", "g", 4, 0.0)
    assert fairness.admit("a", "g", 3, 0.0)


def test_many_ids_in_one_network_get_a_few_shares_together():
    fairness = Fairness(rate_per_s=1, burst=10)
    assert admitted(fairness, range(100)) == 10 * GROUP_SHARES
    assert fairness.admit("b", "another", 10, 0.0)


def test_all_networks_together_get_what_the_server_has():
    fairness = Fairness(rate_per_s=1, burst=10)
    assert sum(admitted(fairness, [group], [group]) for group in range(1000, 1100)) == 10 * TOTAL_SHARES


def test_networks_and_all_may_be_given_other_shares():
    fairness = Fairness(rate_per_s=1, burst=10, group_shares=2, total_shares=3)
    assert admitted(fairness, range(100)) == 20
    assert admitted(fairness, range(100, 200), ["another"]) == 10


def test_a_clock_that_goes_back_gives_nothing():
    buckets = Buckets(rate_per_s=1, burst=10)
    buckets.take("a", 10, 100.0)
    assert buckets.level("a", 50.0) == 0


def test_the_table_is_bounded_and_forgets_whom_it_has_not_seen_for_longest():
    buckets = Buckets(rate_per_s=0, burst=10)
    for number in range(MAX_BUCKETS):
        buckets.take(number, 1, 0.0)
    buckets.take(0, 1, 0.0)
    buckets.take("new", 1, 0.0)
    assert len(buckets) == MAX_BUCKETS
    assert buckets.level(0, 0.0) == 8, "used just now"
    assert buckets.level(1, 0.0) == 10, "forgotten"
