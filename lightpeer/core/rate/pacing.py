"""How fast one source is asked to send: a law that keeps the queue of the link at its target.

    pace = delivery rate x (1 + (target - queue) / (2 round trips and units))

The law is proportional to the queue (cf. BBR, draft-cardwell-iccrg-bbr-congestion-control; its target is that
of LEDBAT, RFC 6817, on the receiver's side as in draft-irtf-iccrg-rledbat). A target in seconds, unlike the
packets for each flow of Vegas or Copa, is the same for all sources of a stream: the link that they share has
one queue, not one for each.

For a round trip the pace can be lower than the law's: to empty the queue, so that it never becomes the base
of the path, or to pay back what was sent ahead.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.rate.crowd import KEPT_UP
from lightpeer.core.udp.datagram import DATA_OVERHEAD, MAX_PAYLOAD, MIN_PACE_BYTES_PER_S, UDP_HEADER_BYTES

if TYPE_CHECKING:
    from lightpeer.core.rate.meters import PathDelay

FIRST_PACE_BYTES_PER_S: Final = 1_000_000  # faster than the access links of phones: a burst for all of them
TARGET_S: Final = 0.030  # a third of what LEDBAT may add (RFC 6817 section 2.4.2), above a radio's jitter

_TARGET_BYTES = MAX_PAYLOAD  # on slow links: with less in the queue the link stops between two units
_GAIN_RTTS = 2.0  # the loop's delay is one and a half; a faster law swings
_MIN_GAIN = 0.5  # half, as everybody's congestion control does at worst
_MAX_GAIN = 2.0  # double, as in slow start
_MAX_DRAIN = 0.5  # of a round trip's bytes
_DRAINING_TARGETS = 2  # of a queue: the law drains it already, and a fade's round trip is long
_SETTLED_RTTS = 3  # after which the queue is back that was drained
_NO_MORE = 1.02  # than what was paced: it came out of no queue that drains
_FREE_SHARE = 0.25  # of the target: no queue
_DATAGRAM_SHARE = (MAX_PAYLOAD + DATA_OVERHEAD + UDP_HEADER_BYTES) / MAX_PAYLOAD  # a pace counts headers


class Pacing:
    """The pace of one flow.

    Attributes:
        bytes_per_s: the latest pace by the law, without headers.
        recent: the paces as the last two rounds ended: data comes at these.
        target_s: how long the queue is to be.
    """

    def __init__(self, first_bytes_per_s: float, delay: PathDelay, *, is_settled: bool) -> None:
        """Begin with a first pace; see `seems_free` for `is_settled`."""
        self.bytes_per_s = first_bytes_per_s
        self.recent = deque([first_bytes_per_s], maxlen=2)
        self.target_s = TARGET_S
        self._delay = delay
        self._drain_until = 0.0
        self._drain_gain = 1.0
        self._settled_at = 0.0 if is_settled else math.inf  # when the queue is back after that

    def tune(self, link_bytes_per_s: float) -> None:
        """Adapt the target to the rate of the whole link."""
        self.target_s = max(TARGET_S, _TARGET_BYTES / link_bytes_per_s)

    def pace_bytes_per_s(self, rate_bytes_per_s: float, floor_bytes_per_s: float, now: float) -> int:
        """Return the pace to ask for, which counts the headers of datagrams.

        Args:
            rate_bytes_per_s: what the source delivered lately.
            floor_bytes_per_s: the least pace.
            now: the time in seconds.
        """
        self.bytes_per_s = max(rate_bytes_per_s * self._gain(rate_bytes_per_s, now), floor_bytes_per_s)
        return clamped(self.bytes_per_s * _DATAGRAM_SHARE)

    def drain(self, queue_s: float, rate_bytes_per_s: float, now: float) -> None:
        """Let a queue run empty in a round trip, unless it drains already.

        Args:
            queue_s: how long it is.
            rate_bytes_per_s: what the source delivered lately.
            now: the time in seconds.
        """
        standing_s = self._delay.standing_s
        if standing_s is not None and self._delay.queue_s < _DRAINING_TARGETS * self.target_s:
            self.slow_down(max(queue_s, self.target_s), standing_s, now)
            self._settled_at = now + _SETTLED_RTTS * (standing_s + _unit_s(rate_bytes_per_s))

    def slow_down(self, queue_s: float, round_trip_s: float, now: float) -> None:
        """Send less by so long a queue in the next round trip.

        Args:
            queue_s: how long the queue is that goes.
            round_trip_s: how long the next round trip is.
            now: the time in seconds.
        """
        self._drain_until = now + round_trip_s
        self._drain_gain = 1 - min(_MAX_DRAIN, queue_s / round_trip_s)

    def on_room(self) -> None:
        """Note that there was room for what was sent ahead: it need not be paid back."""
        self._drain_until = 0.0

    def seems_free(self, now: float) -> bool:
        """Return whether the queue is gone though nothing was done to drain it."""
        is_settled = self._delay.standing_s is not None and now >= max(self._settled_at, self._drain_until)
        return is_settled and self._delay.queue_s < _FREE_SHARE * self.target_s

    def is_rate_as_paced(self, rate_bytes_per_s: float) -> bool:
        """Return whether as much came as was paced."""
        return KEPT_UP * min(self.recent) <= rate_bytes_per_s <= _NO_MORE * max(self.recent)

    def _gain(self, rate_bytes_per_s: float, now: float) -> float:
        if now < self._drain_until:
            return self._drain_gain
        standing_s = self._delay.standing_s
        if standing_s is None:
            return 1.0
        loop_s = _GAIN_RTTS * (standing_s + _unit_s(rate_bytes_per_s))
        return max(_MIN_GAIN, min(1 + (self.target_s - self._delay.queue_s) / loop_s, _MAX_GAIN))


def clamped(pace_bytes_per_s: float) -> int:
    """Return the pace within what a PULL asks for."""
    return int(max(MIN_PACE_BYTES_PER_S, min(pace_bytes_per_s, FIRST_PACE_BYTES_PER_S)))


def _unit_s(rate_bytes_per_s: float) -> float:
    """Return how long a unit takes, by which the law's delay is longer; 0 before anything is measured."""
    return MAX_PAYLOAD / (rate_bytes_per_s or math.inf)
