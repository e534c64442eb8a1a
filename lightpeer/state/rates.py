"""The rates of the networks that we were in, remembered in a small file beside the key.

It is read when the first track is opened, and written at the end. A run can do without it (`SmallFile`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from lightpeer.state.files import Losses, SmallFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.core.rate.memory import Downlinks
    from lightpeer.peering.peer import Peer

DOWNLINK_FILE: Final = "downlink"
MAX_FILE_BYTES: Final = 4096  # several times its greatest size


class RememberedDownlink:
    """The rates of networks, and their file. A network is named by a connected peer that it leads to."""

    def __init__(self, state_dir: Path, unix_time: Callable[[], float], losses: Losses | None = None) -> None:
        """Read nothing yet.

        Args:
            state_dir: the file's directory.
            unix_time: the clock, in seconds.
            losses: reports that the file cannot be saved.
        """
        self._file = SmallFile(
            state_dir / DOWNLINK_FILE, MAX_FILE_BYTES, "the file of network rates", losses or Losses()
        )
        self._unix_time = unix_time
        self._changed = False

    def rate_bytes_per_s(self, peer: Peer) -> float:
        """Return the recent rate of the network that leads to a peer, 0 if it is unknown."""
        from lightpeer.core.addresses import joined_network

        own = peer.own_host
        return self._downlinks.rate_bytes_per_s(joined_network(own), self._unix_time()) if own else 0.0

    def note(self, peer: Peer, bytes_per_s: float) -> None:
        """Remember the rate of the network that leads to a peer; 0 means not measured."""
        from lightpeer.core.addresses import joined_network

        if bytes_per_s > 0 and peer.own_host:
            self._downlinks.note(joined_network(peer.own_host), bytes_per_s, self._unix_time())
            self._changed = True

    def save(self) -> None:
        """Write the file, if anything changed."""
        if self._changed:
            self._changed = False
            self._file.save(self._downlinks.to_bytes())

    @cached_property
    def _downlinks(self) -> Downlinks:
        from lightpeer.core.rate.memory import Downlinks

        kept = self._file.load(Downlinks.from_bytes_untrusted)
        return kept if kept is not None else Downlinks()
