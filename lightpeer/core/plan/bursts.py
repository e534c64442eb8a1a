"""When data is fetched: in bursts, as deep as the bound allows, with rests between for the radio.

Fetching goes on at full speed until the buffer is full, then rests until three quarters of that is left, and
80 s at most: more than outages last, and less fetching for those who stop. It is full at the bound in bytes,
or at a depth in seconds that grows while somebody listens, so that skipping through tracks wastes little.

Once all that there is room for is here or on its way, a burst takes in nothing further, but what came may
still be replaced by better. Else each segment that is heard meanwhile would make room for another, and over a
long path there would be no rest. For the same reason the depth grows in steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FIRST_DEPTH_S: Final = 120.0  # rests leave the insurance (insurance.py); doubled with each minute heard
MOST_DEPTH_S: Final = 3600.0
LOW_SHARE: Final = 0.75
MOST_LOW_S: Final = 80.0


@dataclass(slots=True)
class Listening:
    """How long somebody has listened since the last skip, over all tracks of a queue, in seconds."""

    heard_s: float = 0.0


class Bursts:
    """The fetching of one track.

    Attributes:
        fetching: whether it is time to fetch.
        end: the segment from which on this burst takes in nothing; infinity while it is not known.
    """

    def __init__(self, listening: Listening | None = None) -> None:
        self.listening = listening or Listening()
        self.fetching, self.end = True, math.inf
        self._full_s = self._low_s = 0.0

    @property
    def depth_s(self) -> float:
        """Seconds of sound that may be fetched ahead."""
        minutes = int(self.listening.heard_s // 60)
        return min(MOST_DEPTH_S, FIRST_DEPTH_S * 2.0 ** min(minutes, 10))

    def update(self, ahead_s: float) -> None:
        """Fetch again if so little is ahead, here or on its way."""
        if not self.fetching and ahead_s < self._low_s:
            self.restart()

    def close(self, end: int, ahead_s: float) -> None:
        """Take in nothing further from this segment on: what is before it is here or on its way."""
        if end < self.end:
            self.end, self._full_s = end, ahead_s

    def on_full(self, ahead_s: float) -> None:
        """Rest: all that there is room for is here or on its way, so many seconds of sound."""
        self.fetching = False
        self._low_s = min(MOST_LOW_S, LOW_SHARE * max(ahead_s, self._full_s))
        self._full_s = 0.0

    def restart(self) -> None:
        """Begin a burst."""
        self.fetching, self.end = True, math.inf
