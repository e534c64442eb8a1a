"""Tracks that are set aside: the disk returns other bytes than were stored, or none.

A server that sent those bytes would be a liar to its listeners. A damaged track stays set aside until it has
been imported again. An unreadable one is tried again after a while: an unplugged disk may come back.
"""

from __future__ import annotations

import math
import threading
from typing import Final

ASIDE_S: Final = (
    600.0  # for an unreadable track: no listener waits for that long, and a dead disk is left alone
)
MAX_ASIDE: Final = 4096  # half a megabyte; beyond it the oldest is tried again


class SetAside:
    """The tracks that are not served now. Times are monotonic seconds; use from any thread."""

    def __init__(self) -> None:
        self._until_s: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._found_damaged = 0

    def add(self, track_id: bytes, now: float, *, is_damaged: bool) -> bool:
        """Set a track aside, and return whether that is new.

        Args:
            track_id: the track's.
            now: monotonic seconds.
            is_damaged: whether until it is imported again, and not for ASIDE_S alone.
        """
        with self._lock:
            before_s = self._until_s.pop(track_id, -math.inf)
            if before_s == -math.inf and len(self._until_s) >= MAX_ASIDE:
                del self._until_s[next(iter(self._until_s))]
            self._until_s[track_id] = math.inf if is_damaged else max(before_s, now + ASIDE_S)
            self._found_damaged += is_damaged and before_s < math.inf
            return before_s <= now

    def remove(self, track_id: bytes) -> None:
        """Serve a track again."""
        with self._lock:
            self._until_s.pop(track_id, None)

    def holds(self, track_id: bytes, now: float) -> bool:
        """Return whether a track is set aside."""
        return self._until_s.get(track_id, -math.inf) > now

    def has_damage(self) -> bool:
        """Return whether any track is damaged."""
        with self._lock:
            return math.inf in self._until_s.values()

    @property
    def found_damaged(self) -> int:
        """How many times a track was found damaged that was not known to be."""
        return self._found_damaged
