"""The congestion window, by literal segments."""

from __future__ import annotations

import pytest

from lightpeer.testing.tcp.segments import SEGMENT_BYTES
from lightpeer.testing.tcp.window import BACKOFF, INITIAL_WINDOW_BYTES, Window


def test_it_doubles_in_slow_start_and_grows_by_a_segment_a_flight_after_a_loss() -> None:
    window = Window()
    assert window.grow(latest=9, segments=10)
    assert window.size_bytes == 2 * INITIAL_WINDOW_BYTES
    window.on_loss(first_lost=10, next_number=30)
    size = BACKOFF * 2 * INITIAL_WINDOW_BYTES
    assert window.size_bytes == size
    assert window.grow(latest=30, segments=14)
    assert window.size_bytes == pytest.approx(size + SEGMENT_BYTES)


def test_one_flight_shrinks_it_once_and_does_not_let_it_grow() -> None:
    window = Window()
    window.on_loss(first_lost=2, next_number=10)
    size = window.size_bytes
    window.on_loss(first_lost=5, next_number=10)
    assert not window.grow(latest=9, segments=1)
    assert window.size_bytes == size
    window.on_loss(first_lost=10, next_number=20)
    assert window.size_bytes == BACKOFF * size


def test_a_timeout_leaves_one_segment_and_slow_start_to_the_old_threshold() -> None:
    window = Window()
    window.on_timeout(INITIAL_WINDOW_BYTES, next_number=10, is_first=True)
    window.on_timeout(SEGMENT_BYTES, next_number=10, is_first=False)
    assert window.size_bytes == SEGMENT_BYTES
    grown = [window.grow(latest=10, segments=int(window.size_bytes // SEGMENT_BYTES)) for _ in range(3)]
    assert grown == [True] * 3
    assert window.size_bytes == 8 * SEGMENT_BYTES
    window.grow(latest=10, segments=8)
    assert window.size_bytes == pytest.approx(9 * SEGMENT_BYTES), "7 segments were the threshold"


def test_the_threshold_is_two_segments_at_least() -> None:
    window = Window()
    for number in range(1, 20):
        window.on_loss(first_lost=number, next_number=number + 1)
    assert window.size_bytes == 2 * SEGMENT_BYTES
