"""The search index: title, artist and album in SQLite's FTS5.

Words match by prefix, and are folded and split by `core/search/words.py`, in the index as in queries: so FTS5
sees words with spaces between them, and every character is part of one. All words of a query must match, or
the first eight of a long one.
Prefixes of one to three letters have lists of their own, because merging the lists of
all words that begin with a letter takes a tenth of a second for a few letters. Hits are
ranked by bm25, with the title weighing most; for a vague query only some of the matches
are ranked. A query is never FTS syntax: each word becomes a quoted string, a phrase where it has several
parts, so that `AC/DC` finds AC/DC. A track's uri is not split into words: it finds that track.

The index holds nothing that the manifests do not, so a damaged one, or one of an
older format, is thrown away and filled again. `add` and `remove` come from the
importer's thread, `search` from another; `database.py` says why that is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from lightpeer.core.content.album import NOWHERE, AlbumPlace
from lightpeer.core.content.manifest import Track
from lightpeer.core.content.uri import is_uri, named_track
from lightpeer.core.search.hits import MAX_MATCHES
from lightpeer.core.search.words import phrases_of, tokens_of
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.serve.library.database import Database
from lightpeer.serve.library.imported_files import only_in_one

MATCHED_CHARS = 256  # longer than any title; a query costs more with each word
MAX_QUERY_WORDS = 8  # further words hardly narrow the result, and each takes a list of its own
MAX_RANKED = 1000  # matches: one letter matches most of a library, and other searches wait meanwhile

_ADDED_AT_ONCE = 200  # tracks, when a lost index is rebuilt
_FORMAT = 6  # of the file; an index of another format is rebuilt
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tracks (
    id INTEGER PRIMARY KEY, track_id BLOB UNIQUE NOT NULL,
    title TEXT, artist TEXT, album TEXT, duration_ms INTEGER, bitrates_kbps TEXT,
    track INTEGER, disc INTEGER, tracks INTEGER, album_artist TEXT, year INTEGER);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    title, artist, album, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* P* S* Co'",
    prefix = '1 2 3');
"""
_TRACK_IDS = "SELECT track_id FROM tracks WHERE track_id > ? ORDER BY track_id LIMIT 200"
_LOOK_UP = """
SELECT track_id, title, artist, album, duration_ms, bitrates_kbps, track, disc, tracks, album_artist, year
FROM tracks WHERE track_id = ?
"""
_SEARCH = """
SELECT track_id, title, artist, album, duration_ms, bitrates_kbps, track, disc, tracks, album_artist, year
FROM (SELECT rowid AS found_id, bm25(words, 10.0, 5.0, 2.0) AS score FROM words WHERE words MATCH ? LIMIT ?)
JOIN tracks ON id = found_id ORDER BY score, title, track_id LIMIT ?
"""
_COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A track in the index."""

    track_id: bytes
    title: str
    artist: str
    album: str
    duration_ms: int
    bitrates_kbps: tuple[int, ...]
    place: AlbumPlace = NOWHERE


class HasTrack(Protocol):
    """A track that is stored."""

    @property
    def track(self) -> Track:
        """What its manifest says."""


def entry_of(track: Track) -> IndexHit:
    """Return a track as the index has it."""
    return IndexHit(
        track_id=track.track_id,
        title=track.title,
        artist=track.artist,
        album=track.album,
        duration_ms=track.duration_samples // 48,
        bitrates_kbps=tuple(rendition.bitrate_kbps for rendition in track.renditions),
        place=track.place,
    )


class Answer(NamedTuple):
    """What a search finds here.

    Attributes:
        hits: the tracks, best first.
        preparing: how many files that match are made tracks now, because it asked for them.
    """

    hits: list[IndexHit]
    preparing: int = 0


class Index:
    """The searchable words of every track on this server."""

    def __init__(self, path: Path) -> None:
        """Open or create the index; raise StateError where SQLite has no FTS5 or the file is not ours."""
        self._database = Database(path, _SCHEMA, derived=True)
        if self._database.rows("PRAGMA user_version") != [(_FORMAT,)]:
            with self._database.transaction() as connection:
                connection.executescript(
                    f"DROP TABLE words; DROP TABLE tracks; {_SCHEMA} PRAGMA user_version = {_FORMAT};"
                )

    def add_all(self, tracks: Sequence[IndexHit]) -> None:
        """Add tracks, all of them or none; a track that is there already stays as it is."""
        with self._database.transaction() as connection:
            for track in tracks:
                shown = tuple(_storable(text) for text in (track.title, track.artist, track.album))
                place = track.place._replace(album_artist=_storable(track.place.album_artist))
                cursor = connection.execute(
                    "INSERT OR IGNORE INTO tracks VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(track.track_id, *shown, track.duration_ms),
                        *(",".join(map(str, track.bitrates_kbps)), *place),
                    ),
                )
                if cursor.rowcount:
                    connection.execute(
                        "INSERT INTO words (rowid, title, artist, album) VALUES (?, ?, ?, ?)",
                        (cursor.lastrowid, *_words_of(shown, place)),
                    )

    def remove(self, track_id: bytes) -> None:
        """Remove a track, if it is there."""
        self.remove_all([track_id])

    def remove_all(self, track_ids: Sequence[bytes]) -> None:
        """Remove the tracks that are there."""
        with self._database.transaction() as connection:
            for track_id in track_ids:
                connection.execute(
                    "DELETE FROM words WHERE rowid = (SELECT id FROM tracks WHERE track_id = ?)", (track_id,)
                )
                connection.execute("DELETE FROM tracks WHERE track_id = ?", (track_id,))

    def track_ids(self) -> Iterator[bytes]:
        """Yield the ids of all tracks in the index, rising."""
        return (cast("bytes", row[0]) for row in self._database.pages(_TRACK_IDS))

    def agree_with(self, track_ids: Iterator[bytes], load: Callable[[bytes], HasTrack | None]) -> None:
        """Make the index agree with the tracks that there are.

        Args:
            track_ids: theirs, rising.
            load: returns a track, None if it cannot be read.
        """
        gone: list[bytes] = []
        missing: list[bytes] = []
        for track_id, is_indexed in only_in_one(self.track_ids(), track_ids):
            (gone if is_indexed else missing).append(track_id)
        self.remove_all(gone)
        for start in range(0, len(missing), _ADDED_AT_ONCE):
            loaded = map(load, missing[start : start + _ADDED_AT_ONCE])
            self.add_all([entry_of(stored.track) for stored in loaded if stored])

    def playing_time_s(self) -> float:
        """Return how long all tracks play together, in seconds."""
        return cast("int", self._database.rows("SELECT total(duration_ms) FROM tracks")[0][0]) / 1000

    def search(self, query: str, limit: int) -> list[IndexHit]:
        """Return at most `limit` (and at most MAX_HITS) tracks that have all words of `query`, best first."""
        if limit < 1:
            return []
        if is_uri(query):
            return _hits(self._database.rows(_LOOK_UP, (named_track(query),)))
        match = _fts_query(query)
        if not match:
            return []
        return _hits(self._database.rows(_SEARCH, (match, MAX_RANKED, min(limit, MAX_HITS))))

    def count(self, query: str) -> int:
        """Return how many tracks have all words of `query`, at most MAX_MATCHES."""
        match = "" if is_uri(query) else _fts_query(query)
        rows = self._database.rows(_COUNT, (match, MAX_MATCHES)) if match else [(0,)]
        return cast("int", rows[0][0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _fts_query(text: str) -> str:
    """Return an FTS5 query for words that a person typed: the first eight, once each, as prefixes."""
    words = phrases_of(_storable(text[:MATCHED_CHARS]))
    return " ".join(f'"{word}"*' for word in words[:MAX_QUERY_WORDS])


def _words_of(shown: tuple[str, ...], place: AlbumPlace) -> tuple[str, ...]:
    """Return what is searched of a track: the artist of its album is an artist of it, too."""
    title, artist, album = shown
    artists = f"{artist} {place.album_artist}".rstrip()
    return tuple(" ".join(tokens_of(text)) for text in (title, artists, album))


def _storable(text: str) -> str:
    """Return text that SQLite accepts; a manifest's text is returned as it is, for hits must equal it."""
    return text.encode("utf-8", "replace").decode()


def _hits(rows: Iterable[tuple[object, ...]]) -> list[IndexHit]:
    """Return the hits of rows; a row that the disk has damaged is left out, for no message could hold it."""
    return [hit for row in rows if (hit := _hit(row)) is not None]


def _hit(row: tuple[object, ...]) -> IndexHit | None:
    track_id, title, artist, album, duration_ms, bitrates, *place = row
    try:
        bitrates_kbps = tuple(map(int, cast("str", bitrates).split(",")))
    except (ValueError, AttributeError, TypeError):
        return None
    track, disc, tracks, album_artist, year = place
    is_text = all(isinstance(text, str) for text in (title, artist, album, album_artist))
    numbers = (duration_ms, *bitrates_kbps, track, disc, tracks, year)
    is_counted = all(isinstance(n, int) and 0 <= n < 1 << 32 for n in numbers)
    if not (isinstance(track_id, bytes) and is_text and is_counted):
        return None
    return IndexHit(
        track_id=track_id,
        title=cast("str", title),
        artist=cast("str", artist),
        album=cast("str", album),
        duration_ms=cast("int", duration_ms),
        bitrates_kbps=bitrates_kbps,
        place=AlbumPlace(*cast("tuple[int, int, int, str, int]", tuple(place))),
    )
