"""Ogg Opus made on the spot, and what libopusfile's own reader makes of it."""

from __future__ import annotations

import ctypes
import functools
import math
import random
from array import array

from lightpeer.audio import _native
from lightpeer.audio.ogg import Demuxer, Muxer, Packet
from lightpeer.audio.opus import packet_samples
from lightpeer.cli.demo.compose import encode

SECOND = 48000


@functools.cache
def opus_file(seconds: float = 3.0, gain: float = 0.5, seed: int = 1) -> bytes:
    """220 Hz and some noise, stereo; a gain over 1 clips hard."""
    rng = random.Random(seed)
    period = [0.7 * math.sin(2 * math.pi * 11 * at / 2400) + 0.2 * rng.uniform(-1, 1) for at in range(2400)]
    period = [round(32767 * max(-1.0, min(gain * value, 1.0))) for value in period]
    samples = int(seconds * SECOND)
    pcm = array("h", bytes(4 * samples))
    pcm[0::2] = array("h", (period * 60)[:samples])
    pcm[1::2] = array("h", (period[700:] * 90)[:samples])
    return encode(pcm, {"TITLE": "Tone", "ARTIST": "Nobody"})


def packets_of(data: bytes) -> list[Packet]:
    with Demuxer() as demuxer:
        demuxer.feed(data)
        return list(demuxer.packets())


def segmented(data: bytes, serial: int = 7) -> tuple[bytes, list[bytes]]:
    """The header pages, and pages that hold one second of granules each."""
    head, tags, *audio = packets_of(data)
    granule = 0
    segments = []
    with Muxer(serial) as muxer:
        muxer.add(head.data, 0)
        header = muxer.flush()
        muxer.add(tags.data, 0)
        header += muxer.flush()
        for packet in audio:
            if granule and granule % SECOND == 0:
                segments.append(muxer.flush())
            granule += packet_samples(packet.data)
            muxer.add(packet.data, packet.granule if packet.eos else granule, eos=packet.eos)
        segments.append(muxer.flush())
    return header, segments


def reference_pcm(data: bytes) -> bytes:
    """What `op_read` gives without dither."""
    lib = _native.opusfile().libopusfile
    buffer = (ctypes.c_ubyte * len(data)).from_buffer_copy(data)
    file = lib.op_open_memory(buffer, len(data), ctypes.byref(ctypes.c_int()))
    assert file
    lib.op_set_dither_enabled(file, 0)
    channels = lib.op_channel_count(file, -1)
    pcm = (ctypes.c_int16 * (5760 * channels))()
    parts = []
    while (samples := lib.op_read(file, pcm, len(pcm), None)) > 0:
        parts.append(ctypes.string_at(pcm, samples * channels * 2))
    assert samples == 0
    lib.op_free(file)
    return b"".join(parts)
