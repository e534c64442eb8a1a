"""When sound runs, from literal times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.segments.playout import (
    LASTING_S,
    LEAST_S,
    MOST_NEEDED_S,
    UNPROVEN_S,
    Playout,
    needed_s,
)

NEEDED_S = 2.0


def after(state: Playout, *ahead: float, now: float = 0.0, complete: bool = False) -> bool:
    for ahead_s in ahead:
        state.update(ahead_s, NEEDED_S, now, complete=complete)
    return state.playing


# How much is needed.


def test_where_nothing_shows_how_fast_more_comes_a_little_more_than_a_segment_is_needed() -> None:
    assert needed_s(0.0, 24_000) == UNPROVEN_S > LEAST_S


def test_over_a_link_that_is_fast_enough_a_segment_is_enough() -> None:
    assert needed_s(30_000.0, 24_000) == LEAST_S
    assert needed_s(4_000.0, 24_000) == LEAST_S


def test_over_one_that_is_too_slow_it_is_enough_to_last_for_a_while_but_never_more_than_people_wait() -> None:
    assert needed_s(1.0, 24_000) == MOST_NEEDED_S
    between = needed_s(2_700.0, 24_000)
    assert between == pytest.approx(LASTING_S * 0.25)
    assert LEAST_S < between < MOST_NEEDED_S


@given(st.floats(0.001, 1e8), st.floats(0.001, 1e8), st.sampled_from([6_000, 24_000, 96_000]))
def test_the_faster_more_comes_the_less_is_needed(one: float, other: float, bitrate_bps: int) -> None:
    slow, fast = sorted([one, other])
    assert LEAST_S <= needed_s(fast, bitrate_bps) <= needed_s(slow, bitrate_bps) <= MOST_NEEDED_S


# When it runs.


@pytest.mark.parametrize(("ahead_s", "playing"), [(0.0, False), (1.99, False), (2.0, True), (9.0, True)])
def test_sound_starts_once_there_is_enough(ahead_s: float, playing: bool) -> None:
    assert after(Playout(), ahead_s) is playing


def test_a_short_track_starts_with_all_there_is() -> None:
    assert after(Playout(), 0.5, complete=True)


def test_the_end_of_a_track_is_no_interruption() -> None:
    state = Playout()
    assert after(state, 5.0, 0.0, complete=True)
    assert state.rebuffers == 0


def test_an_interruption_lasts_until_there_is_enough() -> None:
    state = Playout()
    after(state, 2.0)
    assert not state.is_dry
    assert state.rebuffered_s(now=4.0) == 0.0
    assert after(state, 0.1, now=4.9)
    assert not after(state, 0.0, now=5.0)
    assert state.is_dry
    assert not after(state, 1.9, now=6.0)
    assert (state.rebuffers, state.rebuffer_s) == (1, 0.0)
    assert state.rebuffered_s(now=7.0) == 2.0  # and goes on
    assert after(state, 2.0, now=7.5)
    assert not state.is_dry
    assert (state.rebuffers, state.rebuffer_s) == (1, 2.5)
    after(state, 0.0, now=9.0)
    assert after(state, 0.2, now=9.5, complete=True)
    assert (state.rebuffers, state.rebuffer_s) == (2, 3.0)


def test_the_wait_before_the_start_is_no_interruption() -> None:
    state = Playout()
    after(state, 0.0, 0.0)
    after(state, 2.0, now=20.0)
    assert (state.rebuffers, state.rebuffer_s) == (0, 0.0)


def test_a_seek_begins_anew() -> None:
    state = Playout()
    after(state, 30.0)
    after(state, 0.0, now=1.0)
    state.restart()
    assert (state.playing, state.is_dry) == (False, False)
    assert after(state, 2.0, now=9.0)
    assert (state.rebuffers, state.rebuffer_s) == (1, 0.0)


def test_a_file_always_runs_and_is_never_interrupted() -> None:
    state = Playout(realtime=False)
    assert after(state, 0.0)
    assert after(state, 0.0, 5.0, 0.0)
    assert state.rebuffers == 0


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=40))
def test_it_never_waits_for_what_will_not_come(steps: list[tuple[float, bool]]) -> None:
    state = Playout()
    for now, (ahead_s, complete) in enumerate(steps):
        playing = after(state, ahead_s, now=float(now), complete=complete)
        assert playing or not complete
        assert playing or ahead_s < NEEDED_S
    assert 0.0 <= state.rebuffer_s <= len(steps)
