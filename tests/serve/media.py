"""Music files for the tests of importing, and ways to look at what came of them."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

from lightpeer.audio import _native
from lightpeer.audio.ogg import Demuxer, Packet
from lightpeer.core.content.manifest import (
    TABLE_SEGMENTS,
    Track,
    content_digest,
    parse_manifest_untrusted,
    parse_table_untrusted,
    track_id_of,
)
from lightpeer.serve.importing.decoders import open_opus
from lightpeer.serve.importing.pcm import Pcm

DATA = Path(__file__).parent / "data"
SET_FRAME_DURATION, FRAMES_20_MS, FRAMES_60_MS = 4040, 5004, 5006  # opus_defines.h


def fixture(name: str, folder: Path) -> Path:
    return Path(shutil.copy(DATA / name, folder / name))


def tone(frames: int, rate: int, channels: int = 1, onset: int = 0) -> array[int]:
    """A tone of 440 Hz at -8 dBFS, after `onset` frames of silence; other channels a fifth higher."""
    waves = [
        [int(13000 * math.sin(2 * math.pi * 440 * 1.5**c * n / rate)) for n in range(rate)]
        for c in range(channels)
    ]
    return array(
        "h", [waves[c][n % rate] if n >= onset else 0 for n in range(frames) for c in range(channels)]
    )


def write_wav(
    path: Path,
    seconds: float = 2.5,
    *,
    rate: int = 16000,
    channels: int = 1,
    width: int = 2,
    onset_s: float = 0,
) -> Path:
    samples = tone(round(seconds * rate), rate, channels, round(onset_s * rate))
    match width:
        case 1:
            data = bytes((value >> 8) + 128 for value in samples)
        case _:
            data = b"".join((v << 8 * (width - 2)).to_bytes(width, "little", signed=True) for v in samples)
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def write_opus(
    path: Path,
    seconds: float = 2.5,
    *,
    kbps: int = 64,
    channels: int = 1,
    frames: int = FRAMES_20_MS,
    onset_s: float = 0,
) -> Path:
    """An Ogg Opus file as libopusenc itself writes it: its own pages, a random serial number."""
    lib = _native.opusenc().libopusenc
    comments = lib.ope_comments_create()
    lib.ope_comments_add(comments, b"TITLE", "Prélude".encode())
    encoder = lib.ope_encoder_create_file(os.fsencode(path), comments, 48000, channels, 0, None)
    lib.ope_comments_destroy(comments)
    for request, value in ((4002, kbps * 1000), (4006, 0), (4010, 0), (SET_FRAME_DURATION, frames)):
        lib.ope_encoder_ctl(encoder, request, ctypes.c_int(value))
    samples = tone(round(seconds * 48000), 48000, channels, round(onset_s * 48000))
    pointer = ctypes.cast(
        (ctypes.c_int16 * len(samples)).from_buffer(samples), lib.ope_encoder_write.argtypes[1]
    )
    assert lib.ope_encoder_write(encoder, pointer, len(samples) // channels) == 0
    assert lib.ope_encoder_drain(encoder) == 0
    lib.ope_encoder_destroy(encoder)
    return path


def packets(data: bytes, *, holes: int = 0) -> list[Packet]:
    """All packets, the two headers among them; `holes` is how many runs of pages have been left out."""
    with Demuxer() as demuxer:
        demuxer.feed(data)
        found = list(demuxer.packets())
        assert demuxer.holes == holes
    return found


def decoded(path: Path) -> array[float]:
    """All samples, as libopusfile gives them."""
    with open_opus(path) as pcm:
        samples = array("f", b"".join(pcm.blocks))
        assert not pcm.damage
    return samples


def samples_of(pcm: Pcm, block: bytes) -> memoryview:
    """A block as numbers."""
    return memoryview(block).cast("f" if pcm.is_float else "h")


def read_track(folder: Path) -> Track:
    manifest = (folder / "manifest").read_bytes()
    return parse_manifest_untrusted(manifest, track_id_of(manifest))


def segments(folder: Path, track: Track, rendition: int) -> Iterator[bytes]:
    """Cut a rendition's file by its verified tables, and check every digest."""
    data = (folder / f"{rendition}.opus").read_bytes()
    tables = (folder / f"{rendition}.tables").read_bytes()
    at = len(track.renditions[rendition].header)
    assert data[:at] == track.renditions[rendition].header
    for number in range(len(track.renditions[rendition].table_digests)):
        entries = tables[number * TABLE_SEGMENTS * 18 :][: TABLE_SEGMENTS * 18]
        table = parse_table_untrusted(entries, track, rendition, number)
        for size, digest in zip(table.sizes, table.digests, strict=True):
            segment = data[at : at + size]
            assert content_digest(segment) == digest
            at += size
            yield segment
    assert at == len(data)


def ogg_checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value
