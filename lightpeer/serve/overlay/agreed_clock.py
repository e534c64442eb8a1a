"""The time that a server goes by: the system's, unless networks agree on another.

A clock may be wrong on the server or on the peers that answer it, so a correction counts only as far as
several networks say the same (`core/overlay/agreement.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import network_group
from lightpeer.core.overlay.agreement import Agreement
from lightpeer.core.overlay.peer_entry import NOT_BEFORE_S

if TYPE_CHECKING:
    from lightpeer.net.network import Network

CLOCKS_ALIKE_S: Final = 120.0
_UNSET = "a clock that is not set"  # in place of a network group


class AgreedClock:
    """Unix time, corrected by the clocks of peers."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._offsets: Agreement[float] = Agreement(_are_alike)  # seconds ahead of the system's clock
        self._lead_s = 0.0  # of the system's clock over the monotonic one, when it was last read

    def unix_time(self) -> float:
        """Return the time in seconds: the system's, unless networks agree on another."""
        return self._network.unix_time() + (self._offsets_now().agreed or 0.0)

    def hear(self, host: str, offset_s: float, *, is_named: bool) -> None:
        """Note a peer's clock.

        Args:
            host: the peer's numeric address.
            offset_s: how far its clock is ahead of the system's, in seconds.
            is_named: whether the operator named the peer, so that its word counts for more.
        """
        offsets = self._offsets_now()
        if self._network.unix_time() < NOT_BEFORE_S and offsets.agreed is None:
            offsets.hear(_UNSET, offset_s, is_named=True)  # any peer's word is better than that
        offsets.hear(network_group(host), offset_s, is_named=is_named)

    def _offsets_now(self) -> Agreement[float]:
        """Return the peers' offsets, without those from before the system's clock was set."""
        lead_s = self._network.unix_time() - trio.current_time()
        if not _are_alike(lead_s, self._lead_s):
            self._offsets = Agreement(_are_alike)
        self._lead_s = lead_s
        return self._offsets


def _are_alike(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) < CLOCKS_ALIKE_S
