"""From folders of music to tracks: finds new and changed files, and imports them one at a time.

`scan` is synchronous and can be stopped between two seconds of sound; it is meant to
run in a worker thread while the server serves the existing tracks. Every file ends
up imported, unchanged, or skipped with a reason; no file can end a scan. Only the
state directory can: a full disk is a StateError, and finished tracks are kept.

Which files there are is up to `finder.py`.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from lightpeer.audio import _native
from lightpeer.console.text import clean, truncate
from lightpeer.errors import MissingLibraryError, StateError, UnreadableError
from lightpeer.serve.importing.decoders import NeedsFfmpegError
from lightpeer.serve.importing.finder import Finder
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.tags import read_tags
from lightpeer.serve.library.disk import state_error
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.library import Library

logger = logging.getLogger(__name__)

MIRRORED: Final = b"mirror:"  # the paths of tracks fetched from the network begin so
_NOTED_AT_ONCE = 200  # files: no track can be opened for these few milliseconds

DrawProgress: TypeAlias = Callable[[int, int, str], None]
"""Called with how many files are done, how many there are to do, and the name of the one that begins."""


@dataclass(slots=True)
class ImportReport:
    """The result of a scan. `skipped` and `damaged` (imported in part) hold each file with its reason."""

    imported: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    need_ffmpeg: int = 0
    kept: bool = False  # whether a folder was empty, and its tracks were kept
    led_out: int = 0  # links that were not followed
    first_led_out: tuple[Path, Path] | None = None  # one of them, and its target
    stopped: bool = False

    def notes(self) -> list[str]:
        """Return notes for the operator, a line each: the files with their reasons, then advice."""
        lines = [f"skipped {_shown(path)}: {reason}" for path, reason in self.skipped]
        lines += [f"imported in part {_shown(path)}: {reason}" for path, reason in self.damaged]
        return lines + self._advice()

    def _advice(self) -> list[str]:
        lines = []
        if self.kept:
            lines.append("the folder holds no music now: what was imported from it before is kept and served")
        if self.first_led_out:
            link, target = map(_shown, self.first_led_out)
            links = "1 link that leads" if self.led_out == 1 else f"{self.led_out} links that lead"
            lines.append(
                f"skipped {links} out of the folder, such as {link} to {target}: "
                "name where it leads as one more folder, or give --follow-links"
            )
        if self.need_ffmpeg:
            files = "1 file needs" if self.need_ffmpeg == 1 else f"{self.need_ffmpeg} files need"
            lines.append(f"{files} ffmpeg: apt install ffmpeg")
        return lines


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


OWN_FOLDER: Final = Folders()


def scan(
    library: Library,
    where: Folders = OWN_FOLDER,
    progress: DrawProgress = lambda _done, _total, _name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Bring the library up to date with its music folders, and return a report.

    Args:
        library: the library to bring up to date; it has the first folder.
        where: the other folders.
        progress: told of each file.
        should_stop: asked now and then.

    Raises:
        StateError: a music folder is not there, or the state directory cannot be written.
        MissingLibraryError: libopusenc is not installed, without which nothing can be imported.
    """
    report = ImportReport()
    todo = _find(library, where, report)
    if todo:
        _native.opusenc()
    try:
        for number, key in enumerate(todo):
            _import_file(library, key, report, partial(progress, number, len(todo)), should_stop)
        progress(len(todo), len(todo), "")
    except StoppedError:
        report.stopped = True
    return report


def _find(library: Library, where: Folders, report: ImportReport) -> list[SourceKey]:
    """Compare the folders with the library; drop the files that are gone, and return those to import."""
    folders = outermost([library.music_dir, *where.more])
    finder = Finder(folders, report.skipped, follow_links=where.follow_links)
    found, todo, kept = 0, [], []
    library.begin_scan()
    for folder in folders:
        before, files = found + finder.led_out, finder.files(folder)
        while keys := [SourceKey.of(path, status) for path, status in islice(files, _NOTED_AT_ONCE)]:
            found += len(keys)
            todo += library.note_found(keys)
        if found + finder.led_out == before and library.has_files_below(folder):
            kept.append(os.fsencode(folder))  # more likely an unmounted disk than intention
    report.kept = bool(kept)  # encoding again would take hours
    report.led_out, report.first_led_out = finder.led_out, finder.first_led_out
    report.removed = library.drop_not_found([*finder.closed, *kept, *where.mirrored])
    report.unchanged = found - len(todo)
    return todo


def outermost(folders: Sequence[Path]) -> list[Path]:
    """Return the absolute paths of folders, without duplicates and folders within others."""
    absolute = [Path(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100 - links stay
    real = {folder: Path(os.path.realpath(folder)) for folder in absolute}
    first_names = {path: folder for folder, path in reversed(real.items())}
    return [f for f in first_names.values() if not any(p in real[f].parents for p in first_names)]


def mend(library: Library, should_stop: Callable[[], bool] = lambda: False) -> ImportReport:
    """Import the files of damaged tracks again, if they are still there; errors are those of `scan`."""
    report = ImportReport()
    try:
        for path in map(Path, map(os.fsdecode, library.damaged_files())):
            if path.is_absolute() and (key := _key_of(path)):  # mirrored tracks have another path
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
    if should_stop():
        raise StoppedError
    try:
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
    except Exception as error:  # one file must not end the import of thousands
        logger.debug("importing %r", path, exc_info=True)
        report.skipped.append((path, f"it cannot be imported ({type(error).__name__}: {error})"))
    else:
        report.imported += 1
        if damage:
            report.damaged.append((path, damage))


def mirror_root(entry: str) -> bytes:
    """Return the common beginning of the library paths of an entry's tracks; no file has such a path."""
    return MIRRORED + entry.encode().hex().encode()


def _require_same(path: Path, key: SourceKey) -> None:
    """Raise UnreadableError if the file has changed since the scan found it."""
    try:
        same = SourceKey.of(path, path.stat()) == key
    except OSError:
        same = False
    if not same:
        raise UnreadableError("it changed while it was read: the next scan takes it")


class ProgressLine:
    """A progress bar on one line of a terminal: `[####    ] 12/340  Artist - Title`."""

    _CELLS = 20

    def __init__(self, stream: TextIO | None = None) -> None:
        """Draw on `stream`, standard error by default, if that is a terminal."""
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
        line = f"[{bar}] {done + 1}/{total}  {_shown(name)}"
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


def _shown(name: Path | str) -> str:
    return clean(str(name), instead="?")
