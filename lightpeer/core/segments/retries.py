"""When to try again after a failure of the network, and when an answer makes that pointless.

If no peer could be asked, the network is to blame: tries go on for ever, less and less often. The time that a
try took counts as part of the wait, for the cause of a long one may be over. If peers answered, that counts:
after a few answers in a row, spread over some time, nobody has it.
"""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 10.0  # the network is back for so long at most before it is noticed
ANSWERS: Final = 4  # over seven seconds: a server that is being started again is back by then


class Retries:
    """The tries of one thing."""

    def __init__(self) -> None:
        self._again_s = FIRST_S
        self._answers = 0

    def next_s(self, took_s: float, *, was_answered: bool) -> float | None:
        """Return how long to wait after a try that failed after `took_s`; None if another is pointless."""
        self._answers = self._answers + 1 if was_answered else 0
        if self._answers == ANSWERS:
            return None
        again_s, self._again_s = self._again_s, min(2 * self._again_s, LONGEST_S)
        return max(FIRST_S, again_s - took_s)
