"""Keeps a running server's library up to date: one scan at the start, and new imports of damaged tracks.

Both run in a worker thread, and stop within a second of sound. Failures are reported, and the server goes on
with the tracks that it has.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import LightpeerError
from lightpeer.serve.importing.scan import Folders, mend, mirror_root, scan
from lightpeer.serve.operator.events import LibraryTrouble, Mended

if TYPE_CHECKING:
    from lightpeer.serve.importing.scan import ImportReport
    from lightpeer.serve.library.library import Library
    from lightpeer.serve.operator.settings import Operator, ServeSettings

logger = logging.getLogger(__name__)

MEND_S: Final = 10.0  # between checks for damaged tracks


class Upkeep:
    """The tasks `scan` and `mend` of one server.

    Attributes:
        scanned: set once the scan is over, also where it failed.
    """

    def __init__(self, library: Library, settings: ServeSettings, operator: Operator) -> None:
        """Begin without a scan.

        Args:
            library: kept up to date.
            settings: name the folders.
            operator: is told, and sees the progress.
        """
        self.scanned = trio.Event()
        self._library = library
        self._folders = Folders(
            more=settings.more_music_dirs,
            mirrored=tuple(map(mirror_root, settings.mirror)),
            follow_links=settings.follow_links,
        )
        self._operator = operator
        self._stop = threading.Event()

    def stop(self) -> None:
        """End a running import soon."""
        self._stop.set()

    async def scan(self) -> None:
        """Bring the library up to date; where that fails, its tracks are served all the same."""
        progress = self._operator.progress
        try:
            report = await trio.to_thread.run_sync(
                scan, self._library, self._folders, progress or _draw_nothing, self._stop.is_set
            )
            tracks = await trio.to_thread.run_sync(self._library.count_tracks)
            self._tell_notes(report)
            if not report.stopped:
                counts = tracks, report.imported, report.unchanged
                logger.info("%d tracks; %d files imported, %d as before", *counts)
        except (LightpeerError, OSError) as error:
            self._operator.tell(LibraryTrouble(str(error)))
        finally:
            if progress is not None:
                progress.close()
            self.scanned.set()

    async def mend(self) -> None:
        """Import damaged tracks again, for ever; after a failure all of them are tried again."""
        await self.scanned.wait()  # the scan imports earlier damage again
        mended = 0
        while True:
            await trio.sleep(MEND_S)
            if (found := self._library.found_damaged) == mended:
                continue
            report = await trio.to_thread.run_sync(mend, self._library, self._stop.is_set)
            mended = found
            self._tell_notes(report)
            if report.imported:
                self._operator.tell(Mended(report.imported))

    def _tell_notes(self, report: ImportReport) -> None:
        for note in report.notes():
            self._operator.tell(LibraryTrouble(note))


def _draw_nothing(_done: int, _total: int, _name: str) -> None:
    pass
