"""The order of playing, with every draw given: laps, what is added, removed and brought forward."""

from __future__ import annotations

from collections import Counter
from itertools import product

from lightpeer.core.queue.play_order import PlayOrder, Turn, shuffled


def never(_below: int) -> int:
    raise AssertionError("nothing is drawn")


def first(_below: int) -> int:
    return 0


def last(below: int) -> int:
    return below - 1


def test_each_order_is_as_likely_as_any_other():
    drawn = Counter(
        tuple(shuffled([1, 2, 3], lambda _below, left=list(picks): left.pop(0)))
        for picks in product(range(3), range(2))
    )
    assert len(drawn) == 6
    assert shuffled([], never) == []


def test_entries_are_played_as_they_stand():
    order = PlayOrder(never)
    order.stand([1, 2, 3])
    assert order.after(Turn(1), repeats=False) == Turn(2)
    assert order.after(Turn(3), repeats=False) is None
    assert order.before(Turn(3), repeats=False) == Turn(2)
    assert order.before(Turn(1), repeats=False) == Turn(1)
    assert order.before(Turn(1), repeats=True) == Turn(3)
    order.add([4], after=1)
    order.bring(3, after=1)
    assert order.ids == [1, 2, 3], "that they say themselves"


def test_laps_are_told_apart():
    order = PlayOrder(never)
    order.stand([1, 2])
    turns = [Turn(1)]
    while len(turns) < 6:
        turns.append(order.after(turns[-1], repeats=True))
    assert turns == [Turn(1), Turn(2), Turn(1, 1), Turn(2, 1), Turn(1, 2), Turn(2, 2)]
    order.enter(turns[2])
    assert order.lap == 1
    order.enter(turns[2])
    assert order.lap == 1
    assert order.rank(Turn(2, 1)) > order.rank(Turn(1, 1))


def test_a_random_order_begins_with_what_plays_and_ends_with_random():
    order = PlayOrder(first)
    order.draw([1, 2, 3, 4], None, is_random=True)
    assert order.ids == [2, 3, 4, 1]
    order.draw([1, 2, 3, 4], 3, is_random=True)
    assert order.ids == [3, 2, 4, 1]
    order.stand([4, 3, 2, 1])
    assert order.ids == [3, 2, 4, 1], "how they stand is no matter"
    order.draw([1, 2, 3, 4], 3, is_random=False)
    assert order.ids == [1, 2, 3, 4]


def test_the_order_of_the_next_lap_stays_once_it_was_looked_at():
    draws = iter([2, 1, 0, 1])
    order = PlayOrder(lambda below: next(draws))
    order.draw([1, 2, 3], None, is_random=True)
    assert order.ids == [1, 2, 3]
    coming = order.after(Turn(3), repeats=True)
    assert coming == order.after(Turn(3), repeats=True) == Turn(2, 1), "and not the last one again"
    order.enter(coming)
    assert (order.ids, order.lap) == ([2, 1, 3], 1)


def test_an_entry_alone_follows_itself():
    order = PlayOrder(never)
    order.draw([1], None, is_random=True)
    assert order.after(Turn(1), repeats=True) == Turn(1, 1)


def test_what_is_added_at_random_comes_after_what_plays():
    order = PlayOrder(first)
    order.draw([1, 2], 1, is_random=True)
    order.after(Turn(2), repeats=True)
    order.add([3, 4], after=1)
    assert order.ids == [1, 4, 3, 2]
    assert set(order._next_lap()) == {1, 2, 3, 4}
    order._pick = last
    order.add([5], after=1)
    assert order.ids == [1, 4, 3, 2, 5]
    order._pick = first
    order.add([6], after=None)
    assert order.ids[0] == 6


def test_what_is_removed_is_in_no_lap():
    order = PlayOrder(last)
    order.draw([1, 2, 3], None, is_random=True)
    order.remove({1})
    assert order.ids == [2, 3]
    order.after(Turn(3), repeats=True)
    order.remove({2})
    assert (order.ids, order._coming) == ([3], [3])


def test_at_random_an_entry_is_brought_behind_what_plays():
    order = PlayOrder(last)
    order.draw([1, 2, 3, 4], None, is_random=True)
    order.bring(4, after=2)
    assert order.ids == [1, 2, 4, 3]
    order.bring(4, after=4)
    order.bring(1, after=3)
    assert order.ids == [2, 4, 3, 1]
    order.bring(3, after=None)
    assert order.ids == [3, 2, 4, 1]
