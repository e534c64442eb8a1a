"""Decoded sound on its way from a decoder to the encoders, and its common form.

Samples are 16-bit integers or 32-bit floats in the machine's own order, which on
everything that lightpeer runs on is little-endian. Without NumPy, sample formats
are converted by slicing bytes with a stride, which runs at the speed of C.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from lightpeer.errors import UnreadableError

SAMPLE_BYTES = 2
_FLOAT_BYTES = 4


class NotNativeError(UnreadableError):
    """A file that only ffmpeg can turn into mono or stereo."""

    def __init__(self) -> None:
        super().__init__("it has more than two channels, or a rare sample format")


@dataclass(slots=True)
class Pcm:
    """Decoded sound: `rate` in Hz, one or two channels, interleaved 16-bit or 32-bit float samples."""

    rate: int
    channels: int
    blocks: Iterator[bytes] = field(repr=False)
    is_float: bool = False
    damage: str = ""  # a description of the damage in the part read so far

    @property
    def frame_bytes(self) -> int:
        """Bytes for one instant: a sample of each channel."""
        return self.channels * (_FLOAT_BYTES if self.is_float else SAMPLE_BYTES)

    def seconds(self) -> Iterator[bytes]:
        """Yield the blocks joined to one second each; the last may be shorter."""
        second = self.rate * self.frame_bytes
        pending = bytearray()
        for block in self.blocks:
            pending += block
            while len(pending) >= second:
                yield bytes(pending[:second])
                del pending[:second]
        if pending:
            yield bytes(pending)


def cut(pcm: Pcm, start_s: Fraction, end_s: Fraction | None, on_skipped: Callable[[], object]) -> None:
    """Have a decode give a part of its sound only; what lies before that is decoded, too.

    Args:
        pcm: the decode, from its beginning.
        start_s: where the part begins.
        end_s: where it ends; None: with the sound.
        on_skipped: called with each block before the part.
    """
    start, end = (
        None if at_s is None else int(at_s * pcm.rate) * pcm.frame_bytes for at_s in (start_s, end_s)
    )
    pcm.blocks = _between(pcm, pcm.blocks, (start or 0, end), on_skipped)


def _between(
    pcm: Pcm, blocks: Iterator[bytes], within: tuple[int, int | None], on_skipped: Callable[[], object]
) -> Iterator[bytes]:
    at, (start, end) = 0, within
    for block in blocks:
        if piece := block[max(0, start - at) : None if end is None else max(0, end - at)]:
            yield piece
        else:
            on_skipped()
        at += len(block)
        if end is not None and at >= end:
            return
    if at <= start or end is not None:
        pcm.damage = pcm.damage or "the file ends before this part does"


_UNSIGNED_TO_SIGNED = bytes(value ^ 0x80 for value in range(256))


def to_16_bit(data: bytes, width: int) -> bytes:
    """Return WAV's samples of 1 to 4 bytes as 16-bit ones: the upper two bytes of each.

    The dropped bits lie 96 dB below full scale, far below the losses of Opus.
    """
    if width == 2:
        return data
    out = bytearray(len(data) // width * 2)
    if width == 1:
        out[1::2] = data.translate(_UNSIGNED_TO_SIGNED)
    else:
        out[0::2] = data[width - 2 :: width]
        out[1::2] = data[width - 1 :: width]
    return bytes(out)


def interleave_16_bit(planes: list[bytes], bits: int) -> bytes:
    """Return channels of 32-bit integers with `bits` used as interleaved 16-bit samples."""
    step = 2 * len(planes)
    out = bytearray(len(planes[0]) // 4 * step)
    for channel, plane in enumerate(planes):
        whole, low = (plane, bits // 8 - 2) if bits % 8 == 0 else (_shifted(plane, 16 - bits), 0)
        if low >= 0:
            out[2 * channel :: step] = whole[low::4]
        out[2 * channel + 1 :: step] = whole[low + 1 :: 4]
    return bytes(out)


def _shifted(plane: bytes, shift: int) -> bytes:
    """Return 32-bit integers shifted to the left, or to the right: the slow way, for 12 and 20 bits."""
    values = memoryview(plane).cast("i")
    return array("i", [v << shift if shift > 0 else v >> -shift for v in values]).tobytes()
