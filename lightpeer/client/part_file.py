"""The file that a track is fetched into, and the part of it that an earlier try left.

The track is written beside its final name, as `NAME.part`, and renamed once it is complete and on the disk.
An earlier part is read first, segment by segment, and beside it what the cache has of the rendition. The
caller checks each segment against its hash, as it does with every source, so a part of another track, or a
torn write, does no harm. A symbolic link in its place is not followed: in a folder that all may write to,
anybody could have laid it. Only one process at a time writes a part: it holds a lock on it (flock).

A file that has the final name already is read in the same way where it is not to be replaced: if all of it
verifies, it is the track.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.errors import UsageError
from lightpeer.safe_files import open_ordinary

if TYPE_CHECKING:
    from lightpeer.core.content.manifest import Rendition
    from lightpeer.core.segments.scheduler import SegmentReady
    from lightpeer.core.segments.tables import Kept

logger = logging.getLogger(__name__)

PART: Final = ".part"


def part_of(path: Path) -> Path:
    """Return where the part of a track is kept that is fetched to a path."""
    return path.with_name(path.name + PART)


def destination(path: Path | None, *, replaces: bool) -> PartFile:
    """Return where a track is written.

    Args:
        path: its file; None: standard output.
        replaces: whether another file of that name is replaced.
    """
    if path is None:
        return PipedFile()
    return FinishedFile(path) if path.exists() and not replaces else PartFile(path, replaces=replaces)


class PartFile:
    """One file. Call `begin` first, and `close` in any case. The methods raise OSError.

    To the download it is what is `Kept` of the track.

    Attributes:
        size_bytes: how much of the track is there, from its beginning.
        kept_bytes: how much of that an earlier try had left, or the cache had.
        rendition: the number of the one that it holds.
    """

    is_finished = False  # before anything is fetched

    def __init__(self, path: Path, *, replaces: bool = False) -> None:
        """Open nothing yet.

        Args:
            path: where the track will be.
            replaces: whether it replaces what another program has put there meanwhile.
        """
        self._path = path
        self._replaces = replaces
        self._part = part_of(path)
        self._file: BinaryIO | None = None
        self.rendition = 0
        self._header_bytes = 0
        self._beside: Kept | None = None
        self._next_kept = 0  # the next segment to look for in the earlier part
        self._kept_at = 0  # where it begins
        self._given: int | None = None  # the segment that the earlier part gave last
        self._was_told = False
        self.size_bytes = 0
        self.kept_bytes = 0

    @property
    def has_begun_before(self) -> bool:
        """Whether an earlier try left a part."""
        return self._part.exists()

    def begin(self, number: int, rendition: Rendition, beside: Kept | None = None) -> None:
        """Open the file for a rendition, and keep its contents if they are of that rendition.

        Args:
            number: the rendition's number.
            rendition: the rendition.
            beside: what else is kept of the track.
        """
        file = self._file = self._open()
        header = rendition.header
        if file.read(len(header)) != header:
            file.seek(0)
            file.truncate()
            _write(file, header)
        self.rendition, self._beside = number, beside
        self.size_bytes = self._kept_at = self._header_bytes = len(header)

    def _open(self) -> BinaryIO:
        """Open the part and lock it; raise BlockingIOError if another process has it."""
        while True:
            file = os.fdopen(open_ordinary(self._part, 0o666), "r+b", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_still(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()  # who had it has finished it meanwhile

    def _is_still(self, file: BinaryIO) -> bool:
        """Return whether a file that was opened is still the part."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._part.lstat())
        except FileNotFoundError:
            return False

    def best(self, segment: int) -> int | None:
        """Return the rendition of the file if the cache has the segment in it; the part is read in order."""
        return self._beside.best(segment) if self._beside else None

    def read(self, rendition: int, number: int, size: int) -> bytes | None:
        """Return what an earlier try left or the cache has, not verified; None if neither has it.

        Args:
            rendition: the rendition's number.
            number: the segment's; call this in order. Or TABLE_BASE and a table's.
            size: its length in bytes.
        """
        data = self._read_part(rendition, number, size) if number < TABLE_BASE else None
        return self._beside.read(rendition, number, size) if data is None and self._beside else data

    def put(self, rendition: int, number: int, data: bytes) -> None:
        """Do nothing: segments are written as they are taken."""

    def drop(self, rendition: int, number: int) -> None:
        """Forget an object, whose bytes are not right."""
        if rendition == self.rendition and number == self._given:
            self._on_damage()
        elif self._beside:
            self._beside.drop(rendition, number)

    def _on_damage(self) -> None:
        """Say once that the part is not what an earlier try has written."""
        if not self._was_told:
            self._was_told = True
            logger.warning("%s was damaged on the disk: what is lost is fetched again", self._part)

    def _read_part(self, rendition: int, segment: int, size: int) -> bytes | None:
        if self._file is None or rendition != self.rendition or segment != self._next_kept:
            return None
        data = os.pread(self._file.fileno(), size, self._kept_at)
        self._next_kept += 1
        self._kept_at += size
        if len(data) != size:
            return None
        self._given = segment
        return data

    def write(self, segment: SegmentReady) -> None:
        """Append the next segment."""
        assert self._file is not None, "`begin` comes first"
        size = len(segment.data)
        is_there = os.pread(self._file.fileno(), size, self.size_bytes) == segment.data
        self.kept_bytes += size if is_there or segment.was_kept else 0
        if not is_there:
            self._file.seek(self.size_bytes)
            _write(self._file, segment.data)
        self.size_bytes += size

    def finish(self) -> None:
        """Give the complete file its final name, once it is on the disk; UsageError if that is taken."""
        assert self._file is not None, "`begin` comes first"
        self._file.truncate(self.size_bytes)
        os.fsync(self._file.fileno())
        self._rename()
        self.close()
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # and the new name
        finally:
            os.close(folder)

    def _rename(self) -> None:
        if not self._replaces:
            try:
                os.link(self._part, self._path)  # unlike a rename, it fails where there is such a file
            except FileExistsError:
                raise other_file(self._path) from None
            except OSError as error:
                if self._path.exists():
                    raise other_file(self._path) from error
            else:
                self._part.unlink()
                return
        self._part.replace(self._path)  # as is right, or else this disk has no links

    def close(self) -> None:
        """Close the file; remove it if it holds no segment."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:  # which unlocks it at the end
            if os.fstat(file.fileno()).st_size <= self._header_bytes and self._is_still(file):
                self._part.unlink(missing_ok=True)


class FinishedFile(PartFile):
    """A file that has the track's name already, and is not to be replaced: it is read, and never written."""

    is_finished = True

    @property
    def has_begun_before(self) -> bool:
        """Always: tables alone are wanted of the network."""
        return True

    def begin(self, number: int, rendition: Rendition, beside: Kept | None = None) -> None:
        """Open the file.

        Args:
            number: the rendition's number.
            rendition: the rendition.
            beside: what is kept of the track.

        Raises:
            UsageError: it begins in another way than the rendition.
        """
        self._check(self._path.is_file())  # a FIFO would be waited for
        self._file = self._path.open("rb", buffering=0)
        header = rendition.header
        self._check(self._file.read(len(header)) == header)
        self.rendition, self._beside = number, beside
        self.size_bytes = self._kept_at = self._header_bytes = len(header)

    def write(self, segment: SegmentReady) -> None:
        """Compare the next segment; raise UsageError if the file has another."""
        assert self._file is not None, "`begin` comes first"
        size = len(segment.data)
        self._check(os.pread(self._file.fileno(), size, self.size_bytes) == segment.data)
        self.size_bytes += size
        self.kept_bytes += size

    def finish(self) -> None:
        """Raise UsageError if the file goes on after the track."""
        assert self._file is not None, "`begin` comes first"
        self._check(os.fstat(self._file.fileno()).st_size == self.size_bytes)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _on_damage(self) -> None:
        """Say nothing: `write` compares the file with what is right."""

    def _check(self, is_right: bool) -> None:
        if not is_right:
            raise other_file(self._path)


def other_file(path: Path) -> UsageError:
    """Return the error for a file that is in the way of a track."""
    return UsageError(
        f"{path} is there already, and is something else: name another file, or replace it with --force"
    )


class PipedFile(PartFile):
    """Standard output in place of a file: nothing of it is kept, and its reader may be slow."""

    def __init__(self) -> None:
        super().__init__(Path("-"))

    @property
    def has_begun_before(self) -> bool:
        """Never."""
        return False

    def begin(self, number: int, rendition: Rendition, beside: Kept | None = None) -> None:
        """Write the header.

        Args:
            number: the rendition's number.
            rendition: the rendition.
            beside: what is kept of the track.
        """
        self.rendition, self._beside = number, beside
        self.size_bytes = len(rendition.header)
        sys.stdout.buffer.write(rendition.header)

    def write(self, segment: SegmentReady) -> None:
        """Write the next segment; wait for the reader."""
        self.size_bytes += len(segment.data)
        self.kept_bytes += len(segment.data) if segment.was_kept else 0
        sys.stdout.buffer.write(segment.data)
        sys.stdout.buffer.flush()

    def finish(self) -> None:
        """Do nothing more."""

    def close(self) -> None:
        """Leave standard output open."""


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
