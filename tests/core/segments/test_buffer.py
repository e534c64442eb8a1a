"""The segments around the playhead: what is here, what is on its way, and what gives way."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lightpeer.core.segments.buffer import HISTORY_S, HISTORY_SHARE, SegmentBuffer
from lightpeer.core.segments.scheduler import SegmentReady

HISTORY = int(HISTORY_S)
PLENTY = 1_000_000
LOW, HIGH = 0, 1


def ready(number: int, rendition: int = LOW, size: int | None = None) -> SegmentReady:
    """A segment of 10 bytes in the low rendition, and 40 in the high one."""
    return SegmentReady(rendition, number, bytes((10, 40)[rendition] if size is None else size))


def filled(count: int, *numbers: int, most_bytes: int = PLENTY) -> SegmentBuffer:
    buffer = SegmentBuffer(count, most_bytes)
    for number in numbers:
        buffer.put(ready(number))
    return buffer


def test_segments_come_out_in_order_whatever_order_they_came_in() -> None:
    buffer = SegmentBuffer(3, PLENTY)
    assert (buffer.ahead, buffer.is_next_ready, buffer.is_complete) == (0, False, False)
    assert buffer.put(ready(1))
    assert (buffer.ahead, buffer.end, buffer.is_next_ready) == (0, 0, False)
    assert buffer.put(ready(0))
    assert (buffer.ahead, buffer.end, buffer.is_next_ready, buffer.is_complete) == (2, 2, True, False)
    assert buffer.put(ready(2))
    assert buffer.is_complete
    assert [buffer.take().segment for _ in range(3)] == [0, 1, 2]
    assert buffer.is_at_end


def test_a_track_without_segments_is_complete() -> None:
    buffer = SegmentBuffer(0, PLENTY)
    assert buffer.is_complete
    assert buffer.is_at_end


@given(st.integers(1, 40).flatmap(lambda n: st.permutations(range(n))))
def test_every_segment_is_given_once(order: list[int]) -> None:
    buffer, taken = SegmentBuffer(len(order), PLENTY), list[int]()
    for number in order:
        assert buffer.put(ready(number))
        while buffer.is_next_ready:
            taken.append(buffer.take().segment)
    assert taken == sorted(order)
    assert buffer.is_at_end


# On its way.


def test_the_end_is_what_is_neither_here_nor_on_its_way() -> None:
    buffer = filled(100, 0, 2)
    assert buffer.end == 1
    buffer.on_wished(1, LOW)
    assert buffer.end == 3
    buffer.on_wished(3, HIGH)
    assert (buffer.end, buffer.ahead) == (4, 1)
    assert buffer.wished == {1: LOW, 3: HIGH}
    buffer.on_dropped(1)
    assert (buffer.end, buffer.wished) == (1, {3: HIGH})
    buffer.put(ready(1))
    assert (buffer.end, buffer.ahead) == (4, 3)


def test_what_is_dropped_but_here_leaves_no_gap() -> None:
    buffer = filled(100, 0, 1, 2)
    buffer.on_wished(1, HIGH)
    buffer.on_dropped(1)
    assert (buffer.end, buffer.wished, buffer.here) == (3, {}, {0: LOW, 1: LOW, 2: LOW})


def test_what_is_dropped_behind_the_playhead_changes_nothing_ahead() -> None:
    buffer = filled(100, 0, 1, 2)
    buffer.on_wished(3, LOW)
    buffer.seek(2)
    buffer.on_wished(1, LOW)
    buffer.on_dropped(1)
    assert (buffer.end, buffer.wished) == (4, {3: LOW})


def test_what_came_is_on_its_way_no_more_and_another_rendition_still_is() -> None:
    buffer = SegmentBuffer(100, PLENTY)
    buffer.on_wished(0, HIGH)
    assert buffer.put(ready(0, LOW))  # an earlier wish
    assert buffer.wished == {0: HIGH}
    assert buffer.put(ready(0, HIGH))
    assert (buffer.wished, buffer.here) == ({}, {0: HIGH})


# Better ones.


def test_a_better_one_takes_its_place_and_no_other_does() -> None:
    buffer = filled(100, 0, 1, 2)
    assert buffer.size_bytes == 30
    assert buffer.put(ready(1, HIGH))
    assert (buffer.size_bytes, buffer.ahead, len(buffer)) == (60, 3, 3)
    assert buffer.here == {0: LOW, 1: HIGH, 2: LOW}
    assert not buffer.put(ready(1, HIGH))
    assert not buffer.put(ready(1, LOW))
    assert buffer.size_bytes == 60
    assert [buffer.take().rendition for _ in range(3)] == [LOW, HIGH, LOW]


def test_what_comes_too_late_is_left() -> None:
    buffer = filled(100, 0, 1)
    buffer.on_wished(0, HIGH)
    buffer.take()
    assert not buffer.put(ready(0, HIGH))
    assert buffer.wished == {}
    assert buffer.seek(0)
    assert buffer.take() == ready(0, LOW)


# Seeking.


def test_what_was_heard_stays_for_a_step_back() -> None:
    buffer = filled(100, *range(10))
    for _ in range(8):
        buffer.take()
    assert buffer.seek(2)
    assert (buffer.ahead, buffer.end) == (8, 10)
    assert buffer.here == dict.fromkeys(range(2, 10), LOW)
    assert buffer.take() == ready(2)


def test_history_is_bounded_in_time() -> None:
    buffer = SegmentBuffer(1000, PLENTY)
    for number in range(3 * HISTORY):
        buffer.put(ready(number))
        buffer.take()
    assert len(buffer) == HISTORY
    assert buffer.size_bytes == 10 * HISTORY
    assert buffer.seek(2 * HISTORY)
    assert buffer.ahead == HISTORY
    assert not buffer.seek(2 * HISTORY - 1)


def test_what_lies_ahead_stays_when_the_playhead_goes_back_for_good() -> None:
    buffer = filled(1000)
    buffer.seek(500)
    for number in range(500, 510):
        buffer.put(ready(number))
    assert not buffer.seek(495)
    assert (buffer.ahead, buffer.end) == (0, 495)
    for number in range(495, 500):
        buffer.put(ready(number))
    assert (buffer.ahead, buffer.end) == (15, 510)


def test_wishes_stand_where_the_playhead_goes_to_what_is_here_or_on_its_way() -> None:
    buffer = filled(100, 0, 1, 2)
    for number in (3, 4, 5):
        buffer.on_wished(number, LOW)
    assert buffer.seek(2)
    assert buffer.seek(5), "it is on its way"
    assert (buffer.ahead, buffer.end, len(buffer.wished)) == (0, 6, 3)
    assert not buffer.seek(50)
    assert (buffer.wished, buffer.end) == ({}, 50)
    assert not buffer.seek(5), "the wishes for there were given up"


def test_a_seek_beyond_either_end_is_to_that_end() -> None:
    buffer = SegmentBuffer(10, PLENTY)
    buffer.seek(99)
    assert buffer.cursor == 9
    buffer.seek(-1)
    assert buffer.cursor == 0


# The bound.


def test_there_is_room_for_what_is_ahead_beside_some_history() -> None:
    buffer = filled(1000, most_bytes=800)
    room_bytes = 800 * (1 - HISTORY_SHARE)
    assert buffer.room_bytes(math.inf) == room_bytes
    buffer.put(ready(0))
    buffer.put(ready(1, HIGH))
    assert buffer.room_bytes(math.inf) == room_bytes - 50
    buffer.take()
    assert buffer.room_bytes(math.inf) == room_bytes - 40, "what was heard takes none of it"
    buffer.put(ready(2))
    buffer.put(ready(2, HIGH))
    assert buffer.room_bytes(math.inf) == room_bytes - 80


def test_what_was_heard_gives_way_to_the_end_of_the_track() -> None:
    buffer = filled(1000, most_bytes=800)
    buffer.put(ready(0))
    assert buffer.room_bytes(790.0) == 790
    assert buffer.room_bytes(791.0) == 800 * (1 - HISTORY_SHARE) - 10


def test_history_gives_way_first_the_oldest_first() -> None:
    buffer = filled(1000, *range(10), most_bytes=100)
    for _ in range(4):
        buffer.take()
    buffer.put(ready(10))
    assert (buffer.size_bytes, buffer.ahead) == (100, 7)
    buffer.put(ready(11, size=20))
    assert (buffer.size_bytes, buffer.ahead) == (100, 8)
    assert not buffer.seek(2), "it was among the oldest"
    assert buffer.seek(3)


def test_then_the_farthest_gives_way() -> None:
    buffer = filled(1000, *range(5), most_bytes=100)
    for number in range(500, 505):
        buffer.put(ready(number))
    buffer.put(ready(5))
    assert (buffer.size_bytes, buffer.ahead) == (100, 6)
    assert sorted(buffer.here) == [*range(6), *range(500, 504)]
    for number in range(6, 12):
        buffer.put(ready(number))
    assert sorted(buffer.here) == [*range(10)]
    assert (buffer.end, buffer.is_complete) == (10, False)


def test_the_end_of_a_track_that_gave_way_is_to_be_fetched_again() -> None:
    buffer = filled(11, *range(11), most_bytes=100)
    assert not buffer.is_complete, "there was no room for the last"
    assert (buffer.ahead, buffer.end) == (10, 10)
    for _ in range(5):
        buffer.take()
    assert buffer.put(ready(10))
    assert buffer.is_complete


def test_what_lies_far_ahead_leaves_room_for_what_is_next() -> None:
    """Or nothing would ever be fetched after a seek back from a full buffer."""
    buffer = filled(1000, most_bytes=800)
    buffer.seek(500)
    for number in range(500, 570):
        buffer.put(ready(number))
    assert buffer.room_bytes(math.inf) == 0
    assert not buffer.seek(100)
    assert buffer.room_bytes(math.inf) == 700
    for number in range(100, 170):
        assert buffer.room_bytes(math.inf) >= 10
        buffer.put(ready(number))
        assert buffer.size_bytes <= 800
    assert (buffer.cursor, buffer.ahead, buffer.room_bytes(math.inf)) == (100, 70, 0)


def test_what_lies_ahead_counts_again_once_it_is_reached() -> None:
    buffer = filled(1000, 0, 2, 3, most_bytes=800)
    assert buffer.room_bytes(math.inf) == 690
    buffer.on_wished(1, LOW)
    assert buffer.room_bytes(math.inf) == 670
    buffer.on_dropped(1)
    assert buffer.room_bytes(math.inf) == 690


@pytest.mark.parametrize("seed", range(5))
def test_while_a_track_is_heard_the_bound_holds_and_all_of_it_comes(seed: int) -> None:
    """Segments of uneven sizes, fetched into what room there is."""
    random, count = Random(seed), 400
    sizes = [random.randrange(5, 60) for _ in range(count)]
    buffer, taken = SegmentBuffer(count, 2_000), 0
    while not buffer.is_at_end:
        while buffer.end < count and buffer.room_bytes(math.inf) >= 33:
            buffer.put(ready(buffer.end, size=sizes[buffer.end]))
            assert buffer.size_bytes <= 2_000
        assert buffer.take().segment == taken
        taken += 1
    assert taken == count


# Any sequence.


class Model(RuleBasedStateMachine):
    """The buffer beside a plain one, which looks at everything anew each time."""

    COUNT, MOST = 60, 300

    @initialize(most_bytes=st.sampled_from([120, 300, 10_000]))
    def begin(self, most_bytes: int) -> None:
        self.buffer = SegmentBuffer(self.COUNT, most_bytes)
        self.kept: dict[int, SegmentReady] = {}
        self.wished: dict[int, int] = {}
        self.cursor = 0

    @rule(number=st.integers(0, COUNT - 1), rendition=st.integers(0, 1), size=st.integers(1, 60))
    def put(self, number: int, rendition: int, size: int) -> None:
        segment = ready(number, rendition, size)
        if self.wished.get(number) == rendition:
            del self.wished[number]
        before = self.kept.get(number)
        is_better = number >= self.cursor and (before is None or before.rendition < rendition)
        assert self.buffer.put(segment) is is_better
        if is_better:
            self.kept[number] = segment
        while sum(len(kept.data) for kept in self.kept.values()) > self.buffer.most_bytes:
            oldest = min(self.kept)
            del self.kept[oldest if oldest < self.cursor else max(self.kept)]

    @rule(start=st.integers(0, COUNT - 1), length=st.integers(1, 15), rendition=st.integers(0, 1))
    def put_many(self, start: int, length: int, rendition: int) -> None:
        for number in range(start, min(start + length, self.COUNT)):
            self.put(number, rendition, 10)

    @rule(number=st.integers(0, COUNT - 1))
    def wish(self, number: int) -> None:
        here = self.kept[number].rendition if number in self.kept else -1
        if number >= self.cursor and number not in self.wished and here < HIGH:
            self.wished[number] = here + 1
            self.buffer.on_wished(number, here + 1)

    @rule()
    def wish_at_the_end(self) -> None:
        if self.buffer.end < self.COUNT:
            self.wished[self.buffer.end] = LOW
            self.buffer.on_wished(self.buffer.end, LOW)

    @precondition(lambda self: self.wished)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.wished)))
        del self.wished[number]
        self.buffer.on_dropped(number)

    @precondition(lambda self: self.cursor in self.kept)
    @rule(times=st.integers(1, 30))
    def take(self, times: int) -> None:
        for _ in range(times):
            if self.cursor not in self.kept:
                return
            assert self.buffer.take() == self.kept[self.cursor]
            self.cursor += 1
            self.kept.pop(self.cursor - HISTORY - 1, None)

    @rule(number=st.integers(-3, COUNT + 3))
    def seek(self, number: int) -> None:
        self.cursor = max(0, min(number, self.COUNT - 1))
        is_near = self.cursor in self.kept or self.cursor in self.wished
        assert self.buffer.seek(number) is is_near
        if not is_near:
            self.wished.clear()

    @invariant()
    def is_as_it_should_be(self) -> None:
        buffer = self.buffer
        ahead = {number: kept for number, kept in self.kept.items() if number >= self.cursor}
        in_a_row = end = self.cursor
        while in_a_row in ahead:
            in_a_row += 1
        while end in ahead or end in self.wished:
            end += 1
        row_bytes = sum(len(kept.data) for number, kept in ahead.items() if number < end)
        assert buffer.cursor == self.cursor
        assert buffer.here == {number: kept.rendition for number, kept in ahead.items()}
        assert buffer.wished == self.wished
        assert (buffer.ahead, buffer.end) == (in_a_row - self.cursor, end)
        assert buffer.is_next_ready is (self.cursor in ahead)
        assert buffer.is_complete is (in_a_row >= self.COUNT)
        assert buffer.is_at_end is (self.cursor >= self.COUNT)
        assert len(buffer) == len(self.kept)
        assert buffer.size_bytes == sum(len(kept.data) for kept in self.kept.values()) <= buffer.most_bytes
        assert buffer.room_bytes(math.inf) == pytest.approx(
            (1 - HISTORY_SHARE) * buffer.most_bytes - row_bytes
        )


Model.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestAnySequence = Model.TestCase
