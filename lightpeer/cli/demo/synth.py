"""Small instruments and effects in plain Python: just what the demo's three tracks need.

A sound is an `array("d")` of samples at 48 kHz, mono, around -1 to 1. A `Mix` is two of
them, left and right; instruments give sounds, a mix places them, effects work on a
mix as a whole. Nothing here is fast, and nothing has to be: the tracks are made once.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterable
from itertools import chain

RATE = 48000
Sound = array  # of "d"

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def pitch_hz(note: str) -> float:
    """Return the frequency of a note such as `A4` or `F#3`, in equal temperament on A4 = 440 Hz."""
    semitone = _SEMITONES[note[0]] + ("#" in note) - ("b" in note) + 12 * int(note[-1])
    return float(440 * 2 ** ((semitone - 57) / 12))


def pluck(hz: float, seconds: float, rng: random.Random, *, damping: float = 0.996) -> Sound[float]:
    """Pluck a string: Karplus and Strong's averaged delay line (Computer Music Journal 7(2), 1983)."""
    period = RATE / hz - 0.5  # the average itself delays by half a sample
    size = int(period)
    # An all-pass makes up the fraction of a sample that the line cannot, or high notes are out of tune.
    fraction = period - size
    tuning = (1 - fraction) / (1 + fraction)
    line = [rng.uniform(-1, 1) for _ in range(size)]
    for at in range(1, size):  # a soft finger
        line[at] = 0.5 * (line[at] + line[at - 1])
    sound = array("d")
    before = passed_in = passed = 0.0
    for index in range(int(seconds * RATE)):
        value = line[index % size]
        average = damping * 0.5 * (value + before)
        before = value
        passed = tuning * (average - passed) + passed_in
        passed_in = average
        line[index % size] = passed
        sound.append(value)
    return fade(sound, 0.001, 0.2 * seconds)


def pulse(hz: float, seconds: float, *, duty: float = 0.5, vibrato: float = 0.0) -> Sound[float]:
    """Play a pulse wave, its two steps rounded over a sample each (PolyBLEP) so that it does not alias."""
    sound = array("d")
    phase = 0.0
    for index in range(int(seconds * RATE)):
        bend = 1 + vibrato * math.sin(2 * math.pi * 5.5 * index / RATE) * min(1.0, index / (0.25 * RATE))
        step = hz * bend / RATE
        value = 1.0 if phase < duty else -1.0
        value += _blep(phase, step) - _blep((phase - duty) % 1.0, step)
        sound.append(value - (2 * duty - 1))
        phase = (phase + step) % 1.0
    return sound


def _blep(phase: float, step: float) -> float:
    if phase < step:
        at = phase / step
        return at + at - at * at - 1
    if phase > 1 - step:
        at = (phase - 1) / step
        return at * at + at + at + 1
    return 0.0


def wave(hz: float, seconds: float, harmonics: Iterable[float]) -> Sound[float]:
    """Play a tone with the given strength of each harmonic, from a table."""
    size = 2048
    table = [0.0] * size
    for number, strength in enumerate(harmonics, 1):
        for at in range(size):
            table[at] += strength * math.sin(2 * math.pi * number * at / size)
    step = hz * size / RATE
    return array("d", (table[int(index * step) % size] for index in range(int(seconds * RATE))))


def bell(hz: float, seconds: float) -> Sound[float]:
    """Strike a bell: one sine modulates another, and both die away (Chowning's FM)."""
    sound = array("d")
    for index in range(int(seconds * RATE)):
        time = index / RATE
        depth = 1.4 * math.exp(-4 * time)
        turn = 2 * math.pi * hz * time
        sound.append(math.exp(-1.6 * time) * math.sin(turn + depth * math.sin(3.5 * turn)))
    return fade(sound, 0.002, 0.3)


def kick() -> Sound[float]:
    """Hit a bass drum: a sine that falls from 160 to 45 Hz."""
    sound = array("d")
    phase = 0.0
    for index in range(int(0.22 * RATE)):
        time = index / RATE
        phase += (45 + 115 * math.exp(-30 * time)) / RATE
        sound.append(math.exp(-11 * time) * math.sin(2 * math.pi * phase))
    return fade(sound, 0.001, 0.03)


def noise(seconds: float, decay_per_s: float, rng: random.Random, *, bright: bool = True) -> Sound[float]:
    """Hiss and die away: a hi-hat if bright, else a snare or the sea."""
    sound = array("d")
    before = smooth = 0.0
    for index in range(int(seconds * RATE)):
        value = rng.uniform(-1, 1)
        smooth += 0.25 * (value - smooth)
        sound.append(math.exp(-decay_per_s * index / RATE) * (value - before if bright else 2 * smooth))
        before = value
    return sound


def fade(sound: Sound[float], attack_s: float, release_s: float) -> Sound[float]:
    """Fade a sound in and out, in place, along half cosines."""
    attack, release = int(attack_s * RATE), int(release_s * RATE)
    for index in range(min(attack, len(sound))):
        sound[index] *= 0.5 - 0.5 * math.cos(math.pi * index / attack)
    for index in range(min(release, len(sound))):
        sound[-1 - index] *= 0.5 - 0.5 * math.cos(math.pi * index / release)
    return sound


class Mix:
    """Two channels of a fixed length."""

    def __init__(self, seconds: float) -> None:
        self.left = array("d", bytes(8 * int(seconds * RATE)))
        self.right = array("d", self.left)

    def place(self, sound: Sound[float], at_s: float, *, gain: float = 1.0, pan: float = 0.0) -> None:
        """Add a sound at a time, from left (pan -1) to right (1), at equal power."""
        angle = (pan + 1) * math.pi / 4
        left, right = gain * math.cos(angle), gain * math.sin(angle)
        start = int(at_s * RATE)
        for index, value in enumerate(sound[: max(0, len(self.left) - start)], start):
            self.left[index] += left * value
            self.right[index] += right * value

    def echo(self, delay_s: float, *, feedback: float, gain: float) -> None:
        """Let it echo from side to side."""
        delay = int(delay_s * RATE)
        size = len(self.left)
        left, right = array("d", bytes(8 * size)), array("d", bytes(8 * size))
        for index in range(delay, size):
            then = index - delay
            left[index] = self.left[then] + feedback * right[then]
            right[index] = self.right[then] + feedback * left[then]
        for index in range(delay, size):
            self.left[index] += gain * right[index]
            self.right[index] += gain * left[index]

    def reverb(self, *, feedback: float, gain: float) -> None:
        """Put it in a room: Schroeder's four combs and two all-passes for each side."""
        for channel, spread in ((self.left, 0), (self.right, 41)):
            wet = array("d", bytes(8 * len(channel)))
            for delay in (1687, 1931, 2053, 2251):
                _comb(channel, wet, delay + spread, feedback)
            for delay in (347, 113):
                _all_pass(wet, delay + spread)
            for index, value in enumerate(wet):
                channel[index] += gain * value

    def pcm(self, *, peak: float = 0.7) -> array[int]:
        """Return interleaved 16-bit samples, with the loudest at `peak` and the ends faded."""
        for channel in (self.left, self.right):
            fade(channel, 0.01, 1.0)
        scale = 32767 * peak / max(map(abs, chain(self.left, self.right)))
        samples = array("h", bytes(4 * len(self.left)))
        samples[0::2] = array("h", (round(scale * value) for value in self.left))
        samples[1::2] = array("h", (round(scale * value) for value in self.right))
        return samples


def _comb(sound: Sound[float], wet: Sound[float], delay: int, feedback: float) -> None:
    line = [0.0] * delay
    smooth = 0.0
    for index, value in enumerate(sound):
        at = index % delay
        echo = line[at]
        smooth += 0.6 * (echo - smooth)  # walls swallow the highs
        line[at] = value + feedback * smooth
        wet[index] += 0.25 * echo


def _all_pass(sound: Sound[float], delay: int) -> None:
    line = [0.0] * delay
    for index, value in enumerate(sound):
        at = index % delay
        echo = line[at]
        line[at] = value + 0.5 * echo
        sound[index] = echo - 0.5 * value
