from __future__ import annotations

import math
import random
from array import array

import pytest

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError, UnreadableError
from lightpeer.serve.importing.loudness import LoudnessMeter
from lightpeer.serve.importing.pcm import Pcm


def pcm(rate=48000, channels=1, *, is_float=True):
    return Pcm(rate, channels, iter(()), is_float=is_float)


def gain_of(seconds, form=None):
    """The gain in dB of seconds that are lists of samples."""
    form = form or pcm()
    with LoudnessMeter(form) as meter:
        for second in seconds:
            meter.add(array("f" if form.is_float else "h", second).tobytes())
        return meter.gain_q8_db() / 256


def gain_db(second, rate=48000, channels=1):
    return gain_of([second] * 5, pcm(rate, channels))


def sine(rate, hertz, amplitude):
    return [amplitude * math.sin(2 * math.pi * hertz * n / rate) for n in range(rate)]


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000, 192000])
def test_the_standards_own_example(rate):
    """BS.1770-4: a full-scale sine of 997 Hz in one channel reads -3.01 LKFS."""
    assert gain_db(sine(rate, 997, 10 ** (-20 / 20)), rate) == pytest.approx(-18 + 3.01 + 20, abs=0.05)


def test_channels_add_up():
    mono = sine(48000, 997, 0.2)
    stereo = [value for value in mono for _ in range(2)]
    assert gain_db(stereo, channels=2) == pytest.approx(gain_db(mono) - 3.01, abs=0.02)


def test_deep_tones_count_for_less():
    assert gain_db(sine(48000, 30, 0.5)) > gain_db(sine(48000, 1000, 0.5)) + 3


def test_16_bit_samples():
    second = [int(3277 * v) for v in sine(48000, 997, 1.0)]
    assert gain_of([second] * 3, pcm(is_float=False)) == pytest.approx(-18 + 3.01 + 20, abs=0.05)


def test_silence_has_no_gain_and_pauses_do_not_count():
    assert gain_db([0.0] * 48000) == 0
    assert gain_of([]) == 0
    loud, quiet = sine(48000, 997, 0.5), sine(48000, 997, 0.001)
    seconds = [*[loud] * 20, *[quiet] * 20, *[[0.0] * 48000] * 20]
    assert gain_of(seconds) == pytest.approx(gain_db(loud), abs=0.1), "the edges count a little"


@pytest.mark.parametrize("at_s", [0.0, 0.25, 0.5, 0.75])
def test_a_beat_of_a_second_is_as_loud_wherever_it_lies(at_s):
    """As at 60 or 120 beats a minute: what looks at one place of each second hears all of it, or nothing.

    It is there for a quarter of the time; the gate leaves out what has none of it, or little.
    """
    beat = [value if n % 48000 < 12_000 else 0.0 for n, value in enumerate(sine(48000, 997, 0.5))]
    start = int(at_s * 48000)
    moved = beat[-start:] + beat[:-start] if start else beat
    assert gain_of([moved] * 20) == pytest.approx(-18 + 3.01 + 6.02 + 3.8, abs=0.1)


def test_gain_is_bounded():
    assert gain_db(sine(48000, 997, 0.005)) == 12
    noise = random.Random(1)
    assert gain_db([noise.choice((-8.0, 8.0)) for _ in range(48000)]) == -24


def test_what_is_shorter_than_a_block_has_no_gain():
    assert gain_of([[0.5] * 1000]) == 0


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(UnreadableError, match="at 5 Hz"):
        LoudnessMeter(pcm(5))


def test_without_the_library_it_says_so(monkeypatch):
    monkeypatch.setattr(_native, "load_library", lambda _name: None)
    with pytest.raises(MissingLibraryError, match="libebur128 is not installed"):
        LoudnessMeter(pcm())
