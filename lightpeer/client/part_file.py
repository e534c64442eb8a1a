"""A track that is being fetched into a file, and what an earlier try left of it.

It is written beside its final name, as `NAME.part`, and renamed once it is whole and on the disk. What is
there from before is read first, segment by segment; the caller checks each against its hash like any
other source's, so a part of another track, or a torn write, costs nothing but itself. A link in its place,
which somebody may have laid where all may write, is not followed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Final

from lightpeer.safe_files import open_ordinary

if TYPE_CHECKING:
    from pathlib import Path

    from lightpeer.core.content.manifest import Rendition
    from lightpeer.core.segments.scheduler import SegmentReady

PART: Final = ".part"


class PartFile:
    """One file; `begin` before all else, `close` in any case. The methods raise OSError."""

    def __init__(self, path: Path) -> None:
        """Be going to make a file."""
        self._path = path
        self._part = path.with_name(path.name + PART)
        self._file: BinaryIO | None = None
        self._rendition = 0
        self._header_bytes = 0
        self._next_kept = 0  # the segment whose place is known, and the place
        self._kept_at = 0
        self.size_bytes = 0  # of what is there in order
        self.kept_bytes = 0  # of that, what was there before

    @property
    def has_begun_before(self) -> bool:
        """Whether there may be something of it."""
        return self._part.exists()

    def begin(self, number: int, rendition: Rendition) -> None:
        """Open the file for a rendition, and keep what it may hold of it."""
        descriptor = open_ordinary(self._part, 0o666)
        file = self._file = os.fdopen(descriptor, "r+b", buffering=0)
        header = rendition.header
        if file.read(len(header)) != header:
            file.seek(0)
            file.truncate()
            _write(file, header)
        self._rendition = number
        self.size_bytes = self._kept_at = self._header_bytes = len(header)

    def kept(self, rendition: int, segment: int, size: int) -> bytes | None:
        """Return what an earlier try left of a segment, not verified; they are asked for in order."""
        if self._file is None or rendition != self._rendition or segment != self._next_kept:
            return None
        data = os.pread(self._file.fileno(), size, self._kept_at)
        self._next_kept += 1
        self._kept_at += size
        return data if len(data) == size else None

    def write(self, segment: SegmentReady) -> None:
        """Take the next segment, in order."""
        assert self._file is not None, "`begin` comes first"
        size = len(segment.data)
        if os.pread(self._file.fileno(), size, self.size_bytes) == segment.data:
            self.kept_bytes += size
        else:
            self._file.seek(self.size_bytes)
            _write(self._file, segment.data)
        self.size_bytes += size

    def finish(self) -> None:
        """Put the whole file in its place, once the disk has it."""
        assert self._file is not None, "`begin` comes first"
        self._file.truncate(self.size_bytes)
        os.fsync(self._file.fileno())
        self.close()
        self._part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name too
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close it; a part that holds no segment is removed."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            is_empty = os.fstat(file.fileno()).st_size <= self._header_bytes
        if is_empty:
            self._part.unlink(missing_ok=True)


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
