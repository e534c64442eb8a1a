"""Which kept tracks make room for others: those that were heard longest ago, whole tracks at a time.

Pinned tracks stay, and so do those that are being played. Where that leaves too little room, nothing is
evicted, and what comes is not kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

DEFAULT_BYTES: Final = 200_000_000  # nine hours at 48 kbit/s
FREE_SHARE: Final = 10  # a tenth of what the disk has free is taken unasked


class KeptTrack(NamedTuple):
    """A track that is kept.

    Attributes:
        track_id: which.
        size_bytes: of its file.
        used_ns: when it was last heard or written, in ns of Unix time.
        is_pinned: whether it stays until the person lets it go.
    """

    track_id: bytes
    size_bytes: int
    used_ns: int
    is_pinned: bool


def bound_bytes(asked_bytes: int | None, free_bytes: int, used_bytes: int) -> int:
    """Return how large the cache may be.

    Args:
        asked_bytes: what the person asked for; None: what suits the disk.
        free_bytes: that the disk has free.
        used_bytes: that the cache takes now; they count as free.
    """
    if asked_bytes is not None:
        return asked_bytes
    return min(DEFAULT_BYTES, (free_bytes + used_bytes) // FREE_SHARE)


def to_evict(
    tracks: Iterable[KeptTrack], most_bytes: int, more_bytes: int, in_use: Collection[bytes]
) -> list[KeptTrack] | None:
    """Return the tracks to evict, oldest first, so that more fits; None if it does not fit.

    Args:
        tracks: all that are kept.
        most_bytes: how large the cache may be.
        more_bytes: what is to be added.
        in_use: the ids of tracks that are not to be evicted, as pinned ones are not.
    """
    tracks = list(tracks)
    excess = sum(track.size_bytes for track in tracks) + more_bytes - most_bytes
    evicted = []
    for track in sorted(tracks, key=lambda track: track.used_ns):
        if excess <= 0:
            break
        if not track.is_pinned and track.track_id not in in_use:
            evicted.append(track)
            excess -= track.size_bytes
    return evicted if excess <= 0 else None


def pinned_bytes(tracks: Iterable[KeptTrack], but: bytes = b"") -> int:
    """Return the size of all pinned tracks but one."""
    return sum(track.size_bytes for track in tracks if track.is_pinned and track.track_id != but)
