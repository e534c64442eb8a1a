"""When to try again after a failure of the network, and when an answer makes that pointless.

If no peer could be asked, the network is to blame: tries go on for ever, less and less often. The time that a
try took counts as part of the wait, for the cause of a long one may be over. If peers answered, that counts:
after a few answers in a row, spread over some time, nobody has it. A peer that is said to have it and is away
may come back; where something else can be heard, that is waited for only a while.
"""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 10.0  # the network is back for so long at most before it is noticed
ANSWERS: Final = 4  # over seven seconds: a server that is being started again is back by then
AWAY_S: Final = 60.0  # of answers that it is elsewhere, where nobody can be reached


class Retries:
    """The tries of one thing."""

    def __init__(self) -> None:
        self._again_s = FIRST_S
        self._answers = 0
        self._away_s = 0.0

    def next_s(self, took_s: float, *, was_answered: bool, is_away: bool = False) -> float | None:
        """Return how long to wait for the next try, in seconds; None if it is pointless.

        Args:
            took_s: after how long the last one failed.
            was_answered: whether peers said that they do not have it.
            is_away: whether peers named others, who cannot be reached, and something else can be heard.
        """
        self._answers = self._answers + 1 if was_answered else 0
        self._away_s = self._away_s + took_s if is_away else 0.0
        if self._answers == ANSWERS or self._away_s >= AWAY_S:
            return None
        again_s = max(FIRST_S, self._again_s - took_s)
        self._again_s = min(2 * self._again_s, LONGEST_S)
        self._away_s += again_s if is_away else 0.0
        return again_s
