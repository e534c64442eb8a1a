"""Whether others fill the queue of a link: only then the rate that playback needs is kept up against them.

Our own queue drains when we send less than the link gives; a queue of others stays. So the law of `pacing.py`
yields to any queue first. If most of the queue is still there after some rounds, it is not ours, and yielding
further would leave the link to the others: the rate that playback needs is kept. It is given up again when
the queue is gone, when it grows to twice its length, or when less comes than was requested: then the link
gives less than playback needs, and keeping on would only fill its queue.
"""

from __future__ import annotations

from typing import Final

YIELDED_ROUNDS: Final = 3  # the law takes out four fifths of a queue in these
_LEFT = 0.5  # of the queue after these: others fill it
_GROWN = 2.0  # times as long as it was: it is our rate that fills it
KEPT_UP: Final = 0.9  # of what was asked for came: the link held nothing up


class Crowd:
    """The queue of one flow, round by round; `is_there` is whether others fill it."""

    def __init__(self) -> None:
        self.is_there = False
        self._rounds = 0  # in which we yielded
        self._from_s = 0.0  # the queue when they began

    def on_round(
        self, queue_s: float, target_s: float, rate_bytes_per_s: float, asked_bytes_per_s: float
    ) -> None:
        """Note the figures of a round.

        Args:
            queue_s: how long the queue is.
            target_s: how long it is to be.
            rate_bytes_per_s: the mean rate of the last rounds.
            asked_bytes_per_s: the pace that was requested.
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
