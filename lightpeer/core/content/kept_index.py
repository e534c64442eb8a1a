"""Where the objects of one kept track lie in its file, and whether all is here that playing needs.

Segments are most of it, so each rendition has one array of offsets by segment: an hour takes 29 kB. A segment
counts as here only with its table, since nothing is heard unchecked.
"""

from __future__ import annotations

from array import array
from typing import Final

from lightpeer.core.content.kept_blocks import Key, Placed
from lightpeer.core.content.manifest import MAX_SEGMENTS, table_of, table_segment
from lightpeer.core.trust.bounds import MAX_RENDITIONS

UNWRITTEN: Final = 2**64 - 1  # an offset: it is here, but not in the file yet
_ABSENT: Final = 2**64 - 2
_MOST_OTHERS: Final = MAX_RENDITIONS * 1024 + 1  # tables of the longest track, and its manifest


class KeptIndex:
    """The index of one track."""

    def __init__(self) -> None:
        self._segments = [array("Q") for _ in range(MAX_RENDITIONS)]
        self._others: dict[Key, tuple[int, int]] = {}  # manifest and tables: offset and size

    def add(self, placed: Placed) -> None:
        """Note where an object lies; what no track has is passed over."""
        rendition, number = placed.key
        if rendition >= MAX_RENDITIONS:
            return
        if number < MAX_SEGMENTS:
            offsets = self._segments[rendition]
            if number >= len(offsets):
                offsets.extend([_ABSENT] * (number + 1 - len(offsets)))
            offsets[number] = placed.at
        elif placed.key in self._others or len(self._others) < _MOST_OTHERS:
            self._others[placed.key] = placed.at, placed.size

    def drop(self, key: Key) -> None:
        """Forget an object: it is damaged, or was not written."""
        rendition, number = key
        if self.offset(key) is None:
            return
        if number < MAX_SEGMENTS:
            self._segments[rendition][number] = _ABSENT
        else:
            del self._others[key]

    def offset(self, key: Key) -> int | None:
        """Return where an object lies in the file, UNWRITTEN if not there yet, None if it is not here."""
        rendition, number = key
        if number >= MAX_SEGMENTS:
            return self._others.get(key, (None, 0))[0]
        offsets = self._segments[rendition]
        at = offsets[number] if number < len(offsets) else _ABSENT
        return None if at == _ABSENT else at

    def size(self, key: Key) -> int:
        """Return the size in bytes of the manifest or a table that is here, else 0."""
        return self._others.get(key, (0, 0))[1]

    def best(self, segment: int, renditions: range) -> int | None:
        """Return the best of some renditions in which a segment and its table are here, None if none is."""
        table = table_segment(table_of(segment))
        for rendition in reversed(renditions):
            if self.offset((rendition, segment)) is not None and (rendition, table) in self._others:
                return rendition
        return None

    def covers(self, segments: range, renditions: range) -> bool:
        """Return whether each of some segments is here, in any of some renditions."""
        return all(self.best(segment, renditions) is not None for segment in segments)
