from __future__ import annotations

from array import array
from fractions import Fraction

import pytest

from lightpeer.serve.importing.pcm import Pcm, cut, interleave_16_bit, to_16_bit
from tests.serve.media import samples_of


def test_seconds_join_blocks():
    pcm = Pcm(4, 2, iter([bytes(10), bytes(1), bytes(21), b"", bytes(20)]))
    assert [len(second) for second in pcm.seconds()] == [16, 16, 16, 4]


@pytest.mark.parametrize("bits", [4, 8, 12, 16, 20, 24, 32])
def test_flac_samples_of_any_width(bits):
    top = 1 << bits - 1
    values = [0, 1, -1, top - 1, -top]
    left, right = array("i", values).tobytes(), array("i", values[::-1]).tobytes()
    expected = [value << 16 - bits if bits < 16 else value >> bits - 16 for value in values]
    interleaved = memoryview(interleave_16_bit([left, right], bits)).cast("h").tolist()
    assert interleaved[::2] == expected
    assert interleaved[1::2] == expected[::-1]


def test_wav_samples_of_any_width():
    assert list(memoryview(to_16_bit(bytes([0, 128, 255]), 1)).cast("h")) == [-32768, 0, 127 << 8]
    assert list(memoryview(to_16_bit(b"\xff\x01\x80\0\xff\x7f", 3)).cast("h")) == [-32767, 32767]
    assert to_16_bit(b"ab", 2) == b"ab"


@pytest.mark.parametrize(
    ("channels", "is_float", "frame_bytes"), [(1, False, 2), (2, False, 4), (1, True, 4), (2, True, 8)]
)
def test_a_frame_has_a_sample_of_each_channel(channels, is_float, frame_bytes):
    assert Pcm(48_000, channels, iter(()), is_float=is_float).frame_bytes == frame_bytes


def test_without_blocks_there_is_no_second():
    assert list(Pcm(8000, 1, iter(())).seconds()) == []


def decode(damage=""):
    """Ten seconds at 4 Hz, in blocks of 3 frames; each sample is its number."""
    samples = array("h", range(40)).tobytes()

    def blocks():
        yield from (samples[at : at + 6] for at in range(0, len(samples), 6))
        pcm.damage = damage

    pcm = Pcm(4, 1, iter(()))
    pcm.blocks = blocks()
    return pcm


@pytest.mark.parametrize(
    ("start_s", "end_s", "frames"),
    [
        (Fraction(0), None, range(40)),
        (Fraction(0), Fraction(3, 4), range(3)),
        (Fraction(1, 75), Fraction(1), range(4)),
        (Fraction(5, 4), Fraction(20, 4), range(5, 20)),
        (Fraction(38, 4), None, range(38, 40)),
        (Fraction(38, 4), Fraction(10), range(38, 40)),
    ],
)
def test_a_part_of_a_decode_is_cut_at_its_frames(start_s, end_s, frames):
    pcm = decode()
    cut(pcm, start_s, end_s, lambda: None)
    assert samples_of(pcm, b"".join(pcm.blocks)).tolist() == list(frames)
    assert pcm.damage == ""


@pytest.mark.parametrize(
    ("start_s", "end_s", "damage", "told"),
    [
        (Fraction(9), Fraction(11), "", "the file ends before this part does"),
        (Fraction(10), None, "", "the file ends before this part does"),
        (Fraction(9), Fraction(11), "it is cut short", "it is cut short"),
        (Fraction(9), None, "it is cut short", "it is cut short"),
    ],
)
def test_a_part_that_the_sound_does_not_reach_is_damaged(start_s, end_s, damage, told):
    pcm = decode(damage)
    cut(pcm, start_s, end_s, lambda: None)
    b"".join(pcm.blocks)
    assert pcm.damage == told


def test_what_is_skipped_is_told_and_may_end_it():
    pcm, asked = decode(), []

    def stop():
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt

    cut(pcm, Fraction(5), None, stop)
    with pytest.raises(KeyboardInterrupt):
        next(pcm.blocks)
