"""When to ask again for what a peer is making: soon at first, then less often, until patience is over.

A file of four minutes is ready after some ten seconds, and a short one after one. The last question is asked
when patience ends.
"""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 4.0  # a question costs some 300 bytes


class Patience:
    """The wait of one search; all times are monotonic seconds."""

    def __init__(self, wait_s: float, now: float) -> None:
        """Begin to wait, for so many seconds at most."""
        self._until = now + wait_s
        self._again_s = FIRST_S

    def next_s(self, now: float) -> float | None:
        """Return how long to wait before it is asked again; None once patience is over."""
        left_s = self._until - now
        if left_s <= 0:
            return None
        again_s = min(self._again_s, left_s)
        self._again_s = min(2 * self._again_s, LONGEST_S)
        return again_s
