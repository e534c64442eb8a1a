"""How loud a track is, measured while it is imported, by libebur128: ITU-R BS.1770-4 and EBU R128.

Every sample counts, which takes a millisecond for a second of stereo. The measure is the same on every
server, and so are the manifest and the track id.
"""

from __future__ import annotations

import ctypes
import math
from types import TracebackType
from typing import Any, Final, Self

from lightpeer.audio import _native
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.pcm import Pcm

REFERENCE_LUFS: Final = -18.0  # ReplayGain 2's
_MIN_GAIN_DB, _MAX_GAIN_DB = -24.0, 12.0  # silence and noise lie beyond, and are not levelled
_MODE_I: Final = 1 << 0 | 1 << 2  # EBUR128_MODE_I: of the whole


class LoudnessMeter:
    """Feed it a track in blocks, then ask for the gain."""

    def __init__(self, pcm: Pcm) -> None:
        """Begin; UnreadableError where libebur128 refuses the sample rate."""
        self._frame_bytes = pcm.frame_bytes
        self._lib = _library()
        self._add = self._lib.ebur128_add_frames_float if pcm.is_float else self._lib.ebur128_add_frames_short
        self._state = ctypes.c_void_p(self._lib.ebur128_init(pcm.channels, pcm.rate, _MODE_I))
        if not self._state:
            raise UnreadableError(f"its loudness cannot be measured at {pcm.rate} Hz")

    def add(self, block: bytes) -> None:
        """Measure the next block, of whole frames."""
        self._add(self._state, block, len(block) // self._frame_bytes)

    def gain_q8_db(self) -> int:
        """Return the gain to REFERENCE_LUFS in 1/256 dB; 0 for silence."""
        loudness = ctypes.c_double(-math.inf)
        self._lib.ebur128_loudness_global(self._state, ctypes.byref(loudness))
        if loudness.value == -math.inf:
            return 0
        return round(256 * min(_MAX_GAIN_DB, max(_MIN_GAIN_DB, REFERENCE_LUFS - loudness.value)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._lib.ebur128_destroy(ctypes.byref(self._state))


def _library() -> Any:
    lib = _native.require_library("ebur128")
    lib.ebur128_init.argtypes = ctypes.c_uint, ctypes.c_ulong, ctypes.c_int
    lib.ebur128_init.restype = ctypes.c_void_p
    for add in (lib.ebur128_add_frames_float, lib.ebur128_add_frames_short):
        add.argtypes = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    return lib
