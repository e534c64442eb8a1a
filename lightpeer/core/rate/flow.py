"""How much may be outstanding at one source, and how fast it may send.

The receiver drives: it asks for units ahead of time, and the pace in its PULLs is what
controls the queue. The law is proportional to that queue, over the rate at which data
comes (the model of BBR, draft-cardwell-iccrg-bbr-congestion-control, with the target
of LEDBAT, RFC 6817, on the receiver's side as in draft-irtf-iccrg-rledbat):

    pace = delivery rate x (1 + (target - queue) / (2 round trips and units))

A target in seconds, unlike the packets for each flow of Vegas or Copa, is the same for
all the sources of a stream: the link that they share has one queue, not one for each.

The window bounds what a fade can turn into a queue: the bytes of a base round trip and
of twice the target, and what waits at the server for its turn between two PULLs. It is
at most four times what a round trip was seen to carry; twice that and a train, while one is due.

* Start-up knows the rate from how the Open's reply came (`ReplyBurst`). Where that was
  too short to tell, the first units are asked for in one burst: such a train tells the
  bottleneck's rate as it comes (`PacketTrain`), and no search for it fills the queue. A
  rate that is remembered for this network then asks for more at first.
* When the queue is gone though nothing drained it, the link may have room: one PULL is
  answered in a burst, a short train, which tells how much. So does one after a dead zone. What it sent
  ahead is paid back in the next round trip, unless it told of more. After a loss that takes half of the
  target out of the queue there is none for two round trips: that the queue is gone tells of no room then.
* Loss up to a tenth slows nothing; beyond it, it lowers the delivery rate.
* `drain` empties the queue for a round trip, so that it never becomes the base.
* A delay that stays as it is while no more comes than was paced is no queue: one would
  drain. The route has changed, and after three round trips it is the base. Where
  others fill the queue (`crowd.py`), the pace stays at what playback needs (`floor_bytes_per_s`).

What is outstanding is counted by the receiver alone (`Outstanding`); what happens to it is told here
once the receiver has counted it. Call order: `on_asked` when units are asked for, then `on_arrived` or
`on_lost` for each, unless they are given up; the rest at any time.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from lightpeer.core.rate.crowd import KEPT_UP, Crowd
from lightpeer.core.rate.meters import DeliveryRate, PacketTrain, PathDelay
from lightpeer.core.rpc.reply_burst import ReplyBurst
from lightpeer.core.udp.datagram import DATA_OVERHEAD, MAX_PAYLOAD
from lightpeer.core.udp.outstanding import Outstanding
from lightpeer.core.udp.round_trip import OUTAGE_S

UNIT_BYTES: Final = MAX_PAYLOAD
INITIAL_UNITS: Final = 12  # TCP's initial window, ten segments of 1460 bytes (RFC 6928)
MAX_INITIAL_UNITS: Final = 48  # with a memory, which may be wrong: at 400 kbit/s these take 1.2 s
NEWCOMER_UNITS: Final = 4  # on a link that others of ours fill already: one more than can show a loss
FLOOR_UNITS: Final = 3  # with fewer outstanding, three later arrivals can never show a loss
MAX_WINDOW_BYTES: Final = 4 * 1024 * 1024  # what a path of 100 Mbit/s and 300 ms holds
FIRST_PACE_BYTES_PER_S: Final = 1_000_000  # faster than the access links of phones: a burst for all of them
FIRST_RTT_S: Final = 0.2  # assumed before the first sample, for the pace: 3G on a good day (cf. receiver.py)
TARGET_S: Final = 0.030  # a third of what LEDBAT may add (RFC 6817 section 2.4.2), above a radio's jitter

_LEAST_FIRST_RTT_S = 0.05  # of the first sample: what a window gives is not believed on a shorter path
_SMALL = 0.75  # of the usual unit: it passes a slow link sooner, so that its round trip is no other's base
_TARGET_UNITS = 1.0  # on slow links: with less in the queue the link stops between two
_BATCH_UNITS = 4  # worth a PULL, whose 60 bytes are then a hundredth of what it brings
_BATCH_SLOW_S = 0.1  # but no more than so long takes, where four would be a long queue in a fade
_BATCH_S = 0.04  # and no less on fast links: 25 PULLs a second
_SLACK_UNITS = 1  # for the server to send while the next PULL is under way
_TRAIN_UNITS = 5  # one more than a measurement needs: one may be lost
_GAP_SHARE = 0.5  # of the target, that a loss takes out of the queue
_TRAIN_AFTER_LOSS_RTTS = 2.0  # by then what was lost has come and the queue is back
_TRAIN_LOST_RTTS = 3.0  # without it: its PULL was lost
_PROVEN_GROWTH = 4.0  # a train can be squeezed by a radio's scheduler: this bounds what it may claim
_GAIN_RTTS = 2.0  # the loop's delay is one and a half; a faster law swings
_MIN_GAIN = 0.5  # half, as everybody's congestion control does at worst
_MAX_GAIN = 2.0  # double, as in slow start
_FREE_SHARE = 0.25  # of the target: no queue
_NO_MORE = 1.02  # than what was paced: it came out of no queue that drains
_MAX_DRAIN = 0.5  # of a round trip's bytes
_DRAINING_TARGETS = 2  # of a queue: the law drains it already, and a fade's round trip is long
_SETTLED_RTTS = 3  # after which the queue is back that was drained
_TOLERATED_S = 0.008  # over the target: less is noise, and no reason to doubt the route
_ODD_ROUNDS = 3  # a handover's spike is over by then
_FLOOR_QUEUE_S = 0.4  # of others, through which the floor is kept; more is a fade that it would only fill
_DATAGRAM_SHARE = (UNIT_BYTES + DATA_OVERHEAD + 8) / UNIT_BYTES  # paces count datagrams with their UDP header


class Flow:
    """The controller of one source; see the module's docstring."""

    def __init__(
        self,
        remembered_bytes_per_s: float = 0.0,
        burst: ReplyBurst | None = None,
        *,
        newcomer: bool = False,
    ) -> None:
        """Start on an idle link, from a rate remembered for it or 0, or from how a reply came over it.

        A newcomer starts on a link that is busy.
        """
        first_rtt_s = FIRST_RTT_S if burst is None or burst.rtt_s is None else burst.rtt_s
        remembered_units = min(remembered_bytes_per_s * first_rtt_s / UNIT_BYTES, MAX_INITIAL_UNITS)
        self.outstanding = Outstanding()
        self.floor_bytes_per_s = 0.0
        self.most_bytes: float = MAX_WINDOW_BYTES  # that may be outstanding
        self.probe_bytes_per_s = 0.0  # the least pace while it is probed
        self.delay = PathDelay()
        self.delivery = DeliveryRate()
        units = NEWCOMER_UNITS if newcomer else max(INITIAL_UNITS, remembered_units)
        self._initial_bytes = UNIT_BYTES * units
        self._paced = self._initial_bytes / FIRST_RTT_S if newcomer else FIRST_PACE_BYTES_PER_S
        self._held_bytes: float | None = None  # as `_held` gave it last; None if anything came since
        self._paces = deque([self._paced], maxlen=2)  # as the last rounds ended: data comes at these
        self._target_s = TARGET_S
        self._batch_bytes = float(UNIT_BYTES)
        self._train = None if newcomer else PacketTrain(int(self._initial_bytes))
        self._train_from_bytes_per_s = 0.0  # the rate that was known before it
        self._train_due = False
        self._next_train_at = math.inf if self._train else 0.0
        self._heard_at = 0.0  # or asked with nothing outstanding
        self._proven_bytes = self._initial_bytes  # that one round trip carried
        self._odd_rounds = 0
        self._usual_bytes = 0.0  # of a unit
        self._kept_bytes_per_s = 0.0  # the rate before another was probed
        self._disturbed_until = 0.0  # by what another brought
        self._crowd = Crowd()
        self._stood_s = 0.0  # the round trip when the last round ended
        self._drain_until = 0.0
        self._drain_gain = 1.0
        self._settled_at = math.inf if newcomer else 0.0  # when the queue is back after that
        if burst is not None:
            assert burst.rtt_s is not None, "its rate is of what came after that"
            self.delay.begin(burst.rtt_s, burst.last_at)
            self._paced = self._train_from_bytes_per_s = burst.rate_bytes_per_s
            self.delivery.take(burst.rate_bytes_per_s)

    @property
    def outstanding_bytes(self) -> int:
        """What was asked of the source and has not come."""
        return self.outstanding.size_bytes

    @property
    def rate_bytes_per_s(self) -> float:
        """What the source delivered lately, 0 before any measurement."""
        if self.delay.queue_s > self._target_s:  # the greatest of few units is too high to drain a queue by
            return self.delivery.mean_bytes_per_s
        return self.delivery.bytes_per_s

    def window_bytes(self) -> float:
        """Return how many bytes may be outstanding."""
        if self._held_bytes is None:
            rate, base = self.rate_bytes_per_s, self.delay.base_s
            if not rate or base is None:
                return min(self._initial_bytes, self.most_bytes)
            self._held_bytes = self._held(rate, base)
        window = self._held_bytes
        if self._train_due:  # whatever waits; but those that wait at the source do not pile up
            waiting = min(self.outstanding_bytes, 2 * window)
            window = max(window, waiting + _TRAIN_UNITS * UNIT_BYTES)
        if self._crowd.is_there:
            standing = (self.delay.base_s or 0.0) + min(self.delay.queue_s, _FLOOR_QUEUE_S)
            window = max(window, self.floor_bytes_per_s * standing)
        return min(max(FLOOR_UNITS * UNIT_BYTES, window), self.most_bytes)

    def _held(self, rate_bytes_per_s: float, base_s: float) -> float:
        """Return what the path and the queue hold, and what waits at the server, as far as it is proven."""
        waiting = self._batch_bytes + _SLACK_UNITS * UNIT_BYTES
        window = rate_bytes_per_s * (base_s + 2 * self._target_s) + waiting
        return min(window, _PROVEN_GROWTH * self._proven_bytes)

    def budget_bytes(self) -> float:
        """Return how many more bytes may be asked for now."""
        return self.window_bytes() - self.outstanding_bytes

    def pace_bytes_per_s(self, now: float) -> int:
        """Return the pace to ask for."""
        rate = self.rate_bytes_per_s
        if not rate or self.probe_bytes_per_s:
            return int(max(self._paced, self.probe_bytes_per_s))
        if self._train_due:
            return self._send_train(now)
        self._paced = rate * self._gain(now)
        if self._crowd.is_there:
            self._paced = max(self._paced, self.floor_bytes_per_s)
        return int(min(self._paced * _DATAGRAM_SHARE, FIRST_PACE_BYTES_PER_S))

    def _send_train(self, now: float) -> int:
        self._train = PacketTrain(_TRAIN_UNITS * UNIT_BYTES, now)
        self._train_due, self._train_from_bytes_per_s = False, self.delivery.bytes_per_s
        standing = self.delay.standing_s or FIRST_RTT_S
        self._next_train_at = now + _TRAIN_LOST_RTTS * standing
        self._slow_down(_TRAIN_UNITS * UNIT_BYTES / self.rate_bytes_per_s, standing, now)
        return FIRST_PACE_BYTES_PER_S

    def tune(self, link_bytes_per_s: float) -> None:
        """Take the rate of the whole link, which all flows have a part of."""
        rate, self._held_bytes = link_bytes_per_s, None
        self._target_s = max(TARGET_S, _TARGET_UNITS * UNIT_BYTES / rate)
        few = min(_BATCH_UNITS * UNIT_BYTES, rate * _BATCH_SLOW_S)
        self._batch_bytes = max(UNIT_BYTES, few, rate * _BATCH_S)

    def wants_pull(self) -> bool:
        """Tell whether enough may be asked for to be worth a PULL."""
        return self.bytes_to_next_pull() <= 0

    def bytes_to_next_pull(self) -> float:
        """Return how much has to come before the next PULL; negative or 0 when it is due."""
        window = self.window_bytes()
        return min(self._batch_bytes, window / 2) - (window - self.outstanding_bytes)

    def fastest_bytes_per_s(self) -> float:
        """Return how fast what is outstanding may come at the most.

        That is all of it in a round trip, and no faster than it was paced, unless that was a train.
        """
        in_round_trip = self.outstanding_bytes / (self.delay.standing_s or FIRST_RTT_S)
        if self._train is not None:
            return in_round_trip
        return min(in_round_trip, max(self._paces[-1], self._paced))

    def on_asked(self, size: int, now: float) -> None:
        """Note that `size` bytes more are outstanding."""
        if self.outstanding_bytes <= size:
            self.delivery.begin(now)
            self._heard_at = now
        self.delivery.round_full |= not self.wants_pull()

    def on_arrived(self, size: int, rtt_s: float | None, now: float, pulled_at: float | None = None) -> None:
        """Note a unit that came.

        Args:
            size: its bytes.
            rtt_s: its round trip, None where it says nothing of the path.
            now: when it came.
            pulled_at: when the PULL was sent that it answers, None if that is not known.
        """
        self._held_bytes = None
        self._usual_bytes += (size - self._usual_bytes) / 8 if self._usual_bytes else size
        if rtt_s is not None and size >= _SMALL * self._usual_bytes:
            self.delay.add(rtt_s, now)
        train = self._train
        if train is not None and train.pulled_at in (None, pulled_at):
            self._on_train(train, size, now)
        elif rtt_s is not None and not self.rate_bytes_per_s:  # what the first window gives in a round trip
            self.delivery.take(self._initial_bytes / max(rtt_s, _LEAST_FIRST_RTT_S))
        self._count(size, 0, now)
        resumes = now - self._heard_at >= OUTAGE_S
        self._heard_at = now
        self._train_due = now >= self._next_train_at and (resumes or self._seems_free(now))

    def on_lost(self, size: int, now: float) -> None:
        """Note `size` bytes that will not come."""
        self._held_bytes = None
        if size > self.rate_bytes_per_s * _GAP_SHARE * self._target_s:
            after_loss_s = _TRAIN_AFTER_LOSS_RTTS * (self.delay.standing_s or FIRST_RTT_S)
            self._next_train_at = max(self._next_train_at, now + after_loss_s)
        self._count(0, size, now)

    def drain(self, queue_s: float, now: float) -> None:
        """Let a queue run empty in a round trip."""
        standing = self.delay.standing_s
        if standing is not None and self.delay.queue_s < _DRAINING_TARGETS * self._target_s:
            self._slow_down(max(queue_s, self._target_s), standing, now)
            self._settled_at = now + _SETTLED_RTTS * (standing + self._unit_s)

    def keep_rate(self) -> None:
        """Remember the rate: another is probed beside this one, and may take of it."""
        self._kept_bytes_per_s = self.delivery.bytes_per_s

    def pay_back(self, size: float, now: float) -> None:
        """Make room for what came of another that was probed: a full link gives what it gave before."""
        standing = self.delay.standing_s
        if standing is None or not self._kept_bytes_per_s:
            return
        self.delivery.take(self._kept_bytes_per_s, forget=True)
        self._held_bytes = None
        self._slow_down(size / self._kept_bytes_per_s, standing, now)
        self._disturbed_until = now + standing
        self._next_train_at = max(self._next_train_at, now + 2 * standing)

    @property
    def _unit_s(self) -> float:
        """How long a unit takes, by which the law's delay is longer; 0 before anything is measured."""
        return UNIT_BYTES / (self.rate_bytes_per_s or math.inf)

    def _slow_down(self, queue_s: float, round_trip_s: float, now: float) -> None:
        """Send less by so long a queue in the next round trip."""
        self._drain_until = now + round_trip_s
        self._drain_gain = 1 - min(_MAX_DRAIN, queue_s / round_trip_s)

    def _on_train(self, train: PacketTrain, size: int, now: float) -> None:
        rate = train.add(size, now)
        if rate is not None and rate > self._train_from_bytes_per_s:
            self.delivery.take(rate, forget=True)
            self._drain_until = 0.0  # there was room for it
        if train.is_over:
            self._end_train(now)

    def _end_train(self, now: float) -> None:
        self._train = None  # and for a round trip its effect is not seen
        self._next_train_at = now + (self.delay.standing_s or FIRST_RTT_S)

    def _count(self, size: int, lost: int, now: float) -> None:
        standing = self.delay.standing_s
        if standing is None:
            return
        if now < self._disturbed_until:
            self.delivery.restart(now)
            return
        rate = self.delivery.add(size, lost, now, standing)
        if rate is None:
            return
        if self._train is not None and self._train.pulled_at is None:
            self._end_train(now)  # the first: a whole round tells more
        self.delivery.take(rate, forget=self.delay.queue_s > 2 * self._target_s)
        self._proven_bytes = max(rate * standing, INITIAL_UNITS * UNIT_BYTES)
        as_paced = KEPT_UP * min(self._paces) <= rate <= _NO_MORE * max(self._paces)
        kept = min(self.floor_bytes_per_s, *self._paces)
        self._crowd.on_round(self.delay.queue_s, self._target_s, self.delivery.mean_bytes_per_s, kept)
        self._watch_route(now, is_queueless=as_paced)
        self._paces.append(self._paced)

    def _gain(self, now: float) -> float:
        if now < self._drain_until:
            return self._drain_gain
        standing = self.delay.standing_s
        if standing is None:
            return 1.0
        gain = 1 + (self._target_s - self.delay.queue_s) / (_GAIN_RTTS * (standing + self._unit_s))
        return max(_MIN_GAIN, min(gain, _MAX_GAIN))

    def _seems_free(self, now: float) -> bool:
        """Tell whether the queue is gone though nothing was done to drain it."""
        is_settled = self.delay.standing_s is not None and now >= max(self._settled_at, self._drain_until)
        return is_settled and self.delay.queue_s < _FREE_SHARE * self._target_s

    def _watch_route(self, now: float, *, is_queueless: bool) -> None:
        """Tell a queue, which drains or grows, from a delay that is the path's own."""
        standing, excess = self.delay.standing_s or 0.0, self.delay.queue_s - self._target_s
        is_steady = abs(standing - self._stood_s) < excess / (
            2 * _GAIN_RTTS
        )  # half of what should have drained
        self._stood_s = standing
        is_odd = is_queueless and is_steady and excess > _TOLERATED_S
        self._odd_rounds = self._odd_rounds + 1 if is_odd else 0
        if self._odd_rounds == _ODD_ROUNDS:
            self.delay.forget_base(now)
            self._odd_rounds = 0
