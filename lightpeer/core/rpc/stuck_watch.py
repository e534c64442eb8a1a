"""Finds a client that asks for data and gives no room for it.

Its flow-control windows stay full while data waits here. An honest client reads what it asked for, even
while its listener pauses, so a client that takes nothing between two looks is gone or hostile. One that
takes a little is slow, and is waited for.

Call order: `begin` when data is held back; `look` when `due_s` is reached.
"""

from __future__ import annotations

import math
from typing import Final

STUCK_S: Final = 60.0
"""Between two looks."""


class StuckWatch:
    """The watch on one client.

    Attributes:
        due_s: when to look, or infinity.
    """

    def __init__(self) -> None:
        self.due_s = math.inf
        self._sent_before: int | None = None  # at the last look, if data was held back then

    def begin(self, now: float) -> bool:
        """Start to watch; return whether `due_s` has changed."""
        if self.due_s != math.inf:
            return False
        self.due_s = now + STUCK_S
        return True

    def look(self, now: float, sent_bytes: int, *, is_blocked: bool) -> bool:
        """Return whether the client is stuck.

        Args:
            now: the monotonic time in seconds.
            sent_bytes: how much the client was sent so far.
            is_blocked: whether data for it is held back by a full window.
        """
        if not is_blocked:
            self._sent_before, self.due_s = None, math.inf
        elif self._sent_before == sent_bytes:
            return True
        else:
            self._sent_before, self.due_s = sent_bytes, now + STUCK_S
        return False
