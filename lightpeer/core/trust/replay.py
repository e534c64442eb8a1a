"""Which calls were received before: the nonces of the last ten minutes, in bounded memory.

Whatever was sealed no later than what was forgotten is stale from then on. So a flood, which makes room by
forgetting the oldest, narrows the window, and a clock that is set back changes nothing: neither lets a replay
through. What is forgotten must not be later than the present, or a flood of times ahead would make all
others stale. So those ahead of our clock have half of the memory at most; and as many as are left there bound
how many more a network may have: whoever fills it leaves something to those who come from elsewhere.

Call order, without anything between for a call: `check_fresh`, and `remember` once its signature is verified.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Final, NamedTuple

from lightpeer.errors import SealError

WINDOW_PAST_MS: Final = 540_000  # with the next: nonces are remembered for ten minutes
WINDOW_FUTURE_MS: Final = 60_000
NONCES_REMEMBERED: Final = 16_384  # 27 calls a second for the whole window, about 3 MB
NETWORK_SHARE: Final = 8  # a network may have an eighth of what is left


class Origin(NamedTuple):
    """Where a call comes from.

    Attributes:
        network: what one site is given: an IPv4 address, or an IPv6 /48 (see `addresses.network_of`).
        group: the networks that are likely to be under one control with it.
    """

    network: str
    group: str


NOWHERE: Final = Origin("", "")  # where nobody asks


class ReplayGuard:
    """The nonces that were received."""

    def __init__(self, capacity: int = NONCES_REMEMBERED, *, since_ms: int = 0) -> None:
        """Take how many nonces to remember, and since when: what is older may have been seen before that."""
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._by_time: list[tuple[int, bytes]] = []
        self._ahead: list[tuple[int, Origin]] = []  # the times that were ahead when we looked last
        self._networks: Counter[str] = Counter()  # of those
        self._groups: Counter[str] = Counter()
        self._floor_ms = since_ms - 1

    def check_fresh(self, time_ms: int, now_ms: int, origin: Origin) -> None:
        """Raise SealError "stale" for a sealing time outside the window around `now_ms`."""
        oldest = max(self._floor_ms + 1, now_ms - WINDOW_PAST_MS)
        ahead_ms = WINDOW_FUTURE_MS if time_ms > now_ms and self._may_be_ahead(now_ms, origin) else 0
        if not oldest <= time_ms <= now_ms + ahead_ms:
            raise SealError("stale", "the message was sealed at another time: check the clock")

    def remember(self, key: bytes, time_ms: int, now_ms: int, origin: Origin) -> None:
        """Note a verified nonce; raise SealError "replayed" if it was seen before.

        Args:
            key: the signer and the nonce.
            time_ms: of sealing.
            now_ms: by our clock.
            origin: where the call comes from.
        """
        if key in self._seen:
            raise SealError("replayed", "the message was received before")
        self._seen.add(key)
        heapq.heappush(self._by_time, (time_ms, key))
        if time_ms > now_ms:
            heapq.heappush(self._ahead, (time_ms, origin))
            self._networks[origin.network] += 1
            self._groups[origin.group] += 1
        oldest_ms = now_ms - WINDOW_PAST_MS
        while self._by_time and (self._by_time[0][0] < oldest_ms or len(self._by_time) > self._capacity):
            self._floor_ms, forgotten = heapq.heappop(self._by_time)
            self._seen.discard(forgotten)

    def _may_be_ahead(self, now_ms: int, origin: Origin) -> bool:
        """Tell whether there is room for one more time ahead of our clock, from a network."""
        while self._ahead and self._ahead[0][0] <= now_ms:
            _, past = heapq.heappop(self._ahead)
            for counts, name in ((self._networks, past.network), (self._groups, past.group)):
                counts[name] -= 1
                if not counts[name]:
                    del counts[name]
        left = self._capacity // 2 - len(self._ahead)
        return self._networks[origin.network] * NETWORK_SHARE < left and self._groups[origin.group] < left
