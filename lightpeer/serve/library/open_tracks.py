"""The tracks that are read now: their manifests and renditions kept open, and the damaged ones set aside.

Worker threads read while another imports. The locks here are never held while the disk is waited for, so a
track may be dropped while it is opened; the database says at the end whether it still exists.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import parse_manifest_untrusted
from lightpeer.core.trust.bounds import MAX_MANIFEST_BYTES
from lightpeer.errors import RemoteError, StateError
from lightpeer.safe_files import read_ordinary
from lightpeer.serve.library.aside import SetAside
from lightpeer.serve.library.store import SHORT_OF_MEANS, RenditionFiles, StoredTrack
from lightpeer.tasks.supervision import OnceLog

if TYPE_CHECKING:
    from lightpeer.serve.library.imported_files import ImportedFiles
    from lightpeer.serve.library.renditions import Renditions
    from lightpeer.serve.library.track_folders import TrackFolders

MAX_CACHED_TRACKS: Final = 256  # each with its manifest, 2 kB as a rule


class OpenTracks:
    """Opens tracks for reading, and sets aside those that the disk does not give as they were stored.

    Attributes:
        aside: the tracks that are not served now.
    """

    def __init__(self, folders: TrackFolders, imported: ImportedFiles, renditions: Renditions) -> None:
        """Begin with nothing open.

        Args:
            folders: where the tracks are.
            imported: says which tracks exist, and is told of damage.
            renditions: says which were dropped, and is told which are read.
        """
        self.aside = SetAside()
        self._folders = folders
        self._imported = imported
        self._cached: OrderedDict[bytes, StoredTrack] = OrderedDict()
        self._lock = threading.Lock()
        self._files = RenditionFiles()
        self._renditions = renditions
        renditions.forget_files = self._files.forget
        self._log = OnceLog()

    def get(self, track_id: bytes) -> StoredTrack | None:
        """Return a track that can be served, or None where this server does not have it."""
        if self.aside.holds(track_id, time.monotonic()):
            return None
        with self._lock:
            stored = self._cached.get(track_id)
            if stored is not None:
                self._cached.move_to_end(track_id)
                return stored
        stored = self.load(track_id)
        if stored is None:
            return None
        return stored if self._cache(track_id, stored) else None

    def _cache(self, track_id: bytes, stored: StoredTrack) -> bool:
        with self._lock:
            if not self._imported.has_track(track_id):  # dropped meanwhile, before it was in the cache
                return False
            self._cached[track_id] = stored
            while len(self._cached) > MAX_CACHED_TRACKS:
                self._cached.popitem(last=False)
            return True

    def load(self, track_id: bytes) -> StoredTrack | None:
        """Read a track's manifest; None where it is missing or damaged, and the track is set aside then."""
        folder = self._folders.of(track_id)
        try:
            manifest = read_ordinary(folder / "manifest", MAX_MANIFEST_BYTES)
            track = parse_manifest_untrusted(manifest, track_id)
        except (OSError, RemoteError) as error:  # to peers the track does not exist
            is_there = not isinstance(error, FileNotFoundError)  # else it most likely never existed
            if not isinstance(error, OSError) or error.errno not in SHORT_OF_MEANS:
                self._set_aside(track_id, is_damaged=not (is_there and isinstance(error, OSError)))
            return None
        set_aside = partial(self._set_aside, track_id)
        return StoredTrack(manifest, track, folder, self._files, set_aside, self._renditions)

    def renew(self, track_id: bytes) -> None:
        """Forget everything about a track: it was imported again, or is gone."""
        self._forget(track_id)
        self.aside.remove(track_id)
        self._log.forget(track_id)

    def close(self) -> None:
        """Close every file."""
        self._files.close()

    def _forget(self, track_id: bytes) -> None:
        with self._lock:
            self._cached.pop(track_id, None)
        self._files.forget(track_id)

    def _set_aside(self, track_id: bytes, is_damaged: bool) -> None:
        """Serve a track no more for now, and log that once; in a worker thread."""
        try:
            is_here = self._imported.mark_damaged if is_damaged else self._imported.has_track
            if not is_here(track_id):  # it was dropped while a listener read it
                return
        except StateError as error:
            self._log.say("the database", error)
        if self.aside.add(track_id, time.monotonic(), is_damaged=is_damaged):
            self._forget(track_id)
            what = (
                "is damaged on the disk: it is set aside, and imported again if its file is still there"
                if is_damaged
                else "cannot be read from the disk: it is set aside for ten minutes"
            )
            self._log.say(track_id, f"{self._folders.of(track_id)} {what}")
