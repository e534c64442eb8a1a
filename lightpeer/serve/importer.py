"""From a folder of music to tracks: finds what is new or changed and imports that, one file at a time.

`scan` is synchronous and can be stopped between two seconds of sound; it is meant to
run in a worker thread while the server already serves what it has. Every file ends
up imported, unchanged, or skipped with a reason; no file can end a scan. Only the
state directory can: a full disk is a StateError, and what was finished is kept.

Music is known by its suffix; other files, and names that begin with a dot, are not
looked at. Links are followed, but no folder is entered twice.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError, StateError, UnreadableError
from lightpeer.output import truncate
from lightpeer.serve.disk import state_error
from lightpeer.serve.files import SourceKey
from lightpeer.serve.ingest import Recipe, make_track
from lightpeer.serve.library import Library
from lightpeer.serve.repage import StoppedError
from lightpeer.serve.sources import MUSIC_SUFFIXES, NeedsFfmpegError
from lightpeer.serve.tags import read_tags

_log = logging.getLogger(__name__)

MIRRORED: Final = b"mirror:"  # how the paths begin of what is fetched from the network
_NOTED_AT_ONCE = 200  # files: a few milliseconds, in which no track is opened

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how many files are done, how many there are to do, and the name of the one that begins."""


@dataclass(slots=True)
class ImportReport:
    """What a scan did. `skipped` and `damaged` (imported in part) hold each file with its reason."""

    imported: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    need_ffmpeg: int = 0
    kept: bool = False  # the folder was empty, and nothing was removed
    stopped: bool = False

    def notes(self) -> list[str]:
        """Return what a person should know, a line each: the files with a reason, then what would help."""
        lines = [f"skipped {_shown(path)}: {reason}" for path, reason in self.skipped]
        lines += [f"imported in part {_shown(path)}: {reason}" for path, reason in self.damaged]
        if self.kept:
            lines.append("the folder holds no music now: what was imported from it before is kept and served")
        if self.need_ffmpeg:
            files = "1 file needs" if self.need_ffmpeg == 1 else f"{self.need_ffmpeg} files need"
            lines.append(f"{files} ffmpeg: apt install ffmpeg")
        return lines


def scan(
    library: Library,
    progress: Progress = lambda _done, _total, _name: None,
    should_stop: Callable[[], bool] = lambda: False,
    mirrored: Sequence[bytes] = (),
) -> ImportReport:
    """Bring the library up to date with its music folder.

    Args:
        library: what to bring up to date.
        progress: told of each file.
        should_stop: asked now and then.
        mirrored: at and below which paths tracks stay without a file (`mirror.py`).

    Raises:
        StateError: the music folder is not there, or the state directory cannot be written.
        MissingLibraryError: libopusenc is not installed, without which nothing can be imported.
    """
    report = ImportReport()
    finder = _Finder(report.skipped)
    found, todo = 0, []
    library.begin_scan()
    files = finder.files(library.music_dir)
    while keys := [SourceKey.of(path, status) for path, status in islice(files, _NOTED_AT_ONCE)]:
        found += len(keys)
        todo += library.note_found(keys)
    if not found and library.has_files_below(library.music_dir):
        report.kept = True  # more likely a disk that is not mounted than a wish: encoding anew takes hours
        return report
    report.removed = library.drop_not_found([*finder.closed, *mirrored])
    report.unchanged = found - len(todo)
    if todo:
        _native.opusenc()
    try:
        for number, key in enumerate(todo):
            _import_file(library, key, report, partial(progress, number, len(todo)), should_stop)
        progress(len(todo), len(todo), "")
    except StoppedError:
        report.stopped = True
    return report


def mend(library: Library, should_stop: Callable[[], bool] = lambda: False) -> ImportReport:
    """Import again what became damaged tracks, as far as it is still there; else as `scan`."""
    report = ImportReport()
    try:
        for path in map(Path, map(os.fsdecode, library.damaged_files())):
            if path.is_absolute() and (key := _key_of(path)):  # what is mirrored has no such path
                _import_file(library, key, report, lambda _: None, should_stop)
    except StoppedError:
        report.stopped = True
    return report


def _key_of(path: Path) -> SourceKey | None:
    """Return the key of an ordinary file that is there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return SourceKey.of(path, status) if stat.S_ISREG(status.st_mode) else None


def _import_file(
    library: Library,
    key: SourceKey,
    report: ImportReport,
    begin: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> None:
    """Import one file, or put it among the skipped."""
    path = Path(os.fsdecode(key.path))
    recipe = Recipe(library.ladder, library.complexity)
    workspace = library.workspace()
    try:
        if should_stop():
            raise StoppedError  # noqa: TRY301 (as make_track does, further on)
        tags = read_tags(path)
        begin(f"{tags.artist} - {tags.title}" if tags.artist else tags.title)
        damage = make_track(path, tags, recipe, workspace, should_stop)
        _require_same(path, key)
        library.add(key, workspace)
    except (UnreadableError, MissingLibraryError) as error:
        report.skipped.append((path, str(error)))
        report.need_ffmpeg += isinstance(error, NeedsFfmpegError)
    except (StateError, StoppedError):
        raise
    except OSError as error:  # reading fails with UnreadableError: this is the state directory
        raise state_error(workspace, error) from error
    except Exception as error:  # noqa: BLE001 (one file must not end the import of thousands)
        _log.debug("importing %r", path, exc_info=True)
        report.skipped.append((path, f"it cannot be imported ({type(error).__name__}: {error})"))
    else:
        report.imported += 1
        if damage:
            report.damaged.append((path, damage))


def mirror_root(entry: str) -> bytes:
    """Return what the paths of an entry's tracks begin with in the library; no file has such a path."""
    return MIRRORED + entry.encode().hex().encode()


def _require_same(path: Path, key: SourceKey) -> None:
    """Raise UnreadableError if the file is not what it was when the scan found it."""
    try:
        same = SourceKey.of(path, path.stat()) == key
    except OSError:
        same = False
    if not same:
        raise UnreadableError("it changed while it was read: the next scan takes it")


class _Finder:
    """Finds the music files below a folder; what cannot be looked at goes to `skipped`.

    `closed` holds the paths that may still have music in them, but cannot be looked into now.
    """

    def __init__(self, skipped: list[tuple[Path, str]]) -> None:
        self._skipped = skipped
        self._entered: set[tuple[int, int]] = set()
        self.closed: list[bytes] = []

    def files(self, music_dir: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield each music file with its status, folder by folder in the order of names."""
        if not music_dir.is_dir():
            what = "is not a folder" if music_dir.exists() else "does not exist"
            raise StateError(music_dir, f"{music_dir} {what}: give the folder that holds your music")
        folders = [music_dir]
        while folders:
            below = []
            for path, status in self._entries(folders.pop()):
                if stat.S_ISDIR(status.st_mode):
                    below.append(path)
                elif path.suffix.lower() not in MUSIC_SUFFIXES:
                    continue
                elif stat.S_ISREG(status.st_mode):
                    yield path, status
                else:
                    self._skipped.append((path, "it is not an ordinary file"))
            folders.extend(reversed(below))

    def _entries(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            here = folder.stat()
            if (here.st_dev, here.st_ino) in self._entered:
                self._skipped.append((folder, "it links to a folder that has been scanned already"))
                return
            self._entered.add((here.st_dev, here.st_ino))
            names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            self._close(folder, error)
            return
        for name in names:
            path = folder / name
            if status := self._status(path):
                yield path, status

    def _status(self, path: Path) -> os.stat_result | None:
        try:
            return path.stat()
        except OSError as error:
            if path.suffix.lower() in MUSIC_SUFFIXES:
                self._close(path, error)
            return None

    def _close(self, path: Path, error: OSError) -> None:
        self._skipped.append((path, f"it cannot be read: {error.strerror}"))
        if not isinstance(error, FileNotFoundError):
            self.closed.append(os.fsencode(path))


class ProgressLine:
    """A progress bar on one line of a terminal: `[####    ] 12/340  Artist - Title`."""

    _CELLS = 20

    def __init__(self, stream: TextIO | None = None) -> None:
        """Draw on `stream`, standard error by default; where that is no terminal, draw nothing."""
        self._stream = stream or sys.stderr
        self._drawn = False

    def __call__(self, done: int, total: int, name: str) -> None:
        """Draw the line anew; wipe it once all is done."""
        if not self._stream.isatty():
            return
        if done >= total:
            self.close()
            return
        bar = ("#" * (self._CELLS * done // total)).ljust(self._CELLS)
        line = f"[{bar}] {done + 1}/{total}  {_printable(name)}"
        columns = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{truncate(line, columns)}")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        """Wipe the line."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _shown(path: Path) -> str:
    return _printable(str(path))
