from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.deadlines import REBUILD_AT_LEAST, Deadlines


def test_the_earliest_comes_first_and_only_when_it_is_due():
    deadlines = Deadlines[str](lambda _: True)
    assert deadlines.next() is None
    assert deadlines.pop_due(100) is None
    for at, thing in ((3, "c"), (1, "a"), (2, "b")):
        deadlines.add(at, thing)
    assert deadlines.next() == 1
    assert deadlines.pop_due(0.9) is None
    assert deadlines.pop_due(2) == "a"
    assert deadlines.pop_due(2) == "b"
    assert deadlines.pop_due(2) is None
    assert deadlines.next() == 3


def test_equal_deadlines_keep_their_order_and_are_never_compared():
    deadlines = Deadlines[object](lambda _: True)
    things = [object() for _ in range(5)]
    for thing in things:
        deadlines.add(1, thing)
    assert [deadlines.pop_due(1) for _ in things] == things


def test_what_no_longer_counts_is_passed_over():
    live = {"b"}
    deadlines = Deadlines[str](live.__contains__)
    deadlines.add(1, "a")
    deadlines.add(2, "b")
    assert deadlines.next() == 2
    live.clear()
    assert deadlines.next() is None


@given(st.integers(0, 2000), st.integers(0, 300))
def test_the_dead_do_not_pile_up(total, live_count):
    live = set(range(live_count))
    deadlines = Deadlines[int](live.__contains__)
    for thing in range(total):
        deadlines.add(1000, thing)
    assert len(deadlines._heap) <= max(REBUILD_AT_LEAST, 2 * live_count) + 1
    popped = []
    while (thing := deadlines.pop_due(1000)) is not None:
        popped.append(thing)
    assert popped == list(range(min(total, live_count)))
