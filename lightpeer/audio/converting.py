"""Sound for a device that takes no 48 kHz or no two channels: raw ones, which nothing converts for.

Two channels are mixed to one here. The rate is changed by libspeexdsp, which is loaded for such a device
alone; what its filter holds back at the end, a few milliseconds, is heard too.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import NamedTuple

from lightpeer.audio import _native
from lightpeer.errors import AudioError

_QUALITY = 5  # of 10, what libspeexdsp has for desktops: 90 dB from 48 to 44.1 kHz, up to 17 kHz


class Format(NamedTuple):
    """What samples are: interleaved, of 16 bits.

    Attributes:
        rate: how many a second, of each channel.
        channels: 1 or 2.
    """

    rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """The bytes of one sample of each channel."""
        return 2 * self.channels


class Converter:
    """Turns PCM of one format into another, piece by piece."""

    def __init__(self, given: Format, taken: Format) -> None:
        """Begin.

        Args:
            given: the format of what comes.
            taken: the format that is wanted: of as many channels, or of one.

        Raises:
            MissingLibraryError: the rates differ, and libspeexdsp is not installed.
        """
        self._mixes = given.channels == 2 and taken.channels == 1
        differ = given.rate != taken.rate
        self._resampler = Resampler(given.rate, taken) if differ else None

    def convert(self, pcm: bytes) -> bytes:
        """Return what some PCM becomes; a few milliseconds of it come with the next."""
        mixed = mixed_to_mono(pcm) if self._mixes else pcm
        return self._resampler.convert(mixed) if self._resampler else mixed

    def finish(self) -> bytes:
        """Return what is left at the end."""
        return self._resampler.finish() if self._resampler else b""

    def reset(self) -> None:
        """Forget what has come, before a seek or a skip."""
        if self._resampler:
            self._resampler.reset()

    def close(self) -> None:
        """Free its memory."""
        if self._resampler:
            self._resampler.close()


def mixed_to_mono(pcm: bytes) -> bytes:
    """Return the mean of two channels."""
    samples = array("h", pcm)
    return array("h", [(a + b) >> 1 for a, b in zip(samples[::2], samples[1::2], strict=True)]).tobytes()


class Resampler:
    """libspeexdsp's resampler."""

    def __init__(self, rate: int, taken: Format) -> None:
        """Begin.

        Args:
            rate: of what comes, in Hz.
            taken: what is wanted; as many channels come.

        Raises:
            MissingLibraryError: the library is not installed.
            AudioError: it refuses these rates.
        """
        self._library = _native.require_library("speexdsp")
        self._library.speex_resampler_init.restype = ctypes.c_void_p
        self._rate, self._taken = rate, taken
        self._state: ctypes.c_void_p | None = self._begun()

    def _begun(self) -> ctypes.c_void_p:
        rate, taken, failure = self._rate, self._taken, ctypes.c_int()
        state = self._library.speex_resampler_init(
            taken.channels, rate, taken.rate, _QUALITY, ctypes.byref(failure)
        )
        if not state:
            raise AudioError(f"{rate} Hz cannot be converted to {taken.rate} (libspeexdsp: {failure.value})")
        self._library.speex_resampler_skip_zeros(ctypes.c_void_p(state))
        return ctypes.c_void_p(state)

    def convert(self, pcm: bytes) -> bytes:
        """Return what some PCM becomes."""
        given, frame_bytes = len(pcm) // self._taken.frame_bytes, self._taken.frame_bytes
        room = given * self._taken.rate // self._rate + 2  # it rounds, and has a fraction from before
        output = ctypes.create_string_buffer(room * frame_bytes)
        read, written = ctypes.c_uint32(given), ctypes.c_uint32(room)
        self._library.speex_resampler_process_interleaved_int(
            self._state, pcm, ctypes.byref(read), output, ctypes.byref(written)
        )
        return output.raw[: written.value * frame_bytes]

    def finish(self) -> bytes:
        """Return what the filter still holds, and begin anew."""
        rest = self._library.speex_resampler_get_input_latency(self._state)
        last = self.convert(bytes(rest * self._taken.frame_bytes))
        self.reset()
        return last

    def reset(self) -> None:
        """Forget what has come; the library's own way leaves some of it in the second channel (1.2.1)."""
        self.close()
        self._state = self._begun()

    def close(self) -> None:
        """Free its memory."""
        state, self._state = self._state, None
        if state is not None:
            self._library.speex_resampler_destroy(state)
