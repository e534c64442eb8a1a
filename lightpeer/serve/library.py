"""The imported tracks on disk: what the server reads from while it streams.

In the state directory:

    library.db             which file of the music folder became which track
    index.db               the words to search (index.py); can always be rebuilt
    incoming/              a track being made; emptied at start
    tracks/<id>/manifest   named by the track id in hexadecimal
    tracks/<id>/<n>.opus   rendition n as an ordinary Ogg Opus file: header, then its segments
    tracks/<id>/<n>.tables its segment tables, one after the other

A track is made in `incoming` and moved into place by one rename, so that a track
folder is always whole. Then the database learns of it; a folder that the database
does not know is what a crash left in between, and is removed at start.

The event loop's thread reads (`track`, `index.search`) while a worker thread imports;
what they share has locks that are never held across slow work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

from lightpeer.core.manifest import (
    MAX_RENDITIONS,
    Track,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.errors import RemoteError, StateError, UsageError
from lightpeer.serve.database import Database
from lightpeer.serve.index import Index
from lightpeer.serve.store import RenditionFiles, StoredTrack

DEFAULT_LADDER_KBPS = (24, 48, 96)  # barely any link, 3G, and as good as most can hear
DEFAULT_COMPLEXITY = 10  # an import happens once
MAX_CACHED_TRACKS = 256  # a manifest each, mostly 2 kB
FORMAT = 1  # raised when the same file would now become other bytes: everything is imported again
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, recipe TEXT, track_id BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS files_by_track ON files (track_id);
"""


@dataclass(frozen=True, slots=True)
class SourceKey:
    """How a file is recognised as unchanged: its absolute path and what `stat` says of it."""

    path: bytes
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, stat: os.stat_result) -> SourceKey:
        """Return the key of a file."""
        return cls(os.fsencode(path), stat.st_size, stat.st_mtime_ns)


class Library:
    """The tracks of one server. Only one process at a time may have a state directory open."""

    def __init__(
        self,
        state_dir: Path,
        music_dir: Path,
        ladder: Sequence[int] = DEFAULT_LADDER_KBPS,
        complexity: int = DEFAULT_COMPLEXITY,
    ) -> None:
        """Open or create the state directory.

        Args:
            state_dir: where everything of the server is kept.
            music_dir: the folder that a scan reads.
            ladder: the bitrates to offer in kbit/s, rising.
            complexity: how hard libopus tries, 0 to 10.

        Raises:
            UsageError: the ladder is not one to eight rising bitrates that Opus has.
            StateError: the state directory cannot be used, or another server uses it.
        """
        self.state_dir = state_dir
        self.music_dir = Path(os.path.abspath(music_dir))  # noqa: PTH100 - links stay, `..` and `.` do not
        self.ladder = _checked(ladder)
        self.complexity = complexity
        self._tracks = state_dir / "tracks"
        self._incoming = state_dir / "incoming"
        self._cached: OrderedDict[bytes, StoredTrack] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._files = RenditionFiles()
        self._lock = _claim(state_dir)
        try:
            self._database = Database(state_dir / "library.db", _SCHEMA)
            self.index = Index(state_dir / "index.db")
            self._recover()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close every file and let another server have the state directory."""
        self._files.close()
        self.index.close()
        self._database.close()
        self._lock.close()

    # What the serving side uses.

    def track(self, track_id: bytes) -> StoredTrack | None:
        """Return a track that can be served, or None where this server does not have it."""
        with self._cache_lock:
            stored = self._cached.get(track_id)
            if stored is not None:
                self._cached.move_to_end(track_id)
                return stored
        stored = self._load(track_id)
        if stored is None:
            return None
        with self._cache_lock:
            if not self._is_used(track_id):  # or no more, and whoever drops it has seen to the cache
                return None
            self._cached[track_id] = stored
            while len(self._cached) > MAX_CACHED_TRACKS:
                self._cached.popitem(last=False)
        return stored

    def track_ids(self) -> set[bytes]:
        """Return the ids of all tracks."""
        return {cast("bytes", row[0]) for row in self._database.rows("SELECT DISTINCT track_id FROM files")}

    # What an import uses.

    def unchanged(self, key: SourceKey) -> bool:
        """Tell whether a file has been imported as it is now, by the recipe that would be used now."""
        query = "SELECT 1 FROM files WHERE path = ? AND size = ? AND mtime_ns = ? AND recipe = ?"
        return bool(self._database.rows(query, (key.path, key.size, key.mtime_ns, self._recipe)))

    def has_files_below(self, folder: Path) -> bool:
        """Tell whether tracks were made of files in a folder, which need not be there any more."""
        return bool(self._track_ids_below(os.fsencode(folder / "x")[:-1]))

    def bytes_below(self, path: bytes) -> int:
        """Return how many bytes the tracks have that were made of what is below a path."""
        folders = map(self._folder, self._track_ids_below(path + b"/"))
        try:
            return sum(file.stat().st_size for folder in folders for file in folder.iterdir())
        except OSError as error:
            raise state_error(self._tracks, error) from error

    def _track_ids_below(self, prefix: bytes) -> set[bytes]:
        query = "SELECT DISTINCT track_id FROM files WHERE substr(path, 1, ?) = ?"
        return {cast("bytes", row[0]) for row in self._database.rows(query, (len(prefix), prefix))}

    def workspace(self) -> Path:
        """Return an empty folder to make a track in; it is also emptied when the next one is asked for."""
        try:
            shutil.rmtree(self._incoming, ignore_errors=True)
            self._incoming.mkdir(parents=True)
        except OSError as error:
            raise state_error(self._incoming, error) from error
        return self._incoming

    def add(self, key: SourceKey, workspace: Path) -> Track:
        """Take over a finished track, in place of what was made of this file before.

        Raises StateError where the disk refuses; the library is then as it was.
        """
        manifest = (workspace / "manifest").read_bytes()
        track = parse_manifest_untrusted(manifest, track_id_of(manifest))
        folder = self._folder(track.track_id)
        before = self._track_of(key.path)
        try:
            if not folder.exists():
                _flush(workspace)
                workspace.rename(folder)
        except OSError as error:
            raise state_error(folder, error) from error
        self._add_to_index(track)
        with self._database.transaction() as connection:
            row = (key.path, key.size, key.mtime_ns, self._recipe, track.track_id)
            connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", row)
        self._drop_unless_used(before)
        return track

    def keep_only(self, paths: AbstractSet[bytes], closed: Sequence[bytes] = ()) -> int:
        """Forget the files that are gone, drop their tracks, and return how many files those were.

        Those are gone that are not in `paths`, nor at or below one of `closed`, where nobody could look.
        """
        known = {cast("bytes", row[0]) for row in self._database.rows("SELECT path FROM files")}
        below = tuple(path + b"/" for path in closed)
        gone = [p for p in known - paths if not (p in closed or p.startswith(below))]
        for path in gone:
            track_id = self._track_of(path)
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM files WHERE path = ?", (path,))
            self._drop_unless_used(track_id)
        return len(gone)

    @property
    def _recipe(self) -> str:
        return f"{FORMAT}:{','.join(map(str, self.ladder))}@{self.complexity}"

    def _folder(self, track_id: bytes) -> Path:
        return self._tracks / track_id.hex()

    def _track_of(self, path: bytes) -> bytes | None:
        rows = self._database.rows("SELECT track_id FROM files WHERE path = ?", (path,))
        return cast("bytes", rows[0][0]) if rows else None

    def _is_used(self, track_id: bytes) -> bool:
        return bool(self._database.rows("SELECT 1 FROM files WHERE track_id = ? LIMIT 1", (track_id,)))

    def _drop_unless_used(self, track_id: bytes | None) -> None:
        """Remove a track that no file stands for any more; those being streamed end at their next segment."""
        if track_id is None or self._is_used(track_id):
            return
        self.index.remove(track_id)
        with self._cache_lock:
            self._cached.pop(track_id, None)
        self._files.forget(track_id)
        shutil.rmtree(self._folder(track_id), ignore_errors=True)

    def _load(self, track_id: bytes) -> StoredTrack | None:
        folder = self._folder(track_id)
        try:
            manifest = (folder / "manifest").read_bytes()
            track = parse_manifest_untrusted(manifest, track_id)
        except (OSError, RemoteError):
            return None  # damaged on disk: to others we simply do not have it
        return StoredTrack(manifest, track, folder, self._files)

    def _recover(self) -> None:
        """Make folders, database and index agree after whatever ended the last run."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        try:
            self._tracks.mkdir(exist_ok=True)
            folders = {entry.name for entry in os.scandir(self._tracks)}
        except OSError as error:
            raise state_error(self._tracks, error) from error
        known = self.track_ids()
        whole = {track_id for track_id in known if track_id.hex() in folders}
        for name in folders - {track_id.hex() for track_id in whole}:
            shutil.rmtree(self._tracks / name, ignore_errors=True)
        with self._database.transaction() as connection:
            lost = [(track_id,) for track_id in known - whole]
            connection.executemany("DELETE FROM files WHERE track_id = ?", lost)
        indexed = self.index.track_ids()
        for track_id in indexed - whole:
            self.index.remove(track_id)
        for track_id in whole - indexed:
            if stored := self._load(track_id):
                self._add_to_index(stored.track)

    def _add_to_index(self, track: Track) -> None:
        bitrates_kbps = [round(rendition.bitrate_bps / 1000) for rendition in track.renditions]
        duration_ms = track.duration_samples // 48
        self.index.add(track.track_id, track.title, track.artist, track.album, duration_ms, bitrates_kbps)


def _checked(ladder: Sequence[int]) -> tuple[int, ...]:
    rising = all(low < high for low, high in pairwise(ladder))
    if not (1 <= len(ladder) <= MAX_RENDITIONS and rising and ladder[0] >= 6 and ladder[-1] <= 256):
        raise UsageError("a ladder is one to eight bitrates from 6 to 256 kbit/s, rising, such as 24,48,96")
    return tuple(ladder)


def _claim(state_dir: Path) -> IO[bytes]:
    """Create the state directory and lock it for this process; closing the file unlocks it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "library.lock").open("wb")
    except OSError as error:
        raise state_error(state_dir, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"another lightpeer-serve uses {state_dir}: stop it, or give this one its own --state"
        raise StateError(state_dir, message) from error
    return lock


def _flush(folder: Path) -> None:
    """Have the disk take a folder's files before its rename can be seen."""
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def state_error(path: Path, error: OSError) -> StateError:
    """Return the sentence for a file or folder of ours that the system refuses."""
    match error:
        case OSError(errno=28 | 122):  # ENOSPC, EDQUOT
            return StateError(path, f"the disk with {path} is full: free some space and start again")
        case PermissionError():
            return StateError(path, f"{path} is not writable: change its permissions or give another --state")
        case _:
            return StateError(path, f"{path} cannot be used: {error.strerror or error}")
