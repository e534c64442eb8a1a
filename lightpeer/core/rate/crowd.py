"""Whether others fill the queue of a link: what playback needs is kept up against them, and only then.

Our own queue drains when we send less than the link gives; one of others stays. So whoever meets a queue
yields first, as the law of `flow.py` does. If after some rounds most of the queue is still there it is
not ours, and to yield on would leave the link to them: the rate that playback needs is kept. It is given up
again when the queue is gone, when it grows to twice what it was, or when less comes than was asked for: then
the link gives less than playback needs, and to keep on would only fill its queue.
"""

from __future__ import annotations

from typing import Final

YIELDED_ROUNDS: Final = 3  # the law takes out four fifths of a queue in these
_LEFT = 0.5  # of the queue after these: others fill it
_GROWN = 2.0  # times as long as it was: it is our rate that fills it
KEPT_UP: Final = 0.9  # of what was asked for came: the link held nothing up


class Crowd:
    """What the rounds of one flow tell of others; `is_there` is the result."""

    def __init__(self) -> None:
        self.is_there = False
        self._rounds = 0  # in which we yielded
        self._from_s = 0.0  # the queue when they began

    def on_round(
        self, queue_s: float, target_s: float, rate_bytes_per_s: float, asked_bytes_per_s: float
    ) -> None:
        """Take what a round trip showed.

        Args:
            queue_s: how long the queue is.
            target_s: how long it is to be.
            rate_bytes_per_s: what came in the mean of the last rounds.
            asked_bytes_per_s: the pace at which it was to come.
        """
        excess_s = queue_s - target_s
        if excess_s <= target_s:  # noise, or soon over
            self.is_there, self._rounds = False, 0
        elif self.is_there:
            is_kept_up = rate_bytes_per_s >= KEPT_UP * asked_bytes_per_s
            self.is_there = is_kept_up and excess_s <= _GROWN * self._from_s
        elif not self._rounds:
            self._rounds, self._from_s = 1, excess_s
        elif self._rounds < YIELDED_ROUNDS:
            self._rounds += 1
        else:
            self._rounds = 0
            self.is_there = excess_s > _LEFT * self._from_s
