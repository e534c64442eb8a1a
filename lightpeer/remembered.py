"""The peers that are remembered between runs: one small file beside the key.

It is read when it is first needed, and written at most once a minute, after a change, and at the end.
A corrupt file is set aside with a warning; one that cannot be read or written costs the memory alone.
"""

from __future__ import annotations

import logging
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import BadMessageError, StateError
from lightpeer.state import set_aside, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from lightpeer.core.identity import PeerId
    from lightpeer.core.peers import PeerCache

logger = logging.getLogger(__name__)

PEERS_FILE: Final = "peers"
SAVE_AGAIN_S: Final = 60.0  # a memory card wears out with what is written


class RememberedPeers:
    """A peer cache and its file."""

    def __init__(
        self, state_dir: Path, capacity: int, nursery: trio.Nursery, *, own: PeerId | None = None
    ) -> None:
        """Take where the file is, how many peers it may hold, and where the writing may run."""
        self._path = state_dir / PEERS_FILE
        self._capacity = capacity
        self._nursery = nursery
        self._own = own
        self._changed = False
        self._failed = False

    @cached_property
    def cache(self) -> PeerCache:
        """What we remember; call `note_change` whenever it is changed."""
        from lightpeer.core.peers import PeerCache

        try:
            return PeerCache.from_bytes_untrusted(self._path.read_bytes(), self._capacity, own=self._own)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            logger.warning("cannot read the peer cache %s: %s", self._path, error.strerror)
        except BadMessageError:
            self._set_aside()
        return PeerCache(self._capacity, own=self._own)

    def note_change(self) -> None:
        """Have the file written within a minute."""
        if not self._changed:
            self._changed = True
            self._nursery.start_soon(self._save_later)

    def save(self) -> None:
        """Write the file, if anything changed."""
        if self._changed:
            self._changed = False
            self._write(self.cache.to_bytes())

    async def _save_later(self) -> None:
        await trio.sleep(SAVE_AGAIN_S)
        if self._changed:
            self._changed = False
            write = partial(self._write, self.cache.to_bytes())
            await trio.to_thread.run_sync(write)  # a memory card takes its time

    def _write(self, data: bytes) -> None:
        try:
            write_atomically(self._path, data)
        except StateError as error:
            logger.log(logging.DEBUG if self._failed else logging.WARNING, "%s", error)  # told once
            self._failed = True

    def _set_aside(self) -> None:
        try:
            logger.warning("the peer cache was corrupt; it is now %s", set_aside(self._path))
        except StateError as error:
            logger.warning("%s", error)
