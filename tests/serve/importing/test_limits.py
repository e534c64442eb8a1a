"""The clocks of a worker: where they run, and that they end with what they are for."""

from __future__ import annotations

import signal

import pytest

from lightpeer.serve.importing import limits


@pytest.mark.parametrize(
    ("limit", "timer", "limit_s"),
    [
        (limits.tags_in_time, signal.ITIMER_PROF, limits.TAGS_CPU_S),
        (limits.sound_in_time, signal.ITIMER_VIRTUAL, limits.SOUND_CPU_S),
    ],
)
def test_a_clock_runs_within_its_block_alone(limit, timer, limit_s):
    with limit():
        assert limit_s / 2 < signal.getitimer(timer)[0] < limit_s + 1
    assert signal.getitimer(timer) == (0.0, 0.0)
    with pytest.raises(ZeroDivisionError), limit():
        raise ZeroDivisionError
    assert signal.getitimer(timer) == (0.0, 0.0)


def test_each_second_of_sound_has_the_whole_time():
    with limits.sound_in_time():
        signal.setitimer(signal.ITIMER_VIRTUAL, 5.0)
        assert limits.came_further() is False, "and nothing is to stop"
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 5.0


def test_the_signal_of_each_clock_has_its_sentence():
    assert set(limits.TOO_LONG) == {-signal.SIGPROF, -signal.SIGVTALRM}
