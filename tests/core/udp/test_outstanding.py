"""The units that are outstanding: their order, their losses, their sums."""

from __future__ import annotations

import pytest

from lightpeer.core.udp.datagram import Data, Unit, UnitRange
from lightpeer.core.udp.gauge import Gauge
from lightpeer.core.udp.outstanding import PROBES_REMEMBERED, Outcome, OutstandingUnits


class Kept:
    """The units of one segment, and the gauge that they are counted in."""

    def __init__(self) -> None:
        self.gauge = Gauge()
        self.units = OutstandingUnits(self.gauge)

    def add(self, first: int, count: int, pull_no: int, now: float = 0.0, size: int = 100) -> None:
        self.units.add([(UnitRange(0, 0, first, count), [size] * count)], pull_no, now)

    def take(self, *came: tuple[int, int]) -> list[Outcome]:
        """Let units come in one wake-up, each with the PULL that it answers."""
        return self.units.take([Data(7, pull_no, 0.0, Unit(0, 0, unit), b"x") for unit, pull_no in came])


@pytest.fixture
def kept() -> Kept:
    return Kept()


def lost(*units: int) -> tuple[tuple[Unit, ...], int]:
    return tuple(Unit(0, 0, unit) for unit in units), 100 * len(units)


def test_what_came_is_told_from_what_was_not_asked(kept):
    kept.add(0, 2, 1)
    assert kept.gauge.outstanding_bytes == 200
    assert kept.take((0, 1), (0, 1), (9, 1)) == [
        Outcome(True, False),
        Outcome(False, False),
        Outcome(False, False),
    ]
    assert kept.gauge.outstanding_bytes == 100


def test_a_unit_is_lost_by_three_later_ones_in_one_wake_up_or_in_several(kept):
    kept.add(0, 5, 1)
    assert kept.take((1, 1))[0].lost == ()
    assert kept.gauge.units_to_loss == 2
    assert kept.take((2, 1), (3, 1), (4, 1)) == [
        Outcome(True, False),
        Outcome(True, False, *lost(0)),
        Outcome(True, False),
    ]
    assert (kept.gauge.outstanding_bytes, kept.gauge.units_to_loss) == (0, None)


def test_a_unit_that_a_probe_requests_again_is_the_newest_and_counts_once(kept):
    kept.add(0, 3, 1)
    kept.take((1, 1))
    assert kept.gauge.units_to_loss == 2
    kept.units.add_probe(kept.units.oldest(), 2, 0.5)
    assert (kept.gauge.outstanding_bytes, kept.gauge.units_to_loss) == (200, None)
    assert kept.units.oldest() == [(Unit(0, 0, 2), 100)]
    kept.add(3, 1, 3)
    assert kept.take((0, 1)) == [Outcome(True, False)], "a late copy says nothing of what was asked since"
    assert kept.gauge.units_to_loss is None


def test_an_answered_probe_shows_all_before_it_to_be_lost(kept):
    kept.add(0, 4, 1)
    kept.units.add_probe(kept.units.oldest(), 2, 1.0)
    kept.add(4, 1, 3)
    assert kept.gauge.outstanding_bytes == 500
    assert kept.take((0, 2), (0, 2)) == [Outcome(True, True, *lost(1, 2, 3)), Outcome(False, False)]
    assert kept.units.oldest() == [(Unit(0, 0, 4), 100)]


def test_a_probe_of_several_units_shows_by_a_later_one_that_its_first_is_lost(kept):
    kept.add(0, 3, 1)
    kept.units.add_probe(kept.units.overdue(0.5, 0.5), 2, 0.5)
    assert kept.take((1, 2)) == [Outcome(True, True, *lost(0))]
    assert kept.units.oldest() == [(Unit(0, 0, 2), 100)]


def test_each_probe_that_is_answered_shows_what_was_asked_before_it(kept):
    """After a silence, in which several were sent."""
    kept.add(0, 3, 1)
    for pull_no in (2, 3, 4):
        kept.units.add_probe(kept.units.oldest(), pull_no, float(pull_no))
    kept.add(3, 1, 5)
    kept.units.add_probe(kept.units.oldest(), 6, 6.0)
    assert kept.units.probes_due == 4
    assert kept.take((1, 3)) == [Outcome(True, True)]
    assert kept.units.probes_due == 2
    assert kept.take((0, 2)) == [Outcome(True, False)], "it was overtaken"
    assert kept.take((2, 4)) == [Outcome(True, True)]
    kept.add(4, 1, 7)
    assert kept.take((3, 6)) == [Outcome(True, True)]
    assert (kept.units.probes_due, kept.gauge.outstanding_bytes) == (0, 100)


def test_the_oldest_probe_is_forgotten_in_the_end(kept):
    kept.add(0, 2, 1)
    for pull_no in range(2, 3 + PROBES_REMEMBERED):
        kept.units.add_probe(kept.units.oldest(), pull_no, 0.0)
    assert kept.units.probes_due == PROBES_REMEMBERED
    assert kept.take((0, 2)) == [Outcome(True, False)]


def test_a_second_copy_may_answer_a_probe(kept):
    kept.add(0, 2, 1)
    kept.units.add_probe(kept.units.oldest(), 2, 1.0)
    assert kept.take((0, 1), (0, 2)) == [Outcome(True, False), Outcome(False, True, *lost(1))]


def test_units_are_overdue_by_when_they_were_requested(kept):
    kept.add(0, 1, 1, now=1.0)
    kept.add(1, 1, 2, now=2.0)
    assert kept.units.oldest_asked_at() == 1.0
    assert kept.units.overdue(0.5, 1.4) == []
    assert kept.units.overdue(0.5, 1.5) == [(Unit(0, 0, 0), 100)]
    assert kept.units.overdue(0.5, 9.0) == [(Unit(0, 0, 0), 100), (Unit(0, 0, 1), 100)]


def test_all_is_forgotten_with_the_probe(kept):
    kept.add(0, 3, 1)
    kept.units.add_probe(kept.units.oldest(), 2, 1.0)
    kept.take((2, 1))
    kept.units.clear()
    assert (kept.gauge.outstanding_bytes, kept.gauge.units_to_loss) == (0, None)
    assert kept.units.oldest() == []
    assert kept.take((0, 2)) == [Outcome(False, False)]


def test_sizes_must_be_given_for_all_units(kept):
    with pytest.raises(ValueError, match="shorter"):
        kept.units.add([(UnitRange(0, 0, 0, 2), [10])], 1, 0.0)
