"""The header packets of Ogg Opus, and the durations of Opus packets.

All of it is plain Python: the headers follow RFC 7845, section 5, and the durations RFC 6716, section 3.1.
Codec libraries are not needed to read a file's layout.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightpeer.errors import BadMessageError, StateMisuseError

_HEAD = struct.Struct("<8sBBHIhB")


class OpusHead(NamedTuple):
    """The identification header of Ogg Opus, RFC 7845 section 5.1.

    Attributes:
        channels: how many there are.
        pre_skip: samples at 48 kHz to drop at the start.
        input_rate: the original's sample rate in Hz.
        gain_q8: an output gain in 1/256 dB.
        mapping_family: 0 for mono and stereo.
    """

    channels: int
    pre_skip: int
    input_rate: int = 48000
    gain_q8: int = 0
    mapping_family: int = 0


def parse_opus_head_untrusted(data: bytes) -> OpusHead:
    """Parse an identification header, or raise BadMessageError."""
    if len(data) < _HEAD.size:
        raise BadMessageError("the Opus header is cut short")
    magic, version, channels, pre_skip, rate, gain, family = _HEAD.unpack_from(data)
    if magic != b"OpusHead" or version >> 4 != 0:
        raise BadMessageError("this is not an Opus header of a known version")
    if channels == 0 or (family == 0 and channels > 2):
        raise BadMessageError("the Opus header has an impossible number of channels")
    if family != 0 and len(data) < _HEAD.size + 2 + channels:
        raise BadMessageError("the Opus header's channel mapping is cut short")
    return OpusHead(channels, pre_skip, rate, gain, family)


def build_opus_head(head: OpusHead) -> bytes:
    """Return the identification header of a mono or stereo stream."""
    if head.mapping_family != 0 or head.channels not in (1, 2):
        raise StateMisuseError("only mono and stereo headers are built")
    return _HEAD.pack(b"OpusHead", 1, head.channels, head.pre_skip, head.input_rate, head.gain_q8, 0)


def build_opus_tags(vendor: str, tags: Mapping[str, Sequence[str]]) -> bytes:
    """Return the comment header of Ogg Opus, RFC 7845 section 5.2."""
    comments = [f"{name}={value}".encode() for name, values in tags.items() for value in values]
    parts = [b"OpusTags", _counted(vendor.encode()), len(comments).to_bytes(4, "little")]
    return b"".join([*parts, *map(_counted, comments)])


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


# Samples at 48 kHz in a frame, by the TOC byte's upper five bits: SILK, hybrid, CELT (RFC 6716, table 2).
_FRAME_SAMPLES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
_MAX_SAMPLES = 5760  # 120 ms


def packet_samples(data: bytes) -> int:
    """Return an Opus packet's duration in samples at 48 kHz, 0 if it is invalid (RFC 6716, 3.1 and 3.2)."""
    if not data:
        return 0
    match data[0] & 3:
        case 0:
            frames = 1
        case 1 | 2:
            frames = 2
        case _:
            frames = data[1] & 63 if len(data) > 1 else 0
    samples = frames * _FRAME_SAMPLES[data[0] >> 3]
    return samples if samples <= _MAX_SAMPLES else 0
