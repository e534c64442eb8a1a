"""Allowances for a peer, its network, and all."""

from __future__ import annotations

from lightpeer.core.fairness import GROUP_SHARES, TOTAL_SHARES, Fairness


def admitted(fairness: Fairness, peers, group: str = "10.1", now: float = 0.0) -> int:
    """How much is admitted until nobody gets any more."""
    return sum(fairness.admit(peer, group, now, 1) for peer in peers for _ in range(20))


def test_a_peer_has_its_burst_and_then_its_rate():
    fairness = Fairness(per_s=2, burst=10)
    assert admitted(fairness, ["a"]) == 10
    assert admitted(fairness, ["a"], now=3.0) == 6
    assert admitted(fairness, ["a"], now=1000.0) == 10


def test_what_costs_more_than_is_left_is_refused():
    fairness = Fairness(per_s=1, burst=10)
    assert fairness.admit("a", "g", 0.0, 7)
    assert not fairness.admit("a", "g", 0.0, 4)
    assert fairness.admit("a", "g", 0.0, 3)


def test_many_ids_in_one_network_get_a_few_shares_together():
    fairness = Fairness(per_s=1, burst=10)
    assert admitted(fairness, range(100)) == 10 * GROUP_SHARES
    assert fairness.admit("b", "another", 0.0, 10)


def test_all_networks_together_get_what_the_server_has():
    fairness = Fairness(per_s=1, burst=10)
    assert sum(admitted(fairness, [i], group=str(i)) for i in range(100)) == 10 * TOTAL_SHARES
