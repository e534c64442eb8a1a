"""Which tracks keep their upper renditions on a server's disk, within a bound.

The lowest rendition of a track always stays. The others can be made again from its music file, and those of
the tracks that were used longest ago make room (`eviction.py`). What was used a moment ago stays: it is being
streamed, or was made for somebody, and nobody can have the same made again and again. So where all of it was
used a moment ago, there is no room for more.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lightpeer.core.content.eviction import KeptTrack, to_evict

FRESH_NS: Final = 600 * 10**9  # a stream that rests so long has ended
NOTE_NS: Final = FRESH_NS // 2  # how exactly the disk knows when a track was used


class _Held(NamedTuple):
    size_bytes: int
    used_ns: int
    noted_ns: int  # what the disk knows of that


class RenditionCache:
    """The tracks that have their upper renditions; times are in ns of Unix time.

    Without a bound it is empty, and costs nothing.
    """

    def __init__(self, most_bytes: int | None) -> None:
        self.most_bytes = most_bytes
        self._held: dict[bytes, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, track_id: bytes) -> bool:
        return track_id in self._held

    @property
    def size_bytes(self) -> int:
        """How many bytes the upper renditions have in all."""
        return sum(held.size_bytes for held in self._held.values())

    def put(self, track_id: bytes, size_bytes: int, used_ns: int) -> None:
        """Note that a track has its upper renditions.

        Args:
            track_id: which.
            size_bytes: of those that are here; 0: it has none.
            used_ns: when it was used last, as the disk knows.
        """
        self._held.pop(track_id, None)
        if self.most_bytes is not None and size_bytes:
            self._held[track_id] = _Held(size_bytes, used_ns, used_ns)

    def remove(self, track_id: bytes) -> None:
        """Note that a track has them no longer, or that they cannot be made again."""
        self._held.pop(track_id, None)

    def use(self, track_id: bytes, now_ns: int) -> bool:
        """Note that a track is used; return whether that is to be noted on the disk too."""
        if (held := self._held.get(track_id)) is None:
            return False
        is_due = abs(now_ns - held.noted_ns) >= NOTE_NS
        self._held[track_id] = held._replace(used_ns=now_ns, noted_ns=now_ns if is_due else held.noted_ns)
        return is_due

    def has_room(self, more_bytes: int, now_ns: int) -> bool:
        """Return whether there is room for more, once others are dropped."""
        return self._evictable(more_bytes, now_ns) is not None

    def to_drop(self, now_ns: int, more_bytes: int = 0) -> list[bytes]:
        """Return the tracks to drop, the first first: as many as are too many, but none that is fresh.

        Args:
            now_ns: the time.
            more_bytes: what is to be added.
        """
        evicted = self._evictable(more_bytes, now_ns)
        if evicted is None:
            fresh = self._fresh(now_ns)
            old = [track_id for track_id in self._held if track_id not in fresh]
            return sorted(old, key=lambda track_id: self._held[track_id].used_ns)
        return [track.track_id for track in evicted]

    def _evictable(self, more_bytes: int, now_ns: int) -> list[KeptTrack] | None:
        if self.most_bytes is None:
            return []
        tracks = [KeptTrack(i, held.size_bytes, held.used_ns, False) for i, held in self._held.items()]
        return to_evict(tracks, self.most_bytes, more_bytes, self._fresh(now_ns))

    def _fresh(self, now_ns: int) -> set[bytes]:
        """Return the tracks that were used a moment ago, by a clock that may have been set."""
        return {i for i, held in self._held.items() if abs(now_ns - held.used_ns) < FRESH_NS}
