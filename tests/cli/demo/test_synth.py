"""Instruments and effects by their samples: pitch, length, place and loudness."""

from __future__ import annotations

import itertools
import math
from array import array
from random import Random

import pytest

from lightpeer.cli.demo import synth
from lightpeer.cli.demo.synth import RATE, Mix


def click(value: float = 1.0, samples: int = 1) -> array[float]:
    """A sound of one value."""
    return array("d", [value] * samples)


def loudness(sound: array[float]) -> float:
    return math.hypot(*sound) / math.sqrt(len(sound))


@pytest.mark.parametrize("note", ["A2", "A4", "E5"])
@pytest.mark.parametrize("play", [lambda hz: synth.pulse(hz, 0.5), lambda hz: synth.wave(hz, 0.5, [1, 0.5])])
def test_instruments_are_in_tune(note, play):
    hz = synth.pitch_hz(note)
    sound = play(hz)
    rising = sum(a < 0 <= b for a, b in itertools.pairwise(sound))
    assert rising == pytest.approx(0.5 * hz, abs=1)


def test_notes_have_the_usual_pitches():
    assert synth.pitch_hz("A4") == 440
    assert synth.pitch_hz("C4") == pytest.approx(261.63, abs=0.01)
    assert synth.pitch_hz("F#5") == synth.pitch_hz("Gb5") == pytest.approx(739.99, abs=0.01)


@pytest.mark.parametrize("note", ["A2", "E4", "A5"])
def test_a_string_is_in_tune_and_dies_away(note):
    """Its period is found where it is most like itself."""
    hz = synth.pitch_hz(note)
    sound = synth.pluck(hz, 0.4, Random(1))
    assert len(sound) == round(0.4 * RATE)

    def likeness(lag: int) -> float:
        return sum(sound[at] * sound[at + lag] for at in range(2000, 5000))

    period = RATE / hz
    best = max(range(int(0.75 * period), int(1.25 * period) + 2), key=likeness)
    assert best == pytest.approx(period, abs=1.5)
    assert loudness(sound[:4800]) > 1.5 * loudness(sound[-4800:])
    assert sound[-1] == 0.0


def test_a_string_that_is_damped_more_dies_away_sooner():
    long, short = (synth.pluck(440, 0.4, Random(1), damping=damping) for damping in (0.999, 0.9))
    assert loudness(short[4800:9600]) < 0.2 * loudness(long[4800:9600])


@pytest.mark.parametrize("duty", [0.5, 0.25, 0.125])
def test_a_pulse_is_high_for_its_share_and_without_a_constant_part(duty):
    sound = synth.pulse(480, 0.5, duty=duty)
    high = sum(value > 0 for value in sound) / len(sound)
    assert high == pytest.approx(duty, abs=0.02)
    assert sum(sound) / len(sound) == pytest.approx(0.0, abs=0.02)


def test_the_steps_of_a_pulse_are_rounded():
    """A bare step aliases: here each takes a sample or two more."""
    sound = synth.pulse(1234.5, 0.1)
    between = sum(-0.9 < value < 0.9 for value in sound)
    assert between >= 2 * 123


def test_vibrato_bends_the_pitch_once_the_note_stands():
    plain, bent = synth.pulse(440, 0.4), synth.pulse(440, 0.4, vibrato=0.05)
    apart = array("d", (a - b for a, b in zip(plain, bent, strict=True)))
    assert loudness(apart[:480]) < 0.02
    assert loudness(apart[-4800:]) > 0.2


def test_harmonics_add_up():
    one, both = synth.wave(480, 0.05, [1.0]), synth.wave(480, 0.05, [1.0, 0.5])
    assert max(one) == pytest.approx(1.0, abs=0.001)
    second = synth.wave(960, 0.05, [0.5])
    assert [a - b for a, b in zip(both, one, strict=True)] == pytest.approx(second, abs=0.01)


def test_a_bell_a_drum_and_noise_die_away():
    for sound in (synth.bell(880, 1.0), synth.kick(), synth.noise(0.5, 8.0, Random(1))):
        quarter = len(sound) // 4
        assert loudness(sound[:quarter]) > 2 * loudness(sound[-quarter:])
        assert max(map(abs, sound)) <= 2.0


def test_bright_noise_has_more_highs():
    def steps(sound: array[float]) -> float:
        return loudness(array("d", (b - a for a, b in itertools.pairwise(sound)))) / loudness(sound)

    hat, sea = (synth.noise(0.1, 0.0, Random(1), bright=bright) for bright in (True, False))
    assert steps(hat) > 2 * steps(sea)


def test_a_fade_begins_and_ends_in_silence_and_leaves_the_middle():
    sound = synth.fade(click(1.0, RATE), 0.25, 0.5)
    assert (sound[0], sound[-1]) == (0.0, 0.0)
    assert sound[RATE // 8] == pytest.approx(0.5)
    assert set(sound[RATE // 4 : RATE // 2]) == {1.0}
    assert sound[-RATE // 4] == pytest.approx(0.5, abs=0.001)


def test_a_sound_that_is_shorter_than_its_fades_is_faded_all_the_same():
    assert max(synth.fade(click(1.0, 100), 1.0, 1.0)) < 0.001


@pytest.mark.parametrize(
    ("pan", "left", "right"), [(-1.0, 1.0, 0.0), (0.0, math.sqrt(0.5), math.sqrt(0.5)), (1.0, 0.0, 1.0)]
)
def test_a_sound_stands_where_it_is_placed_and_keeps_its_power(pan, left, right):
    mix = Mix(0.01)
    mix.place(click(), 0.005, gain=2.0, pan=pan)
    at = round(0.005 * RATE)
    assert (mix.left[at], mix.right[at]) == (pytest.approx(2 * left), pytest.approx(2 * right))
    assert sum(map(abs, mix.left)) == pytest.approx(2 * left), "and nowhere else"


def test_sounds_in_one_place_add_up_and_what_is_beyond_the_end_is_left_out():
    mix = Mix(0.01)
    for at_s in (0.0075, 0.0075, 0.5):
        mix.place(click(1.0, 480), at_s, pan=-1.0)
    assert len(mix.left) == len(mix.right) == 480
    assert set(mix.left[360:]) == {2.0}
    assert not any(mix.left[:360])


def test_an_echo_goes_from_side_to_side_and_grows_less():
    mix = Mix(0.1)
    mix.place(click(), 0.0, pan=-1.0)
    mix.echo(0.02, feedback=0.5, gain=0.4)
    heard = [
        (at, channel[at])
        for channel in (mix.left, mix.right)
        for at in range(4800)
        if abs(channel[at]) > 1e-9
    ]
    assert heard == [
        (0, 1.0),
        (1920, pytest.approx(0.4 * 0.5)),
        (3840, pytest.approx(0.4 * 0.5**3)),
        (960, pytest.approx(0.4)),
        (2880, pytest.approx(0.4 * 0.5**2)),
    ]


def test_a_room_answers_later_on_both_sides_and_dies_away():
    mix = Mix(0.5)
    mix.place(click(), 0.0)
    mix.reverb(feedback=0.5, gain=0.5)
    nearest = [next(at for at in range(1, len(side)) if side[at]) for side in (mix.left, mix.right)]
    assert nearest == [1687, 1728], "35 ms away, and a little more on the other side"
    for side in (mix.left, mix.right):
        assert loudness(side[1687:9600]) > 2 * loudness(side[-4800:]) > 0


def test_samples_are_interleaved_with_the_loudest_at_its_peak():
    mix = Mix(2.5)
    mix.place(click(3.0, 9600), 1.0, pan=-1.0)
    mix.place(click(-1.5, 9600), 1.0, pan=1.0)
    pcm = mix.pcm(peak=0.5)
    assert (len(pcm), pcm.typecode) == (2 * 120_000, "h")
    assert (max(pcm[0::2]), min(pcm[1::2])) == (round(32767 * 0.5), -round(32767 * 0.25))
    assert (pcm[0], pcm[-1]) == (0, 0)
