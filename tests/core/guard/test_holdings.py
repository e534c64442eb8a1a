from __future__ import annotations

from lightpeer.core.guard.holdings import Holdings


def test_sums_follow_what_each_client_holds():
    holdings = Holdings(1000, 500)
    assert holdings.update("a1", "a", 300) is None
    assert holdings.update("a2", "a", 200) is None
    assert holdings.update("b1", "b", 400) is None
    assert holdings.total_bytes == 900
    assert holdings.update("a1", "a", 100) is None
    assert holdings.total_bytes == 700
    holdings.remove("a1", "a")
    holdings.remove("a2", "a")
    assert holdings.total_bytes == 400
    assert list(holdings._networks) == list(holdings._sums) == ["b"]
    holdings.remove("a2", "a")  # it is gone already
    assert holdings.total_bytes == 400


def test_the_heaviest_of_the_heaviest_network_is_let_go():
    holdings = Holdings(1000, 500)
    for client, network, held_bytes in [("a1", "a", 300), ("a2", "a", 290), ("b1", "b", 400)]:
        assert holdings.update(client, network, held_bytes) is None
    assert holdings.update("c1", "c", 20) == "a1"  # not b1, which holds most of all
    assert holdings.total_bytes == 710
    assert holdings.update("c2", "c", 300) == "b1"
    assert holdings.total_bytes == 610


def test_at_the_bounds_nobody_is_let_go():
    holdings = Holdings(1000, 500)
    assert holdings.update("a1", "a", 500) is None
    assert holdings.update("b1", "b", 500) is None
    assert holdings.update("b1", "b", 501) == "b1"
    assert holdings.total_bytes == 500
    assert holdings.update("b1", "b", 10) is None  # it still ends
    holdings.remove("b1", "b")
    assert holdings.total_bytes == 500


def test_of_one_network_alone_it_is_whoever_holds_most():
    holdings = Holdings(1000, 1000)
    for number in range(10):
        assert holdings.update(number, "a", 100 + number) == (9 if number == 9 else None)
    assert holdings.total_bytes == sum(range(100, 109))
