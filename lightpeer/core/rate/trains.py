"""Packet trains: units sent in one burst, which tell how much the bottleneck gives.

The units of a burst leave the bottleneck at the bottleneck's rate, so their spacing on arrival tells it. This
is packet dispersion (Dovrolis et al., INFOCOM 2001). The first unit starts the clock, and three more are
needed, since fewer measure the timers of both ends.

A start-up without a known rate is one train. Later ones are short, and sent when the queue is gone though
nothing drained it, or after a dead zone; `Flow` decides that, and pays back what a train sent ahead.
"""

from __future__ import annotations

import math
from typing import Final

from lightpeer.core.rpc.reply_burst import TRAIN_GAPS
from lightpeer.core.udp.datagram import MAX_PAYLOAD

TRAIN_BYTES: Final = 5 * MAX_PAYLOAD  # one unit more than a measurement needs: one may be lost
_LEAST_S = 0.0001  # in less, several packets were handed over at once
_LOST_RTTS = 3.0  # without it: its PULL was lost


class PacketTrain:
    """Units that are sent in one burst.

    Attributes:
        pulled_at: when the PULL was sent that it answers; None if it is the first units that come.
        is_over: whether all of it has come.
    """

    def __init__(self, size: int, pulled_at: float | None = None) -> None:
        """Expect `size` bytes in answer to the PULL that was sent then; None: the first that come."""
        self.pulled_at = pulled_at
        self.is_over = False
        self._left = size
        self._bytes = 0
        self._start: float | None = None

    def add(self, size: int, now: float) -> float | None:
        """Count a unit of it; return the rate in bytes a second, as far as it is known yet."""
        self._left -= size
        self.is_over = self._left < size  # the last may be shorter
        if self._start is None:
            self._start = now
            return None
        self._bytes += size
        length = now - self._start
        if self._bytes < TRAIN_GAPS * size or length < _LEAST_S:
            return None
        return self._bytes / length


class Trains:
    """The trains of one flow.

    Attributes:
        is_due: whether the next PULL is to be answered by a train.
        next_at: when the next may be due, in seconds; infinity while the first is under way.
        under_way: the train that was sent, until it is over; None if there is none.
    """

    def __init__(self, first_bytes: int, known_bytes_per_s: float = 0.0) -> None:
        """Begin with a train of the first bytes, 0 for none; `known_bytes_per_s` is the rate known before."""
        self.is_due = False
        self.under_way = PacketTrain(first_bytes) if first_bytes else None
        self.next_at = math.inf if first_bytes else 0.0
        self._known_bytes_per_s = known_bytes_per_s

    def send(self, known_bytes_per_s: float, round_trip_s: float, now: float) -> None:
        """Note that the PULL sent now is answered by a train.

        Args:
            known_bytes_per_s: the rate that is known; the train tells of more or nothing.
            round_trip_s: how long its answer takes.
            now: the time in seconds.
        """
        self.under_way = PacketTrain(TRAIN_BYTES, now)
        self.is_due = False
        self.next_at = now + _LOST_RTTS * round_trip_s
        self._known_bytes_per_s = known_bytes_per_s

    def add(self, size: int, round_trip_s: float, now: float) -> float | None:
        """Count a unit of the train under way; return the rate if it is greater than what was known.

        Args:
            size: the bytes of the unit.
            round_trip_s: as long as the effect of a train that is over is not seen.
            now: when the unit came.
        """
        assert self.under_way is not None, "the caller looks"
        rate = self.under_way.add(size, now)
        if self.under_way.is_over:
            self.end(round_trip_s, now)
        return rate if rate is not None and rate > self._known_bytes_per_s else None

    def end(self, round_trip_s: float, now: float) -> None:
        """End the train under way; none follows within a round trip, when its effect is not seen."""
        self.under_way = None
        self.next_at = now + round_trip_s

    def put_off(self, until: float) -> None:
        """Have none due before that time."""
        self.next_at = max(self.next_at, until)
