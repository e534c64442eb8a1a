"""The segments around the playhead: what is here, what is wished for, and what gives way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.segments.buffer import HISTORY_S, SegmentBuffer
from lightpeer.core.segments.scheduler import SegmentReady

HISTORY = int(HISTORY_S)


def ready(number: int) -> SegmentReady:
    return SegmentReady(0, number, b"%d" % number)


def filled(count: int, ahead: int, *numbers: int) -> SegmentBuffer:
    buffer = SegmentBuffer(count, float(ahead))
    for number in numbers:
        buffer.put(ready(number))
    return buffer


def wish_all(buffer: SegmentBuffer) -> list[int]:
    """Wish for all that is missing up to the mark; return it."""
    wished = []
    while (segment := buffer.next_wish()) is not None:
        buffer.on_wished(segment)
        wished.append(segment)
    return wished


def test_segments_come_out_in_order_whatever_order_they_came_in():
    buffer = SegmentBuffer(3, 10.0)
    assert (buffer.ahead, buffer.is_next_ready, buffer.is_complete) == (0, False, False)
    assert buffer.put(ready(1))
    assert (buffer.ahead, buffer.is_next_ready) == (0, False)
    assert buffer.put(ready(0))
    assert (buffer.ahead, buffer.is_next_ready, buffer.is_complete) == (2, True, False)
    assert buffer.put(ready(2))
    assert buffer.is_complete
    assert [buffer.take().segment for _ in range(3)] == [0, 1, 2]
    assert buffer.is_at_end


def test_what_is_missing_up_to_the_mark_is_wished_for_once():
    buffer = filled(100, 6, 1, 3)
    assert wish_all(buffer) == [0, 2, 4, 5]
    assert buffer.next_wish() is None
    buffer.put(ready(0))
    buffer.take()
    assert wish_all(buffer) == [6], "the playhead has moved on"
    assert wish_all(filled(3, 6)) == [0, 1, 2], "there is no more"


def test_what_was_heard_stays_for_a_step_back():
    buffer = filled(100, 10, *range(10))
    for _ in range(8):
        buffer.take()
    assert buffer.seek(2)
    assert buffer.ahead == 8
    assert wish_all(buffer) == [10, 11]
    assert buffer.take() == ready(2)


def test_history_is_bounded():
    buffer = SegmentBuffer(1000, 4.0)
    for number in range(3 * HISTORY):
        buffer.put(ready(number))
        buffer.take()
    assert len(buffer) == HISTORY
    assert not buffer.put(ready(2 * HISTORY - 1)), "too late, even for a step back"
    assert not buffer.put(ready(3 * HISTORY - 1)), "late, but kept"
    assert buffer.seek(2 * HISTORY)
    assert buffer.ahead == HISTORY


def test_what_comes_late_is_kept_as_far_as_a_step_back_goes():
    buffer = SegmentBuffer(1000, 4.0)
    buffer.seek(HISTORY + 5)
    assert not buffer.put(ready(4))
    assert len(buffer) == 0
    assert not buffer.put(ready(5))
    assert len(buffer) == 1


def test_what_came_and_was_forgotten_is_on_its_way_no_more():
    buffer = SegmentBuffer(1000, 10.0)
    for _ in range(10 + 2 * HISTORY):
        for number in wish_all(buffer):
            buffer.put(ready(number))
        buffer.take()
    assert not buffer.seek(5)
    assert wish_all(buffer)[:2] == [5, 6]


def test_what_lies_ahead_stays_when_the_playhead_goes_back_for_good():
    buffer = filled(1000, 10)
    buffer.seek(500)
    for number in range(500, 510):
        buffer.put(ready(number))
    assert not buffer.seek(495)
    assert buffer.ahead == 0
    assert wish_all(buffer) == [495, 496, 497, 498, 499]
    for number in range(495, 500):
        buffer.put(ready(number))
    assert buffer.ahead == 15


def test_the_farthest_gives_way_then_the_oldest():
    buffer = filled(1000, 4)
    buffer.seek(600)
    for number in range(600, 604):
        buffer.put(ready(number))
    buffer.seek(100)
    for number in range(100, 100 + 4 + HISTORY):
        buffer.put(ready(number))
    assert len(buffer) == 4 + HISTORY
    assert not buffer.seek(600)
    buffer = filled(1000, 4, *range(4))
    buffer.seek(3)
    for number in range(4, 3 + HISTORY):
        buffer.put(ready(number))
        buffer.seek(number)
    assert len(buffer) <= 4 + HISTORY
    for number in range(3 + HISTORY, 7 + HISTORY):
        buffer.put(ready(number))
    assert not buffer.seek(0), "it was the oldest"


def test_the_end_of_a_track_that_gave_way_is_wished_for_again():
    buffer = filled(33, 12, *range(33))
    assert not buffer.is_complete, "there was no room for the last"
    buffer.seek(0)
    for _ in range(32):
        buffer.take()
    assert wish_all(buffer) == [32]


def test_wishes_stand_where_the_playhead_goes_to_what_is_here_or_on_its_way():
    buffer = filled(100, 10, 0, 1, 2)
    wish_all(buffer)
    assert buffer.seek(2)
    assert wish_all(buffer) == [10, 11]
    assert buffer.seek(5), "it was wished for"
    assert wish_all(buffer) == [12, 13, 14]
    assert not buffer.seek(50)
    assert wish_all(buffer) == list(range(50, 60))
    assert not buffer.seek(12), "the wishes for there were given up"
    assert wish_all(buffer) == list(range(12, 22))


def test_a_seek_beyond_either_end_is_to_that_end():
    buffer = SegmentBuffer(10, 10.0)
    buffer.seek(99)
    assert buffer.cursor == 9
    buffer.seek(-1)
    assert buffer.cursor == 0


@given(st.integers(1, 40).flatmap(lambda n: st.permutations(range(n))))
def test_every_segment_is_given_once(order):
    buffer, taken = SegmentBuffer(len(order), 100.0), []
    for number in order:
        assert buffer.put(ready(number)) == (number not in taken)
        while buffer.is_next_ready:
            taken.append(buffer.take().segment)
    assert taken == sorted(order)
    assert buffer.is_at_end


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 80)),
            st.tuples(st.just("put many"), st.integers(0, 50)),
            st.tuples(st.just("seek"), st.integers(-5, 90)),
            st.tuples(st.just("take"), st.none()),
            st.tuples(st.just("wish"), st.none()),
        ),
        max_size=200,
    )
)
def test_whatever_happens_the_bound_holds_and_what_is_ahead_is_there(steps):
    buffer = SegmentBuffer(80, 12.0)
    for what, number in steps:
        if what == "put":
            buffer.put(ready(min(number, 79)))
        elif what == "put many":
            for following in range(number, number + 30):
                buffer.put(ready(following))
        elif what == "seek":
            buffer.seek(number)
        elif what == "take" and buffer.is_next_ready:
            assert buffer.take().segment == buffer.cursor - 1
        elif what == "wish" and (wish := buffer.next_wish()) is not None:
            assert buffer.cursor <= wish < buffer.cursor + 12
            buffer.on_wished(wish)
        assert len(buffer) <= 12 + HISTORY
        assert buffer.ahead >= 0
        assert all(k in buffer._ready for k in range(buffer.cursor, buffer.cursor + buffer.ahead))
        assert buffer.cursor + buffer.ahead not in buffer._ready
