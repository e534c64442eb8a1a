"""What others have made, in turn: by a literal clock."""

from __future__ import annotations

import pytest

from lightpeer.core.guard import orders as module
from lightpeer.core.guard.orders import (
    ALL_SHARES,
    MAX_FAILED,
    MAX_OF_NETWORK,
    MAX_ORDERS,
    NETWORK_SHARES,
    SOUND_AT_ONCE,
    SOUND_PER_S,
    Orders,
)


def put(orders: Orders, name: str, *, sound_s: float = 240.0, by: str = "me@home", now: float = 10.0) -> bool:
    peer, _, network = by.partition("@")
    return orders.put(name.encode(), sound_s, (peer, network), now)


def test_they_are_made_in_turn_and_once() -> None:
    orders = Orders()
    assert put(orders, "a")
    assert put(orders, "b", by="you@work")
    assert not put(orders, "a", by="you@work"), "it is on order"
    assert orders.take() == b"a"
    assert not put(orders, "a"), "it is being made"
    assert orders.take() == b"b"
    assert put(orders, "a"), "it was made, and is gone again"
    assert (orders.take(), orders.take(), len(orders)) == (b"a", None, 0)
    assert put(orders, "a")


def test_what_was_begun_and_came_to_nothing_may_be_ordered_again() -> None:
    orders = Orders()
    put(orders, "a")
    orders.take()
    orders.end()
    assert put(orders, "a")
    orders.end()
    assert orders.take() == b"a", "what waits is still on order"


def test_few_wait_in_all_and_fewer_of_one_network() -> None:
    orders = Orders()
    assert [put(orders, f"a{n}", by=f"{n}@home") for n in range(4)] == [True] * MAX_OF_NETWORK + [False] * 2
    others = [put(orders, f"b{n}", by=f"me@{n}") for n in range(MAX_ORDERS)]
    assert others == [True] * (MAX_ORDERS - MAX_OF_NETWORK) + [False] * MAX_OF_NETWORK
    assert len(orders) == MAX_ORDERS
    assert orders.take() == b"a0"
    assert not orders.may_put(b"b0", "another"), "on order"
    assert put(orders, "a9"), "there is a place again"


def drained(orders: Orders, by: list[str], now: float) -> float:
    """Order hours of sound as often as is let; return how many seconds that were."""
    seconds = 0.0
    for number, who in enumerate(by * 1000):
        if put(orders, f"{now}/{number}", sound_s=600.0, by=who, now=now):
            seconds += 600.0
            orders.take()
    return seconds


@pytest.mark.parametrize(
    ("by", "shares"),
    [
        (["me@home"], 1),
        ([f"{n}@home" for n in range(9)], NETWORK_SHARES),
        ([f"{n}@{n % 40}" for n in range(200)], ALL_SHARES),
    ],
)
def test_a_peer_a_network_and_all_have_a_share_of_the_sound(by, shares) -> None:
    orders = Orders()
    at_once = drained(orders, by, 10.0)
    assert at_once <= shares * SOUND_AT_ONCE
    assert at_once >= shares * SOUND_AT_ONCE / 2, "not the last of it: that is for newcomers"
    later = drained(orders, by, 10.0 + 600.0)
    assert later <= shares * SOUND_PER_S * 600.0 + shares * SOUND_AT_ONCE - at_once


def test_a_track_of_a_day_counts_as_all_that_a_peer_may_have() -> None:
    orders = Orders()
    assert put(orders, "mix", sound_s=86_400.0)
    assert not put(orders, "song", sound_s=60.0)
    assert put(orders, "song", sound_s=60.0, by="you@work")


def test_what_cannot_be_made_is_not_tried_again_until_it_is_another(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_FAILED", 2)
    assert MAX_FAILED > 1000
    orders = Orders()
    for name in (b"a", b"b"):
        orders.fail(name)
    assert not put(orders, "a")
    orders.forget(b"a")
    assert put(orders, "a")
    orders.forget(b"a")
    assert orders.take() is None, "nor is what was dropped meanwhile"
    for name in (b"c", b"d"):
        orders.fail(name)
    assert put(orders, "b"), "the oldest of many is tried again"
