"""The tables of one track that are here, and the segments that a former run has kept.

A table holds the sizes and digests of 64 segments of one rendition. A bounded number of tables is
remembered, and the oldest is forgotten first: it is fetched again if it is needed again. Kept segments are
verified like those from a source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from lightpeer.core.content.manifest import TABLE_SEGMENTS, SegmentTable, Track, parse_table_untrusted
from lightpeer.errors import RemoteError

TABLES_KEPT: Final = 32  # half an hour of a rendition, about 0.2 MB
Kept: TypeAlias = Callable[[int, int, int], bytes | None]
"""Return the bytes of a kept segment, by rendition, segment and size; None if they are not here."""


class Tables:
    """The tables of one track, by rendition and number."""

    def __init__(self, track: Track, kept: Kept | None = None) -> None:
        """Have no table yet; `kept` returns segments that are here already."""
        self._track = track
        self._kept = kept
        self._tables: dict[tuple[int, int], SegmentTable] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def get(self, rendition: int, number: int) -> SegmentTable | None:
        """Return a table, None if it is not here."""
        return self._tables.get((rendition, number))

    def put_untrusted(self, rendition: int, number: int, data: bytes) -> None:
        """Add a table from a source.

        Args:
            rendition: the rendition's index in the manifest.
            number: the table's number in that rendition.
            data: the table's bytes.

        Raises:
            RemoteError: the bytes are not those that the manifest's digest stands for.
        """
        self._tables[rendition, number] = parse_table_untrusted(data, self._track, rendition, number)
        if len(self._tables) > TABLES_KEPT:
            del self._tables[next(iter(self._tables))]

    def kept_segment(self, rendition: int, segment: int, table: SegmentTable) -> bytes | None:
        """Return a kept segment, None if it is not here or does not verify.

        Args:
            rendition: the rendition's index in the manifest.
            segment: the segment's number, from the track's start.
            table: the table that covers the segment.
        """
        data = self._kept and self._kept(rendition, segment, table.sizes[segment % TABLE_SEGMENTS])
        if not data:
            return None
        try:
            table.check_untrusted(segment, data)
        except RemoteError:
            return None
        return data
