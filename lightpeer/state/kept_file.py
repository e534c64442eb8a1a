"""One track as it is kept on disk: a file of blocks (`core/content/kept_blocks.py`), and what is to go there.

No descriptor is kept between calls, since a second of music is read at a time, and the file may go meanwhile:
another process may evict it. Blocks are appended under a lock, after what another process has appended; what
a crash has torn is cut off. Whatever is read is checked by the caller, as it is from a source.

Objects are put in and read by the event loop, and written by a worker thread; one at a time writes.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from lightpeer.core.content.kept_blocks import (
    MANIFEST_NUMBER,
    MOST_HEAD_BYTES,
    MOST_OBJECTS,
    Key,
    Placed,
    build_block,
    parse_block_untrusted,
)
from lightpeer.core.content.kept_index import UNWRITTEN, KeptIndex
from lightpeer.core.content.manifest import parse_manifest_untrusted
from lightpeer.errors import BadMessageError, RemoteError
from lightpeer.safe_files import open_ordinary, open_to_read
from lightpeer.state.files import KEPT_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.core.content.manifest import Track

logger = logging.getLogger(__name__)

MANIFEST: Final[Key] = (0, MANIFEST_NUMBER)
MOST_UNWRITTEN_BYTES: Final = 1024 * 1024  # in memory, while the disk hangs


class KeptFile:
    """One track's file, and the objects that are not in it yet.

    Attributes:
        track_id: which.
        index: what is here, and where.
        unwritten: what is not in the file yet.
        is_refused: whether there is no room for more of it.
    """

    def __init__(self, folder: Path, track_id: bytes, on_put: Callable[[KeptFile], None]) -> None:
        """Read which objects the file has, if it is there.

        Args:
            folder: where such files lie.
            track_id: the track.
            on_put: called once there is something to write.
        """
        self.track_id = track_id
        self.index = KeptIndex()
        self.unwritten: dict[Key, bytes] = {}
        self.is_refused = False
        self._paths = [folder / (track_id.hex() + ending) for ending in KEPT_ENDINGS]
        self._on_put = on_put
        self._end = 0  # of the blocks that the index has
        self._inode = 0
        self._was_told = False
        self._track: Track | None = None
        with suppress(OSError), self._opened() as file:  # it may be absent, or not ours
            self._catch_up(file)

    @property
    def unwritten_bytes(self) -> int:
        """The size of what is not in the file yet."""
        return sum(map(len, self.unwritten.copy().values()))

    @property
    def track(self) -> Track | None:
        """What the manifest says, None if it is not here."""
        if self._track is None and (data := self.read(MANIFEST, self.index.size(MANIFEST))) is not None:
            try:
                self._track = parse_manifest_untrusted(data, self.track_id)
            except RemoteError:
                self.drop(MANIFEST)
        return self._track

    # For the event loop.

    def read(self, key: Key, size: int) -> bytes | None:
        """Return an object's bytes, not verified; None if it is not here."""
        data, at = self.unwritten.get(key), self.index.offset(key)
        if data is not None or at is None or at == UNWRITTEN:
            return data
        try:
            with self._opened() as file:
                is_same = os.fstat(file.fileno()).st_ino == self._inode
                data = os.pread(file.fileno(), size, at) if is_same else b""
        except OSError as error:
            logger.info("%s cannot be read: %s", self._paths[-1], error.strerror)
            data = b""
        if len(data) != size or not data:
            self.index.drop(key)
            return None
        return data

    def put(self, key: Key, data: bytes) -> None:
        """Keep a verified object, unless it is here or there is no room."""
        has_room = not self.is_refused and self.unwritten_bytes <= MOST_UNWRITTEN_BYTES
        if not has_room or self.index.offset(key) is not None:
            return
        self.unwritten[key] = data
        self.index.add(Placed(key, UNWRITTEN, len(data)))
        self._on_put(self)

    def drop(self, key: Key) -> None:
        """Forget an object that the disk has damaged; it is fetched again."""
        self.index.drop(key)
        if not self._was_told:
            self._was_told = True
            logger.warning("%s was damaged on the disk: what is lost is fetched again", self._paths[-1])

    def refuse(self) -> None:
        """Take no more, and forget what is not in the file."""
        self.is_refused = True
        for key in self.unwritten.copy():
            self.index.drop(key)
        self.unwritten.clear()

    def touch(self) -> None:
        """Note that it is heard now, so that others are evicted before it."""
        for path in self._paths:
            with suppress(OSError):
                os.utime(path)

    def rename(self, *, pinned: bool) -> bool:
        """Have the file named as pinned or not; return whether it is there."""
        target, source = self._paths if pinned else reversed(self._paths)
        if not target.exists():
            with suppress(FileNotFoundError):
                source.rename(target)
        return target.exists()

    # For a worker thread.

    def write(self, *, flushes: bool = False) -> int:
        """Append what is not in the file yet; return how many bytes that took.

        Raises:
            BlockingIOError: another process writes to it now.
            OSError: the disk refuses; the file is as it was.
        """
        objects = list(self.unwritten.copy().items())
        pinned, kept = self._paths
        path = pinned if pinned.exists() else kept
        with os.fdopen(open_ordinary(path, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._catch_up(file)
            if os.fstat(file.fileno()).st_size > self._end:
                logger.warning("%s was torn, and is cut to %d bytes", path, self._end)
                file.truncate(self._end)
            before = self._end
            for start in range(0, len(objects), MOST_OBJECTS):
                self._append(file, objects[start : start + MOST_OBJECTS])
            if flushes:
                os.fsync(file.fileno())
        return self._end - before

    def _opened(self) -> IO[bytes]:
        for path in self._paths:
            with suppress(FileNotFoundError):
                return os.fdopen(open_to_read(path), "rb", buffering=0)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._paths[-1]))

    def _append(self, file: IO[bytes], objects: list[tuple[Key, bytes]]) -> None:
        block = build_block(objects)
        try:
            _write_at(file.fileno(), block, self._end)
        except OSError:
            file.truncate(self._end)
            raise
        placed, self._end = parse_block_untrusted(block[:MOST_HEAD_BYTES], self._end)
        for each in placed:
            self.index.add(each)
            self.unwritten.pop(each.key, None)

    def _catch_up(self, file: IO[bytes]) -> None:
        """Have in the index what is in the file: another process may have appended, or begun it anew."""
        status = os.fstat(file.fileno())
        if status.st_ino != self._inode or status.st_size < self._end:
            self._inode, self._end = status.st_ino, 0
            self.index = KeptIndex()
            for key, data in self.unwritten.copy().items():
                self.index.add(Placed(key, UNWRITTEN, len(data)))
        while self._end < status.st_size:
            head = os.pread(file.fileno(), MOST_HEAD_BYTES, self._end)
            try:
                objects, end = parse_block_untrusted(head, self._end)
            except BadMessageError:
                break
            if end > status.st_size:
                break
            for placed in objects:
                self.index.add(placed)
            self._end = end


def _write_at(descriptor: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written
