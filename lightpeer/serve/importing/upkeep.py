"""Keeps a running server's library up to date: scans, and new imports of damaged tracks.

The folders are scanned at the start, soon after something in them has changed, as the kernel reports it, and
every ten minutes in any case: not every disk reports, nor every system. Imports run in processes of their own
(`jobs.py`). On demand, files wait until somebody searches for them, and are imported then, beside scans.
Failures are reported, and the server goes on with the tracks that it has.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from lightpeer.errors import LightpeerError
from lightpeer.serve.access.inotify import FolderWatch
from lightpeer.serve.importing.cue_sheets import key_of
from lightpeer.serve.importing.folders import Control, Folders
from lightpeer.serve.importing.ingest import require_libraries
from lightpeer.serve.importing.remaking import remake
from lightpeer.serve.importing.scan import import_wanted, mend, mirror_root, scan
from lightpeer.serve.library.paths import absolute
from lightpeer.serve.operator.events import Imported, LibraryTrouble, Mended
from lightpeer.tasks.nursery import open_nursery
from lightpeer.tasks.supervision import kept_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from lightpeer.serve.importing.report import ImportReport
    from lightpeer.serve.library.library import Library
    from lightpeer.serve.operator.settings import Operator, ServeSettings

T = TypeVar("T")

logger = logging.getLogger(__name__)

MEND_S: Final = 10.0  # between checks for damaged tracks
RESCAN_S: Final = 600.0  # the longest between two scans
SETTLE_S: Final = 1.0  # after a change, since most come in crowds
LOOK_S: Final = 2.0  # the least between two looks of one scan
REST_TIMES: Final = 3  # a look is followed by so many times its duration without one
_NO_MORE_WATCHES: Final = (
    "not every music folder can be watched ({}): changes are noticed every ten minutes, or at SIGHUP; "
    "raise fs.inotify.max_user_watches"
)


class Upkeep:
    """The tasks of one server that keep its library.

    Attributes:
        scanned: set once the first scan is over, also where it failed.
        announced: set by the server once it has told that it listens; summaries come after that.
    """

    def __init__(self, library: Library, settings: ServeSettings, operator: Operator) -> None:
        """Begin without a scan.

        Args:
            library: kept up to date.
            settings: name the folders.
            operator: is told, and sees the progress.
        """
        self.scanned = trio.Event()
        self.announced = trio.Event()
        self._library = library
        self._folders = Folders(
            more=settings.more_music_dirs,
            mirrored=tuple(map(mirror_root, settings.mirror)),
            follow_links=settings.follow_links,
        )
        self._operator = operator
        self._stop = threading.Event()
        self._control = Control(
            progress=operator.progress or _draw_nothing,
            should_stop=self._stop.is_set,
            has_changed=self._take_change,
            on_folder=self._watch_folder,
            processes=max(1, (os.cpu_count() or 1) - 1) if settings.import_beside else 0,
            roots=tuple(map(absolute, (settings.music_dir, *settings.more_music_dirs))),
            on_demand=settings.on_demand,
        )
        self._wanted = trio.Event()  # there are files to import on demand
        self._ordered = trio.Event()  # there are renditions to make again
        self._changed = threading.Event()  # asked for by a scan that runs
        self._looked_s = -math.inf
        self._wake = trio.Event()
        self._one_at_a_time = trio.Lock()
        self._watch: FolderWatch | None = None
        self._unwatched = ""
        self._told: frozenset[str] = frozenset()

    def require_use(self) -> None:
        """Raise MissingLibraryError if there is nothing to serve, and nothing can be imported or mirrored."""
        if not self._library.imported.count_tracks() and not self._folders.mirrored:
            require_libraries()

    def stop(self) -> None:
        """End a running import soon."""
        self._stop.set()

    def look_again(self, *, at_all: bool = False) -> None:
        """Scan soon; `at_all` has the files tried again that were skipped."""
        if at_all:
            self._library.imported.forget_skipped()
        self._changed.set()
        self._wake.set()

    def tasks(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield the tasks of a server, each with its name."""
        yield "the import", self.run
        yield "mending tracks", self.mend
        yield "making renditions again", self.remake
        if self._control.on_demand:
            yield "imports on demand", self.import_wanted

    async def run(self) -> None:
        """Bring the library up to date, and keep it so, for ever."""
        try:
            watch = FolderWatch(new_folders=True)
        except OSError as error:
            logger.info("music folders are not watched: %s", error)
            await self._scan_on()
            return
        with watch as self._watch:
            async with open_nursery() as nursery:
                nursery.start_soon(kept_up, "the watch on music folders", self._note_changes, watch)
                await self._scan_on()

    async def _note_changes(self, watch: FolderWatch) -> None:
        while True:
            changes = await watch.changes()
            if changes.overflowed or any(not path.name.startswith(".") for path in changes.paths):
                self.look_again()

    async def _scan_on(self) -> None:
        while True:
            looked_s = await self.scan()
            rested_at = trio.current_time() + REST_TIMES * looked_s
            with trio.move_on_after(RESCAN_S):
                await self._wake.wait()
            await trio.sleep(max(SETTLE_S, rested_at - trio.current_time()))

    async def scan(self) -> float:
        """Bring the library up to date; where that fails, its tracks are served all the same.

        Returns:
            How many seconds it took to look through the folders, importing left out.
        """
        is_first = not self.scanned.is_set()
        self._wake = trio.Event()
        self._changed.clear()
        control = self._control if is_first else replace(self._control, settle_s=SETTLE_S)
        try:
            async with self._one_at_a_time:
                report = await trio.to_thread.run_sync(scan, self._library, self._folders, control)
            self._tell_notes(report)
        except (LightpeerError, OSError) as error:
            self._operator.tell(LibraryTrouble(str(error)))
            return 0.0
        finally:
            if self._operator.progress is not None:
                self._operator.progress.close()
            self.scanned.set()
        if report.unsettled:  # nothing may change any more that would be told
            self.look_again()
        if not report.stopped and (is_first or report.has_changed_anything):
            await self.announced.wait()
            await self._tell_summary(report)
        return report.looked_s

    async def import_wanted(self) -> None:
        """Import what waits and is searched for, for ever."""
        token = trio.lowlevel.current_trio_token()
        self._library.waiting.on_wanted = lambda: token.run_sync_soon(self._wanted.set)
        control = replace(self._control, progress=_draw_nothing)  # a scan may draw its own
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            report = await self._tried(partial(import_wanted, self._library, control))
            for note in report.notes() if report else ():  # of each file once: it does not wait any more
                self._operator.tell(LibraryTrouble(note))
            if report and report.has_changed_anything:
                await self._tell_summary(report)

    async def remake(self) -> None:
        """Make dropped renditions again for tracks that are opened, for ever."""
        token, renditions = trio.lowlevel.current_trio_token(), self._library.renditions
        renditions.on_ordered = lambda: token.run_sync_soon(self._ordered.set)
        renditions.key_of = key_of
        await trio.to_thread.run_sync(renditions.load, self._stop.is_set)
        while True:
            await self._ordered.wait()
            self._ordered = trio.Event()
            made = await self._tried(partial(remake, self._library, self._control))
            for note in made.notes if made else ():
                self._operator.tell(LibraryTrouble(note))
            if made and made.outdated:
                self.look_again()

    async def _tried(self, work: Callable[[], T]) -> T | None:
        """Return what some work in a thread gives; None where it fails, which is told."""
        try:
            return await trio.to_thread.run_sync(work)
        except (LightpeerError, OSError) as error:
            self._operator.tell(LibraryTrouble(str(error)))
            return None

    async def mend(self) -> None:
        """Import damaged tracks again, for ever; after a failure all of them are tried again."""
        await self.scanned.wait()  # the scan imports earlier damage again
        mended = 0
        while True:
            await trio.sleep(MEND_S)
            if (found := self._library.found_damaged) == mended:
                continue
            async with self._one_at_a_time:
                report = await trio.to_thread.run_sync(mend, self._library, self._control)
            mended = found
            self._tell_notes(report)
            if report.imported:
                self._operator.tell(Mended(report.imported))

    async def _tell_summary(self, report: ImportReport) -> None:
        tracks = await trio.to_thread.run_sync(self._library.imported.count_tracks)
        hours = await trio.to_thread.run_sync(self._library.index.playing_time_s) / 3600
        self._operator.tell(Imported(tracks, hours, report.summary()))
        if not tracks and not report.waiting:
            names = " and ".join(map(str, (self._library.music_dir, *self._folders.more)))
            self._operator.tell(LibraryTrouble(f"0 tracks: {names} has no music that can be imported"))

    def _tell_notes(self, report: ImportReport) -> None:
        """Tell what the last scan has not told already."""
        notes = report.notes()
        if self._unwatched:
            notes.append(self._unwatched)
        for note in notes:
            if note not in self._told:
                self._operator.tell(LibraryTrouble(note))
        self._told = frozenset(notes)

    def _take_change(self) -> bool:
        """Return whether a running scan is to look again; in its thread."""
        now = time.monotonic()
        if not self._changed.is_set() or now < self._looked_s + LOOK_S:
            return False
        self._looked_s = now
        self._changed.clear()
        return True

    def _watch_folder(self, folder: Path) -> None:
        """Have the kernel report changes in a folder; in the scan's thread."""
        if self._watch is not None and not self._unwatched:
            try:
                self._watch.add(folder)
            except FileNotFoundError:
                pass  # it was removed this moment
            except OSError as error:
                self._unwatched = _NO_MORE_WATCHES.format(error.strerror)


def _draw_nothing(_done: int, _total: int, _name: str) -> None:
    pass
