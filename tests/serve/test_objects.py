"""What streams send is read once."""

from __future__ import annotations

from lightpeer.errors import UsageError
from lightpeer.serve.objects import ObjectCache

ONE, OTHER = b"1" * 32, b"2" * 32


class Track:
    def __init__(self) -> None:
        self.reads: list[int] = []

    def read(self, rendition: int, segment: int) -> bytes:
        self.reads.append(segment)
        if segment > 9:
            raise UsageError("no such segment")
        return bytes([rendition, segment]) * 50


def test_an_object_is_read_once_for_all_and_the_least_recent_is_forgotten() -> None:
    cache, track = ObjectCache(300), Track()
    for segment in (1, 2, 1, 3, 2, 1):
        assert cache.read(ONE, track, 0, segment) == bytes([0, segment]) * 50
    assert track.reads == [1, 2, 3]
    cache.read(ONE, track, 0, 4)
    cache.read(ONE, track, 0, 1)
    cache.read(ONE, track, 0, 3)
    assert track.reads == [1, 2, 3, 4, 3]


def test_tracks_and_renditions_are_apart() -> None:
    cache, track, other = ObjectCache(), Track(), Track()
    assert cache.read(ONE, track, 0, 1) != cache.read(ONE, track, 1, 1)
    cache.read(OTHER, other, 0, 1)
    assert (track.reads, other.reads) == ([1, 1], [1])


def test_what_is_not_there_takes_no_place() -> None:
    cache, track = ObjectCache(100), Track()
    cache.read(ONE, track, 0, 1)
    assert cache.read(ONE, track, 0, 10) is None
    cache.read(ONE, track, 0, 1)
    assert track.reads == [1, 10]


def test_what_is_larger_than_all_is_given_and_not_kept() -> None:
    cache, track = ObjectCache(50), Track()
    assert cache.read(ONE, track, 0, 1) == cache.read(ONE, track, 0, 1)
    assert track.reads == [1, 1]
