from __future__ import annotations

import math
import random
from array import array

import pytest

from lightpeer.serve.importing.loudness import LoudnessMeter


def gain_db(second, rate=48000, channels=1, seconds=5):
    meter = LoudnessMeter(rate, channels)
    for _ in range(seconds):
        meter.add(memoryview(array("f", second)), 1.0)
    return meter.gain_q8_db() / 256


def sine(rate, hertz, amplitude):
    return [amplitude * math.sin(2 * math.pi * hertz * n / rate) for n in range(rate)]


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
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
    meter = LoudnessMeter(48000, 1)
    meter.add(memoryview(array("h", [int(3277 * v) for v in sine(48000, 997, 1.0)])), 32768.0)
    assert meter.gain_q8_db() / 256 == pytest.approx(-18 + 3.01 + 20, abs=0.05)


def test_silence_has_no_gain_and_pauses_do_not_count():
    assert gain_db([0.0] * 48000) == 0
    assert LoudnessMeter(48000, 2).gain_q8_db() == 0
    loud, quiet = sine(48000, 997, 0.5), sine(48000, 997, 0.001)
    meter = LoudnessMeter(48000, 1)
    for second in (loud, loud, quiet, quiet, quiet, quiet, [0.0] * 48000):
        meter.add(memoryview(array("f", second)), 1.0)
    assert meter.gain_q8_db() / 256 == pytest.approx(gain_db(loud), abs=0.01)


def test_gain_is_bounded_and_short_blocks_are_left_out():
    assert gain_db(sine(48000, 997, 0.0005)) == 12
    noise = random.Random(1)
    assert gain_db([noise.choice((-8.0, 8.0)) for _ in range(48000)]) == -24
    assert gain_db([0.5] * 1000) == 0
