"""The demo's three tracks, composed and played by this program: `python -m lightpeer.cli.demo.compose DIR`.

The tracks are dedicated to the public domain under CC0 1.0
(https://creativecommons.org/publicdomain/zero/1.0/). They are short, and encoded at a constant 48 kbit/s, so
that the package stays small and a server can serve them without encoding them again.
"""

from __future__ import annotations

import ctypes
import random
import sys
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from lightpeer.audio import _native
from lightpeer.cli.demo.synth import RATE, Mix, bell, fade, kick, noise, pitch_hz, pluck, pulse, wave
from lightpeer.errors import AudioError

BITRATE_BPS = 48000
_SERIAL = 0x6C70  # arbitrary, but constant, so that the files are reproducible


class Track(NamedTuple):
    """A file's name, its title, and the function that plays it."""

    file: str
    title: str
    play: Callable[[], Mix]


def _noise(seed: int) -> random.Random:
    """Return the random numbers for strings, drums and detunings, the same each time."""
    return random.Random(seed)  # noqa: S311 - nothing here is secret


def copper_rain() -> Mix:
    """Plucked strings in slow broken chords, echoing from side to side."""
    rng = _noise(1)
    eighth = 60 / 84 / 2
    bars = [
        ("A2", "E3 A3 C4 E4 B4 E4 C4 A3"),
        ("F2", "C3 A3 C4 E4 G4 E4 C4 A3"),
        ("C3", "G3 C4 E4 G4 D5 G4 E4 C4"),
        ("G2", "D3 B3 D4 E4 B4 E4 D4 B3"),
        ("A2", "E3 A3 C4 E4 C5 B4 E4 C4"),
        ("F2", "C3 A3 C4 G4 E5 C5 G4 E4"),
        ("C3", "G3 C4 E4 G4 C5"),
    ]
    mix = Mix(7 * 8 * eighth + 2.8)
    for bar, (bass, notes) in enumerate(bars):
        start = bar * 8 * eighth
        mix.place(pluck(pitch_hz(bass), 3.4, rng, damping=0.999), start, gain=0.9)
        for step, note in enumerate(notes.split()):
            gain = 0.62 if step % 4 == 0 else 0.5
            sound = pluck(pitch_hz(note), 2.2, rng, damping=0.997)
            mix.place(
                sound, start + step * eighth + rng.uniform(0, 0.008), gain=gain, pan=0.5 * (step % 3 - 1)
            )
    mix.echo(3 * eighth, feedback=0.4, gain=0.32)
    mix.reverb(feedback=0.8, gain=0.3)
    return mix


# Eighths; a dash holds the note before, a dot is a rest.
_ARCADE_LEAD = """
E5 - G5 - C6 - B5 A5 | G5 - D5 - G5 - A5 B5 | C6 - B5 A5 - E5 A5 - | F5 - A5 - G5 F5 E5 D5
E5 G5 C6 G5 E6 - D6 C6 | B5 - G5 - D6 - B5 - | A5 B5 C6 - E6 - C6 A5 | G5 - F5 - A5 - B5 -
C6 - . G5 C6 E6 - D6 | B5 D6 - B5 G5 - A5 B5 | C6 B5 A5 E5 A5 - C6 - | D6 - B5 - C6 - - -
"""
_ARCADE_CHORDS = [("C3", "C4 E4 G4"), ("G2", "B3 D4 G4"), ("A2", "C4 E4 A4"), ("F2", "C4 F4 A4")]


def pocket_arcade() -> Mix:
    """A pocket console's two pulses, bass and drums."""
    rng = _noise(2)
    eighth = 60 / 132 / 2
    bars = [bar.split() for line in _ARCADE_LEAD.strip().splitlines() for bar in line.split("|")]
    mix = Mix(len(bars) * 8 * eighth + 1.2)
    for number, bar in enumerate(bars):
        start = number * 8 * eighth
        _arcade_lead(mix, bar, start, eighth)
        last = number == len(bars) - 1
        bass, chord = ("C3", "C4 E4 G4") if last else _ARCADE_CHORDS[number % 4]
        _arcade_chords(mix, bass, chord.split(), start, eighth)
        _arcade_drums(mix, start, eighth, rng, fill=number % 4 == 3 and not last)
    mix.echo(3 * eighth, feedback=0.25, gain=0.16)
    return mix


def _arcade_lead(mix: Mix, bar: list[str], start: float, eighth: float) -> None:
    for step, note in enumerate(bar):
        if note not in "-.":
            length = 1
            while bar[step + length : step + length + 1] == ["-"]:
                length += 1
            sound = pulse(pitch_hz(note), 0.94 * length * eighth, duty=0.25, vibrato=0.006)
            mix.place(fade(sound, 0.004, 0.05), start + step * eighth, gain=0.3, pan=0.15)


def _arcade_chords(mix: Mix, bass: str, chord: list[str], start: float, eighth: float) -> None:
    for step in range(8):
        low = pitch_hz(bass) * (2 if step % 4 == 3 else 1)
        sound = wave(low, 0.85 * eighth, [1, 0, -1 / 9, 0, 1 / 25, 0, -1 / 49])
        mix.place(fade(sound, 0.004, 0.03), start + step * eighth, gain=0.62)
    for step in range(16):
        sound = pulse(pitch_hz(chord[step % 3]), 0.42 * eighth, duty=0.5)
        mix.place(fade(sound, 0.003, 0.02), start + step * eighth / 2, gain=0.1, pan=-0.5)


def _arcade_drums(mix: Mix, start: float, eighth: float, rng: random.Random, *, fill: bool) -> None:
    for step in range(8):
        at = start + step * eighth
        if step in (0, 4, 5):
            mix.place(kick(), at, gain=0.9)
        if step in (2, 6) or (fill and step > 4):
            mix.place(noise(0.16, 26, rng, bright=False), at, gain=0.42)
        mix.place(noise(0.05, 80, rng), at, gain=0.1 if step % 2 else 0.16, pan=0.35)


_BELLS = "F#5 . A5 . E5 . . D5 . F#5 . B5 . A5 . . E5 . D5 . F#5"


def _pad(mix: Mix, hz: float, start: float, rng: random.Random) -> None:
    """Place three voices of a slow note, hardly out of tune."""
    for detune in (-0.0022, 0.0, 0.0025):
        detuned_hz = hz * (1 + detune + rng.uniform(-0.0004, 0.0004))
        sound = fade(wave(detuned_hz, 6.2, [1, 0.5, 0.3, 0.16, 0.09, 0.05]), 2.2, 2.6)
        mix.place(sound, start, gain=0.12, pan=400 * detune)


def northern_windows() -> Mix:
    """Slow chords that drift over each other, and a few bells."""
    rng = _noise(3)
    chords = ["D3 A3 E4 F#4", "B2 F#3 A3 D4", "G2 D3 B3 F#4", "A2 E3 B3 D4", "D3 A3 D4 F#4"]
    mix = Mix(5 * 4.2 + 2.0)
    for number, chord in enumerate(chords):
        for note in chord.split():
            _pad(mix, pitch_hz(note), number * 4.2 - min(number, 1) * 0.6, rng)
    for step, note in enumerate(_BELLS.split()):
        if note != ".":
            mix.place(bell(pitch_hz(note), 3.0), 1.4 + step * 0.875, gain=0.13, pan=0.6 * (step % 3 - 1))
    mix.echo(0.6, feedback=0.45, gain=0.25)
    mix.reverb(feedback=0.88, gain=0.55)
    return mix


TRACKS = (
    Track("copper-rain.opus", "Copper Rain", copper_rain),
    Track("pocket-arcade.opus", "Pocket Arcade", pocket_arcade),
    Track("northern-windows.opus", "Northern Windows", northern_windows),
)


def encode(pcm: array[int], tags: Mapping[str, str]) -> bytes:
    """Encode interleaved stereo samples to Ogg Opus at BITRATE_BPS, through libopusenc.

    Raises:
        MissingLibraryError: libopusenc is not installed.
    """
    opus = _native.opusenc()
    lib = opus.libopusenc
    comments = lib.ope_comments_create()
    for name, value in tags.items():
        lib.ope_comments_add(comments, name.encode(), value.encode())
    error = ctypes.c_int()
    encoder = lib.ope_encoder_create_pull(comments, RATE, 2, 0, ctypes.byref(error))
    lib.ope_comments_destroy(comments)
    if not encoder:
        raise AudioError(f"libopusenc could not begin to encode (error {error.value})")
    try:
        for request, setting in (
            (opus.OPUS_SET_BITRATE_REQUEST, BITRATE_BPS),
            (opus.OPUS_SET_VBR_REQUEST, 0),
            (opus.OPUS_SET_COMPLEXITY_REQUEST, 10),
            (opus.OPE_SET_COMMENT_PADDING_REQUEST, 0),
            (opus.OPE_SET_SERIALNO_REQUEST, _SERIAL),
        ):
            lib.ope_encoder_ctl(encoder, request, ctypes.c_int32(setting))
        samples = (ctypes.c_int16 * len(pcm)).from_buffer(pcm)
        lib.ope_encoder_write(encoder, samples, len(pcm) // 2)
        lib.ope_encoder_drain(encoder)
        pages = []
        page, size = opus.c_uchar_p(), ctypes.c_int32()
        while lib.ope_encoder_get_page(encoder, ctypes.byref(page), ctypes.byref(size), 1):
            pages.append(ctypes.string_at(page, size.value))
        return b"".join(pages)
    finally:
        lib.ope_encoder_destroy(encoder)


def compose(folder: Path) -> None:
    """Play and encode the tracks into a folder."""
    for number, track in enumerate(TRACKS, 1):
        tags = {
            "TITLE": track.title,
            "ARTIST": "lightpeer",
            "ALBUM": "Demo",
            "TRACKNUMBER": str(number),
            "LICENSE": "CC0-1.0",
        }
        (folder / track.file).write_bytes(encode(track.play().pcm(), tags))


if __name__ == "__main__":
    compose(Path(sys.argv[1]))
