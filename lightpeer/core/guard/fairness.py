"""Fair shares of what a server does for others: token buckets for each peer, each network, and all.

A bucket fills at a steady rate up to its burst, and what is asked takes out of it what
it costs. Ids cost nothing to make, so a peer's bucket alone would bound nobody; its
network's does (`addresses.network_group`), and one for all bounds what the server does
at all. An admission is paid from all three, or from none.

The bucket for all is not first come, first served, or a handful of networks would empty
it for everybody else: a network may have used no more lately than that bucket still
holds. So whoever uses much leaves something, and who comes new finds it. It is how
switches share their memory among ports (Choudhury and Hahne, "Dynamic queue length
thresholds for shared-memory packet switches", 1998). "Lately" fades with a time constant
in which one network alone, at its full rate, uses half of what that bucket holds: it is
not held up while it is alone.

The tables are bounded: who asked least lately gives way. Its bucket has had the longest
time to fill, and a full bucket is as good as none.

Call order: `admit` whenever something is asked.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

MAX_BUCKETS: Final = 4096  # for peers, and again for networks: half a megabyte each
GROUP_SHARES: Final = 8  # peers at full rate in one network: a household, or a carrier's few at a time
TOTAL_SHARES: Final = 32  # peers at full rate in all


class Buckets:
    """Token buckets by key, all with the same rate and burst."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        """Take how fast a bucket fills, and what it holds."""
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._levels: dict[Hashable, tuple[float, float]] = {}  # tokens, and when there were so many

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: Hashable, now: float) -> float:
        """Return how much is in a bucket."""
        tokens, then = self._levels.get(key, (self._burst, now))
        return min(self._burst, tokens + max(0.0, now - then) * self._rate_per_s)

    def take(self, key: Hashable, cost: float, now: float) -> None:
        """Take something out; the level must be looked at first."""
        _put_last(self._levels, key, (self.level(key, now) - cost, now))


class Uses:
    """What was taken lately, by key: sums that fade."""

    def __init__(self, fade_s: float) -> None:
        """Take the time constant of the fading."""
        self._fade_s = fade_s
        self._sums: dict[Hashable, tuple[float, float]] = {}  # and when it was so much

    def used(self, key: Hashable, now: float) -> float:
        """Return what is left of the sum of a key."""
        used, then = self._sums.get(key, (0.0, now))
        return used * math.exp(-max(0.0, now - then) / self._fade_s)

    def add(self, key: Hashable, cost: float, now: float) -> None:
        """Add something to the sum of a key."""
        _put_last(self._sums, key, (self.used(key, now) + cost, now))


def _put_last(table: dict[Hashable, tuple[float, float]], key: Hashable, entry: tuple[float, float]) -> None:
    """Set an entry as the latest of a table; in a full one the first gives way."""
    table.pop(key, None)
    if len(table) >= MAX_BUCKETS:
        del table[next(iter(table))]
    table[key] = entry


class Fairness:
    """Who may still have how much done."""

    def __init__(
        self,
        rate_per_s: float,
        burst: float,
        *,
        group_shares: int = GROUP_SHARES,
        total_shares: int = TOTAL_SHARES,
    ) -> None:
        """Take one peer's share, in whatever unit costs are given, and how many of them others get."""
        self._peers = Buckets(rate_per_s, burst)
        self._groups = Buckets(rate_per_s * group_shares, burst * group_shares)
        self._all = Buckets(rate_per_s * total_shares, burst * total_shares)
        self._group_uses = Uses(burst * total_shares / (rate_per_s * group_shares) / 2)

    def admit(self, peer: Hashable, group: str, cost: float, now: float) -> bool:
        """Take a cost out of the buckets of a peer, its network and all, and tell whether they held it."""
        buckets = ((self._peers, peer), (self._groups, group), (self._all, None))
        if any(table.level(key, now) < cost for table, key in buckets):
            return False
        if self._group_uses.used(group, now) + cost > self._all.level(None, now):
            return False  # the rest is for those who have used less
        self._group_uses.add(group, cost, now)
        for table, key in buckets:
            table.take(key, cost, now)
        return True
