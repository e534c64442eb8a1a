"""What others have a server make, in turn: bounded in all, for each network, and by the work that it is.

Anybody may open a track, and so have its renditions made again, which takes seconds to minutes of a core. So
few orders wait, few of them are one network's, and each peer, each network and all together have a share of
the sound that is encoded (`fairness.py`). What cannot be made is not tried again.

Call order: `put`; then `take` until there is none, and `fail` for one that could not be made; `end`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Final

from lightpeer.core.guard.fairness import Fairness

MAX_ORDERS: Final = 8  # two minutes of work, for tracks of four minutes
MAX_OF_NETWORK: Final = 2  # what is played now, and what comes next
SOUND_PER_S: Final = 2.0  # seconds of sound for one peer in the long run: twice what it can hear
SOUND_AT_ONCE: Final = 7200.0  # thirty tracks, for a person that skips
NETWORK_SHARES: Final = 2
ALL_SHARES: Final = 8  # 16 seconds of sound in each: most of what a core of a laptop encodes
MAX_FAILED: Final = 4096  # a quarter of a megabyte


class Orders:
    """The tracks that are to be made, and the one that is being made; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, str] = OrderedDict()  # and the network that asked
        self._begun: bytes | None = None
        self._failed: OrderedDict[bytes, None] = OrderedDict()
        self._fairness = Fairness(
            SOUND_PER_S, SOUND_AT_ONCE, group_shares=NETWORK_SHARES, total_shares=ALL_SHARES
        )

    def __len__(self) -> int:
        return len(self._waiting)

    def may_put(self, track_id: bytes, group: str) -> bool:
        """Return whether a track is not on order yet, and a network may order it."""
        is_on_order = track_id in self._waiting or track_id == self._begun
        if is_on_order or track_id in self._failed or len(self._waiting) >= MAX_ORDERS:
            return False
        return Counter(self._waiting.values())[group] < MAX_OF_NETWORK

    def put(self, track_id: bytes, sound_s: float, by: tuple[Hashable, str], now: float) -> bool:
        """Order a track; return whether that is new, and within all shares.

        Args:
            track_id: which.
            sound_s: its length.
            by: the peer that asks, and its network.
            now: the time.
        """
        peer, group = by
        if not self.may_put(track_id, group):
            return False
        if not self._fairness.admit(peer, group, min(sound_s, SOUND_AT_ONCE), now):
            return False
        self._waiting[track_id] = group
        return True

    def take(self) -> bytes | None:
        """Return the track that is to be made now, None if there is none; the one before is over."""
        self._begun = self._waiting.popitem(last=False)[0] if self._waiting else None
        return self._begun

    def end(self) -> None:
        """Note that nothing is being made any more, whatever came of it."""
        self._begun = None

    def fail(self, track_id: bytes) -> None:
        """Note that a track cannot be made."""
        self._failed[track_id] = None
        while len(self._failed) > MAX_FAILED:
            self._failed.popitem(last=False)

    def forget(self, track_id: bytes) -> None:
        """Note that a track is another than before, or gone."""
        self._failed.pop(track_id, None)
        self._waiting.pop(track_id, None)
