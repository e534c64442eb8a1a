"""Bursts and rests, by literal depths."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.plan.bursts import FIRST_DEPTH_S, LOW_SHARE, MOST_DEPTH_S, MOST_LOW_S, Bursts, Listening


@pytest.mark.parametrize("full_s", [8.0, 40.0, 10_000.0])
def test_it_fetches_until_it_is_full_then_rests_until_it_is_low(full_s: float) -> None:
    bursts = Bursts()
    low_s = min(MOST_LOW_S, LOW_SHARE * full_s)
    for ahead_s in (0.0, low_s, full_s):  # however much is here: there is room
        bursts.update(ahead_s)
        assert bursts.fetching
    bursts.on_full(full_s)
    for ahead_s in (full_s, low_s + 0.1, low_s):
        bursts.update(ahead_s)
        assert not bursts.fetching
    bursts.update(low_s - 0.1)
    assert bursts.fetching
    bursts.update(full_s)
    assert bursts.fetching, "no trickle: it goes on until it is full again"


def test_a_rest_is_a_good_part_of_what_is_here() -> None:
    """What a rest costs is one burst of the radio, so a second of fetching for a second heard is too much."""
    bursts = Bursts()
    bursts.on_full(60.0)
    bursts.update(50.0)
    assert not bursts.fetching


def test_elsewhere_it_fetches_at_once() -> None:
    bursts = Bursts()
    bursts.on_full(60.0)
    bursts.restart()
    assert bursts.fetching


def test_with_nothing_ahead_at_the_end_it_rests_for_good() -> None:
    bursts = Bursts()
    bursts.on_full(0.0)
    bursts.update(0.0)
    assert not bursts.fetching


@pytest.mark.parametrize(
    ("heard_s", "depth_s"),
    [
        (0.0, FIRST_DEPTH_S),
        (59.0, FIRST_DEPTH_S),
        (60.0, 2 * FIRST_DEPTH_S),
        (120.0, 4 * FIRST_DEPTH_S),
        (1e9, MOST_DEPTH_S),
    ],
)
def test_the_longer_somebody_listens_the_more_is_fetched(heard_s: float, depth_s: float) -> None:
    assert Bursts(Listening(heard_s)).depth_s == depth_s


def test_tracks_of_a_queue_share_how_long_somebody_has_listened() -> None:
    listening = Listening()
    first, second = Bursts(listening), Bursts(listening)
    first.listening.heard_s += 60.0
    assert second.depth_s == 2 * FIRST_DEPTH_S
    assert Bursts().depth_s == FIRST_DEPTH_S


def test_a_burst_that_closed_with_much_ahead_is_followed_by_another_where_little_is_left():
    """An outage came between: a rest would be without end, for nothing more is heard."""
    bursts = Bursts()
    bursts.close(100, 80.0)
    bursts.close(100, 40.0)
    bursts.on_full(1.0)
    assert not bursts.fetching
    bursts.update(1.0)
    assert (bursts.fetching, bursts.end) == (True, math.inf)
    bursts.on_full(1.0)
    bursts.update(1.0)
    assert not bursts.fetching, "what was full then counts once"
