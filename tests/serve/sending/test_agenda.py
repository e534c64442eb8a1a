"""The turns of streams, by literal times."""

from __future__ import annotations

import math
from random import Random

from lightpeer.serve.sending.agenda import VOID_SHARE, Agenda


def due(agenda: Agenda, now: float) -> list[int]:
    """Serve all streams whose turn has come; return them in order."""
    served = []
    while agenda.next_at() <= now:
        if (stream_id := agenda.pop()) is not None:
            served.append(stream_id)
    return served


def test_the_earliest_turn_comes_first_and_each_once() -> None:
    agenda = Agenda()
    assert agenda.next_at() == math.inf
    for stream_id, when in ((1, 3.0), (2, 1.0), (3, 2.0)):
        agenda.put(stream_id, when)
    assert agenda.next_at() == 1.0
    assert due(agenda, 2.5) == [2, 3]
    assert due(agenda, 2.5) == []
    assert due(agenda, 3.0) == [1]


def test_a_new_turn_voids_the_old_one_whether_earlier_or_later() -> None:
    agenda = Agenda()
    agenda.put(1, 5.0)
    agenda.put(1, 7.0)
    agenda.put(2, 6.0)
    agenda.put(2, 1.0)
    assert due(agenda, 6.5) == [2]
    assert due(agenda, 7.0) == [1]


def test_a_turn_is_advanced_only_to_an_earlier_time() -> None:
    agenda = Agenda()
    agenda.put(1, 5.0)
    assert not agenda.advance(1, 5.0)
    assert not agenda.advance(1, 6.0)
    assert len(agenda) == 1
    assert agenda.advance(1, 4.0)
    assert due(agenda, 4.0) == [1]


def test_a_stream_that_is_served_gets_no_turn_until_it_is_put_back() -> None:
    agenda = Agenda()
    agenda.put(1, 1.0)
    assert due(agenda, 1.0) == [1]
    assert not agenda.advance(1, 0.5)
    assert due(agenda, 9.0) == []
    agenda.put(1, 9.0)
    assert due(agenda, 9.0) == [1]


def test_a_removed_stream_has_no_turn_and_may_be_removed_twice() -> None:
    agenda = Agenda()
    agenda.put(1, 1.0)
    agenda.remove(1)
    agenda.remove(1)
    assert due(agenda, 9.0) == []


def test_void_entries_are_cleared_and_every_turn_stays() -> None:
    agenda, random, turns = Agenda(), Random(3), {}
    for _ in range(5000):
        stream_id, turns_at = random.randrange(20), random.uniform(0.0, 100.0)
        agenda.put(stream_id, turns_at)
        turns[stream_id] = turns_at
        assert len(agenda) <= VOID_SHARE * (len(turns) + 1)
    assert due(agenda, 100.0) == sorted(turns, key=turns.__getitem__)


def test_the_clearing_gives_no_second_turn_to_a_stream_that_is_being_served() -> None:
    """Else it would stand in the row of the uplink twice."""
    agenda = Agenda()
    agenda.put(1, 1.0)
    assert due(agenda, 1.0) == [1]
    for number in range(100):
        agenda.put(2, 50.0 + number)
    assert agenda.next_at() >= 50.0
    assert due(agenda, 1000.0) == [2]
