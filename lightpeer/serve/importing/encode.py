"""PCM to Opus packets through libopusenc, which resamples to 48 kHz and does pre-skip and end trim.

libopusenc gives Ogg pages of its own cut; they are taken apart again into packets,
for `segments.RenditionWriter` to cut at whole seconds. Variable bitrate, full
complexity, tuned for music. All encoders of one track are given the same PCM, so
their packets cover the same 20 ms and their segments line up.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from lightpeer.audio import _native
from lightpeer.audio.ogg import Demuxer
from lightpeer.audio.opus import parse_opus_head_untrusted
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.pcm import Pcm

_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY = 4002, 4006, 4010  # opus_defines.h


class OpusEncoder:
    """PCM blocks in, Opus packets out: `write` blocks in turn, then `finish`; both yield packets.

    `pre_skip` (samples at 48 kHz) is known from the start, `total_samples`, which
    includes it, after `finish`.
    """

    def __init__(self, pcm: Pcm, bitrate_bps: int, complexity: int = 10) -> None:
        """Set an encoder up for PCM of this format; UnreadableError where libopusenc refuses it."""
        self._lib = _native.opusenc().libopusenc
        self._frame_bytes = pcm.frame_bytes
        self._write = self._lib.ope_encoder_write_float if pcm.is_float else self._lib.ope_encoder_write
        self._sample_p = self._write.argtypes[1]
        self._encoder: Any = None
        self._demuxer = Demuxer()
        self.total_samples = 0
        comments = self._lib.ope_comments_create()
        error = ctypes.c_int()
        family = 0  # mono or stereo
        self._encoder = self._lib.ope_encoder_create_pull(
            comments, pcm.rate, pcm.channels, family, ctypes.byref(error)
        )
        self._lib.ope_comments_destroy(comments)
        if not self._encoder:
            raise UnreadableError(f"Opus cannot encode {pcm.rate} Hz with {pcm.channels} channels")
        for request, value in (
            (_SET_BITRATE, bitrate_bps),
            (_SET_VBR, 1),
            (_SET_COMPLEXITY, complexity),
        ):
            self._check(self._lib.ope_encoder_ctl(self._encoder, request, ctypes.c_int(value)))
        self._check(self._lib.ope_encoder_flush_header(self._encoder))
        headers = [packet.data for packet in self._pages(flush=True)]
        self.pre_skip = parse_opus_head_untrusted(headers[0]).pre_skip

    def write(self, pcm: bytes) -> Iterator[bytes]:
        """Encode a block of interleaved samples; yield the packets that are complete."""
        samples = ctypes.cast(ctypes.c_char_p(pcm), self._sample_p)
        self._check(self._write(self._encoder, samples, len(pcm) // self._frame_bytes))
        yield from self._audio()

    def finish(self) -> Iterator[bytes]:
        """Encode the rest; yield the last packets."""
        self._check(self._lib.ope_encoder_drain(self._encoder))
        yield from self._audio()

    def _audio(self) -> Iterator[bytes]:
        for packet in self._pages(flush=False):
            if packet.granule >= 0:
                self.total_samples = packet.granule
            yield packet.data

    def _pages(self, *, flush: bool) -> Iterator[Any]:
        page, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_int32()
        while self._lib.ope_encoder_get_page(self._encoder, ctypes.byref(page), ctypes.byref(size), flush):
            self._demuxer.feed(ctypes.string_at(page, size.value))
            yield from self._demuxer.packets()

    def _check(self, code: int) -> None:
        if code != 0:
            reason = self._lib.ope_strerror(code).decode()
            raise UnreadableError(f"it cannot be encoded: {reason}")

    def close(self) -> None:
        """Give the libraries' memory back. May be called again."""
        self._demuxer.close()
        if self._encoder:
            self._lib.ope_encoder_destroy(self._encoder)
            self._encoder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
