"""What was heard, on disk: verified segments, with the manifests and tables that they are checked by.

What comes is gathered, and written by a worker thread after some seconds or kilobytes, since many small
writes wear out a memory card. The whole is bounded: the tracks that were heard longest ago make room, but
for pinned ones and those that are open (`core/content/eviction.py`). When a file was last heard is its time
of modification, and that it is pinned is in its name, so there is no index to be torn, and processes that
share the folder see the same. Where nothing can be written, one sentence says so, and nothing more is kept.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import trio

from lightpeer.core.content.eviction import KeptTrack, bound_bytes, pinned_bytes, to_evict
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import StateError
from lightpeer.state.files import KEPT_ENDINGS, KEPT_FOLDER, ensure_state_dir
from lightpeer.state.kept_file import KeptFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lightpeer.core.content.manifest import Track
    from lightpeer.state.files import Losses

logger = logging.getLogger(__name__)

WRITE_AGAIN_S: Final = 10.0  # each write wears out a memory card
GATHERED_BYTES: Final = 256 * 1024  # written at once, whenever they were gathered
LOCK_TRIES: Final = 40  # of a write that somebody waits for
LOCK_AGAIN_S: Final = 0.05
ID_BYTES: Final = 32


class KeptTracks:
    """The folder of all that is kept."""

    def __init__(
        self, state_dir: Path, asked_bytes: int | None, nursery: trio.Nursery, losses: Losses
    ) -> None:
        """Read nothing yet.

        Args:
            state_dir: the state directory.
            asked_bytes: how large it may be; None: as suits the disk.
            nursery: files are written there.
            losses: reports that nothing can be kept.
        """
        self._folder = state_dir / KEPT_FOLDER
        self._asked_bytes = asked_bytes
        self._nursery = nursery
        self._losses = losses
        self._files: WeakValueDictionary[bytes, KeptFile] = WeakValueDictionary()  # those in use
        self._unwritten: dict[bytes, KeptFile] = {}
        self._is_gathering = False
        self._full = trio.Event()
        self._writing = threading.Lock()
        self._trouble: StateError | None = None  # since when nothing is kept
        self._used_bytes = 0
        self._bound_bytes: int | None = None

    def open(self, track_id: bytes) -> KeptFile:
        """Return the file of a track, which all that use it share."""
        file = self._files.get(track_id)
        if file is None:
            file = self._files[track_id] = KeptFile(self._folder, track_id, self._on_put)
        return file

    def tracks(self) -> list[KeptTrack]:
        """Return all tracks that are kept, those heard last first."""
        try:
            with os.scandir(self._folder) as entries:
                found = [track for entry in entries if (track := _kept_track(entry)) is not None]
        except OSError:  # not there, or not ours
            return []
        return sorted(found, key=lambda track: -track.used_ns)

    def described(self) -> Iterator[tuple[KeptTrack, KeptFile, Track]]:
        """Yield all tracks whose manifests are sound, with their files, those heard last first."""
        for kept in self.tracks():
            file = self.open(kept.track_id)
            if (track := file.track) is not None:
                yield kept, file, track

    def find(self, words: str) -> bytes | None:
        """Return the id of a track with some words that is kept whole, of several the one heard last."""
        from lightpeer.core.search.words import has_words

        for kept, file, track in self.described():
            is_whole = file.index.covers(range(track.segment_count), range(len(track.renditions)))
            if is_whole and has_words(words, track.title, track.artist, track.album):
                return kept.track_id
        return None

    def bound_bytes(self) -> int:
        """Return how large it may be; so it stays for this run."""
        if self._bound_bytes is None:
            self._used_bytes = sum(track.size_bytes for track in self.tracks())
            free_bytes = _free_bytes(self._folder) if self._asked_bytes is None else 0
            self._bound_bytes = bound_bytes(self._asked_bytes, free_bytes, self._used_bytes)
        return self._bound_bytes

    # Pinning.

    def pin(self, track_id: bytes, size_bytes: int) -> None:
        """Have a track stay; its manifest is here.

        Args:
            track_id: which.
            size_bytes: how large it will be.

        Raises:
            StateError: it does not fit beside those that are pinned, or nothing can be written.
        """
        others_bytes, most_bytes = pinned_bytes(self.tracks(), but=track_id), self.bound_bytes()
        if others_bytes + size_bytes > most_bytes:
            size, most = _mb(size_bytes), _mb(most_bytes)
            text = f"{size} do not fit in {most}: make room on the disk, or give a larger --cache-size"
            if others_bytes:
                text = (
                    f"{size} more do not fit, as {_mb(others_bytes)} of {most} are pinned: "
                    "let some go with pin --remove, or give a larger --cache-size"
                )
            raise StateError(self._folder, text)
        self.flush(track_id)
        if not self._rename(track_id, pinned=True):
            raise StateError(self._folder, f"{self._folder} was cleared meanwhile: try again")

    def unpin(self, track_id: bytes) -> bool:
        """Let a track be evicted again; return whether it is kept; StateError: nothing can be written."""
        return self._rename(track_id, pinned=False)

    def _rename(self, track_id: bytes, *, pinned: bool) -> bool:
        try:
            return self.open(track_id).rename(pinned=pinned)
        except OSError as error:
            reason = f"{self._folder} cannot be written ({error.strerror}): make it yours"
            raise StateError(self._folder, reason) from error

    def clear(self, *, pinned: bool = False) -> int:
        """Remove all tracks but pinned ones, or these too; return how many. StateError: one cannot be."""
        tracks = [track for track in self.tracks() if pinned or not track.is_pinned]
        try:
            for track in tracks:
                self._remove(track)
        except OSError as error:
            reason = f"{self._folder} cannot be cleared ({error.strerror}): make it yours"
            raise StateError(self._folder, reason) from error
        return len(tracks)

    # Writing.

    def save(self) -> None:
        """Write what was gathered."""
        if self._unwritten:
            self._write()

    async def make_way(self, file: KeptFile) -> None:
        """Write what was gathered of a file if that is much, before more comes than memory takes."""
        if file.unwritten_bytes >= GATHERED_BYTES:
            await trio.to_thread.run_sync(self._write)

    def flush(self, track_id: bytes) -> None:
        """Write what was gathered; return once a track is on the disk as it is here.

        Raises:
            StateError: it is not.
        """
        self._write()
        file = self.open(track_id)
        if file.is_refused:
            raise self._trouble or StateError(self._folder, "the cache is full: give a larger --cache-size")
        for _ in range(LOCK_TRIES):
            try:
                file.write(flushes=True)
            except BlockingIOError:  # another process writes to it now
                time.sleep(LOCK_AGAIN_S)
            except OSError as error:
                raise _refusal(self._folder, error) from error
            else:
                return
        raise StateError(self._folder, f"another process writes to {self._folder}: try again")

    def _on_put(self, file: KeptFile) -> None:
        """Have a file written soon."""
        self._unwritten[file.track_id] = file
        if file.unwritten_bytes >= GATHERED_BYTES:
            self._full.set()
        if not self._is_gathering:
            self._is_gathering = True
            self._nursery.start_soon(self._write_later)

    async def _write_later(self) -> None:
        try:
            while self._unwritten:
                with trio.move_on_after(WRITE_AGAIN_S):
                    await self._full.wait()
                self._full = trio.Event()
                await trio.to_thread.run_sync(self._write)  # a memory card takes its time
        except Exception:  # no thread is available, say; the program can do without
            logger.exception("what was heard could not be written")
        finally:
            self._is_gathering = False

    def _write(self) -> None:
        """Append to each file what was gathered for it; one thread at a time."""
        with self._writing:
            for track_id in list(self._unwritten):
                file = self._unwritten.pop(track_id)
                try:
                    self._write_one(file)
                except BlockingIOError:  # another process writes to it now
                    self._unwritten[track_id] = file
                except (OSError, StateError) as error:
                    self._give_up(file, error)

    def _write_one(self, file: KeptFile) -> None:
        if self._trouble is not None:
            file.refuse()
            return
        ensure_state_dir(self._folder)
        if self._make_room(file.unwritten_bytes):
            self._used_bytes += file.write()
        else:
            logger.info("%s is not kept: there is no room", format_uri(file.track_id))
            file.refuse()

    def _give_up(self, file: KeptFile, error: OSError | StateError) -> None:
        """Keep nothing more in this run, and say so once."""
        self._trouble = error if isinstance(error, StateError) else _refusal(self._folder, error)
        self._losses.note(self._trouble)
        file.refuse()

    def _make_room(self, more_bytes: int) -> bool:
        """Evict what must make room; return whether there is room then."""
        most_bytes = self.bound_bytes()
        if self._used_bytes + more_bytes <= most_bytes:
            return True
        tracks = self.tracks()  # other processes write and evict, too
        open_files = [file for ref in self._files.valuerefs() if (file := ref()) is not None]
        evicted = to_evict(tracks, most_bytes, more_bytes, {file.track_id for file in open_files})
        self._used_bytes = sum(track.size_bytes for track in tracks)
        for track in evicted or ():
            self._remove(track)
            self._used_bytes -= track.size_bytes
        return evicted is not None

    def _remove(self, track: KeptTrack) -> None:
        ending = KEPT_ENDINGS[not track.is_pinned]
        (self._folder / (track.track_id.hex() + ending)).unlink(missing_ok=True)


def _kept_track(entry: os.DirEntry[str]) -> KeptTrack | None:
    """Return the track whose file an entry is, None for another file."""
    name, dot, ending = entry.name.partition(".")
    try:
        track_id = bytes.fromhex(name)
        status = entry.stat(follow_symlinks=False)
    except (ValueError, OSError):  # not ours, or gone meanwhile
        return None
    if dot + ending not in KEPT_ENDINGS or len(track_id) != ID_BYTES or not stat.S_ISREG(status.st_mode):
        return None
    return KeptTrack(track_id, status.st_size, status.st_mtime_ns, dot + ending == KEPT_ENDINGS[0])


def _free_bytes(folder: Path) -> int:
    """Return what the disk has free that a folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _refusal(folder: Path, error: OSError) -> StateError:
    return StateError(folder, f"{folder} takes nothing more ({error.strerror}), so what is heard is not kept")


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
