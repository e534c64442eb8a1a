"""Token buckets: what each of many may cost us, at once and in the long run.

A bucket holds `burst` tokens and gets `per_s` of them a second. The table is bounded: a full one
forgets who has refilled, which changes nothing, and then whoever is nearest to it, so that a flood of
new keys cannot wash away the memory of those that are spent.

Call order: `take` whenever a key asks for something; it is refused where that gives False.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

MAX_KEYS: Final = 1024  # about 200 kB; as many as peers that a server remembers


class Allowance:
    """So much at once, and so much a second, for each key."""

    def __init__(self, *, per_s: float, burst: float, max_keys: int = MAX_KEYS) -> None:
        self._per_s = per_s
        self._burst = burst
        self._max_keys = max_keys
        self._full_at: dict[Hashable, float] = {}  # when each bucket will be full again

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float, tokens: float = 1.0) -> bool:
        """Take tokens from a key's bucket; take none and return False where it has too few."""
        full_at = max(now, self._full_at.get(key, now)) + tokens / self._per_s
        if full_at - now > self._burst / self._per_s:
            return False
        if key not in self._full_at and len(self._full_at) >= self._max_keys:
            self._forget(now)
        self._full_at[key] = full_at
        return True

    def _forget(self, now: float) -> None:
        for key in [key for key, full_at in self._full_at.items() if full_at <= now]:
            del self._full_at[key]
        if len(self._full_at) >= self._max_keys:
            del self._full_at[min(self._full_at, key=self._full_at.__getitem__)]
