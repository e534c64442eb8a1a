"""A run of units that tells that a link is back, on literal times."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.comeback import Comeback
from lightpeer.core.udp.round_trip import SmoothedRtt

KNOWN = 400.0  # bytes a second: 1000 bytes in 2.5 s


def after(rtt_s: float | None) -> Comeback:
    """Return a run after a round trip."""
    rtt = SmoothedRtt()
    if rtt_s is not None:
        rtt.add(rtt_s)
    return Comeback(rtt)


def told(*times: float) -> list[float | None]:
    """Let units of 1000 bytes come at these times."""
    run = after(1.0)
    return [run.add(1000, KNOWN, now) for now in times]


def test_units_that_come_back_to_back_for_a_while_tell_the_rate():
    assert told(10.0, 12.5, 12.6, 12.7, 12.8) == [None, None, None, None, pytest.approx(10_000)]


def test_what_a_radio_hands_over_at_once_does_not():
    assert told(10.0, 12.5, 12.501, 12.502, 12.503, 12.504, 15.0) == [None] * 7


def test_fewer_than_three_gaps_do_not():
    assert told(10.0, 12.5, 12.7, 12.9, 15.0) == [None] * 5


def test_a_run_after_short_round_trips_does_not():
    run = after(0.9)
    assert [run.add(1000, KNOWN, now) for now in (10.0, 12.5, 12.6, 12.7, 12.8)] == [None] * 5


def test_one_late_unit_ends_the_run():
    assert told(10.0, 10.1, 10.2, 10.9, 11.0, 11.1) == [None] * 6
    assert told(10.0, 10.1, 10.2, 10.9, 11.0, 11.1, 11.2)[-1] == pytest.approx(10_000)


@pytest.mark.parametrize(("rtt_s", "is_likely"), [(1.0, True), (0.9, False), (None, False)])
def test_a_run_too_short_to_tell_makes_it_likely_after_long_round_trips(rtt_s, is_likely):
    run = after(rtt_s)
    for now in (10.0, 12.5, 12.51):
        run.add(1000, KNOWN, now)
    assert not run.is_likely
    run.add(1000, KNOWN, 12.52)
    assert run.is_likely == is_likely
    run.add(1000, KNOWN, 15.0)
    assert not run.is_likely


@pytest.mark.parametrize(
    ("rate", "known", "rtt_s", "is_back"),
    [
        (1600.0, 400.0, 1.0, True),
        (1599.0, 400.0, 1.0, False),
        (1600.0, 400.0, 0.9, False),  # the law follows soon enough
        (1600.0, 400.0, None, False),
        (1600.0, 0.0, 1.0, False),  # a start-up
    ],
)
def test_a_link_is_back_that_gives_four_times_as_much_after_long_round_trips(rate, known, rtt_s, is_back):
    assert after(rtt_s).is_told_by(rate, known) == is_back
