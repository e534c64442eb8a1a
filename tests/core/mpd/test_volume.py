"""MPD's curve of the volume."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.volume import decibels_of, percent_of

LEAST_DB = -60.0


@pytest.mark.parametrize(
    ("percent", "decibels"),
    [(100, 0.0), (75, -9.0), (50, -18.5), (25, -29.9), (10, -40.7), (1, -60.0), (0, -60.0)],
)
def test_the_curve(percent, decibels):
    assert decibels_of(percent, LEAST_DB) == pytest.approx(decibels, abs=0.05)


def test_it_rises_with_every_step_that_is_heard_and_comes_back():
    steps = [decibels_of(percent, LEAST_DB) for percent in range(2, 101)]
    assert steps == sorted(set(steps))
    assert [percent_of(decibels) for decibels in steps] == list(range(2, 101))


def test_what_is_louder_than_samples_are_is_100():
    assert (percent_of(12.0), percent_of(0.0), percent_of(-90.0)) == (100, 100, 0)
