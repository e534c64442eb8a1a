"""What is on its way, in the order in which it is needed, and from whom."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.assembly import Assembly, Key
from lightpeer.core.segments.object_queue import PATIENCE_S, ObjectQueue
from lightpeer.core.udp.datagram import UnitRange, unit_layout

SIZE = 2500
_, STEP = unit_layout(SIZE)  # three units


def item(segment: int, needed_at: float | None = None) -> Assembly:
    return Assembly((0, segment), SIZE, needed_at=segment if needed_at is None else needed_at)


def queue(*items: Assembly) -> ObjectQueue:
    made = ObjectQueue()
    for each in items:
        made.put(each)
    return made


def asked(made: ObjectQueue, source: str = "a", budget_bytes: float = 1e9, now: float = 10.0) -> list[Key]:
    return [(wanted.rendition, wanted.segment) for wanted, _ in made.next_ranges(source, budget_bytes, now)]


def test_it_is_asked_for_in_the_order_in_which_it_is_needed() -> None:
    made = queue(item(5), item(3), item(9), item(1, needed_at=7.5))
    assert [each.key[1] for each in made.items] == [3, 5, 1, 9]
    assert asked(made) == [(0, 3), (0, 5), (0, 1), (0, 9)]


def test_what_is_needed_at_the_same_time_keeps_its_order() -> None:
    first, second = item(1, 4.0), item(2, 4.0)
    assert queue(first, second).items == [first, second]


def test_what_is_removed_is_on_its_way_no_more() -> None:
    one, other = item(1), item(2)
    made = queue(one, other)
    assert (0, 1) in made.by_key
    assert made.by_key[0, 1] is one
    made.remove(one)
    assert (0, 1) not in made.by_key
    assert asked(made) == [(0, 2)]
    made.clear()
    assert (made.items, made.by_key) == ([], {})


def test_one_is_removed_though_another_looks_the_same() -> None:
    one, other = item(1), Assembly((1, 1), SIZE, needed_at=1.0)
    made = queue(one, other)
    made.remove(other)
    assert made.items == [one]


def test_a_budget_is_kept_to_and_the_rest_is_asked_of_the_same_source() -> None:
    made = queue(item(1), item(2))
    assert made.next_ranges("a", STEP - 1, 10.0) == []
    assert made.next_ranges("a", 2 * STEP, 10.0) == [(UnitRange(0, 1, 0, 2), [STEP, STEP])]
    assert asked(made, "b") == [(0, 2)]
    assert made.next_ranges("a", 1e9, 10.0) == [(UnitRange(0, 1, 2, 1), [SIZE - 2 * STEP])]
    assert asked(made, "a") == asked(made, "b") == []


def test_whole_objects_are_asked_for_where_nothing_of_them_is() -> None:
    made = queue(*map(item, range(4)))
    asked(made, "a", STEP)
    assert made.next_objects("b", 2, 10.0) == [(0, 1), (0, 2)]
    assert made.next_objects("b", 9, 10.0) == [(0, 3)]
    assert made.next_objects("b", 0, 10.0) == made.next_objects("b", 9, 10.0) == []


def test_what_was_asked_of_one_that_is_released_may_come_from_another() -> None:
    made = queue(item(1), item(2))
    asked(made, "a", 3 * STEP)
    asked(made, "b")
    made.release("a")
    assert made.first_holder() is None
    assert asked(made, "c") == [(0, 1)]
    assert made.first_holder() == "c"


def test_the_first_is_hedged_once() -> None:
    made = queue(item(1), item(2))
    assert made.first_holder() is None
    asked(made, "a")
    assert made.first_holder() == "a"
    assert made.hedge_first() == SIZE
    assert made.first_holder() is None, "two were asked"
    assert asked(made, "b") == [(0, 1)]
    assert made.first_holder() is None
    assert queue().first_holder() is None


def test_an_object_is_due_after_some_seconds_and_each_further_one_a_segment_later() -> None:
    made = queue(item(1), item(2))
    assert (made.next_due(), made.overdue(1e9)) == (math.inf, None)
    asked(made, "a", now=10.0)
    assert made.next_due() == 10.0 + PATIENCE_S
    assert made.overdue(10.0 + PATIENCE_S - 0.01) is None
    assert made.overdue(10.0 + PATIENCE_S) == "a"
    made.remove(made.items[0])
    assert made.next_due() == 11.0 + PATIENCE_S


def test_on_a_slow_link_nobody_is_to_blame() -> None:
    made = queue(item(1), item(2))
    made.share_bytes_per_s = 100.0
    asked(made, "a", now=10.0)
    assert [each.due_s for each in made.items] == pytest.approx([10.0 + 4 * 25.0, 10.0 + 4 * 50.0])


def test_where_a_round_trip_takes_long_there_is_more_time() -> None:
    made = queue(item(1))
    made.patience_s = 9.0
    asked(made, "a", now=10.0)
    assert made.next_due() == 19.0


def test_a_source_is_asked_for_the_renditions_that_it_has() -> None:
    made = queue(Assembly((0, 1), SIZE), Assembly((1, 2), SIZE), Assembly((2, 3), SIZE))
    made.present = {"a": 1, "b": 2}
    assert made.next_ranges("a", 1e9, 10.0) == [(UnitRange(0, 1, 0, 3), [STEP, STEP, SIZE - 2 * STEP])]
    assert made.next_objects("a", 9, 10.0) == []
    assert made.next_objects("b", 9, 10.0) == [(1, 2)]
    assert made.next_objects("c", 9, 10.0) == [(2, 3)]
