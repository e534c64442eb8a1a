"""The guard against replays: the nonces of the last ten minutes, in bounded memory.

When a nonce is forgotten, every call sealed no later than it becomes stale. So a flood, which makes room by
forgetting the oldest nonces, narrows the window, and setting back the clock changes nothing: neither lets a
replay through. A time that is forgotten must not lie ahead, or a flood of future times would make all other
calls stale. So times ahead of our clock have half of the memory at most, and one network has a share of the
room that is left there: a network that fills its share leaves room for others.

Call order, with nothing in between: `check_fresh`, then `remember` once the signature is verified.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Final, NamedTuple

from lightpeer.errors import SealError

WINDOW_PAST_MS: Final = 540_000  # with the next: nonces are remembered for ten minutes
WINDOW_FUTURE_MS: Final = 60_000
NONCES_REMEMBERED: Final = 16_384  # 27 calls a second for the whole window, about 3 MB
NETWORK_SHARE: Final = 8  # one network may have an eighth of the room that is left


class Origin(NamedTuple):
    """The origin of a call.

    Attributes:
        network: an IPv4 address, or an IPv6 /48, as one site is given (see `addresses.network_of`).
        group: the group of networks that are likely to be under one control.
    """

    network: str
    group: str


NOWHERE: Final = Origin("", "")  # for tests, and where origins do not matter


class ReplayGuard:
    """The nonces that were received."""

    def __init__(self, capacity: int = NONCES_REMEMBERED, *, since_ms: int = 0) -> None:
        """Remember at most `capacity` nonces; refuse times before `since_ms`, which were not watched."""
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._by_time: list[tuple[int, bytes]] = []
        self._ahead: list[tuple[int, Origin]] = []  # those that were ahead at the last look
        self._networks: Counter[str] = Counter()  # of those
        self._groups: Counter[str] = Counter()
        self._floor_ms = since_ms - 1

    def check_fresh(self, time_ms: int, now_ms: int, origin: Origin) -> None:
        """Check the sealing time of a call.

        Args:
            time_ms: the time of sealing, Unix.
            now_ms: our clock.
            origin: the origin of the call.

        Raises:
            SealError: "stale", as the time is outside the window around ours.
        """
        oldest = max(self._floor_ms + 1, now_ms - WINDOW_PAST_MS)
        ahead_ms = WINDOW_FUTURE_MS if time_ms > now_ms and self._may_be_ahead(now_ms, origin) else 0
        if not oldest <= time_ms <= now_ms + ahead_ms:
            raise SealError("stale", "the message was sealed at another time: check the clock")

    def remember(self, key: bytes, time_ms: int, now_ms: int, origin: Origin) -> None:
        """Note the nonce of a verified call.

        Args:
            key: the signer and the nonce.
            time_ms: the time of sealing, Unix.
            now_ms: our clock.
            origin: the origin of the call.

        Raises:
            SealError: "replayed", as the nonce was seen before.
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
        """Return whether there is room for one more time ahead of our clock, from this origin."""
        while self._ahead and self._ahead[0][0] <= now_ms:
            _, past = heapq.heappop(self._ahead)
            for counts, name in ((self._networks, past.network), (self._groups, past.group)):
                counts[name] -= 1
                if not counts[name]:
                    del counts[name]
        left = self._capacity // 2 - len(self._ahead)
        return self._networks[origin.network] * NETWORK_SHARE < left and self._groups[origin.group] < left
