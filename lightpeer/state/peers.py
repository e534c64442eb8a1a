"""The peers that are remembered between runs: one small file beside the key.

It is read when it is first needed, and written after a change, at most once a minute, and at the end. A run
can do without it (`SmallFile`).
"""

from __future__ import annotations

import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.state.files import Losses, SmallFile

if TYPE_CHECKING:
    from pathlib import Path

    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.trust.identity import PeerId

logger = logging.getLogger(__name__)

PEERS_FILE: Final = "peers"
MAX_FILE_BYTES: Final = 4 * 1024 * 1024  # four times the size of 1024 peers
SAVE_AGAIN_S: Final = 60.0  # each write wears out a memory card


class RememberedPeers:
    """A peer cache and its file."""

    def __init__(
        self,
        state_dir: Path,
        capacity: int,
        nursery: trio.Nursery,
        *,
        own: PeerId | None = None,
        losses: Losses | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            state_dir: the file's directory.
            capacity: the peers remembered at most.
            nursery: the file is written there.
            own: our id, which is never among them.
            losses: reports that the file cannot be saved.
        """
        self._file = SmallFile(state_dir / PEERS_FILE, MAX_FILE_BYTES, "the peer cache", losses or Losses())
        self._capacity = capacity
        self._nursery = nursery
        self._own = own
        self._changed = False
        self._unwritten: bytes | None = None
        self._writing = threading.Lock()

    @cached_property
    def cache(self) -> PeerCache:
        """The remembered peers; call `note_change` after each change."""
        from lightpeer.core.overlay.peer_cache import PeerCache

        kept = self._file.load(
            lambda data: PeerCache.from_bytes_untrusted(data, self._capacity, own=self._own)
        )
        return kept if kept is not None else PeerCache(self._capacity, own=self._own)

    def note_change(self) -> None:
        """Have the file written within a minute."""
        if not self._changed:
            self._changed = True
            self._nursery.start_soon(self._save_later)

    def save(self) -> None:
        """Write the file, if anything changed."""
        self._take_changes()
        self._write()

    async def _save_later(self) -> None:
        try:
            await trio.sleep(SAVE_AGAIN_S)
            self._take_changes()
            await trio.to_thread.run_sync(self._write)  # a memory card takes its time
        except Exception:  # no thread is available, say; the program can do without
            logger.exception("the peer cache could not be written")

    def _take_changes(self) -> None:
        if self._changed:
            self._changed = False
            self._unwritten = self.cache.to_bytes()

    def _write(self) -> None:
        """Write the latest state. Of two writers, the later one never writes an older state."""
        with self._writing:
            data, self._unwritten = self._unwritten, None
            if data is not None:
                self._file.save(data)
