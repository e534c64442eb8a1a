"""The delay and the delivery rate of one path.

Round trips come from PULLs and their DATA, both on the receiver's clock, less the time that the server held
the unit. So clocks need not agree, and a drift counts only for the length of a hold. The base is the minimum
over 30 s in 3 s buckets: long enough to hold on to a moment without a queue, short enough to forget a route.
The standing round trip is the minimum over half of one, as in Copa (Arun and Balakrishnan, NSDI 2018): a
queue stands in all of them, a radio's link-layer repeat only in some. Their difference is the queue.

The delivery rate is that of rounds, each at least one round trip long and measured from arrival to arrival,
so that a busy bottleneck gives its rate exactly. The greatest of three rounds counts: longer maxima would
bloat the queue in a fade (cf. BBR, draft-cardwell-iccrg-bbr-congestion-control, whose filters are longer).
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from lightpeer.core.udp.round_trip import MIN_RTT_S, OUTAGE_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.udp.events import UnitArrived
    from lightpeer.core.udp.round_trip import SmoothedRtt

_BUCKET_S = 3.0
_BUCKETS = 10
_ROUNDS = 3
_SMALL = 0.75  # a unit under this share of the usual size passes a slow link sooner: no base for others
_FORGIVEN_LOSS = 0.1  # a share of what came: a radio's own losses (a few per cent), which scatter by round


class WindowedMinimum:
    """The minimum of the last `buckets` x `bucket_s` seconds, in constant memory."""

    def __init__(self, bucket_s: float = _BUCKET_S, buckets: int = _BUCKETS) -> None:
        self._bucket_s = bucket_s
        self._buckets: deque[tuple[int, float]] = deque(maxlen=buckets)
        self._kept = buckets
        self._minimum = math.inf  # as it was found at `_minimum_index`
        self._minimum_index: int | None = None  # the bucket of the time then; None if a bucket came since

    def add(self, value: float, now: float) -> None:
        """Count a sample."""
        index = int(now / self._bucket_s)
        if self._buckets and self._buckets[-1][0] == index:
            if value < self._buckets[-1][1]:
                self._buckets[-1] = (index, value)
                self._minimum = min(self._minimum, value)
        else:
            self._buckets.append((index, value))
            self._minimum_index = None

    def get(self, now: float) -> float | None:
        """Return the minimum, the newest bucket's where all are old, None before any sample."""
        index = int(now / self._bucket_s)
        if index != self._minimum_index:  # another bucket is too old, or there is a new one
            if not self._buckets:
                return None
            fresh = [value for bucket, value in self._buckets if bucket > index - self._kept]
            self._minimum = min(fresh) if fresh else self._buckets[-1][1]
            self._minimum_index = index
        return self._minimum


class PathDelay:
    """The round trips of one path, in seconds.

    Attributes:
        base_s: without a queue; None before the first.
        standing_s: at present, without spikes; None before the first.
        queue_s: the difference, which is our queue and that of others.
    """

    def __init__(self, rtt: SmoothedRtt) -> None:
        """Begin; `rtt` is the mean of the round trips that `add` is given, kept by the receiver."""
        self.base_s: float | None = None
        self.standing_s: float | None = None
        self.queue_s = 0.0
        self._rtt = rtt
        self._usual_bytes = 0.0  # of a unit
        self._since = -math.inf  # units that were requested before tell of another link
        self._base = WindowedMinimum()
        self._recent: deque[tuple[float, float]] = deque()  # (time, round trip): both rising

    def add(self, arrivals: Iterable[UnitArrived]) -> None:
        """Count the round trips of units, in the order they came."""
        counted_at: float | None = None
        for unit in arrivals:
            size = len(unit.payload)
            self._usual_bytes += (size - self._usual_bytes) / 8 if self._usual_bytes else size
            is_old = unit.pulled_at is not None and unit.pulled_at < self._since
            if unit.rtt_s is not None and size >= _SMALL * self._usual_bytes and not is_old:
                counted_at = unit.came_at
                self._add(unit.rtt_s, counted_at)
        if counted_at is not None:
            self._find_queue(counted_at)

    def begin(self, base_s: float, now: float) -> None:
        """Use a round trip of another kind as the base, until a shorter one comes."""
        self._base.add(max(base_s, MIN_RTT_S), now)
        self._find_queue(now)

    def forget_base(self, now: float) -> None:
        """Use the standing round trip as the base: the route has changed."""
        if self.standing_s is not None:
            self._base = WindowedMinimum()
            self._base.add(self.standing_s, now)
            self._find_queue(now)

    def restart(self, now: float) -> None:
        """Forget all: only what is requested from now on tells of the link as it is."""
        self.base_s = self.standing_s = None
        self.queue_s, self._since = 0.0, now
        self._base = WindowedMinimum()
        self._recent.clear()

    def _add(self, rtt_s: float, now: float) -> None:
        recent = self._recent
        while recent and recent[-1][1] >= rtt_s:
            recent.pop()
        recent.append((now, rtt_s))
        length_s = min(self._rtt.mean_s or rtt_s, rtt_s) / 2  # after a fade the mean is far too long
        while recent[0][0] < now - length_s:
            recent.popleft()
        self.standing_s = recent[0][1]
        self._base.add(rtt_s, now)

    def _find_queue(self, now: float) -> None:
        self.base_s = self._base.get(now)
        if self.standing_s is not None and self.base_s is not None:
            self.queue_s = max(0.0, self.standing_s - self.base_s)


class DeliveryRate:
    """The rate at which bytes come, in rounds; losses count up to a tenth of what came.

    Attributes:
        round_full: whether the window was full once in this round: the link was the limit, not the demand.
        started_at: when this round began; minus infinity before the first. `add` is needed only once it is
            over, with the sum of its bytes.
        bytes_per_s: the greatest rate of the last rounds, 0 before the first.
        mean_bytes_per_s: the mean rate of the last rounds, 0 before the first.
    """

    def __init__(self) -> None:
        self.round_full = False
        self.started_at = -math.inf
        self.bytes_per_s = 0.0
        self.mean_bytes_per_s = 0.0
        self._rounds: deque[float] = deque(maxlen=_ROUNDS)
        self._bytes = 0
        self._lost = 0
        self._measures = False  # nothing can come for most of a round that begins with nothing outstanding

    def begin(self, now: float) -> None:
        """Begin a round with nothing outstanding."""
        self.restart(now)
        self._measures = False

    def restart(self, now: float) -> None:
        """Leave a round out, and begin the next with an arrival."""
        self.started_at, self._measures, self.round_full = now, True, False
        self._bytes = self._lost = 0

    def add(self, size: int, lost: int, now: float, round_s: float) -> float | None:
        """Count bytes; return the rate of a round that ended with them, None if none did or it tells nothing.

        Args:
            size: how many bytes came.
            lost: how many were lost.
            now: when the last of them came.
            round_s: how long a round is at least.
        """
        if self.started_at == -math.inf:
            self.begin(now)
            return None
        self._bytes += size
        self._lost += lost
        length = now - self.started_at
        if length < round_s:
            return None
        rate = (self._bytes + min(self._lost, _FORGIVEN_LOSS * self._bytes)) / length
        told = self._measures and length < 2 * round_s + OUTAGE_S
        told = told and (self.round_full or rate > self.bytes_per_s)
        self.restart(now)
        return rate if told else None

    def take(self, rate: float, *, forget: bool = False) -> None:
        """Count the rate of a round; `forget` those before, when they were too high."""
        if forget:
            self._rounds.clear()
        self._rounds.append(rate)
        self.bytes_per_s = max(self._rounds)
        self.mean_bytes_per_s = sum(self._rounds) / len(self._rounds)
