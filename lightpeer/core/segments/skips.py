"""Skipping through a queue: when the track that was skipped to is opened, and how much is asked at once.

A single skip is obeyed at once. Of several in a row only the last counts: data requested at each of them
would come all the same, and on a slow link it delays the track that is wanted.
"""

from __future__ import annotations

import math
from typing import Final

STORM_S: Final = 1.5  # between two skips that belong together
SETTLED_S: Final = 0.6  # after the last of them: slower than a key repeats or a thumb presses
RECENT_S: Final = 3.0  # after which a listener seems to have arrived
INLINE_S: Final = 0.5  # of the link, for what comes with the Open while skipping
LEAST_INLINE_BYTES: Final = 3_000  # a table and a unit or two


class Skips:
    """The skips of one player; times are seconds."""

    def __init__(self) -> None:
        self._last_s = -math.inf
        self.open_at = -math.inf  # not before

    def on_skip(self, now: float) -> None:
        """Note a skip."""
        is_storm = now < self._last_s + STORM_S
        self._last_s = now
        self.open_at = now + SETTLED_S if is_storm else now

    def inline_bytes(self, most: int, rate_bytes_per_s: float, now: float) -> int:
        """Return how many bytes to ask for with the Open.

        Args:
            most: bytes, if nobody is skipping.
            rate_bytes_per_s: the link's rate, 0 if it is unknown.
            now: the time in seconds.
        """
        if now >= self._last_s + RECENT_S or not rate_bytes_per_s:
            return most
        return min(most, max(LEAST_INLINE_BYTES, int(INLINE_S * rate_bytes_per_s)))
