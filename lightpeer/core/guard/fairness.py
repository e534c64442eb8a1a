"""Fair shares of a server's work for others: token buckets for each peer, each network, and all.

A bucket fills at a steady rate up to its burst, and each request draws its cost. Ids are free to make, so a
peer's bucket alone would bound nobody. Its network's bucket does (`addresses.network_group`), and the
bucket for all bounds the server's total. A request is paid from all three, or from none.

The bucket for all is not first come, first served, or a handful of networks would empty it for everybody
else. Instead, a network may not have used more recently than that bucket still holds. So a heavy user
leaves something for newcomers, as switches share their memory among ports (Choudhury and Hahne, "Dynamic
queue length thresholds for shared-memory packet switches", 1998). Past use fades with a time constant in
which one network alone, at its full rate, uses half of that bucket, so it is not held up while it is alone.

The tables are bounded: they forget the least recent user, whose bucket has had the longest time to fill. A
full bucket is as good as none.

Call order: `admit` for each request.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

MAX_BUCKETS: Final = 4096  # for peers, and as many for networks: half a megabyte each
GROUP_SHARES: Final = 8  # peers at full rate in one network: a household, or a carrier's few at a time
TOTAL_SHARES: Final = 32  # peers at full rate in all


class Buckets:
    """Token buckets by key.

    Args:
        rate_per_s: the tokens that a bucket gains each second.
        burst: the tokens that it holds at most.
    """

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._levels: dict[Hashable, tuple[float, float]] = {}  # tokens, and when they were counted

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: Hashable, now: float) -> float:
        """Return how many tokens are in a bucket."""
        tokens, then = self._levels.get(key, (self._burst, now))
        return min(self._burst, tokens + max(0.0, now - then) * self._rate_per_s)

    def take(self, key: Hashable, cost: float, now: float) -> None:
        """Draw a cost from a bucket; check its level first.

        Args:
            key: the bucket.
            cost: in tokens.
            now: the monotonic time in seconds.
        """
        _put_last(self._levels, key, (self.level(key, now) - cost, now))


class Uses:
    """Recent use by key: sums that fade.

    Args:
        fade_s: the time constant of the fading.
    """

    def __init__(self, fade_s: float) -> None:
        self._fade_s = fade_s
        self._sums: dict[Hashable, tuple[float, float]] = {}  # and when they were counted

    def used(self, key: Hashable, now: float) -> float:
        """Return how much is left of a key's sum."""
        used, then = self._sums.get(key, (0.0, now))
        return used * math.exp(-max(0.0, now - then) / self._fade_s)

    def add(self, key: Hashable, cost: float, now: float) -> None:
        """Add to a key's sum.

        Args:
            key: the user.
            cost: what it used.
            now: the monotonic time in seconds.
        """
        _put_last(self._sums, key, (self.used(key, now) + cost, now))


def _put_last(table: dict[Hashable, tuple[float, float]], key: Hashable, entry: tuple[float, float]) -> None:
    """Set an entry as the latest of a table; a full table drops its first."""
    table.pop(key, None)
    if len(table) >= MAX_BUCKETS:
        del table[next(iter(table))]
    table[key] = entry


class Fairness:
    """The shares of all peers.

    Args:
        rate_per_s: of one peer, in the unit of the costs.
        burst: of one peer, at once.
        group_shares: how many peers' shares one network has.
        total_shares: how many peers' shares there are in all.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: float,
        *,
        group_shares: int = GROUP_SHARES,
        total_shares: int = TOTAL_SHARES,
    ) -> None:
        self._peers = Buckets(rate_per_s, burst)
        self._groups = Buckets(rate_per_s * group_shares, burst * group_shares)
        self._all = Buckets(rate_per_s * total_shares, burst * total_shares)
        self._group_uses = Uses(burst * total_shares / (rate_per_s * group_shares) / 2)

    def admit(self, peer: Hashable, group: str, cost: float, now: float) -> bool:
        """Draw a cost from the buckets of a peer, its network and all; return whether they held it.

        Args:
            peer: the peer that asks.
            group: its network.
            cost: in the unit of the rate.
            now: the monotonic time in seconds.
        """
        buckets = ((self._peers, peer), (self._groups, group), (self._all, None))
        if any(table.level(key, now) < cost for table, key in buckets):
            return False
        if self._group_uses.used(group, now) + cost > self._all.level(None, now):
            return False  # the rest is for networks that have used less
        self._group_uses.add(group, cost, now)
        for table, key in buckets:
            table.take(key, cost, now)
        return True
