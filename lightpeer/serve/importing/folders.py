"""The music folders as they are now, beside what the library knows of them.

Where there was music before, a folder that is gone or empty, or a disk that is not mounted any more, is more
likely a disk that is away than intention: what was imported from there is out of sight.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from lightpeer.serve.importing.cue_sheets import Sheets, division_inside
from lightpeer.serve.importing.finder import Finder
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.library import Library
from lightpeer.serve.library.paths import absolute

_NOTED_AT_ONCE: Final = 200  # files: no track can be opened for these few milliseconds

DrawProgress: TypeAlias = Callable[[int, int, str], None]
"""Called with how many files are done, how many there are to do, and the name of the one that begins."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a scan looks, besides the library's own folder.

    Attributes:
        more: the other folders; one that lies in another is read there.
        mirrored: paths at and below which tracks stay without a file (`mirror.py`).
        follow_links: whether links may lead out of the folders.
    """

    more: Sequence[Path] = ()
    mirrored: Sequence[bytes] = ()
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """How a scan runs.

    Attributes:
        progress: told of each file.
        should_stop: asked now and then; True ends the scan.
        has_changed: asked between files; True has it look again.
        on_folder: told of each folder before it is read.
        processes: how many import at once beside this one; 0: this thread imports.
        settle_s: a file that was written to since is left for a later scan.
        roots: the music folders, below which files without tags are named by folders; none: the library's.
        on_demand: whether files wait until somebody searches for them.
    """

    progress: DrawProgress = lambda _done, _total, _name: None
    should_stop: Callable[[], bool] = lambda: False
    has_changed: Callable[[], bool] = lambda: False
    on_folder: Callable[[Path], object] = lambda _: None
    processes: int = 0
    settle_s: float = 0.0
    roots: Sequence[Path] = ()
    on_demand: bool = False


class Look:
    """What is in the folders now, beside what the library has.

    Attributes:
        found: how many music files are there, each part of one counted.
        finder: what it did not follow.
        unread: what could not be read, with the reasons.
    """

    def __init__(self, library: Library, control: Control, where: Folders) -> None:
        self.unread: list[tuple[Path, str]] = []
        self.found = 0
        self._library = library
        self._control = control
        self._folders = outermost([library.music_dir, *where.more])
        self._empty: list[bytes] = []
        self._sheets: Sheets | None = None  # of the folder that is read
        self._begun_ns = time.time_ns()
        self.finder = Finder(
            self._folders, self.unread, follow_links=where.follow_links, on_folder=control.on_folder
        )

    def find(self) -> list[SourceKey]:
        """Note which files are there, and return those to import."""
        todo: list[SourceKey] = []
        self._library.imported.begin_scan()
        for folder in self._folders:
            before = self.found + self.finder.led_out
            for keys in self._keys_in(folder):
                self.found += len(keys)
                todo += self._library.note_found(keys)
                if self._control.should_stop():
                    raise StoppedError
            if self.found + self.finder.led_out == before:  # more likely an unmounted disk than intention
                self._empty.append(os.fsencode(folder))
        return todo

    def is_settled(self, key: SourceKey, settle_s: float) -> bool:
        """Return whether a file was left alone for some seconds before this look."""
        return not 0 <= self._begun_ns - key.mtime_ns < int(settle_s * 1e9)

    def _keys_in(self, folder: Path) -> Iterator[list[SourceKey]]:
        if not folder.is_dir() and self._library.has_files_below(folder):
            return  # its disk is away
        files = self.finder.files(folder)
        while batch := list(islice(files, _NOTED_AT_ONCE)):
            yield [key for path, status in batch for key in self._keys_of(path, SourceKey.of(path, status))]

    def _keys_of(self, path: Path, key: SourceKey) -> list[SourceKey]:
        """Return the keys of what a file is imported as: of its parts, where a cue sheet divides it."""
        if self._sheets is None or self._sheets.folder != path.parent:
            self._sheets = Sheets(path.parent)
            self.unread += self._sheets.wrong
        division = self._sheets.of(path)
        if division is None and not self._library.imported.is_imported(key):
            division, wrong = division_inside(key)
            self.unread += [(path, wrong)] if wrong else []
        return division.keys(key) if division else [key]

    def out_of_sight(self) -> list[bytes]:
        """Return the paths at and below which there may be files that it could not see."""
        missing = self._library.imported.missing_mounts(self.finder.mounts)
        for path in missing:
            if not self._library.has_files_below(Path(os.fsdecode(path))):
                self._library.imported.forget_mount(path)
        return [*self.finder.closed, *missing, *self._empty]


def outermost(folders: Sequence[Path]) -> list[Path]:
    """Return the absolute paths of folders, without duplicates and folders within others."""
    real = {folder: Path(os.path.realpath(folder)) for folder in map(absolute, folders)}
    first_names = {path: folder for folder, path in reversed(real.items())}
    return [f for f in first_names.values() if not any(p in real[f].parents for p in first_names)]
