"""When sound runs and when data is fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.segments.playout import Playout


def playout(**changes):
    return Playout(**{"start_s": 1.0, "resume_s": 3.0, "low_water_s": 10.0, "high_water_s": 30.0, **changes})


def after(state, *buffers, now=0.0, complete=False):
    for buffer_s in buffers:
        state.update(buffer_s, now, complete=complete)
    return state.playing, state.fetching


@pytest.mark.parametrize(("buffer_s", "playing"), [(0.0, False), (0.99, False), (1.0, True)])
def test_sound_starts_at_the_start_mark(buffer_s, playing):
    assert after(playout(), buffer_s) == (playing, True)


def test_a_short_track_starts_with_all_there_is():
    assert after(playout(), 0.5, complete=True) == (True, False)


def test_fetching_goes_in_bursts():
    state = playout()
    assert [after(state, buffer_s)[1] for buffer_s in (29.9, 30.0, 20.0, 10.0, 9.9, 20.0, 30.0)] == [
        True,
        False,
        False,
        False,
        True,
        True,
        False,
    ]


def test_nothing_is_fetched_once_all_is_there():
    state = playout()
    assert after(state, 5.0, complete=True) == (True, False)
    assert after(state, 0.0, complete=True) == (True, False)
    assert state.rebuffers == 0


def test_an_interruption_lasts_until_the_resume_mark():
    state = playout()
    after(state, 1.0)
    assert not state.is_dry
    assert state.rebuffered_s(now=4.0) == 0.0
    assert after(state, 0.1, now=4.9) == (True, True)
    assert after(state, 0.0, now=5.0) == (False, True)
    assert state.is_dry
    assert after(state, 2.9, now=6.0) == (False, True)
    assert (state.rebuffers, state.rebuffer_s) == (1, 0.0)
    assert state.rebuffered_s(now=7.0) == 2.0  # and goes on
    assert after(state, 3.0, now=7.5) == (True, True)
    assert not state.is_dry
    assert (state.rebuffers, state.rebuffer_s) == (1, 2.5)
    after(state, 0.0, now=9.0)
    assert after(state, 0.2, now=9.5, complete=True) == (True, False)
    assert (state.rebuffers, state.rebuffer_s) == (2, 3.0)


def test_the_wait_before_the_start_is_no_interruption():
    state = playout()
    after(state, 0.0, 0.0)
    after(state, 1.0, now=20.0)
    assert (state.rebuffers, state.rebuffer_s) == (0, 0.0)


def test_a_seek_begins_anew():
    state = playout()
    after(state, 30.0)
    after(state, 0.0, now=1.0)
    state.restart()
    assert (state.playing, state.fetching) == (False, True)
    assert after(state, 1.0, now=9.0) == (True, True)
    assert (state.rebuffers, state.rebuffer_s) == (1, 0.0)


def test_a_file_always_runs_and_is_never_interrupted():
    state = playout(realtime=False)
    assert after(state, 0.0, 0.0, 5.0, 0.0) == (True, True)
    assert state.rebuffers == 0


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=40))
def test_it_never_waits_for_what_will_not_come(steps):
    state = playout()
    for now, (buffer_s, complete) in enumerate(steps):
        playing, fetching = after(state, buffer_s, now=float(now), complete=complete)
        assert not (complete and fetching)
        assert playing or not complete
        assert fetching or complete or buffer_s >= 10.0
    assert 0.0 <= state.rebuffer_s <= len(steps)


def test_a_file_takes_whatever_comes():
    assert after(playout(realtime=False), 0.0) == (True, True)


def test_a_burst_that_has_filled_the_buffer_ends_until_it_runs_low():
    state = playout()
    after(state, 25.0)
    state.on_filled()
    assert after(state, 29.0) == (True, False)
    assert after(state, 9.9) == (True, True)
