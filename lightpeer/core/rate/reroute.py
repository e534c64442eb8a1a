"""Whether a delay that looks like a queue is the path's own, since the route has changed.

A queue drains when less is sent than the link gives, and grows when more is. A delay that stays as it is
while no more comes than was paced does neither.
"""

from __future__ import annotations

from typing import Final

ODD_ROUNDS: Final = 3  # a handover's spike is over by then
_STEADY_SHARE = 0.25  # of the excess: half of what the law of `pacing.py` drains in a round
_TOLERATED_S = 0.008  # over the target: less is noise, and no reason to doubt the route


class RouteWatch:
    """What the round trips of one flow's rounds tell of its route."""

    def __init__(self) -> None:
        self._odd_rounds = 0  # in a row
        self._stood_s = 0.0  # the standing round trip when the last round ended

    def on_round(self, standing_s: float, excess_s: float, *, is_as_paced: bool) -> bool:
        """Note a round; return whether the standing round trip is the route's from now on.

        Args:
            standing_s: the standing round trip.
            excess_s: how much longer the queue seems than its target.
            is_as_paced: whether as much came as was paced: it came out of no queue.
        """
        is_steady = abs(standing_s - self._stood_s) < _STEADY_SHARE * excess_s
        self._stood_s = standing_s
        is_odd = is_as_paced and is_steady and excess_s > _TOLERATED_S
        self._odd_rounds = self._odd_rounds + 1 if is_odd else 0
        if self._odd_rounds < ODD_ROUNDS:
            return False
        self._odd_rounds = 0
        return True
