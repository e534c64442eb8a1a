"""A track of six hours in three renditions, whose segments are made as they are read: it has 450 MB."""

from __future__ import annotations

import functools
from random import Random

from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    TABLE_BASE,
    TABLE_SEGMENTS,
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    served_tables,
    track_id_of,
)

SECONDS = 6 * 3600
KBPS = (24, 48, 96)
HEADER = b"OggS" * 50  # as large as those of an import


class LongTrack:
    """As `MadeTrack`, or `StoredTrack`."""

    present = len(KBPS)

    def __init__(self, segment_count: int = SECONDS) -> None:
        self._sound = Random(1).randbytes(1 << 16)
        tables = [
            [
                self._table(rendition, first, segment_count)
                for first in range(0, segment_count, TABLE_SEGMENTS)
            ]
            for rendition in range(len(KBPS))
        ]
        self.tables = [served_tables(each) for each in tables]
        self.manifest = build_manifest(
            Description(
                title="Night Shift",
                artist="Somebody",
                album="Sets",
                duration_samples=segment_count * SAMPLE_RATE,
                gain_q8_db=0,
                segment_count=segment_count,
            ),
            [(kbps * 1000, HEADER, each) for kbps, each in zip(KBPS, tables, strict=True)],
        )
        self.track = parse_manifest_untrusted(self.manifest, track_id_of(self.manifest))

    def _table(self, rendition: int, first: int, segment_count: int) -> bytes:
        last = min(first + TABLE_SEGMENTS, segment_count)
        return build_table(self.segment(rendition, number) for number in range(first, last))

    def segment(self, rendition: int, number: int) -> bytes:
        size = KBPS[rendition] * 125 + number % 101 - 50
        return number.to_bytes(4, "big") + self._sound[number % 4099 :][: size - 4]

    def holds(self, rendition: int, segment: int) -> bool:
        if segment >= TABLE_BASE:
            segment = (segment - TABLE_BASE) * TABLE_SEGMENTS
        return rendition < len(KBPS) and segment < self.track.segment_count

    def read(self, rendition: int, segment: int) -> bytes:
        if segment >= TABLE_BASE:
            return self.tables[rendition][segment - TABLE_BASE]
        return self.segment(rendition, segment)


@functools.cache
def six_hours() -> LongTrack:
    """The track; it takes a second to make."""
    return LongTrack()
