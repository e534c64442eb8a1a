"""Which kept tracks make room."""

from __future__ import annotations

import pytest

from lightpeer.core.content.eviction import DEFAULT_BYTES, KeptTrack, bound_bytes, pinned_bytes, to_evict

A, B, C, D = (letter * 32 for letter in (b"a", b"b", b"c", b"d"))
TRACKS = [
    KeptTrack(A, 10, 4, False),
    KeptTrack(B, 20, 1, True),
    KeptTrack(C, 30, 3, False),
    KeptTrack(D, 40, 2, False),
]


@pytest.mark.parametrize(
    ("asked", "free", "used", "bound"),
    [
        (5, 0, 0, 5),
        (0, 10**12, 0, 0),
        (None, 10**12, 0, DEFAULT_BYTES),
        (None, 1000, 500, 150),
        (None, 0, 0, 0),
    ],
)
def test_the_bound_is_what_was_asked_for_or_suits_the_disk(asked, free, used, bound) -> None:
    assert bound_bytes(asked, free, used) == bound


@pytest.mark.parametrize(
    ("most", "more", "in_use", "evicted"),
    [
        (100, 0, (), b""),
        (110, 10, (), b""),
        (100, 1, (), b"d"),
        (100, 40, (), b"d"),
        (100, 41, (), b"dc"),
        (100, 31, (D,), b"ca"),
        (100, 80, (), b"dca"),
        (100, 81, (), None),
        (100, 1, (A, C, D), None),
        (0, 0, (), None),
    ],
)
def test_the_oldest_make_room_but_what_is_pinned_or_in_use(most, more, in_use, evicted) -> None:
    found = to_evict(iter(TRACKS), most, more, in_use)
    assert (None if found is None else b"".join(track.track_id[:1] for track in found)) == evicted


def test_the_size_of_what_is_pinned() -> None:
    assert pinned_bytes(TRACKS) == 20
    assert pinned_bytes(TRACKS, but=B) == 0
