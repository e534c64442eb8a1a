"""Tracks in memory, shaped as the library gives them; their segments are noise, not sound."""

from __future__ import annotations

from random import Random

from lightpeer.core.content.manifest import (
    TABLE_BASE,
    TABLE_SEGMENTS,
    Description,
    Track,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.trust.identity import PeerId
from lightpeer.errors import StateError, UsageError
from lightpeer.serve.library.index import Answer, IndexHit
from lightpeer.serve.library.store import AbsentError

BITRATES_KBPS = (24, 48, 96)


class MemoryTrack:
    """As `StoredTrack`: a manifest, what it says, and the bytes."""

    def __init__(self, title: str = "A Title", segments: int = 70, seed: int = 1) -> None:
        random = Random(seed)
        self.broken = False
        self.present = len(BITRATES_KBPS)
        self.segments = [
            [random.randbytes(kbps * 125 + random.randint(-50, 50)) for _ in range(segments)]
            for kbps in BITRATES_KBPS
        ]
        self.tables = [
            [build_table(r[i : i + TABLE_SEGMENTS]) for i in range(0, segments, TABLE_SEGMENTS)]
            for r in self.segments
        ]
        self.manifest = build_manifest(
            Description(
                title=title,
                artist="An Artist",
                album="An Album",
                duration_samples=segments * 48_000,
                gain_q8_db=0,
                segment_count=segments,
            ),
            renditions=[
                (kbps * 1000, b"header", tables)
                for kbps, tables in zip(BITRATES_KBPS, self.tables, strict=True)
            ],
        )
        self.track = parse_manifest_untrusted(self.manifest, track_id_of(self.manifest))

    def holds(self, rendition: int, segment: int) -> bool:
        if not 0 <= rendition < len(self.segments):
            return False
        if segment >= TABLE_BASE:
            return segment - TABLE_BASE < len(self.tables[rendition])
        return segment < len(self.segments[rendition])

    def read(self, rendition: int, segment: int) -> bytes:
        if not self.holds(rendition, segment):
            raise UsageError("no such segment")
        if self.broken:
            raise StateError("x", "the disk is gone")
        if rendition >= self.present:
            raise AbsentError("x", "it was dropped")
        if segment >= TABLE_BASE:
            return self.tables[rendition][segment - TABLE_BASE]
        return self.segments[rendition][segment]


class MemoryLibrary:
    """As `Library` and `Index`: tracks by id, found by words in their titles."""

    def __init__(self, *tracks: MemoryTrack) -> None:
        self.tracks = {t.track.track_id: t for t in tracks}
        self.searched = 0
        self.renditions = self
        self.opened_by: list[tuple[PeerId, str]] = []
        self.waiting: list[str] = []  # titles of files that are being imported

    def track(self, track_id: bytes) -> MemoryTrack | None:
        return self.tracks.get(track_id)

    def opened(self, track: Track, by: tuple[PeerId, str]) -> int:
        self.opened_by.append(by)
        return self.tracks[track.track_id].present

    def search(self, query: str, limit: int) -> Answer:
        self.searched += 1
        hits = [
            IndexHit(t.track_id, t.title, t.artist, t.album, int(t.duration_s * 1000), BITRATES_KBPS)
            for t in (stored.track for stored in self.tracks.values())
            if query and query in t.title
        ]
        waiting = [title for title in self.waiting if query and query in title]
        return Answer(hits[:limit], len(waiting[: max(0, limit - len(hits))]))

    def count(self, query: str) -> int:
        return len(self.search(query, len(self.tracks)).hits)
