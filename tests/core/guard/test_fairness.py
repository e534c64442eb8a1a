"""Token buckets for a peer, its network, and all."""

from __future__ import annotations

from lightpeer.core.guard.fairness import GROUP_SHARES, MAX_BUCKETS, TOTAL_SHARES, Buckets, Fairness, Uses


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
    fairness = Fairness(rate_per_s=1, burst=10, group_shares=2, total_shares=4)
    assert admitted(fairness, range(100)) == 20
    assert admitted(fairness, range(100, 200), ["another"]) == 10, "half of what was left"


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


def honest_admitted(fairness: Fairness, networks: int, every_s: float, cost: float) -> tuple[int, int]:
    """How often newcomers are admitted while so many networks take all they get, and how often they asked."""
    asked = admitted = 0
    for tick in range(12_000):
        now = tick * every_s
        fairness.admit(tick, f"{tick % networks}", cost, now)
        if tick > 2000 and tick % 100 == 0:
            asked += 1
            admitted += fairness.admit(("honest", tick), f"honest {tick}", cost, now)
    return admitted, asked


def test_a_handful_of_networks_locks_nobody_out():
    asked = 100 - 1
    introductions = Fairness(1 / 60, 2, group_shares=2, total_shares=16)
    assert honest_admitted(introductions, networks=16, every_s=0.5, cost=1) == (asked, asked)
    samples = Fairness(0.1, 10)
    assert honest_admitted(samples, networks=8, every_s=0.1, cost=1) == (asked, asked)
    searches = Fairness(200, 4000, total_shares=16)
    assert honest_admitted(searches, networks=4, every_s=0.05, cost=368) == (asked, asked)


def test_one_network_alone_is_not_held_up():
    fairness = Fairness(rate_per_s=1, burst=10)
    for now in range(2000):
        for peer in range(GROUP_SHARES):
            assert fairness.admit(peer, "one", 1, float(now))


def test_what_was_used_fades():
    uses = Uses(fade_s=10)
    uses.add("a", 8, 0.0)
    assert uses.used("a", 0.0) == 8
    assert 2.9 < uses.used("a", 10.0) < 3
    assert uses.used("b", 10.0) == 0
    uses.add("a", 1, 10.0)
    assert 3.9 < uses.used("a", 10.0) < 4
    assert uses.used("a", 5.0) == uses.used("a", 10.0), "a clock that goes back"
