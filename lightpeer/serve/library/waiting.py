"""Files that wait to be imported, by the words of their tags: what somebody searches for is imported first.

Encoding a collection takes hours or days, and reading its tags a minute. A track has no id before it is
encoded, because its id covers all of its bytes; so a file that waits is no hit. But a search puts those that
match in front of the others, tells how many they are, and where it finds nothing else it waits a moment, in
which a short track is ready.

The words are in a file of their own, which is begun anew with each process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lightpeer.serve.library.index import Index, IndexHit

WAIT_S: Final = 1.0  # that a search may be held up
WAIT_SHARE: Final = 0.1  # of the time, at most: other searches wait behind it
MAX_WANTED: Final = 64  # files in front of the others; the first asked for go first


class Words(NamedTuple):
    """A file that waits, by its path, and the words of its tags."""

    path: bytes
    title: str
    artist: str
    album: str


class Waiting:
    """The files that wait; use from any thread.

    Attributes:
        on_wanted: called, in a search's thread, when one more is to be imported.
    """

    def __init__(self, path: Path) -> None:
        """Begin with none; the file at this path is replaced."""
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._index = Index(path)
        self.on_wanted: Callable[[], object] = lambda: None
        self._wanted: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_empty = True
        self._may_wait_at = 0.0

    def close(self) -> None:
        """Close the file."""
        self._index.close()

    def add_all(self, files: Sequence[Words]) -> None:
        """Add files."""
        self._index.add_all([IndexHit(f.path, f.title, f.artist, f.album, 0, (1,)) for f in files])
        self._is_empty = False

    def remove(self, path: bytes) -> None:
        """Remove a file, which was imported or skipped."""
        if not self._is_empty:
            self._index.remove(path)
        with self._changed:
            if path in self._wanted:
                self._wanted.remove(path)
            self._changed.notify_all()

    def clear(self) -> None:
        """Remove all files: nothing is imported any more."""
        if not self._is_empty:
            self._index.remove_all(list(self._index.track_ids()))
            self._is_empty = True
        with self._changed:
            self._wanted.clear()  # such as were removed before they came up
            self._changed.notify_all()

    def wanted(self) -> list[bytes]:
        """Return the files that are to be imported next, the first first."""
        with self._changed:
            return list(self._wanted)

    def want(self, query: str, limit: int) -> list[bytes]:
        """Have the best files for a query imported next, at most `limit`; return those that are."""
        if self._is_empty or limit < 1:
            return []
        paths = [hit.track_id for hit in self._index.search(query, limit)]
        with self._changed:
            fresh = [path for path in paths if path not in self._wanted]
            self._wanted.extend(fresh[: MAX_WANTED - len(self._wanted)])
            wanted = [path for path in paths if path in self._wanted]
        if fresh:
            self.on_wanted()
        return wanted

    def wait_for(self, path: bytes) -> bool:
        """Wait a moment until a wanted file is imported, and return whether it is.

        It does not wait where another search did so a moment ago.
        """
        with self._changed:
            now = time.monotonic()
            if now < self._may_wait_at:
                return False
            self._may_wait_at = now + WAIT_S / WAIT_SHARE
            return self._changed.wait_for(lambda: path not in self._wanted, WAIT_S)
