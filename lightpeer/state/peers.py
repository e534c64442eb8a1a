"""The peers that are remembered between runs: one small file beside the key.

It is read when it is first needed, and written at most once a minute, after a change, and at the end.
What is wrong with it costs the memory alone (`SmallFile`).
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
MAX_FILE_BYTES: Final = 4 * 1024 * 1024  # of 1024 peers, four times over
SAVE_AGAIN_S: Final = 60.0  # a memory card wears out with what is written


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
        """Take where the file is, how many peers it may hold, and where the writing may run."""
        self._file = SmallFile(state_dir / PEERS_FILE, MAX_FILE_BYTES, "the peer cache", losses or Losses())
        self._capacity = capacity
        self._nursery = nursery
        self._own = own
        self._changed = False
        self._unwritten: bytes | None = None
        self._writing = threading.Lock()

    @cached_property
    def cache(self) -> PeerCache:
        """What we remember; call `note_change` whenever it is changed."""
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
        except Exception:  # no thread can be had, say: the rest of the program needs none of this
            logger.exception("the peer cache could not be written")

    def _take_changes(self) -> None:
        if self._changed:
            self._changed = False
            self._unwritten = self.cache.to_bytes()

    def _write(self) -> None:
        """Write what is the latest, whoever asks for it: an older state never replaces a newer one."""
        with self._writing:
            data, self._unwritten = self._unwritten, None
            if data is not None:
                self._file.save(data)
