"""Reading tracks from the disk while they are streamed: one `StoredTrack` for each.

A segment is one `pread` at an offset that the sizes in the segment tables give, so
what is kept open for a rendition is a file descriptor, its tables and the offsets.
The least recently used ones are closed; a file that is removed while someone reads
from it stays readable until then.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from lightpeer.core.datagram import TABLE_BASE
from lightpeer.core.manifest import DIGEST_BYTES, TABLE_SEGMENTS, Track
from lightpeer.errors import StateError, UsageError

MAX_OPEN_RENDITIONS = 64  # a descriptor and mostly 7 kB each (280 kB for three hours)
_ENTRY_BYTES = 2 + DIGEST_BYTES
_TABLE_BYTES = TABLE_SEGMENTS * _ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class StoredTrack:
    """A track that can be served. Rendition and segment numbers are those of its manifest."""

    manifest: bytes
    track: Track
    _folder: Path = field(repr=False)
    _files: RenditionFiles = field(repr=False, compare=False)

    def holds(self, rendition: int, segment: int) -> bool:
        """Tell whether `read` has something for these numbers."""
        if not 0 <= rendition < len(self.track.renditions):
            return False
        if segment >= TABLE_BASE:
            return segment - TABLE_BASE < len(self.track.renditions[rendition].table_digests)
        return 0 <= segment < self.track.segment_count

    def size(self, rendition: int, segment: int) -> int:
        """Return how many bytes `read` gives for these numbers; raises as it does."""
        return self._open(rendition, segment).span(segment)[1]

    def read(self, rendition: int, segment: int) -> bytes:
        """Return a segment's bytes, or from TABLE_BASE (0xFF0000) on those of a segment table.

        Raises:
            UsageError: the track does not have these numbers.
            StateError: the disk does not give what was stored there.
        """
        return self._open(rendition, segment).read(segment)

    def table(self, rendition: int, number: int) -> bytes:
        """Return the bytes of segment table `number`; raises as `read`."""
        return self.read(rendition, TABLE_BASE + number)

    def _open(self, rendition: int, segment: int) -> _RenditionFile:
        if not self.holds(rendition, segment):
            raise UsageError(f"the track has no segment {segment} in rendition {rendition}")
        return self._files.open(self._folder, self.track, rendition)


class RenditionFiles:
    """The renditions that are open, at most MAX_OPEN_RENDITIONS. Use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[bytes, int], _RenditionFile] = OrderedDict()

    def open(self, folder: Path, track: Track, number: int) -> _RenditionFile:
        """Return a rendition of the track in `folder`; StateError where the disk does not give it."""
        key = (track.track_id, number)
        with self._lock:
            rendition = self._open.get(key)
            if rendition is None:
                rendition = self._open[key] = _RenditionFile(folder / f"{number}.opus", track, number)
            self._open.move_to_end(key)
            while len(self._open) > MAX_OPEN_RENDITIONS:
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
    """An open rendition: where each segment lies in its file, and its tables in memory."""

    def __init__(self, path: Path, track: Track, number: int) -> None:
        self._path = path
        try:
            self._tables = path.with_suffix(".tables").read_bytes()
            if len(self._tables) != track.segment_count * _ENTRY_BYTES:
                raise self._damaged()
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise self._damaged() from error
        self._offsets = array("Q", [len(track.renditions[number].header)])
        for entry in range(0, len(self._tables), _ENTRY_BYTES):
            size = int.from_bytes(self._tables[entry : entry + 2], "big")
            self._offsets.append(self._offsets[-1] + size)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def span(self, segment: int) -> tuple[int, int]:
        """Return offset and size in bytes of a segment in its file, or of a table among the tables."""
        if segment >= TABLE_BASE:
            offset = (segment - TABLE_BASE) * _TABLE_BYTES
            return offset, min(_TABLE_BYTES, len(self._tables) - offset)
        offset = self._offsets[segment]
        return offset, self._offsets[segment + 1] - offset

    def read(self, segment: int) -> bytes:
        """Return the bytes of a segment or table."""
        offset, size = self.span(segment)
        if segment >= TABLE_BASE:
            return self._tables[offset : offset + size]
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise self._damaged()
        return data

    def _damaged(self) -> StateError:
        folder = self._path.parent
        return StateError(
            folder, f"{folder} is damaged: delete it and start again, and its music is imported anew"
        )
