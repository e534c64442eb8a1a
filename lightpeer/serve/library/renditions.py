"""The upper renditions of imported tracks: dropped to save room, and made again when a track is opened.

The disk is the truth: a rendition is absent if its `.opus` is gone while its `.tables` are there, and its
track is of a music file. So a crash at any point leaves a sound library. `core/content/rendition_cache.py`
says what is dropped, `core/guard/orders.py` what is made again, and `importing/remaking.py` makes it. When a
track was used is the time of its folder, noted now and then.

What is dropped is dropped a file at a time, from the best down, and comes back from the lowest up: those that
are here are the lowest ones. Who reads a file that is dropped reads on.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lightpeer.core.content.rendition_cache import FRESH_NS, RenditionCache
from lightpeer.core.guard.orders import Orders
from lightpeer.serve.library.disk import flush
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.tasks.supervision import OnceLog

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from lightpeer.core.content.manifest import Track
    from lightpeer.serve.library.imported_files import ImportedFiles
    from lightpeer.serve.library.track_folders import TrackFolders

logger = logging.getLogger(__name__)


class Renditions:
    """The upper renditions of one library; use from any thread.

    Attributes:
        on_ordered: called, in the thread of an Open, when a track is to be made again.
        key_of: returns the key that a music file, or a part of one, has now, None if it is gone.
    """

    def __init__(
        self,
        folders: TrackFolders,
        imported: ImportedFiles,
        adding: threading.Lock,
        recipe: str,
        most_bytes: int | None,
    ) -> None:
        """Count nothing yet.

        Args:
            folders: where the tracks are.
            imported: knows the music files of tracks.
            adding: held while tracks are put in place.
            recipe: how files are imported now.
            most_bytes: of all upper renditions that can be made again; None: no bound.
        """
        self.on_ordered: Callable[[], object] = lambda: None
        self.key_of: Callable[[Path], SourceKey | None] = SourceKey.of_file
        self.forget_files: Callable[[bytes], object] = lambda _track_id: None  # those that are open
        self._folders = folders
        self._imported = imported
        self._adding = adding
        self._recipe = recipe
        self._lock = threading.Lock()  # never held during disk access
        self._cache = RenditionCache(most_bytes)
        self._orders = Orders()
        self._log = OnceLog()

    # For serving.

    def present(self, track: Track) -> int:
        """Return how many renditions of a track are here, from the lowest on.

        That is all of one that cannot be made again: what it lacks is damage, which reading finds.
        """
        count = len(track.renditions)
        folder = self._folders.of(track.track_id)
        here = next((n for n in range(1, count) if not (folder / f"{n}.opus").exists()), count)
        return here if here == count or self.can_be_made(track.track_id) else count

    def is_absent(self, track_id: bytes, rendition: int) -> bool:
        """Return whether a rendition was dropped."""
        path = self._folders.of(track_id) / f"{rendition}.opus"
        is_gone = rendition > 0 and not path.exists() and path.with_suffix(".tables").exists()
        return is_gone and self.can_be_made(track_id)

    def opened(self, track: Track, by: tuple[Hashable, str]) -> int:
        """Note that a track is opened by a peer in a network; have it made again if it lacks something.

        Returns:
            How many of its renditions are here, from the lowest on.
        """
        if not self.use(track.track_id) and self._cache.most_bytes is not None:
            self._note_use(track.track_id)  # for when it is counted
        present = self.present(track)
        if present < len(track.renditions):
            self._order(track, present, by)
        return present

    def _order(self, track: Track, present: int, by: tuple[Hashable, str]) -> None:
        missing_bytes = sum(r.bitrate_bps // 8 * track.segment_count for r in track.renditions[present:])
        with self._lock:
            if not self._orders.may_put(track.track_id, by[1]):
                return
            if not self._cache.has_room(missing_bytes, time.time_ns()):
                logger.info("no room for the renditions of %s: all others were used lately", track.uri)
                return
        if self.source_of(track.track_id) is None:
            return
        with self._lock:
            is_new = self._orders.put(track.track_id, track.duration_s, by, time.monotonic())
        if is_new:
            self.on_ordered()

    def use(self, track_id: bytes) -> bool:
        """Note that an upper rendition of a track is opened or read; return whether it is counted."""
        with self._lock:
            is_counted = track_id in self._cache
            is_to_be_noted = self._cache.use(track_id, time.time_ns())
        if is_to_be_noted:
            self._note_use(track_id)
        return is_counted

    def _note_use(self, track_id: bytes) -> None:
        with suppress(OSError):  # it is gone, or the disk is full: it counts as used earlier
            os.utime(self._folders.of(track_id))

    # For imports.

    def can_be_made(self, track_id: bytes) -> bool:
        """Return whether a track is of a music file, and would be made in the same way again."""
        return bool(self._imported.sources_of(track_id, self._recipe))

    def source_of(self, track_id: bytes) -> SourceKey | None:
        """Return a track's music file, None if there is none that is as it was; say so once."""
        for key in self._imported.sources_of(track_id, self._recipe):
            if self.key_of(key.to_path()) == key:
                self._log.forget(track_id)
                return key
        where = self._folders.of(track_id)
        self._log.say(track_id, f"{where}: its music file is gone or has changed, so it stays as it is")
        return None

    def load(self, should_stop: Callable[[], bool]) -> None:
        """Count what is on the disk, and drop what is too much; it may run beside everything else."""
        if self._cache.most_bytes is None:
            return
        for track_id in self._imported.track_ids():
            if should_stop():
                return
            self._count(track_id)
        self._make_room()

    def added(self, track_id: bytes) -> None:
        """Note that a track was imported; make room for it, if others were used later by dropping its own."""
        with self._lock:
            self._orders.forget(track_id)
        if self._cache.most_bytes is not None:
            self._count(track_id, time.time_ns() - FRESH_NS)
            self._make_room()

    def gone(self, track_id: bytes) -> None:
        """Note that a track is gone."""
        with self._lock:
            self._cache.remove(track_id)
            self._orders.forget(track_id)

    def next_order(self) -> bytes | None:
        """Return the next track that is to be made again, None if there is none."""
        with self._lock:
            return self._orders.take()

    def end_orders(self) -> None:
        """Note that nothing is being made any more."""
        with self._lock:
            self._orders.end()

    def fail(self, track_id: bytes) -> None:
        """Note that a track cannot be made again: it stays as it is."""
        with self._lock:
            self._orders.fail(track_id)

    def put_back(self, track_id: bytes, workspace: Path) -> bool:
        """Give a track what it lacks from a folder in which it was made anew.

        Returns:
            Whether it is still there, and there is room.

        Raises:
            OSError: the disk refuses.
        """
        flush(workspace)
        with self._adding:
            return self._imported.has_track(track_id) and self._put_back(track_id, workspace)

    def _put_back(self, track_id: bytes, workspace: Path) -> bool:
        folder = self._folders.of(track_id)
        made = [path for path in _upper(workspace) if not (folder / path.name).exists()]
        size_bytes = sum(path.stat().st_size for path in made)
        with self._lock:
            has_room = self._cache.has_room(size_bytes, time.time_ns())
        if not has_room:
            return False
        self._make_room(size_bytes)
        for path in made:
            path.replace(folder / path.name)
        self._count(track_id, time.time_ns())
        return True

    def _count(self, track_id: bytes, used_ns: int | None = None) -> None:
        """Count a track that can be made again; None: it was used when its folder says."""
        folder = self._folders.of(track_id)
        try:
            size_bytes = sum(path.stat().st_size for path in _upper(folder))
            used_ns = folder.stat().st_mtime_ns if used_ns is None else used_ns
        except OSError:
            return  # it is gone, or unreadable, which is found when it is opened
        if size_bytes and self.can_be_made(track_id):
            with self._lock:
                self._cache.put(track_id, size_bytes, used_ns)

    def _make_room(self, more_bytes: int = 0) -> None:
        """Drop what is too much."""
        while True:
            with self._lock:
                track_ids = self._cache.to_drop(time.time_ns(), more_bytes)
                for track_id in track_ids:
                    self._cache.remove(track_id)
            if not track_ids:
                return
            for track_id in track_ids:
                self._drop(track_id)

    def _drop(self, track_id: bytes) -> None:
        """Drop a track's upper renditions, unless its music file is away: they could not come back."""
        if self.source_of(track_id) is None:
            return
        try:
            for path in reversed(_upper(self._folders.of(track_id))):
                path.unlink(missing_ok=True)
                self.forget_files(track_id)
        except OSError as error:
            logger.info("the renditions of %s cannot be dropped: %s", track_id.hex(), error)


def _upper(folder: Path) -> list[Path]:
    """Return the files of a track's upper renditions that are there, the lowest first."""
    found = [path for path in folder.glob("*.opus") if path.stem.isdigit() and path.stem != "0"]
    return sorted(found, key=lambda path: int(path.stem))
