"""What one path shows of itself: how long it takes, and how much it brings.

Round trips come from PULLs and their DATA, both on the receiver's clock, less the
time that the server held the unit; so clocks need not agree, and a drift counts only
for the length of a hold. The base is the minimum over 30 s in 3 s buckets: long
enough to hold on to a moment without a queue, short enough to forget a route. The
standing round trip is the minimum over half of one, as in Copa (Arun and
Balakrishnan, NSDI 2018): a queue stands in all of them, a radio's link-layer repeat
only in some. Their difference is the queue.

The delivery rate is that of rounds, each at least one round trip long and measured
from arrival to arrival, so that a busy bottleneck gives its rate exactly. The
greatest of three rounds counts: longer maxima are what bloats a queue in a fade
(cf. BBR, draft-cardwell-iccrg-bbr-congestion-control, whose filters are longer).
"""

from __future__ import annotations

import math
from collections import deque

from lightpeer.core.rpc.reply_burst import TRAIN_GAPS
from lightpeer.core.udp.round_trip import OUTAGE_S, SmoothedRtt

_BUCKET_S = 3.0
_BUCKETS = 10
_ROUNDS = 3
_FORGIVEN_LOSS = 0.1  # of what came: a radio's own losses (a few per cent) and their scatter in one round
_TRAIN_LEAST_S = 0.0001  # in less, several packets were handed over at once
_MIN_RTT_S = 0.0005  # below it clocks and schedulers are all that is measured
_MAX_RTT_S = 60.0


class WindowedMinimum:
    """The minimum of the last `buckets` x `bucket_s` seconds, in constant memory."""

    def __init__(self, bucket_s: float = _BUCKET_S, buckets: int = _BUCKETS) -> None:
        self._bucket_s = bucket_s
        self._buckets: deque[tuple[int, float]] = deque(maxlen=buckets)
        self._kept = buckets
        self._minimum = math.inf  # as it was found at `_minimum_index`
        self._minimum_index: int | None = None  # the bucket of the time then; None if a bucket came since

    def add(self, value: float, now: float) -> None:
        """Take a sample."""
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
    """The round trips of one path, in seconds; all None before the first."""

    def __init__(self) -> None:
        self.base_s: float | None = None
        self.standing_s: float | None = None
        self.queue_s = 0.0  # on the path, ours and that of others
        self._smoothed = SmoothedRtt()
        self._base = WindowedMinimum()
        self._recent: deque[tuple[float, float]] = deque()  # (time, round trip): both rising

    @property
    def smoothed_s(self) -> float | None:
        """The mean, as TCP works it out."""
        return self._smoothed.mean_s

    def add(self, rtt_s: float, now: float) -> None:
        """Take a round trip; one that no path has is ignored."""
        if rtt_s >= _MAX_RTT_S:
            return
        rtt_s = max(rtt_s, _MIN_RTT_S)
        smoothed_s = self._smoothed.add(rtt_s)
        while self._recent and self._recent[-1][1] >= rtt_s:
            self._recent.pop()
        self._recent.append((now, rtt_s))
        length_s = min(smoothed_s, rtt_s) / 2  # after a fade the mean is far too long
        while self._recent[0][0] < now - length_s:
            self._recent.popleft()
        self.standing_s = self._recent[0][1]
        self._take_for_base(rtt_s, now)

    def begin(self, base_s: float, now: float) -> None:
        """Take a round trip of another kind for the base, until a shorter one comes."""
        self._take_for_base(max(base_s, _MIN_RTT_S), now)

    def forget_base(self, now: float) -> None:
        """Take what stands now for the base: the route has changed."""
        if self.standing_s is not None:
            self._base = WindowedMinimum()
            self._take_for_base(self.standing_s, now)

    def _take_for_base(self, rtt_s: float, now: float) -> None:
        self._base.add(rtt_s, now)
        self.base_s = self._base.get(now)
        if self.standing_s is not None and self.base_s is not None:
            self.queue_s = max(0.0, self.standing_s - self.base_s)


class PacketTrain:
    """Units that are sent in one burst, so that they leave the bottleneck at the bottleneck's rate.

    This is packet dispersion (Dovrolis et al., INFOCOM 2001): the first starts the clock, and three
    more are needed, since fewer measure the timers of both ends.
    """

    def __init__(self, size: int, pulled_at: float | None = None) -> None:
        """Expect `size` bytes in answer to the PULL that was sent then; None: whatever comes first."""
        self.pulled_at = pulled_at
        self.is_over = False
        self._left = size
        self._bytes = 0
        self._start: float | None = None

    def add(self, size: int, now: float) -> float | None:
        """Take a unit of it; return the rate in bytes a second, as far as it can be told yet."""
        self._left -= size
        self.is_over = self._left < size  # the last may be shorter
        if self._start is None:
            self._start = now
            return None
        self._bytes += size
        length = now - self._start
        if self._bytes < TRAIN_GAPS * size or length < _TRAIN_LEAST_S:
            return None
        return self._bytes / length


class DeliveryRate:
    """The rate at which bytes come, in rounds; what was lost on the way counts up to a tenth."""

    def __init__(self) -> None:
        self.round_full = (
            False  # was the window once filled in it? Then the link was the limit, not the demand
        )
        self.bytes_per_s = 0.0  # the greatest rate of the last rounds, 0 before the first
        self.mean_bytes_per_s = 0.0  # of the last rounds
        self._rounds: deque[float] = deque(maxlen=_ROUNDS)
        self._start: float | None = None
        self._bytes = 0
        self._lost = 0
        self._measures = False  # nothing can come for most of a round that begins with nothing outstanding

    def begin(self, now: float) -> None:
        """Begin a round with nothing outstanding."""
        self.restart(now)
        self._measures = False

    def restart(self, now: float) -> None:
        """Leave a round out, and begin the next with an arrival."""
        self._start, self._measures, self.round_full = now, True, False
        self._bytes = self._lost = 0

    def add(self, size: int, lost: int, now: float, round_s: float) -> float | None:
        """Take bytes that came or were lost; return the rate of a round (`round_s`) that ended with them."""
        if self._start is None:
            self.begin(now)
            return None
        self._bytes += size
        self._lost += lost
        length = now - self._start
        if length < round_s:
            return None
        rate = (self._bytes + min(self._lost, _FORGIVEN_LOSS * self._bytes)) / length
        told = self._measures and length < 2 * round_s + OUTAGE_S
        told = told and (self.round_full or rate > self.bytes_per_s)
        self.restart(now)
        return rate if told else None

    def take(self, rate: float, *, forget: bool = False) -> None:
        """Note a round's rate; `forget` those before, when they were too high."""
        if forget:
            self._rounds.clear()
        self._rounds.append(rate)
        self.bytes_per_s = max(self._rounds)
        self.mean_bytes_per_s = sum(self._rounds) / len(self._rounds)
