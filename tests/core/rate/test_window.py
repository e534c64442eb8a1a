"""How much may be outstanding, by literal figures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.core.rate.window import FLOOR_UNITS, MAX_WINDOW_BYTES, Window
from lightpeer.core.udp.datagram import MAX_PAYLOAD

INITIAL = 12 * MAX_PAYLOAD
FLOOR = FLOOR_UNITS * MAX_PAYLOAD


def worked_out(
    window: Window, rate: float, *, base_s: float | None = 0.2, queue_s: float = 0.0, floor: float = 0.0
) -> float:
    """Return the window at a rate, for a queue of 30 ms."""
    delay = SimpleNamespace(base_s=base_s, queue_s=queue_s)
    return window.work_out(rate, delay, 0.03, floor)  # type: ignore[arg-type]


@pytest.fixture
def window() -> Window:
    return Window(INITIAL)


@pytest.mark.parametrize(("rate", "base_s"), [(0.0, 0.2), (50_000.0, None)])
def test_before_anything_is_measured_it_is_the_initial_one(window, rate, base_s):
    window.held_bytes = 1.0
    assert worked_out(window, rate, base_s=base_s, floor=1e6) == INITIAL
    assert window.held_bytes is None
    window.most_bytes = 5000
    assert worked_out(window, rate, base_s=base_s) == 5000


def test_without_a_round_trip_half_a_second_is_assumed(window):
    assert worked_out(window, 4_000.0, base_s=None) == pytest.approx(4_000 * 0.5 + 2 * MAX_PAYLOAD)
    assert worked_out(window, 400.0, base_s=None) == FLOOR


def test_it_holds_the_path_twice_the_target_and_what_waits_at_the_server(window):
    assert worked_out(window, 50_000.0) == pytest.approx(50_000 * 0.26 + 2 * MAX_PAYLOAD)
    window.batch_bytes = 4 * MAX_PAYLOAD
    assert worked_out(window, 50_000.0) == pytest.approx(50_000 * 0.26 + 5 * MAX_PAYLOAD)
    assert window.held_bytes == pytest.approx(50_000 * 0.26 + 5 * MAX_PAYLOAD)


def test_it_is_four_times_what_a_round_trip_carried_at_most(window):
    assert worked_out(window, 1e6) == 4 * INITIAL
    window.proven_bytes = 20_000.0
    assert worked_out(window, 1e6) == 80_000


def test_it_has_room_for_three_units_unless_it_is_limited(window):
    assert worked_out(window, 100.0) == FLOOR
    window.most_bytes = MAX_PAYLOAD
    assert worked_out(window, 100.0) == MAX_PAYLOAD


def test_among_others_it_holds_the_floor_for_as_long_as_a_queue_that_is_no_fade(window):
    assert worked_out(window, 10_000.0, queue_s=0.1, floor=100_000.0) == pytest.approx(30_000)
    assert worked_out(window, 10_000.0, queue_s=9.0, floor=100_000.0) == pytest.approx(60_000)
    assert window.held_bytes == pytest.approx(10_000 * 0.26 + 2 * MAX_PAYLOAD), "without them"
    assert worked_out(window, 10_000.0, floor=1e9) == MAX_WINDOW_BYTES


@pytest.mark.parametrize(
    ("rate", "batch"),
    [(5_000, MAX_PAYLOAD), (24_000, 2_400), (60_000, 4 * MAX_PAYLOAD), (240_000, 9_600)],
)
def test_a_pull_is_for_a_few_units_of_a_tenth_of_a_second_at_most(window, rate, batch):
    """One unit at least on a slow link, and 40 ms on a fast one."""
    window.tune(rate)
    assert window.batch_bytes == pytest.approx(batch)
