"""How much may be outstanding at one source, and how fast it may send.

The receiver drives: it requests units ahead of time, and the pace in its PULLs controls the queue. `Pacing`
has the law, over the rate at which data comes, and `Window` bounds what is outstanding. Here the measurements
come together:

* Start-up knows the rate from how the Open's reply came (`ReplyBurst`). Where that was too short to tell, the
  first units are requested in one burst: this train tells the bottleneck's rate as it comes (`Trains`), and
  no search for it fills the queue. A rate that is remembered for this network then requests more at first.
* When the queue is gone though nothing drained it, the link may have room. One PULL is answered in a burst, a
  short train, which tells how much, and likewise after a dead zone. The next round trip pays back what it
  sent ahead, unless it told of more. A loss can take half of the target out of the queue. For two round trips
  after it there is no train: the queue is gone, and the link has no room all the same.
* Loss up to a tenth slows nothing; beyond it, it lowers the delivery rate.
* A link that is back after it gave next to nothing is a link that is not known (`Comeback`): its rate is what
  the arrivals tell, its round trip is forgotten, and the source is told the pace at once.
* `drain` empties the queue for a round trip, so that it never becomes the base.
* A delay that stays as it is while no more comes than was paced is no queue (`RouteWatch`), but the base.
* Where others fill the queue (`Crowd`), the pace stays at what playback needs (`keep_up`).

The receiver alone counts what is outstanding, and the round trip (`Gauge`). Call order, once it has:
`on_asked` when units are requested, then `on_arrived` with the units of a wake-up and `on_lost` with those
found lost; the rest at any time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.rate.comeback import Comeback
from lightpeer.core.rate.crowd import Crowd
from lightpeer.core.rate.meters import DeliveryRate, PathDelay
from lightpeer.core.rate.pacing import FIRST_PACE_BYTES_PER_S, Pacing, clamped
from lightpeer.core.rate.reroute import RouteWatch
from lightpeer.core.rate.trains import TRAIN_BYTES, Trains
from lightpeer.core.rate.window import Window
from lightpeer.core.udp.datagram import MAX_PAYLOAD
from lightpeer.core.udp.gauge import Gauge
from lightpeer.core.udp.round_trip import OUTAGE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.core.udp.events import UnitArrived, UnitsLost

UNIT_BYTES: Final = MAX_PAYLOAD
INITIAL_UNITS: Final = 12  # TCP's initial window, ten segments of 1460 bytes (RFC 6928)
MAX_INITIAL_UNITS: Final = 48  # with a memory, which may be wrong: at 400 kbit/s these take 1.2 s
NEWCOMER_UNITS: Final = 4  # on a link that others of ours fill already: one more than can show a loss
FIRST_PACE_RTT_S: Final = 0.2  # assumed before the first sample, for the pace: 3G on a good day

_LEAST_FIRST_RTT_S = 0.05  # of the first sample: what a window gives is not believed on a shorter path
_GAP_SHARE = 0.5  # of the target, that a loss takes out of the queue
_TRAIN_AFTER_LOSS_RTTS = 2.0  # by then what was lost has come and the queue is back


class Flow:
    """The controller of one source; see the module's docstring.

    Attributes:
        gauge: what the source's receiver measures; only the receiver writes it.
        delay: the round trips of its path.
        delivery: the rate at which it delivers.
        is_back: whether the arrivals of this wake-up tell that the link is back (`Comeback`).
        floor_bytes_per_s: the rate to keep where others fill the queue; `keep_up` sets it.
    """

    def __init__(
        self, remembered_bytes_per_s: float = 0.0, burst: ReplyBurst | None = None, *, newcomer: bool = False
    ) -> None:
        """Start on an idle link, unless it is a newcomer on a busy one.

        Args:
            remembered_bytes_per_s: the rate remembered for the link, or 0.
            burst: how a reply came over the link.
            newcomer: whether others of ours fill the link already.
        """
        first_rtt_s = FIRST_PACE_RTT_S if burst is None or burst.rtt_s is None else burst.rtt_s
        remembered_units = min(remembered_bytes_per_s * first_rtt_s / UNIT_BYTES, MAX_INITIAL_UNITS)
        units = NEWCOMER_UNITS if newcomer else max(INITIAL_UNITS, remembered_units)
        rate_bytes_per_s = 0.0 if burst is None else burst.rate_bytes_per_s
        first_pace = UNIT_BYTES * units / FIRST_PACE_RTT_S if newcomer else FIRST_PACE_BYTES_PER_S
        self.gauge = Gauge()
        self.delay = PathDelay(self.gauge.rtt)
        self.delivery = DeliveryRate()
        self.floor_bytes_per_s = self._probe_bytes_per_s = 0.0
        self._initial_bytes = UNIT_BYTES * units
        self._window = Window(self._initial_bytes)
        self._window_bytes: float | None = None  # without the part of a train; None if it must be worked out
        self._pacing = Pacing(first_pace, self.delay, is_settled=not newcomer)
        self._trains = Trains(0 if newcomer else int(self._initial_bytes), rate_bytes_per_s)
        self._crowd, self._route, self._comeback = Crowd(), RouteWatch(), Comeback()
        self._heard_at = 0.0  # or asked with nothing outstanding
        self.is_back = self._resumes = False  # the latter after a dead zone, with what came last
        self._kept_bytes_per_s = 0.0  # the rate before another was probed
        self._disturbed_until = 0.0  # by what another brought
        if burst is not None:
            assert burst.rtt_s is not None, "its rate is of what came after that"
            self.delay.begin(burst.rtt_s, burst.last_at)
            self.delivery.take(rate_bytes_per_s)
            self._pacing.bytes_per_s = rate_bytes_per_s

    # How much.

    @property
    def rate_bytes_per_s(self) -> float:
        """What the source delivered lately, 0 before any measurement."""
        # The greatest of few units is too high a rate to drain a queue by.
        if self.delay.queue_s > self._pacing.target_s:
            return self.delivery.mean_bytes_per_s
        return self.delivery.bytes_per_s

    def window_bytes(self) -> float:
        """Return how many bytes may be outstanding."""
        window = self._window
        if self._window_bytes is None:
            rate, target_s = self.rate_bytes_per_s, self._pacing.target_s
            self._window_bytes = window.work_out(rate, self.delay, target_s, self._kept_up_bytes_per_s)
        if not self._trains.is_due or window.held_bytes is None:
            return self._window_bytes
        waiting = min(self.gauge.outstanding_bytes, 2 * window.held_bytes)  # no trains pile up at the source
        return max(self._window_bytes, min(waiting + TRAIN_BYTES, window.most_bytes))

    def budget_bytes(self) -> float:
        """Return how many more bytes may be requested now."""
        return self.window_bytes() - self.gauge.outstanding_bytes

    def bytes_to_next_pull(self) -> float:
        """Return how much has to come before the next PULL; negative or 0 when it is due."""
        window = self.window_bytes()
        return min(self._window.batch_bytes, window / 2) - (window - self.gauge.outstanding_bytes)

    def limit(self, most_bytes: float, probe_bytes_per_s: float) -> None:
        """Bound what is outstanding; while the source is probed, `probe_bytes_per_s` is its least pace."""
        if most_bytes != self._window.most_bytes:
            self._window.most_bytes, self._window_bytes = most_bytes, None
        self._probe_bytes_per_s = probe_bytes_per_s

    def keep_up(self, floor_bytes_per_s: float) -> None:
        """Keep at least this rate, even where others fill the queue; 0 yields to them."""
        self.floor_bytes_per_s, self._window_bytes = floor_bytes_per_s, None

    def tune(self, link_bytes_per_s: float) -> None:
        """Adapt to the rate of the whole link, which all flows have a part of."""
        self._window_bytes = None
        self._window.tune(link_bytes_per_s)
        self._pacing.tune(link_bytes_per_s)

    # How fast.

    def pace_bytes_per_s(self, now: float) -> int:
        """Return the pace to ask for, which is that of a train if one is due."""
        rate = self.rate_bytes_per_s
        if not rate or self._probe_bytes_per_s or not self._trains.is_due:
            return self.present_pace_bytes_per_s(now)
        round_trip_s = self.delay.standing_s or FIRST_PACE_RTT_S
        self._trains.send(self.delivery.bytes_per_s, round_trip_s, now)
        self._pacing.slow_down(TRAIN_BYTES / rate, round_trip_s, now)
        return FIRST_PACE_BYTES_PER_S

    def present_pace_bytes_per_s(self, now: float) -> int:
        """Return the pace for what is outstanding."""
        rate = self.rate_bytes_per_s
        if not rate or self._probe_bytes_per_s:
            return clamped(max(self._pacing.bytes_per_s, self._probe_bytes_per_s))
        return self._pacing.pace_bytes_per_s(rate, self._kept_up_bytes_per_s, now)

    @property
    def _kept_up_bytes_per_s(self) -> float:
        return self.floor_bytes_per_s if self._crowd.is_there else 0.0  # nobody else fills the queue

    def fastest_bytes_per_s(self) -> float:
        """Return how fast the outstanding bytes may come at most.

        That is all of them in a round trip, and no faster than they were paced, unless they are a train.
        """
        in_round_trip = self.gauge.outstanding_bytes / (self.delay.standing_s or FIRST_PACE_RTT_S)
        if self._trains.under_way is not None:
            return in_round_trip
        return min(in_round_trip, max(self._pacing.recent[-1], self._pacing.bytes_per_s))

    def drain(self, queue_s: float, now: float) -> None:
        """Let a queue of `queue_s` seconds run empty in a round trip."""
        self._pacing.drain(queue_s, self.rate_bytes_per_s, now)

    def keep_rate(self) -> None:
        """Remember the rate: another is probed beside this one, and may take a part of it."""
        self._kept_bytes_per_s = self.delivery.bytes_per_s

    def pay_back(self, size: float, now: float) -> None:
        """Make room for `size` bytes of another that was probed: a full link gives what it gave before."""
        standing = self.delay.standing_s
        if standing is None or not self._kept_bytes_per_s:
            return
        self.delivery.take(self._kept_bytes_per_s, forget=True)
        self._window_bytes = None
        self._pacing.slow_down(size / self._kept_bytes_per_s, standing, now)
        self._disturbed_until = now + standing
        self._trains.put_off(now + 2 * standing)

    # What happens.

    def on_asked(self, size: int, now: float) -> None:
        """Note that `size` bytes more are outstanding."""
        if self.gauge.outstanding_bytes <= size:
            self.delivery.begin(now)
            self._heard_at = now
        self.delivery.round_full |= self.bytes_to_next_pull() > 0

    def on_arrived(self, arrivals: Sequence[UnitArrived]) -> None:
        """Note the units that came in a wake-up, one at least, in that order."""
        self._window_bytes, self._resumes, self.is_back = None, False, False
        self.delay.add(arrivals)
        delivery, round_s, came_bytes = self.delivery, self.delay.standing_s or math.inf, 0
        for unit in arrivals:
            size, now = len(unit.payload), unit.came_at
            self._measure_rate(unit, size)
            came_bytes += size
            if now - delivery.started_at >= round_s or now < self._disturbed_until:
                self._count(came_bytes, 0, now)
                came_bytes = 0
            self._resumes |= now - self._heard_at >= OUTAGE_S
            self._heard_at = now
        if came_bytes:
            self._count(came_bytes, 0, now)
        may_be_back = self._resumes or (_is_slow(self.gauge) and self._comeback.is_likely)
        self._trains.is_due = now >= self._trains.next_at and (may_be_back or self._pacing.seems_free(now))

    def on_lost(self, lost: UnitsLost) -> None:
        """Note units that will not come."""
        self._window_bytes = None
        if lost.size_bytes > self.rate_bytes_per_s * _GAP_SHARE * self._pacing.target_s:
            self._trains.put_off(
                lost.found_at + _TRAIN_AFTER_LOSS_RTTS * (self.delay.standing_s or FIRST_PACE_RTT_S)
            )
            self._trains.is_due &= self._resumes
        self._count(0, lost.size_bytes, lost.found_at)

    def _measure_rate(self, unit: UnitArrived, size: int) -> None:
        """See what a unit tells of the rate, as one of a train, of a run, or of the first window."""
        now, train, known = unit.came_at, self._trains.under_way, self.delivery.bytes_per_s
        told: float | None = None
        if train is not None and train.pulled_at in (None, unit.pulled_at):
            told = self._trains.add(size, (self.delay.standing_s or FIRST_PACE_RTT_S), now)
        elif unit.rtt_s is not None and not known:
            self.delivery.take(self._initial_bytes / max(unit.rtt_s, _LEAST_FIRST_RTT_S))
        if _is_slow(self.gauge):
            told = self._comeback.add(size, known, now) or told
        if told is not None:
            self.delivery.take(told, forget=True)
            self._pacing.on_room()
            if _is_slow(self.gauge) and self._comeback.is_told_by(told, known):
                self.is_back = True
                self.delay.restart(now)
                self.delivery.restart(now)
                self._trains.end(FIRST_PACE_RTT_S, now)

    def _count(self, size: int, lost: int, now: float) -> None:
        standing = self.delay.standing_s
        if standing is not None and now < self._disturbed_until:
            self.delivery.restart(now)
        elif standing is not None and (rate := self.delivery.add(size, lost, now, standing)) is not None:
            self._end_round(rate, standing, now)

    def _end_round(self, rate_bytes_per_s: float, standing_s: float, now: float) -> None:
        train, pacing, queue_s = self._trains.under_way, self._pacing, self.delay.queue_s
        if train is not None and train.pulled_at is None:
            self._trains.end(standing_s, now)  # the first: a whole round tells more
        self.delivery.take(rate_bytes_per_s, forget=queue_s > 2 * pacing.target_s)
        self._window.proven_bytes = max(rate_bytes_per_s * standing_s, INITIAL_UNITS * UNIT_BYTES)
        kept = min(self.floor_bytes_per_s, *pacing.recent)
        self._crowd.on_round(queue_s, pacing.target_s, self.delivery.mean_bytes_per_s, kept)
        is_as_paced = pacing.is_rate_as_paced(rate_bytes_per_s)
        if self._route.on_round(standing_s, queue_s - pacing.target_s, is_as_paced=is_as_paced):
            self.delay.forget_base(now)
        pacing.recent.append(pacing.bytes_per_s)


def _is_slow(gauge: Gauge) -> bool:
    """Return whether round trips take so long that a link may come back."""
    return gauge.rtt.mean_s is not None and gauge.rtt.mean_s >= OUTAGE_S
