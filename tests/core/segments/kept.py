"""What is kept of a track, as a test says."""

from __future__ import annotations

from collections.abc import Callable

from lightpeer.core.content.manifest import TABLE_BASE
from tests.pair import MadeTrack


class FakeKept:
    """Reads by a function; notes what is asked of it and given to it."""

    def __init__(
        self, read: Callable[[int, int, int], bytes | None] = lambda _rendition, _number, _size: None
    ) -> None:
        self._read = read
        self.better: dict[int, int] = {}  # by segment: the rendition that it is kept in
        self.asked: list[tuple[int, int, int]] = []
        self.put_in: dict[tuple[int, int], bytes] = {}
        self.dropped: list[tuple[int, int]] = []

    def best(self, segment: int) -> int | None:
        return self.better.get(segment)

    def read(self, rendition: int, number: int, size: int) -> bytes | None:
        self.asked.append((rendition, number, size))
        return self._read(rendition, number, size)

    def put(self, rendition: int, number: int, data: bytes) -> None:
        self.put_in[rendition, number] = data

    def drop(self, rendition: int, number: int) -> None:
        self.dropped.append((rendition, number))


def whole(made: MadeTrack) -> FakeKept:
    """A track of which all is kept."""
    return FakeKept(lambda rendition, number, _size: made.read(rendition, number))


def without_tables(made: MadeTrack) -> FakeKept:
    """A track whose segments are all kept, but not the tables to check them by."""
    return FakeKept(lambda r, number, _size: made.segments[r][number] if number < TABLE_BASE else None)
