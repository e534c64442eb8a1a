"""From folders of music to tracks: finds new, changed, moved and removed files, and has them imported.

`scan` is synchronous, and stops soon when it is asked to; it is meant to run in a worker thread while the
server serves the existing tracks. Every file ends up imported, known, or skipped with a reason; no file can
end a scan. Only the state directory can: a full disk is a StateError, and finished tracks are kept.

First come the files that are known by their bytes under another name, then what is gone is dropped, then the
rest is encoded. Where something changes meanwhile, the scan looks again, and takes what is new first. On
demand, nothing is encoded by a scan: files wait, known by their tags, for `import_wanted`.

Which files there are is up to `finder.py`, who encodes them to `jobs.py`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, as_completed, wait
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from lightpeer.errors import MissingLibraryError, RemoteError, StateError, UnreadableError
from lightpeer.serve.importing.contents import CHANGED, content_digest
from lightpeer.serve.importing.cue_sheets import key_of
from lightpeer.serve.importing.folders import Control, Folders, Look
from lightpeer.serve.importing.ingest import Recipe, require_libraries
from lightpeer.serve.importing.jobs import POLL_S, Crew, Job, open_crew
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.report import ImportReport
from lightpeer.serve.importing.retitle import retitle
from lightpeer.serve.importing.tags import read_tags
from lightpeer.serve.library.disk import state_error
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.library import Library
from lightpeer.serve.library.paths import shown
from lightpeer.serve.library.removal import MIRRORED, drop_not_found

logger = logging.getLogger(__name__)

SETTLE_S: Final = 1.0  # in a later look, a file that was written to since is still being written
FEW_FILES: Final = 64  # are imported before their tags matter
_READ_AT_ONCE: Final = 64  # files whose tags a process reads
BESIDE: Final = 1000  # the first workspace of what runs beside a scan: more than a scan has

OWN_FOLDER: Final = Folders()
ALONE: Final = Control()


def scan(library: Library, where: Folders = OWN_FOLDER, control: Control = ALONE) -> ImportReport:
    """Bring the library up to date with its music folders, and return a report.

    Args:
        library: the library to bring up to date; it has the first folder.
        where: the other folders.
        control: how it runs.

    Raises:
        StateError: a music folder is not there, or the state directory cannot be written.
        MissingLibraryError: a library is not installed without which nothing can be imported.
    """
    return _run(library, control, lambda scan: scan.look(where))


def mend(library: Library, control: Control = ALONE) -> ImportReport:
    """Import the files of damaged tracks again, if they are still there; errors are those of `scan`."""
    paths = [Path(os.fsdecode(path)) for path in library.damaged_files()]
    keys = [key for path in paths if path.is_absolute() and (key := key_of(path))]  # mirrored ones are not
    return _run(library, control, lambda scan: scan.add(keys))


def import_wanted(library: Library, control: Control) -> ImportReport:
    """Import the files that wait and are searched for, also meanwhile; it may run beside a scan."""
    return _run(library, control, lambda scan: scan.take_wanted(), first_workspace=BESIDE)


def _run(
    library: Library, control: Control, begin: Callable[[_Scan], object], first_workspace: int = 0
) -> ImportReport:
    control = control if control.roots else replace(control, roots=(library.music_dir,))
    with open_crew(control.processes, control.should_stop, control.roots) as crew:
        scan = _Scan(library, control, crew, first_workspace)
        try:
            begin(scan)
            scan.run()
        except StoppedError:
            scan.report.stopped = True
    return scan.report


class _Running(NamedTuple):
    """A file that is being imported: its key, the digest of its bytes, and the number of its workspace."""

    key: SourceKey
    digest: bytes
    number: int
    folder: Path


class _Scan:
    """One scan: files to import, those that are imported now, and what came of the others."""

    def __init__(self, library: Library, control: Control, crew: Crew, first_workspace: int) -> None:
        self.report = ImportReport()
        self._library = library
        self._control = control
        self._crew = crew
        self._recipe = Recipe(library.ladder, library.complexity)
        self._todo: dict[bytes, SourceKey] = {}
        self._seen: set[SourceKey] = set()  # that were once to do
        self._running: dict[Future[str], _Running] = {}
        self._spare = first_workspace + crew.size
        self._free = list(range(first_workspace, self._spare))
        self._done = 0
        self._where: Folders | None = None
        self._takes_wanted = False
        self._unread: list[tuple[Path, str]] = []  # what the last look could not read

    def look(self, where: Folders) -> None:
        """Compare the folders with the library; drop what is gone, and note what is to be imported."""
        settle_s = self._control.settle_s if self._where is None else max(self._control.settle_s, SETTLE_S)
        self._where = where
        look = Look(self._library, self._control, where)
        begun_s = time.monotonic()
        todo = look.find()
        self.report.looked_s = time.monotonic() - begun_s
        ready = [key for key in todo if key in self._seen or look.is_settled(key, settle_s)]
        self.report.unsettled = len(todo) - len(ready)
        sizes = self._library.imported.sizes_not_found() if ready else set()
        self._todo.clear()
        self.add([key for key in ready if not (key.size in sizes and self._take_if_known(key))])
        dropped = drop_not_found(self._library, [*look.out_of_sight(), *where.mirrored])
        self.report.dropped = dropped._replace(removed=dropped.removed + self.report.removed)
        self.report.unchanged = look.found - len(todo)
        for path in self._library.imported.take_waiting_not_found():
            self._library.waiting.remove(path)
        self.report.led_out, self.report.first_led_out = look.finder.led_out, look.finder.first_led_out
        self._unread = look.unread

    def add(self, keys: Sequence[SourceKey]) -> None:
        """Add files to import: those that are new to this scan go first."""
        running = {job.key for job in self._running.values()}
        wanted = [key for key in keys if key not in running]
        fresh = [key for key in wanted if key not in self._seen]
        if self._control.on_demand and self._where is not None:
            self._have_wait(fresh)
        else:
            self._todo.update((key.path, key) for key in fresh)
            self._todo.update((key.path, key) for key in wanted if key in self._seen)
            if len(fresh) > FEW_FILES:
                self._read_ahead(fresh)
        self._seen.update(fresh)

    def _have_wait(self, keys: Sequence[SourceKey]) -> None:
        """Have files wait until somebody searches for them."""
        if keys:
            require_libraries()  # else nothing that is found could be made
        for key in keys:
            if self._library.imported.waiting_key(key.path):  # the file has changed, and so may its tags
                self._library.waiting.remove(key.path)
        self._library.imported.note_waiting(keys)
        self._read_ahead(keys)
        self.report.waiting += len(keys)

    def take_wanted(self) -> None:
        """Add the files that wait and are searched for, in the order in which they are to be imported."""
        self._takes_wanted = True
        waiting = self._library.waiting
        running = {job.key.path for job in self._running.values()}
        for path in waiting.wanted():
            if path not in self._todo and path not in running:
                key = self._library.imported.waiting_key(path)
                if key is None:
                    waiting.remove(path)
                else:
                    self._todo[path] = key

    def _read_ahead(self, keys: Sequence[SourceKey]) -> None:
        """Have the tags of files read, so that a search finds out which to import first."""
        paths = [key.path for key in keys]
        batches = [paths[at : at + _READ_AT_ONCE] for at in range(0, len(paths), _READ_AT_ONCE)]
        for future in as_completed(map(self._crew.read, batches)):
            self._library.waiting.add_all(future.result())

    def _next(self) -> SourceKey:
        for path in self._library.waiting.wanted():
            if path in self._todo:
                return self._todo.pop(path)
        return self._todo.pop(next(iter(self._todo)))

    def run(self) -> None:
        """Import until nothing is left to do."""
        if self._todo:
            require_libraries()  # without them there is no reason to begin
        while self._has_more():
            if self._control.should_stop():
                raise StoppedError
            if self._where is not None and self._control.has_changed():
                self.look(self._where)
            while self._todo and self._free:
                self._begin(self._next())
            if self._running:
                for future in wait(self._running, POLL_S, FIRST_COMPLETED).done:
                    self._finish(self._running.pop(future), future)
        if self._where is not None and not self._control.on_demand:
            self._library.waiting.clear()
        self._control.progress(self._done, self._done, "")
        self.report.skipped[:0] = self._unread

    def _has_more(self) -> bool:
        if self._takes_wanted:
            self.take_wanted()
        return bool(self._todo or self._running)

    def _begin(self, key: SourceKey) -> None:
        path = key.to_path()
        self._control.progress(self._done, self._done + len(self._todo) + len(self._running) + 1, shown(path))
        try:
            digest = content_digest(path, self._control.should_stop)
        except UnreadableError as error:
            self._skip(key, str(error))
            return
        if self._take_if_known(key, digest):
            return
        number = self._free.pop()
        folder = self._library.workspace(number)
        future = self._crew.submit(Job(path, folder, self._recipe))
        self._running[future] = _Running(key, digest, number, folder)

    def _finish(self, job: _Running, future: Future[str]) -> None:
        """Add the track that was made, or put its file among the skipped."""
        self._free.append(job.number)
        path = job.key.to_path()
        try:
            damage = future.result()
            _require_same(path, job.key)
            self._library.add(job.key, job.folder, job.digest)
            self._library.waiting.remove(job.key.path)
        except (StateError, StoppedError):
            raise
        except (UnreadableError, MissingLibraryError) as error:
            self._skip(job.key, str(error))
        except OSError as error:  # reading fails with UnreadableError: this is the state directory
            raise state_error(job.folder, error) from error
        except Exception as error:  # one file must not end the import of thousands
            logger.debug("importing %r", path, exc_info=True)
            self._skip(job.key, f"it cannot be imported ({type(error).__name__}: {error})")
        else:
            self._done += 1
            self.report.imported += 1
            if damage:
                logger.info("imported in part %s: %s", path, damage)
                self.report.damaged.append((path, damage))

    def _skip(self, key: SourceKey, reason: str) -> None:
        self._done += 1
        path = key.to_path()
        logger.info("skipped %s: %s", path, reason)
        self.report.skipped.append((path, reason))
        self._library.waiting.remove(key.path)
        if reason != CHANGED:
            self._library.imported.note_skipped(key)

    def _take_if_known(self, key: SourceKey, digest: bytes | None = None) -> bool:
        """Take the track that was made of the same bytes under another name, if there is one."""
        path = key.to_path()
        try:
            digest = digest or content_digest(path, self._control.should_stop)
            known = self._library.track_of_content(digest)
            if known is None:
                return False
            folder = self._library.workspace(self._spare)
            track_id = known.track.track_id
            retitle(self._library.folder_of(track_id), track_id, read_tags(path, self._control.roots), folder)
        except (
            OSError,
            RemoteError,
            UnreadableError,
            MissingLibraryError,
        ):  # it is encoded, or the reason told then
            return False
        if (folder / "manifest").exists():
            self._library.add(key, folder, digest)
        else:
            self._library.add_again(key, track_id)
        self._library.waiting.remove(key.path)
        self._done += 1
        self.report.known += 1
        return True


def _require_same(path: Path, key: SourceKey) -> None:
    """Raise UnreadableError if the file has changed since the scan found it."""
    if key_of(path) != key:
        raise UnreadableError(CHANGED)


def mirror_root(entry: str) -> bytes:
    """Return the common beginning of the library paths of an entry's tracks; no file has such a path."""
    return MIRRORED + entry.encode().hex().encode()
