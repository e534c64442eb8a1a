"""The segments and tables that streams are sending, read once for all of their units and listeners.

They are known by the track's id, so nothing in here ever changes, and one bound holds for all
streams: a stream that rests keeps no bytes of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

from lightpeer.errors import LightpeerError

MAX_BYTES: Final = 16 * 1024 * 1024  # two segments of 96 kbit/s for 600 listeners to different tracks


class ReadableTrack(Protocol):
    """What a stream reads from."""

    def read(self, rendition: int, segment: int) -> bytes:
        """Return a segment or table; raise a LightpeerError if there is none."""


class ObjectCache:
    """The objects that were read last."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Take how many bytes to keep."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._objects: OrderedDict[tuple[bytes, int, int], bytes] = OrderedDict()

    def read(self, track_id: bytes, track: ReadableTrack, rendition: int, segment: int) -> bytes | None:
        """Return an object of a track; None if there is none, or it cannot be read now."""
        key = track_id, rendition, segment
        if key in self._objects:
            self._objects.move_to_end(key)
            return self._objects[key]
        try:
            data = track.read(rendition, segment)
        except LightpeerError:
            return None
        self._objects[key] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            _, oldest = self._objects.popitem(last=False)
            self._bytes -= len(oldest)
        return data
