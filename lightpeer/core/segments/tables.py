"""The tables of one track that are here, and what of the track is kept on disk.

A table holds the sizes and digests of 64 segments of one rendition. A bounded number of tables is
remembered, and the oldest is forgotten first: it is fetched again if it is needed again. What was kept is
verified like what comes from a source, and what comes from a source is kept once it is verified.
"""

from __future__ import annotations

from typing import Final, Protocol

from lightpeer.core.content.manifest import (
    TABLE_SEGMENTS,
    SegmentTable,
    Track,
    parse_table_untrusted,
    table_bytes,
    table_segment,
)
from lightpeer.errors import RemoteError

TABLES_KEPT: Final = 32  # half an hour of a rendition, about 0.2 MB


class Kept(Protocol):
    """What is kept of one track. A number is a segment's, or TABLE_BASE and a table's."""

    def best(self, segment: int) -> int | None:
        """Return the rendition in which a kept segment is to be taken, None if it is to be fetched."""

    def read(self, rendition: int, number: int, size: int) -> bytes | None:
        """Return an object's bytes, not verified; None if it is not kept.

        Args:
            rendition: the rendition's index in the manifest.
            number: the object's number.
            size: how many bytes it has.
        """

    def put(self, rendition: int, number: int, data: bytes) -> None:
        """Keep an object that was verified.

        Args:
            rendition: the rendition's index in the manifest.
            number: the object's number.
            data: its bytes.
        """

    def drop(self, rendition: int, number: int) -> None:
        """Forget an object, whose bytes are not right."""


class Tables:
    """The tables of one track, by rendition and number."""

    def __init__(self, track: Track, kept: Kept | None = None) -> None:
        """Remember no table yet; `kept` is what is kept of the track."""
        self._track = track
        self._kept = kept
        self._tables: dict[tuple[int, int], SegmentTable] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def get(self, rendition: int, number: int) -> SegmentTable | None:
        """Return a table, None if it is not here."""
        table = self._tables.get((rendition, number))
        return table or self._kept_table(rendition, number)

    def put_untrusted(self, rendition: int, number: int, data: bytes) -> None:
        """Add a table from a source.

        Args:
            rendition: the rendition's index in the manifest.
            number: the table's number in that rendition.
            data: the table's bytes.

        Raises:
            RemoteError: the bytes are not those that the manifest's digest stands for.
        """
        self._remember_untrusted(rendition, number, data)
        self.keep(rendition, table_segment(number), data)

    def keep(self, rendition: int, number: int, data: bytes) -> None:
        """Keep a verified segment or table; the arguments are those of `Kept.put`."""
        if self._kept is not None:
            self._kept.put(rendition, number, data)

    def kept_segment(self, rendition: int, segment: int, table: SegmentTable) -> bytes | None:
        """Return a kept segment, None if it is not here or does not verify.

        Args:
            rendition: the rendition's index in the manifest.
            segment: the segment's number, from the track's start.
            table: the table that covers the segment.
        """
        if self._kept is None:
            return None
        data = self._kept.read(rendition, segment, table.sizes[segment % TABLE_SEGMENTS])
        if data is None:
            return None
        try:
            table.check_untrusted(segment, data)
        except RemoteError:
            self._kept.drop(rendition, segment)
            return None
        return data

    def _kept_table(self, rendition: int, number: int) -> SegmentTable | None:
        if self._kept is None:
            return None
        data = self._kept.read(rendition, table_segment(number), table_bytes(self._track, number))
        if data is None:
            return None
        try:
            return self._remember_untrusted(rendition, number, data)
        except RemoteError:
            self._kept.drop(rendition, table_segment(number))
            return None

    def _remember_untrusted(self, rendition: int, number: int, data: bytes) -> SegmentTable:
        table = parse_table_untrusted(data, self._track, rendition, number)
        self._tables[rendition, number] = table
        if len(self._tables) > TABLES_KEPT:
            del self._tables[next(iter(self._tables))]
        return table
