"""A run of units that tells that a link is back, on literal times."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.comeback import Comeback

KNOWN = 400.0  # bytes a second: 1000 bytes in 2.5 s


def told(*times: float) -> list[float | None]:
    """Let units of 1000 bytes come at these times."""
    run = Comeback()
    return [run.add(1000, KNOWN, now) for now in times]


def test_units_that_come_back_to_back_for_a_while_tell_the_rate():
    assert told(10.0, 12.5, 12.6, 12.7, 12.8) == [None, None, None, None, pytest.approx(10_000)]


def test_what_a_radio_hands_over_at_once_does_not():
    assert told(10.0, 12.5, 12.501, 12.502, 12.503, 12.504, 15.0) == [None] * 7


def test_fewer_than_three_gaps_do_not():
    assert told(10.0, 12.5, 12.7, 12.9, 15.0) == [None] * 5


def test_one_late_unit_ends_the_run():
    assert told(10.0, 10.1, 10.2, 10.9, 11.0, 11.1) == [None] * 6
    assert told(10.0, 10.1, 10.2, 10.9, 11.0, 11.1, 11.2)[-1] == pytest.approx(10_000)


def test_a_run_too_short_to_tell_makes_it_likely():
    run = Comeback()
    for now in (10.0, 12.5, 12.51):
        run.add(1000, KNOWN, now)
    assert not run.is_likely
    run.add(1000, KNOWN, 12.52)
    assert run.is_likely
    run.add(1000, KNOWN, 15.0)
    assert not run.is_likely


@pytest.mark.parametrize(
    ("rate", "known", "is_back"),
    [
        (1600.0, 400.0, True),
        (1599.0, 400.0, False),  # the law follows soon enough
        (1600.0, 0.0, False),  # a start-up
    ],
)
def test_a_link_is_back_that_gives_four_times_as_much(rate, known, is_back):
    assert Comeback().is_told_by(rate, known) == is_back
