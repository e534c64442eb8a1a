"""Reading tracks from the disk while they are streamed: one `StoredTrack` for each.

A segment is one `pread` at an offset that the sizes in the segment tables give. The
tables are read one at a time, as a stream comes to them. The offset of each table's first
segment is kept, and the bytes of the last table. So an open rendition is a descriptor
and about a kilobyte, however long it is. As many stay open as the process's descriptors
allow; the least recently used ones are closed. A file that is removed while someone
reads from it stays readable until then.

Disks lose bits. So reads are checked by the digests that listeners check, too: a table's in the manifest, a
segment's in its table. That is 25 µs for a second at 96 kbit/s, and others run meanwhile.

Every read may wait for the disk, and belongs in a worker thread (`threads.py`).
"""

from __future__ import annotations

import errno
import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import (
    ENTRY_BYTES,
    TABLE_BASE,
    TABLE_SEGMENTS,
    Track,
    content_digest,
    parse_table_untrusted,
    table_of,
)
from lightpeer.errors import RemoteError, StateError, UsageError
from lightpeer.serve.library.descriptors import shares

if TYPE_CHECKING:
    from lightpeer.serve.library.renditions import Renditions

SHORT_OF_MEANS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Errors that say nothing of the file: a stranger that uses up descriptors must not get tracks set aside."""

_ENTRIES_BYTES = TABLE_SEGMENTS * ENTRY_BYTES  # of each table but the last, before its path


class AbsentError(StateError):
    """A rendition was dropped to save room, and is made again before long."""


@dataclass(frozen=True, slots=True)
class StoredTrack:
    """A track that can be served. Rendition and segment numbers are those of its manifest."""

    manifest: bytes
    track: Track
    _folder: Path = field(repr=False)
    _files: RenditionFiles = field(repr=False, compare=False)
    _set_aside: Callable[[bool], object] = field(repr=False, compare=False)
    """Called if the track cannot be read, with whether it is damaged."""
    _renditions: Renditions | None = field(default=None, repr=False, compare=False)

    def holds(self, rendition: int, segment: int) -> bool:
        """Return whether the track has a segment or table of these numbers."""
        if not 0 <= rendition < len(self.track.renditions):
            return False
        if segment >= TABLE_BASE:
            return segment - TABLE_BASE < self.track.table_count
        return 0 <= segment < self.track.segment_count

    def read(self, rendition: int, segment: int) -> bytes:
        """Return a segment's bytes, or from TABLE_BASE (0xFF0000) on those of a segment table and its path.

        Raises:
            UsageError: the track does not have these numbers.
            AbsentError: it is of a rendition that is not here now.
            StateError: the disk does not return the stored bytes. The library is told, unless the process is
                short of descriptors or memory.
        """
        if not self.holds(rendition, segment):
            raise UsageError(f"the track has no segment {segment} in rendition {rendition}")
        try:
            data = self._files.open(self._folder, self.track, rendition).read(segment)
        except OSError as error:
            if self._renditions and self._renditions.is_absent(self.track.track_id, rendition):
                raise AbsentError(self._folder, f"{self._folder} lacks rendition {rendition} now") from error
            if error.errno not in SHORT_OF_MEANS:
                self._set_aside(isinstance(error, FileNotFoundError))
            raise StateError(self._folder, f"{self._folder} cannot be read ({error.strerror})") from error
        if data is None:
            self._set_aside(True)
            raise StateError(self._folder, f"{self._folder} is damaged")
        if self._renditions and rendition:
            self._renditions.use(self.track.track_id)
        return data


class RenditionFiles:
    """The renditions that are open, a bounded number. Use from any thread."""

    def __init__(self, most: int | None = None) -> None:
        """Keep at most `most` open, by default as many as the process's descriptors allow."""
        self._most = shares().renditions if most is None else most
        self._lock = threading.Lock()  # never held during disk access
        self._open: OrderedDict[tuple[bytes, int], _RenditionFile] = OrderedDict()

    def open(self, folder: Path, track: Track, number: int) -> _RenditionFile:
        """Return an open rendition; raise OSError where the disk fails.

        Args:
            folder: the track's.
            track: the track.
            number: the rendition's.
        """
        key = (track.track_id, number)
        with self._lock:
            if rendition := self._open.get(key):
                self._open.move_to_end(key)
                return rendition
        opened = _RenditionFile(folder / f"{number}.opus", track, number)
        with self._lock:
            rendition = self._open.setdefault(key, opened)  # another thread may have been faster
            self._open.move_to_end(key)
            while len(self._open) > self._most:
                self._open.popitem(last=False)  # its file closes with its last reader
        return rendition

    def forget(self, track_id: bytes) -> None:
        """Close the renditions of a track."""
        with self._lock:
            for key in [key for key in self._open if key[0] == track_id]:
                del self._open[key]

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            self._open.clear()


class _RenditionFile:
    """An open rendition, and the known offsets of its segments."""

    def __init__(self, path: Path, track: Track, number: int) -> None:
        self._tables_path = path.with_suffix(".tables")
        self._track = track
        self._number = number
        self._descriptor = os.open(path, os.O_RDONLY)
        self._lock = threading.Lock()  # for the two below: two threads may read one rendition
        self._starts = array("Q", [len(track.renditions[number].header)])  # of each table's first segment
        self._table = (-1, b"")  # the last that was read: its number and its bytes

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def read(self, segment: int) -> bytes | None:
        """Return the bytes of a segment or table; None if they have changed. Raises OSError."""
        number = segment - TABLE_BASE if segment >= TABLE_BASE else table_of(segment)
        with self._lock:
            table = self._read_table(number)
            start = self._starts[number] if number < len(self._starts) else 0
        if table is None or segment >= TABLE_BASE:
            return table
        begin = segment % TABLE_SEGMENTS * ENTRY_BYTES
        entry = table[begin : begin + ENTRY_BYTES]
        data = os.pread(self._descriptor, _total(entry), start + _total(table[:begin]))
        return data if content_digest(data) == entry[2:] else None

    def _read_table(self, number: int) -> bytes | None:
        """Return a table's bytes, and learn its offset, for which earlier tables are read the first time."""
        if self._table[0] == number:
            return self._table[1]
        first = min(number, len(self._starts) - 1)
        step = _ENTRIES_BYTES + self._track.table_path_bytes
        with self._tables_path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), (number - first + 1) * step, first * step)
        table = data[(number - first) * step :]
        if not self._is_sound(table, number):
            return None
        for offset in range(0, (number - first) * step, step):
            self._starts.append(self._starts[-1] + _total(data[offset : offset + _ENTRIES_BYTES]))
        self._table = number, table
        return table

    def _is_sound(self, table: bytes, number: int) -> bool:
        """Return whether listeners take a table; they refuse those of some old imports."""
        try:
            parse_table_untrusted(table, self._track, self._number, number)
        except RemoteError:
            return False
        return True


def _total(entries: bytes) -> int:
    """Return the bytes that segments have together, by their entries in a table."""
    return 256 * sum(entries[::ENTRY_BYTES]) + sum(entries[1::ENTRY_BYTES])
