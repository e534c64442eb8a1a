"""Who waits, network by network."""

from __future__ import annotations

from lightpeer.core.guard import waiting as module
from lightpeer.core.guard.waiting import Waiting


def served(waiting: Waiting[int]) -> list[tuple[str, int]]:
    """Serve one after another until nobody waits."""
    order = []
    while (taken := waiting.take()) is not None:
        order.append(taken)
        waiting.done(taken[0])
    return order


def test_networks_have_their_turns_and_in_each_the_newest_is_first():
    waiting: Waiting[int] = Waiting(9)
    for group, item in (("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)):
        waiting.put(group, item)
    assert len(waiting) == 6
    assert served(waiting) == [("a", 3), ("b", 6), ("c", 5), ("a", 2), ("b", 4), ("a", 1)]
    assert len(waiting) == 0


def test_a_network_that_was_never_served_is_next():
    waiting: Waiting[int] = Waiting(9)
    waiting.put("a", 1)
    served(waiting)
    waiting.put("a", 2)
    waiting.put("new", 3)
    assert served(waiting)[0] == ("new", 3)


def test_one_of_a_network_is_served_at_a_time():
    waiting: Waiting[int] = Waiting(9)
    waiting.put("a", 1)
    waiting.put("a", 2)
    assert waiting.take() == ("a", 2)
    assert waiting.take() is None
    waiting.done("a")
    assert waiting.take() == ("a", 1)


def test_when_it_is_full_the_longest_line_gives_up_its_oldest():
    waiting: Waiting[int] = Waiting(3)
    for item in range(4):
        waiting.put("a", item)
    waiting.put("b", 9)
    assert served(waiting) == [("a", 3), ("b", 9), ("a", 2)]
    alone: Waiting[int] = Waiting(0)
    alone.put("a", 1)
    assert len(alone) == 0


def test_the_memory_of_who_was_served_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_SERVED", 2)
    waiting: Waiting[int] = Waiting(9)
    for group in "abc":
        waiting.put(group, 1)
    served(waiting)
    assert list(waiting._served) == ["b", "c"]
