"""The segments between cursor and frontier."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.buffer import SegmentBuffer
from lightpeer.core.scheduler import SegmentReady


def ready(number: int) -> SegmentReady:
    return SegmentReady(0, number, b"%d" % number)


def test_segments_come_out_in_order_whatever_order_they_came_in():
    buffer = SegmentBuffer(3)
    assert (buffer.ahead, buffer.is_next_ready, buffer.is_complete) == (0, False, False)
    assert buffer.put(ready(1))
    assert (buffer.ahead, buffer.is_next_ready) == (0, False)
    assert buffer.put(ready(0))
    assert (buffer.ahead, buffer.is_next_ready, buffer.is_complete) == (2, True, False)
    assert buffer.put(ready(2))
    assert buffer.is_complete
    assert [buffer.take().segment for _ in range(3)] == [0, 1, 2]
    assert buffer.is_at_end


def test_what_comes_too_late_is_dropped():
    buffer = SegmentBuffer(3)
    buffer.put(ready(0))
    buffer.take()
    assert not buffer.put(ready(0))
    assert buffer.ahead == 0


def test_a_seek_keeps_what_serves_there():
    buffer = SegmentBuffer(10)
    buffer.frontier = 7
    for number in (1, 2, 4):
        buffer.put(ready(number))
    assert buffer.seek(2)
    assert (buffer.cursor, buffer.frontier, buffer.ahead) == (2, 7, 1)
    assert not buffer.seek(3)
    assert (buffer.cursor, buffer.frontier, buffer.ahead) == (3, 3, 0)
    assert not buffer.put(ready(2))
    assert not buffer.is_next_ready


def test_a_seek_beyond_either_end_is_to_that_end():
    buffer = SegmentBuffer(10)
    buffer.seek(99)
    assert buffer.cursor == 9
    buffer.seek(-1)
    assert buffer.cursor == 0


@given(st.integers(1, 40).flatmap(lambda n: st.permutations(range(n))))
def test_every_segment_is_given_once(order):
    buffer, taken = SegmentBuffer(len(order)), []
    for number in order:
        assert buffer.put(ready(number)) == (number not in taken)
        while buffer.is_next_ready:
            taken.append(buffer.take().segment)
    assert taken == sorted(order)
    assert buffer.is_at_end
