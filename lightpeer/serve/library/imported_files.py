"""Which file of the music folder became which track: a table in SQLite, however large the folder is.

Nothing in here is held in memory for each file or track. Ids come out in order, a page at a
time, so that two lists of them are compared side by side (`only_in_one`); a scan notes the
files that it finds, and those that it skips, in tables that end with the process.

A digest of each file's bytes is kept beside the track, so that a moved or copied file is known again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import cast

from lightpeer.serve.library.database import Database
from lightpeer.serve.library.paths import file_and_part

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, recipe TEXT, track_id BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS files_by_track ON files (track_id);
CREATE TABLE IF NOT EXISTS contents (
    digest BLOB PRIMARY KEY, recipe TEXT NOT NULL, track_id BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mounts (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TEMPORARY TABLE found (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TEMPORARY TABLE skipped (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER) WITHOUT ROWID;
CREATE TEMPORARY TABLE waiting (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER) WITHOUT ROWID;
DELETE FROM contents WHERE track_id NOT IN (SELECT track_id FROM files);
"""
_WITHDRAWN = "withdrawn"  # in place of the recipe: the file has no track any more
_UNCHANGED = """
SELECT 1 FROM files WHERE path = ? AND size = ? AND mtime_ns = ? AND recipe IN (?, 'withdrawn')
"""
_SKIPPED = "SELECT 1 FROM skipped WHERE path = ? AND size = ? AND mtime_ns = ?"
_WAITING = "SELECT 1 FROM waiting WHERE path = ? AND size = ? AND mtime_ns = ?"
_WAITS_NO_MORE = "DELETE FROM waiting WHERE path = ?"
_TRACK_OF_CONTENT = """
SELECT track_id FROM contents WHERE digest = ? AND recipe = ? AND EXISTS (
    SELECT 1 FROM files WHERE files.track_id = contents.track_id AND files.recipe = contents.recipe)
"""
_SIZES_NOT_FOUND = "SELECT DISTINCT size FROM files WHERE path NOT IN (SELECT path FROM found)"
_NOT_FOUND = """
SELECT path FROM files WHERE path > ? AND path NOT IN (SELECT path FROM found) ORDER BY path LIMIT 200
"""
_DAMAGED = "damaged"  # in place of the recipe: it matches none, so the next scan imports the file again
_OUTDATED = "outdated"  # the same, but what was made of it is sound
_MARK_DAMAGED = "UPDATE files SET recipe = ? WHERE track_id = ? AND recipe <> 'withdrawn'"
_DAMAGED_IDS = "SELECT track_id FROM files GROUP BY track_id HAVING min(recipe) = ? LIMIT ?"
_TRACK_IDS = """
SELECT DISTINCT track_id FROM files WHERE track_id > ? AND recipe <> 'withdrawn' ORDER BY track_id LIMIT 200
"""
_SOURCES = """
SELECT path, size, mtime_ns FROM files
WHERE track_id = ? AND recipe = ? AND substr(path, 1, 1) = x'2f' ORDER BY path LIMIT 8
"""
_HAS_TRACK = "SELECT 1 FROM files WHERE track_id = ? AND recipe <> 'withdrawn' LIMIT 1"


@dataclass(frozen=True, slots=True)
class SourceKey:
    """A file's identity: if its absolute path, size and time are the same, it is unchanged."""

    path: bytes
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, stat: os.stat_result) -> SourceKey:
        """Return the key of a file."""
        return cls(os.fsencode(path), stat.st_size, stat.st_mtime_ns)

    @classmethod
    def of_file(cls, path: Path) -> SourceKey | None:
        """Return the key of an ordinary file that is there."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls.of(path, status) if S_ISREG(status.st_mode) else None

    def to_path(self) -> Path:
        """Return the file's path."""
        return Path(os.fsdecode(self.path))


class ImportedFiles:
    """The table; use from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create it; raise StateError where that cannot be done."""
        self._database = Database(path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def put(self, key: SourceKey, recipe: str, track_id: bytes) -> None:
        """Note the track that a file became.

        Args:
            key: the file's.
            recipe: how it was imported.
            track_id: the track's.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
                (key.path, key.size, key.mtime_ns, recipe, track_id),
            )
            connection.execute(_WAITS_NO_MORE, (key.path,))

    def note_content(self, digest: bytes, recipe: str, track_id: bytes) -> None:
        """Note the track that bytes became.

        Args:
            digest: of a file's bytes.
            recipe: how they were imported.
            track_id: the track's.
        """
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", (digest, recipe, track_id))

    def track_of_content(self, digest: bytes, recipe: str) -> bytes | None:
        """Return the track that was made of bytes by a recipe, if it is here and not known to be damaged."""
        rows = self._database.rows(_TRACK_OF_CONTENT, (digest, recipe))
        return cast("bytes", rows[0][0]) if rows else None

    def remove(self, path: bytes) -> None:
        """Forget a file."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM files WHERE path = ?", (path,))

    def remove_tracks(self, track_ids: Sequence[bytes]) -> None:
        """Forget the files of some tracks."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM files WHERE track_id = ?", ((i,) for i in track_ids))

    def mark_damaged(self, track_id: bytes) -> bool:
        """Note that a track is damaged, until one of its files is `put` again.

        Returns:
            Whether any file stands for it; a withdrawn track stays withdrawn.
        """
        with self._database.transaction() as connection:
            return connection.execute(_MARK_DAMAGED, (_DAMAGED, track_id)).rowcount > 0

    def mark_outdated(self, track_id: bytes) -> None:
        """Note that a track's files would become another track now, so that they are imported again."""
        with self._database.transaction() as connection:
            connection.execute(_MARK_DAMAGED, (_OUTDATED, track_id))

    def withdraw(self, track_id: bytes) -> None:
        """Note that a track's files stand for it no longer, and are not to be imported again as they are."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE files SET recipe = ? WHERE track_id = ?", (_WITHDRAWN, track_id))

    # Queries.

    def damaged_track_ids(self, most: int) -> list[bytes]:
        """Return the ids of damaged tracks, at most `most`."""
        return [cast("bytes", row[0]) for row in self._database.rows(_DAMAGED_IDS, (_DAMAGED, most))]

    def damaged_paths(self, most: int) -> list[bytes]:
        """Return the files of damaged tracks, at most `most`."""
        query = "SELECT path FROM files WHERE recipe = ? LIMIT ?"
        return [cast("bytes", row[0]) for row in self._database.rows(query, (_DAMAGED, most))]

    def track_of(self, path: bytes) -> bytes | None:
        """Return the track that a file became."""
        rows = self._database.rows("SELECT track_id FROM files WHERE path = ?", (path,))
        return cast("bytes", rows[0][0]) if rows else None

    def sources_of(self, track_id: bytes, recipe: str) -> list[SourceKey]:
        """Return the music files that became a track by a recipe: mirrored tracks have none."""
        rows = self._database.rows(_SOURCES, (track_id, recipe))
        return [SourceKey(*cast("tuple[bytes, int, int]", row)) for row in rows]

    def has_track(self, track_id: bytes) -> bool:
        """Return whether some file stands for a track."""
        return bool(self._database.rows(_HAS_TRACK, (track_id,)))

    def track_ids(self) -> Iterator[bytes]:
        """Yield the ids of all tracks, rising."""
        return (cast("bytes", row[0]) for row in self._database.pages(_TRACK_IDS))

    def count_tracks(self) -> int:
        """Return how many tracks there are."""
        query = "SELECT COUNT(DISTINCT track_id) FROM files WHERE recipe <> 'withdrawn'"
        return cast("int", self._database.rows(query)[0][0])

    def has_any_below(self, prefix: bytes) -> bool:
        """Return whether any file's path begins with a prefix."""
        query = "SELECT 1 FROM files WHERE substr(path, 1, ?) = ? LIMIT 1"
        return bool(self._database.rows(query, (len(prefix), prefix)))

    def track_ids_below(self, prefix: bytes) -> list[bytes]:
        """Return the tracks of the files whose paths begin with a prefix."""
        query = "SELECT DISTINCT track_id FROM files WHERE substr(path, 1, ?) = ?"
        return [cast("bytes", row[0]) for row in self._database.rows(query, (len(prefix), prefix))]

    # Scans.

    def begin_scan(self) -> None:
        """Forget the files that the last scan found."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM found")

    def note_found(self, keys: Sequence[SourceKey], recipe: str) -> list[SourceKey]:
        """Note that files are there; return those that are new, changed, or imported by another recipe.

        Those that this process has skipped, or that wait, and that have not changed since, are left out too.
        """
        with self._database.transaction() as connection:

            def is_known(key: SourceKey) -> bool:
                row = (key.path, key.size, key.mtime_ns)
                unchanged = connection.execute(_UNCHANGED, (*row, recipe)).fetchone()
                queries = (_SKIPPED, _WAITING)
                return bool(unchanged or any(connection.execute(query, row).fetchone() for query in queries))

            connection.executemany("INSERT OR IGNORE INTO found VALUES (?)", ((key.path,) for key in keys))
            return [key for key in keys if not is_known(key)]

    def note_skipped(self, key: SourceKey) -> None:
        """Note that a file cannot be imported as it is."""
        with self._database.transaction() as connection:
            row = (key.path, key.size, key.mtime_ns)
            connection.execute("INSERT OR REPLACE INTO skipped VALUES (?, ?, ?)", row)
            connection.execute(_WAITS_NO_MORE, (key.path,))

    def is_imported(self, key: SourceKey) -> bool:
        """Return whether a file has become a track as it is now, by whatever recipe."""
        query = "SELECT 1 FROM files WHERE path = ? AND size = ? AND mtime_ns = ?"
        return bool(self._database.rows(query, (key.path, key.size, key.mtime_ns)))

    def forget_skipped(self) -> None:
        """Have the skipped files tried again."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM skipped")

    def note_waiting(self, keys: Sequence[SourceKey]) -> None:
        """Note that files wait until somebody searches for them."""
        rows = [(key.path, key.size, key.mtime_ns) for key in keys]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)", rows)

    def waiting_key(self, path: bytes) -> SourceKey | None:
        """Return the key of a file that waits."""
        rows = self._database.rows("SELECT path, size, mtime_ns FROM waiting WHERE path = ?", (path,))
        return SourceKey(*cast("tuple[bytes, int, int]", rows[0])) if rows else None

    def take_waiting_not_found(self) -> list[bytes]:
        """Return the files that wait but were not found by the scan; they wait no more."""
        query = "DELETE FROM waiting WHERE path NOT IN (SELECT path FROM found) RETURNING path"
        with self._database.transaction() as connection:
            return [row[0] for row in connection.execute(query).fetchall()]

    def missing_mounts(self, mounts: Sequence[bytes]) -> list[bytes]:
        """Note where disks are mounted; return the places of earlier scans where none is now."""
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO mounts VALUES (?)", ((path,) for path in mounts))
            known = {row[0] for row in connection.execute("SELECT path FROM mounts").fetchall()}
            return sorted(known.difference(mounts))

    def forget_mount(self, path: bytes) -> None:
        """Forget that a disk was mounted here."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM mounts WHERE path = ?", (path,))

    def sizes_not_found(self) -> set[int]:
        """Return the sizes in bytes of the files that the scan has not found."""
        return {cast("int", row[0]) for row in self._database.rows(_SIZES_NOT_FOUND)}

    def paths(self) -> Iterator[bytes]:
        """Yield the paths of all files, rising; they may be removed meanwhile."""
        query = "SELECT path FROM files WHERE path > ? ORDER BY path LIMIT 200"
        return (cast("bytes", row[0]) for row in self._database.pages(query))

    def is_found_otherwise(self, path: bytes) -> bool:
        """Return whether the scan has found parts of a file, or of a part the file or others of its parts."""
        file = os.fsencode(file_and_part(Path(os.fsdecode(path)))[0])
        query = "SELECT 1 FROM found WHERE path = ? OR path > ? AND path < ? LIMIT 1"
        return bool(self._database.rows(query, (file, file + b"/", file + b"0")))

    def not_found(self) -> Iterator[bytes]:
        """Yield the paths that the scan has not found; they may be removed meanwhile."""
        return (cast("bytes", row[0]) for row in self._database.pages(_NOT_FOUND))


def only_in_one(ours: Iterator[bytes], theirs: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield the items of only one of two rising sequences, and whether that one is `ours`."""
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if left == right:
            left, right = next(ours, None), next(theirs, None)
        elif left is not None and (right is None or left < right):
            yield left, True
            left = next(ours, None)
        elif right is not None:
            yield right, False
            right = next(theirs, None)
