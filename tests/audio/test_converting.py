"""Sound for devices that take another format: a mix of both channels, and another rate by libspeexdsp."""

from __future__ import annotations

import math
from array import array
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from lightpeer.audio import _native
from lightpeer.audio.converting import Converter, Format, mixed_to_mono
from lightpeer.errors import AudioError, MissingLibraryError

OURS, CD = Format(48_000, 2), Format(44_100, 2)

needs_speexdsp = pytest.mark.skipif(_native.load_library("speexdsp") is None, reason="needs libspeexdsp")


def tone(rate: int, *hertz: float, seconds: float = 0.5) -> bytes:
    """A sine of a frequency in each channel."""
    waves = [[math.sin(2 * math.pi * f * n / rate) for n in range(round(rate * seconds))] for f in hertz]
    return array("h", [round(20_000 * x) for frame in zip(*waves, strict=True) for x in frame]).tobytes()


def in_pieces(converter: Converter, pcm: bytes, piece_bytes: int) -> bytes:
    pieces = (pcm[at : at + piece_bytes] for at in range(0, len(pcm), piece_bytes))
    return b"".join(map(converter.convert, pieces)) + converter.finish()


def test_a_mix_is_the_mean_and_never_clips():
    pcm = array("h", [100, 200, -32768, -32768, 32767, 32767, 3, -4]).tobytes()
    assert array("h", mixed_to_mono(pcm)).tolist() == [150, -32768, 32767, -1]


def test_without_another_rate_no_library_is_asked_for(monkeypatch):
    monkeypatch.setattr(_native, "load_library", lambda name: pytest.fail(f"asked for {name}"))
    converter = Converter(OURS, Format(48_000, 1))
    assert converter.convert(bytes(8)) == bytes(4)
    converter.reset()
    assert converter.finish() == b""
    converter.close()


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(_native, "load_library", lambda _name: None)
    with pytest.raises(MissingLibraryError, match=r"libspeexdsp is not installed: .*install") as caught:
        Converter(OURS, CD)
    assert caught.value.library == "speexdsp"


def test_a_rate_that_the_library_refuses_is_an_error(monkeypatch):
    library = SimpleNamespace(speex_resampler_init=Mock(return_value=None))
    monkeypatch.setattr(_native, "load_library", lambda _name: library)
    with pytest.raises(AudioError, match="48000 Hz cannot be converted to 1"):
        Converter(OURS, Format(1, 2))


@needs_speexdsp
@pytest.mark.parametrize("taken", [CD, Format(44_100, 1), Format(96_000, 2), Format(32_000, 2)], ids=str)
@pytest.mark.parametrize("piece_bytes", [4, 1000, 38_400, 1 << 20])
def test_a_tone_stays_the_tone_however_it_comes(taken, piece_bytes):
    converter = Converter(OURS, taken)
    heard = array("h", in_pieces(converter, tone(OURS.rate, 440.0, 440.0), piece_bytes))
    wanted = array("h", tone(taken.rate, *[440.0] * taken.channels))
    assert abs(len(heard) - len(wanted)) <= taken.channels
    middle = slice(len(wanted) // 8, -len(wanted) // 8)  # a tone that begins at once is no pure tone there
    assert max(abs(a - b) for a, b in zip(heard[middle], wanted[middle], strict=False)) <= 4
    converter.close()
    converter.close()


@needs_speexdsp
def test_channels_are_kept_apart():
    heard = array("h", in_pieces(Converter(OURS, CD), tone(OURS.rate, 440.0, 0.0), 1000))
    assert max(heard[::2]) > 19_000
    assert max(map(abs, heard[1::2])) <= 1


@needs_speexdsp
def test_after_a_skip_nothing_is_left_of_what_was_before():
    converter = Converter(OURS, CD)
    converter.convert(tone(OURS.rate, 440.0, 440.0))
    converter.reset()
    assert not any(in_pieces(converter, bytes(4800), 480))
