"""FLAC to PCM through libFLAC, in its own container or in Ogg."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightpeer.audio import _native
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.pcm import NotNativeError, Pcm, interleave_16_bit

_END_OF_STREAM = 4  # FLAC__STREAM_DECODER_END_OF_STREAM; the states above it are errors
_CONTINUE, _ABORT = 0, 1  # FLAC__StreamDecoderWriteStatus


class _FlacFrames:
    """The callbacks of libFLAC's decoder: keeps the frames decoded since last asked, as 16-bit PCM."""

    def __init__(self, binding: Any) -> None:
        self.format: tuple[int, int, int] | None = None  # rate, channels, bits
        self.changed = False
        self.errors = 0
        self.ready: list[bytes] = []
        # libFLAC keeps pointers to these, so they must live as long as the decoder.
        self.write = binding.FLAC__StreamDecoderWriteCallback(self._on_frame)
        self.metadata = binding.FLAC__StreamDecoderMetadataCallback(lambda *_: None)
        self.error = binding.FLAC__StreamDecoderErrorCallback(self._on_error)

    def _on_frame(self, _decoder: Any, frame: Any, buffers: Any, _client: Any) -> int:
        header = frame.contents.header
        found = (header.sample_rate, header.channels, header.bits_per_sample)
        self.format = self.format or found
        if found != self.format:
            self.changed = True
            return _ABORT
        planes = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p))
        size = header.blocksize * 4
        self.ready.append(
            interleave_16_bit([ctypes.string_at(planes[c], size) for c in range(found[1])], found[2])
        )
        return _CONTINUE

    def _on_error(self, *_: Any) -> None:
        self.errors += 1

    def take(self) -> bytes:
        """Return the PCM decoded since the last call."""
        pcm = b"".join(self.ready)
        self.ready.clear()
        return pcm


@contextmanager
def open_flac(path: Path, *, in_ogg: bool) -> Iterator[Pcm]:
    """Decode a FLAC file to 16 bits; NotNativeError where it has more than two channels."""
    binding = _native.flac()
    lib = binding.libflac
    frames = _FlacFrames(binding)
    decoder = lib.FLAC__stream_decoder_new()
    start = lib.FLAC__stream_decoder_init_ogg_file if in_ogg else lib.FLAC__stream_decoder_init_file
    try:
        if start(decoder, os.fsencode(path), frames.write, frames.metadata, frames.error, None) != 0:
            raise UnreadableError("libFLAC cannot open it")
        first = next(_flac_frames(lib, decoder, frames), b"")
        if frames.format is None:
            raise UnreadableError("it is damaged: libFLAC finds no sound in it")
        rate, channels, _ = frames.format
        if channels > 2:
            raise NotNativeError
        pcm = Pcm(rate, channels, iter(()))
        pcm.blocks = _flac_blocks(lib, decoder, frames, pcm, first)
        yield pcm
    finally:
        lib.FLAC__stream_decoder_delete(decoder)


def _flac_blocks(lib: Any, decoder: Any, frames: _FlacFrames, pcm: Pcm, first: bytes) -> Iterator[bytes]:
    expected = lib.FLAC__stream_decoder_get_total_samples(decoder)
    done, errors = len(first) // pcm.frame_bytes, frames.errors
    yield first
    for block in _flac_frames(lib, decoder, frames):
        done, errors = done + len(block) // pcm.frame_bytes, frames.errors
        yield block
    if not 0 < expected <= done:  # else what follows the last sample is no damage: old tags, padding
        errors = frames.errors
    if errors or frames.changed or done < expected:
        pcm.damage = "parts of it are damaged"


def _flac_frames(lib: Any, decoder: Any, frames: _FlacFrames) -> Iterator[bytes]:
    while lib.FLAC__stream_decoder_process_single(decoder):
        if block := frames.take():
            yield block
        if lib.FLAC__stream_decoder_get_state(decoder) >= _END_OF_STREAM:
            return
