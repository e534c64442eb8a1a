from __future__ import annotations

from array import array

import pytest

from lightpeer.serve.importing.pcm import Pcm, interleave_16_bit, to_16_bit


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
    ("channels", "is_float", "frame_bytes", "full_scale"),
    [(1, False, 2, 32768.0), (2, False, 4, 32768.0), (1, True, 4, 1.0), (2, True, 8, 1.0)],
)
def test_a_frame_has_a_sample_of_each_channel(channels, is_float, frame_bytes, full_scale):
    pcm = Pcm(48_000, channels, iter(()), is_float=is_float)
    assert (pcm.frame_bytes, pcm.full_scale) == (frame_bytes, full_scale)


def test_samples_are_integers_or_floats():
    numbers = array("h", [1, -2]), array("f", [0.5, -0.25])
    for values, is_float in zip(numbers, (False, True), strict=True):
        assert Pcm(8000, 1, iter(()), is_float=is_float).samples(values.tobytes()).tolist() == list(values)


def test_without_blocks_there_is_no_second():
    assert list(Pcm(8000, 1, iter(())).seconds()) == []
