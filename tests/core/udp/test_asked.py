"""What a stream is asked for comes out as it went in, and takes little."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.udp.asked import MAX_QUEUED_UNITS, Asked, AskedQueue
from lightpeer.core.udp.datagram import MAX_RANGES, Pull, UnitRange


def pull(number: int, *ranges: UnitRange) -> Pull:
    return Pull(1, number, 0, 0, 0, ranges)


unit_ranges = st.builds(
    UnitRange, st.integers(0, 255), st.integers(0, 0xFFFFFF), st.integers(0, 200), st.integers(1, 55)
)


@given(st.lists(st.lists(unit_ranges, max_size=4), max_size=20), st.integers(1, 60))
def test_ranges_come_in_the_order_asked_with_the_pull_that_they_came_with(asked, step):
    queue, left, wanted = AskedQueue(), MAX_QUEUED_UNITS, []
    for number, ranges in enumerate(asked):
        queue.put(pull(number, *ranges), number / 7)
        for rendition, segment, first, units in ranges:
            fits = min(left, units)
            left -= fits
            if fits:
                wanted.append(Asked(rendition, segment, first, first + fits, number, number / 7))
    assert queue.units == MAX_QUEUED_UNITS - left
    shown = [(each.rendition, each.segment, each.end - each.unit) for each in wanted]
    assert list(queue.upcoming(5)) == shown[:5]
    for each in wanted:
        assert queue.head == each
        while queue.head is not None and queue.units and queue.head.unit < each.end:
            is_last = each.end - queue.head.unit <= step
            queue.advance(min(step, each.end - queue.head.unit))
            if is_last:
                break
    assert (queue.head, queue.units, list(queue.upcoming(5))) == (None, 0, [])


def test_what_is_forgotten_leaves_nothing():
    queue = AskedQueue()
    queue.put(pull(1, UnitRange(0, 1, 2, 3), UnitRange(0, 2, 2, 3)), 0.0)
    queue.clear()
    assert (queue.head, queue.units, list(queue.upcoming(5))) == (None, 0, [])
    queue.put(pull(2, UnitRange(0, 9, 0, 1)), 1.0)
    assert queue.head == Asked(0, 9, 0, 1, 2, 1.0)


@pytest.mark.parametrize(("ranges", "most_bytes"), [(MAX_RANGES, 9_000), (1, 24_000)])
def test_a_queue_takes_no_more_than_what_came_for_it(ranges, most_bytes):
    """Each range is of one unit: as many as there may be, in PULLs of so many. They came in 7 and 70 kB."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        queue = AskedQueue()
        for number in range(MAX_QUEUED_UNITS // ranges + 1):
            queue.put(pull(number + 1000, *[UnitRange(0, number + 1000, 0, 1)] * ranges), 0.1 + number)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert queue.units == MAX_QUEUED_UNITS
    assert taken < most_bytes
