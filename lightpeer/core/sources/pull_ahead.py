"""How many segments are asked for ahead on a `Streams.Pull` call.

TCP has a window of its own, but on a thin link all requested data stands in one queue: lost packets are sent
again behind the rest, and the call falls silent for as long as the queue lasts. So the number of requests
doubles while answers come soon, and is halved once they come late.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MOST: Final = 8
FEWEST: Final = 2  # one is answered while the other is on its way; but for the first
SLOW_S: Final = 3.0  # from the question to the answer: more than any round trip, and what it takes to send


class PullAhead:
    """The segments of one call."""

    def __init__(self) -> None:
        """Begin with one: where a dead zone has just ended, all that was asked for comes over UDP as well."""
        self.segments = 1
        self._asked_at: deque[float] = deque()

    @property
    def free(self) -> int:
        """How many more may be asked for."""
        return max(0, self.segments - len(self._asked_at))

    def on_asked(self, count: int, now: float) -> None:
        """Note that `count` segments were asked for."""
        self._asked_at.extend([now] * count)

    def on_answer(self, now: float) -> None:
        """Note the answer to the oldest request."""
        if now - self._asked_at.popleft() > SLOW_S:
            self.segments = max(min(FEWEST, self.segments), self.segments // 2)
        else:
            self.segments = min(2 * self.segments, MOST)
