"""What is remembered of the networks that we were in: how fast they were, in a small file beside the key.

It is read when the first track is opened, and written at the end. A corrupt file is set aside with a
warning; one that cannot be read or written costs the memory alone.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Final

from lightpeer.errors import BadMessageError, StateError
from lightpeer.safe_files import read_ordinary
from lightpeer.state.files import Losses, set_aside, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.core.rate.memory import Downlinks
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

DOWNLINK_FILE: Final = "downlink"


class RememberedDownlink:
    """The rates of networks, and their file; a network is the one that leads to a connected peer."""

    def __init__(self, state_dir: Path, unix_time: Callable[[], float], losses: Losses | None = None) -> None:
        """Take where the file is, and the clock."""
        self._path = state_dir / DOWNLINK_FILE
        self._unix_time = unix_time
        self._losses = losses or Losses()
        self._changed = False

    def rate_bytes_per_s(self, peer: Peer) -> float:
        """Return what the network that leads to a peer gave lately, 0 if that is not known."""
        from lightpeer.core.rate.memory import network_of

        own = peer.own_host
        return self._downlinks.rate_bytes_per_s(network_of(own), self._unix_time()) if own else 0.0

    def note(self, peer: Peer, bytes_per_s: float) -> None:
        """Remember what the network that leads to a peer gave; 0 if that was not measured."""
        from lightpeer.core.rate.memory import network_of

        if bytes_per_s > 0 and peer.own_host:
            self._downlinks.note(network_of(peer.own_host), bytes_per_s, self._unix_time())
            self._changed = True

    def save(self) -> None:
        """Write the file, if anything changed."""
        if self._changed:
            self._changed = False
            try:
                write_atomically(self._path, self._downlinks.to_bytes())
            except StateError as error:
                self._losses.note(error)

    @cached_property
    def _downlinks(self) -> Downlinks:
        from lightpeer.core.rate.memory import MAX_BYTES, Downlinks

        try:
            return Downlinks.from_bytes_untrusted(read_ordinary(self._path, MAX_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            logger.warning("cannot read %s: %s", self._path, error.strerror)
        except BadMessageError:
            self._set_aside()
        return Downlinks()

    def _set_aside(self) -> None:
        try:
            logger.warning("what was remembered of networks was corrupt; it is now %s", set_aside(self._path))
        except StateError as error:
            logger.warning("%s", error)
