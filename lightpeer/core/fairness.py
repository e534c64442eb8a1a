"""Fair shares of what a server does for others: an allowance for each peer, each network, and all.

Ids cost nothing to make, so a peer's allowance alone would bound nobody; its network's
does (`peer_entry.network_group`), and one for all bounds what the server does at all.

Call order: `admit` whenever something is asked.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from lightpeer.core.allowance import Allowance

GROUP_SHARES: Final = 8  # peers at their full rate in one network: a household, or a carrier's few at a time
TOTAL_SHARES: Final = 32  # peers at their full rate in all


class Fairness:
    """Who may still have how much done; costs are in whatever unit the shares are."""

    def __init__(self, *, per_s: float, burst: float) -> None:
        """Take one peer's share: in the long run, and at once."""
        self._of_peer = Allowance(per_s=per_s, burst=burst)
        self._of_group = Allowance(per_s=per_s * GROUP_SHARES, burst=burst * GROUP_SHARES)
        self._of_all = Allowance(per_s=per_s * TOTAL_SHARES, burst=burst * TOTAL_SHARES)

    def admit(self, peer: Hashable, group: str, now: float, cost: float) -> bool:
        """Take a cost from the allowances of a peer, its network and all; tell whether they held it.

        Where a wider one does not, the narrower ones have paid: who presses on in a crowd waits longer.
        """
        return (
            self._of_peer.take(peer, now, cost)
            and self._of_group.take(group, now, cost)
            and self._of_all.take(None, now, cost)
        )
