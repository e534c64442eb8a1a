"""How much may be outstanding on the downlink, and how fast it may come.

The receiver drives. The bottleneck is nearly always the receiver's own access
link, so there is one controller over the sum of all sources. Everything is
measured on the receiver's clock:

* the round trip of each unit: from the PULL that asked for it to its arrival,
  less the time the server held it. The base is the minimum over 30 s in 3 s
  buckets; the standing round trip is the minimum over half a smoothed one, which
  filters the link-layer spikes of 3G; their difference is the queue that we make;
* the delivery rate: bytes over at least one round trip, kept for a few round
  trips only, because long maxima are what bloats a queue in a fade (cf. BBR,
  draft-cardwell-iccrg-bbr-congestion-control, whose filters are longer).

Start-up grows the window 1.5 times a round trip until the queue passes
max(16 ms, base / 8) or the delivery rate stays flat for three rounds. Then the
law is Copa's (Arun and Balakrishnan, NSDI 2018): aim at 1 / (delta x queue)
units a second, delta 0.5, moving faster while the direction holds. The window
is capped at what the link delivered lately times (base + 2 T), T = max(60 ms,
2.5 units at that rate). Loss alone never slows: only a round that lost more
than a tenth falls back to what was delivered. Every ten seconds of transfer the
window is halved for one round trip, so that the own queue never becomes the
base. A delay that stays with the window at its floor is no queue of ours: the
route has changed, and after three round trips all is measured anew.

Call order: `on_asked` when units are asked for, then `on_arrived`, `on_lost` or
`on_abandoned` for each; `budget_bytes` and `pace_bytes_per_s` at any time.
"""

from __future__ import annotations

from collections import deque

from lightpeer.core.datagram import MAX_PAYLOAD

UNIT_BYTES = MAX_PAYLOAD
_DELTA = 0.5
_STARTUP_GROWTH = 1.5
_FULL_SHARE = 0.75  # of the window outstanding once: the window was the limit, not the demand
_FLAT_ROUNDS = 3
_STUCK_ROUNDS = 3
_FLAT_GROWTH = 1.1
_QUEUE_FLOOR_S = 0.016
_NOISE_S = 0.005  # of the systems at both ends; only links of many Mbit/s have so short a queue
_QUEUE_ALLOWANCE_S = 0.060
_FLOOR_UNITS = 3  # below it three later arrivals can never show a loss
_INITIAL_UNITS = 8.0  # about TCP's initial window of ten segments (RFC 6928)
_REMEMBERED_UNITS = 32.0  # a memory may be wrong: at 400 kbit/s these are 0.8 s
_FIRST_RTT_S = 0.2  # assumed before the first sample
_BUCKET_S = 3.0
_BUCKETS = 10
_RATE_ROUNDS = 4
_HEAVY_LOSS = 0.10
_OUTAGE_S = 1.0
_DRAIN_EVERY_S = 10.0
_PACE_GAIN = 1.25  # the window, not the pace, is what limits; a little slack keeps it filled
_MAX_VELOCITY = 16.0
_MAX_WINDOW_BYTES = 4 * 1024 * 1024
_MIN_RTT_S = 0.0005
_MAX_RTT_S = 60.0


class WindowedMinimum:
    """The minimum of the last `buckets` x `bucket_s` seconds, in constant memory."""

    def __init__(self, bucket_s: float = _BUCKET_S, buckets: int = _BUCKETS) -> None:
        self._bucket_s = bucket_s
        self._buckets: deque[tuple[int, float]] = deque(maxlen=buckets)
        self._kept = buckets

    def add(self, value: float, now: float) -> None:
        """Take a sample."""
        index = int(now / self._bucket_s)
        if self._buckets and self._buckets[-1][0] == index:
            self._buckets[-1] = (index, min(value, self._buckets[-1][1]))
        else:
            self._buckets.append((index, value))

    def get(self, now: float) -> float | None:
        """Return the minimum, the newest bucket's where all are old, None before any sample."""
        oldest = int(now / self._bucket_s) - self._kept
        fresh = [value for index, value in self._buckets if index > oldest]
        if fresh:
            return min(fresh)
        return self._buckets[-1][1] if self._buckets else None


class Bandwidth:
    """The controller of one downlink; see the module's docstring."""

    def __init__(self, remembered_bytes_per_s: float | None = None) -> None:
        """Start from the rate remembered for this network, or from eight units in flight."""
        self.outstanding_bytes = 0
        self.srtt_s: float | None = None
        self.rttvar_s = 0.0
        self._remembered = remembered_bytes_per_s
        initial = (remembered_bytes_per_s or 0.0) * _FIRST_RTT_S / UNIT_BYTES
        self._window = UNIT_BYTES * max(_INITIAL_UNITS, min(initial, _REMEMBERED_UNITS))
        self._startup = True
        self._base = WindowedMinimum()
        self._recent: deque[tuple[float, float]] = deque()  # (time, round trip), half a smoothed one long
        self._rate = 0.0  # delivery rate, bytes/s: the greatest of the last rounds
        self._rounds: deque[float] = deque(maxlen=_RATE_ROUNDS)
        self._round_start: float | None = None
        self._round_bytes = 0
        self._round_lost = 0
        self._round_full = False  # was the window once filled in it?
        self._round_measures = True  # could data come in all of it?
        self._flat = 0
        self._stuck = 0  # rounds at the floor, with a delay
        self._velocity = 1.0
        self._rising = True
        self._same_direction = 0
        self._busy_since: float | None = None
        self._draining_until = 0.0
        self._queue_samples: deque[float] = deque(maxlen=512)

    # What the rest asks.

    @property
    def base_rtt_s(self) -> float | None:
        """The round trip without our queue."""
        return self._base.get(self._recent[-1][0]) if self._recent else None

    @property
    def queue_delay_s(self) -> float:
        """The queue that we make, now."""
        base = self.base_rtt_s
        return 0.0 if base is None else max(0.0, self._standing() - base)

    @property
    def rate_bytes_per_s(self) -> float:
        """What the link gave lately; before any measurement what is remembered of it, or 0."""
        return self._rate or self._remembered or 0.0

    def window_bytes(self, now: float) -> float:
        """Return how many bytes may be outstanding in all."""
        if now < self._draining_until:
            return max(self._window / 2, _FLOOR_UNITS * UNIT_BYTES)
        return self._window

    def budget_bytes(self, now: float) -> float:
        """Return how many more bytes may be asked for now."""
        return self.window_bytes(now) - self.outstanding_bytes

    def pace_bytes_per_s(self) -> int:
        """Return the pace to ask the sources for, in sum."""
        rtt = self.srtt_s
        if rtt is None:
            return int(self._remembered or self._window / _FIRST_RTT_S)
        gain = _STARTUP_GROWTH if self._startup else _PACE_GAIN
        return int(gain * self._window / max(self._standing(), _MIN_RTT_S))

    def queue_delay_p95_s(self) -> float:
        """Return the 95th percentile of the recent queue delays."""
        ordered = sorted(self._queue_samples)
        return ordered[int(len(ordered) * 0.95)] if ordered else 0.0

    # What happens.

    def on_asked(self, size: int, now: float) -> None:
        """Note that `size` bytes were asked for."""
        if self.outstanding_bytes == 0:
            self._begin_round(now)
            self._round_measures = False  # nothing can come for most of this one
            self._busy_since = now
        self.outstanding_bytes += size
        self._round_full |= self.outstanding_bytes >= _FULL_SHARE * self.window_bytes(now)

    def on_arrived(self, size: int, asked: int, rtt_s: float | None, now: float) -> None:
        """Note `size` bytes that came, `asked` of which were outstanding; `rtt_s` None says nothing."""
        self.outstanding_bytes = max(0, self.outstanding_bytes - asked)
        self._round_bytes += size
        if rtt_s is not None and rtt_s < _MAX_RTT_S:
            self._on_rtt(max(rtt_s, _MIN_RTT_S), now)
        self._maybe_end_round(now)
        if not self._startup and self._round_full:
            self._copa(size)
        self._cap()

    def on_lost(self, size: int, now: float) -> None:
        """Note `size` bytes that will not come."""
        self.outstanding_bytes = max(0, self.outstanding_bytes - size)
        self._round_lost += size
        self._maybe_end_round(now)

    def on_streamed(self, size: int, took_s: float) -> None:
        """Note bytes that came over a transport with a window of its own (Streams.Pull)."""
        rate = size / max(took_s, _MIN_RTT_S)
        self._rate += (rate - self._rate) / 8 if self._rate else rate

    def on_abandoned(self, size: int) -> None:
        """Note `size` bytes that are no longer waited for (a seek, a source that was dropped)."""
        self.outstanding_bytes = max(0, self.outstanding_bytes - size)

    # The machinery.

    def _on_rtt(self, rtt: float, now: float) -> None:
        self._base.add(rtt, now)
        if self.srtt_s is None:
            self.srtt_s, self.rttvar_s = rtt, rtt / 2
        else:  # RFC 6298
            self.rttvar_s += (abs(self.srtt_s - rtt) - self.rttvar_s) / 4
            self.srtt_s += (rtt - self.srtt_s) / 8
        self._recent.append((now, rtt))
        while self._recent[0][0] < now - self.srtt_s / 2:
            self._recent.popleft()
        self._queue_samples.append(self.queue_delay_s)

    def _standing(self) -> float:
        return min((rtt for _, rtt in self._recent), default=self.srtt_s or 0.0)

    def _begin_round(self, now: float) -> None:
        self._round_start = now
        self._round_bytes = self._round_lost = 0
        self._round_full = False
        self._round_measures = True

    def _maybe_end_round(self, now: float) -> None:
        if self._round_start is None or self.srtt_s is None:
            return
        length = now - self._round_start
        if length < self.srtt_s:
            return
        if length < 2 * self.srtt_s + _OUTAGE_S:  # a round with a dead zone in it says nothing of the link
            self._end_round(length, now)
        self._begin_round(now)

    def _end_round(self, length: float, now: float) -> None:
        rate = self._round_bytes / length
        # A round that asked for little says nothing.
        if self._round_measures and (self._round_full or rate > self._rate):
            self._rounds.append(rate)
            self._rate = max(self._rounds)
        if self._startup:
            self._startup_round(rate)
        elif self._round_lost > _HEAVY_LOSS * (self._round_bytes + self._round_lost):
            self._window = min(self._window, self._rate * (self.base_rtt_s or 0.0))
            self._velocity = 1.0
        else:
            self._watch_route(now)
        if self._busy_since is not None and now - self._busy_since > _DRAIN_EVERY_S:
            self._busy_since = now
            self._draining_until = now + (self.srtt_s or 0.0)

    def _startup_round(self, rate: float) -> None:
        base = self.base_rtt_s or 0.0
        earlier = max(list(self._rounds)[:-1], default=0.0)
        if self._round_full and self._round_measures:
            self._flat = self._flat + 1 if rate < earlier * _FLAT_GROWTH else 0
        if self.queue_delay_s > self._tolerated_s() or self._flat >= _FLAT_ROUNDS:
            self._startup = False
            self._window = max(self._rate * base, _FLOOR_UNITS * UNIT_BYTES)
        elif self._round_full:
            self._window *= _STARTUP_GROWTH

    def _watch_route(self, now: float) -> None:
        at_floor = self._window <= _FLOOR_UNITS * UNIT_BYTES
        self._stuck = self._stuck + 1 if at_floor and self.queue_delay_s > self._tolerated_s() else 0
        if self._stuck == _STUCK_ROUNDS:
            self._base = WindowedMinimum()
            self._base.add(self._standing(), now)
            self._rounds.clear()
            self._startup, self._flat, self._stuck = True, 0, 0

    def _tolerated_s(self) -> float:
        return max(_QUEUE_FLOOR_S, (self.base_rtt_s or 0.0) / 8)

    def _copa(self, size: int) -> None:
        standing = max(self._standing(), _MIN_RTT_S)
        queue = self.queue_delay_s - _NOISE_S
        window_units = self._window / UNIT_BYTES
        rising = queue <= 0 or window_units / standing <= 1 / (_DELTA * queue)
        if rising != self._rising:
            self._rising, self._velocity, self._same_direction = rising, 1.0, 0
        self._same_direction += size
        if self._same_direction > 3 * self._window:  # three round trips' worth in one direction
            self._velocity, self._same_direction = min(self._velocity * 2, _MAX_VELOCITY), 0
        step = self._velocity * size / (_DELTA * window_units)
        self._window += step if rising else -step

    def _cap(self) -> None:
        ceiling = float(_MAX_WINDOW_BYTES)
        base = self.base_rtt_s
        if not self._startup and base is not None and self._rate:
            allowance = max(_QUEUE_ALLOWANCE_S, 2.5 * UNIT_BYTES / self._rate)
            ceiling = min(ceiling, self._rate * (base + 2 * allowance))
        self._window = max(min(self._window, ceiling), float(_FLOOR_UNITS * UNIT_BYTES))
