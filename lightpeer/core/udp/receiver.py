"""The receiving end of one source's UDP stream.

Requests go out in numbered PULLs, and the server answers in the order requested. So `OutstandingUnits` finds
a unit lost once three later ones have come. The last units of a burst have no later ones: after a silence,
the oldest outstanding unit is requested once more as a probe, and an answered probe shows that everything
requested before it is lost. At the very end, where the link is idle anyway, the first probe requests all
that is overdue. While nothing comes at all, the probes back off to one a second, and later to one in eight,
and nothing else is repeated, because in a dead zone the radio network still holds what is outstanding. It
delivers that when the zone ends, after a delay that is the zone's and not the path's: those units give no
round trip. The answers to the probes come behind them, a copy each, so none is sent until they may have come.

A server forgets what it was asked for two seconds after the last PULL. If at the pace of the last one it may
have more left than that, a PULL without ranges is due after one second, with the pace of then (`renew`).

Call order: `ask` requests units; `receive` takes the datagrams of a wake-up and returns what they brought; at
`next_deadline`, `renew` is called if `renewal_at` has come, and then `handle_timeout`. After each of them the
PULLs in `outgoing` are to be sent. Only `receive` sees bytes from the network. It counts what does not verify
and otherwise ignores it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import (
    LEASE_S,
    MAX_HOLD_S,
    MAX_PAYLOAD,
    MAX_RANGES,
    Data,
    UnitRange,
    parse_answer_untrusted,
)
from lightpeer.core.udp.events import UnitArrived, UnitsLost
from lightpeer.core.udp.outstanding import OutstandingUnits
from lightpeer.core.udp.pulls import PullQueue
from lightpeer.core.udp.round_trip import MAX_RTT_S, MIN_RTT_S, OUTAGE_S
from lightpeer.core.udp.unasked import Unasked
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from lightpeer.core.udp.datagram import PathToken, Unit
    from lightpeer.core.udp.events import Event, ReceivedDatagram
    from lightpeer.core.udp.gauge import Gauge
    from lightpeer.core.udp.opening import UdpTerms

FIRST_PROBE_RTT_S: Final = 0.5
"""Assumed before the first sample, for probes: one that is too early loads a slow link twice."""

PROBED_UNITS: Final = 8  # so few are all requested again at the end, where the link is idle anyway
_QUIET_FLOOR_S = 0.05  # scheduling noise and the server's pacing, on links with no delay at all
_QUIET_INTERVALS = 2.0  # between units: a server that shares out its uplink sends slower than it is asked to
_PROBE_MAX_S = 1.0
_QUICK_PROBES = 4  # in vain: whoever gives UDP up has done so by then
_PROBE_SLOW_S = 8.0


class Receiver:
    """The receiving end of one UDP stream; see the module's docstring.

    Attributes:
        gauge: what is outstanding, and the round trip; read it, the receiver writes it.
        unasked: the account of what came without a request.
        outgoing: the datagrams that wait to be sent; take them from the left.
        is_at_end: whether nothing is left to request after what is outstanding; set by the caller.
        last_heard_at: when a requested unit came last, or was requested with nothing outstanding.
        probes_unanswered: how many probes were sent since.
        first_pull_at: when the first PULL was queued; None before.
        arrived: how many units came as requested.
        rejected: how many datagrams did not verify.
    """

    def __init__(
        self, terms: UdpTerms, gauge: Gauge, now: float, *, first_rtt_s: float = FIRST_PROBE_RTT_S
    ) -> None:
        """Begin to receive.

        Args:
            terms: what both ends agreed on in the Open exchange.
            gauge: where to keep the figures that rate control needs.
            now: the time in seconds.
            first_rtt_s: the round trip to assume before the first sample.
        """
        self.gauge = gauge
        self.unasked = Unasked()
        self.is_at_end = False
        self.first_pull_at: float | None = None
        self.arrived = self.rejected = self.probes_unanswered = 0
        self._keys = terms.keys
        self._first_rtt_s = first_rtt_s
        self._pulls = PullQueue(terms, self.unasked)
        self.outgoing = self._pulls.datagrams
        self._outstanding = OutstandingUnits(gauge)
        self._shown_at = -math.inf  # when a new path token was shown last
        self._events: list[Event] = []
        self.last_heard_at = self._last_activity = self._resumed_at = now
        self._quiet_factor = 1.0
        self._interval_s = 0.0  # from one requested unit to the next, as TCP smooths its round trip
        self._is_first_due = True  # nothing was outstanding before: the next unit takes a round trip

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is outstanding; 0 while nothing is."""
        return now - self.last_heard_at if self.gauge.outstanding_bytes else 0.0

    # What goes out.

    def ask(
        self, wanted: Sequence[tuple[UnitRange, Sequence[int]]], pace_bytes_per_s: int, now: float
    ) -> int:
        """Request units; return by how many bytes more is outstanding.

        Args:
            wanted: ranges of units, each with the size in bytes of every unit in it. Those that are
                outstanding may come yet, and are not requested anew.
            pace_bytes_per_s: how fast they are to come.
            now: the time in seconds.
        """
        before = self.gauge.outstanding_bytes
        if before:
            wanted = _without(wanted, self._outstanding.by_unit)
        else:
            self._last_activity = self.last_heard_at = now
            self._is_first_due = True
        self.first_pull_at = now if self.first_pull_at is None else self.first_pull_at
        self._pulls.pace_bytes_per_s = pace_bytes_per_s
        for start in range(0, len(wanted), MAX_RANGES):
            chunk = wanted[start : start + MAX_RANGES]
            pull_no = self._pulls.put([units for units, _ in chunk], now)
            self._outstanding.add(chunk, pull_no, now)
        if self.gauge.outstanding_bytes > LEASE_S * pace_bytes_per_s or self._pulls.renewal_at < math.inf:
            self._pulls.watch_lease(self.gauge.outstanding_bytes, now)
        return self.gauge.outstanding_bytes - before

    def renewal_at(self) -> float:
        """Return when the source may soon forget what it still has to send, so that `renew` is due."""
        is_alive = self.gauge.outstanding_bytes and not self.probes_unanswered  # the probes renew it too
        return self._pulls.renewal_at if is_alive else math.inf

    def renew(self, pace_bytes_per_s: int, now: float) -> None:
        """Have what is outstanding sent, at this pace from now on."""
        self._pulls.pace_bytes_per_s = pace_bytes_per_s
        self._pulls.put([], now)
        self._pulls.watch_lease(self.gauge.outstanding_bytes, now)

    def forget_all(self) -> None:
        """Start a new epoch (seek): the source empties its queue, and nothing is outstanding any more."""
        self.unasked.useful_bytes += self.gauge.outstanding_bytes  # some of it is on its way
        self._pulls.begin_epoch()
        self._outstanding.clear()

    # What comes.

    def receive(self, datagrams: Sequence[ReceivedDatagram]) -> list[Event]:
        """Receive datagrams from the source's address; return what they brought, in the order they came."""
        came: list[tuple[Data, int, float]] = []
        for datagram in datagrams:
            size = len(datagram.data)
            try:
                answer = parse_answer_untrusted(datagram.data, self._keys)
            except BadMessageError:
                self.rejected += 1
                self.unasked.on_junk(size)
                continue
            if isinstance(answer, Data):
                came.append((answer, size, datagram.came_at))
            else:
                self._on_units(came)
                came = []
                self._on_path(answer, size, datagram.came_at)
        self._on_units(came)
        events, self._events = self._events, []
        return events

    def _on_path(self, path: PathToken, size: int, now: float) -> None:
        """Show a new token at once: the source waits for it before it sends more."""
        if self._pulls.on_path(path, size) and self.gauge.outstanding_bytes:
            # In case it gets lost a probe shows it soon, but only once.
            if self._shown_at <= self.last_heard_at:
                self._last_activity, self._quiet_factor = now, 1.0
            self._shown_at = now
            self._pulls.put([], now, shows_token=True)

    def _on_units(self, came: Sequence[tuple[Data, int, float]]) -> None:
        """Note units, each with the size of its datagram and the time when that came."""
        if not came:
            return
        asked_bytes, rtts_s = 0, []
        outcomes = self._outstanding.take([data for data, _, _ in came])
        for (data, size, now), outcome in zip(came, outcomes, strict=True):
            if outcome.was_asked or outcome.answers_probe:  # nothing else delays the next probe
                self._on_alive(now)
            rtt_s = pulled_at = None
            if outcome.was_asked:
                self.arrived += 1
                asked_bytes += size
                pulled_at = self._pulls.sent_at.get(data.pull_no)
                rtt_s = _round_trip_s(pulled_at, self._resumed_at, data.hold_s, now)
                if rtt_s is not None:
                    rtts_s.append(rtt_s)
            else:
                self.unasked.on_data(data, size)
            unit = UnitArrived(data.unit, data.payload, rtt_s, outcome.was_asked, pulled_at, now)
            self._events.append(unit)
            if outcome.lost:
                asked_bytes += outcome.lost_bytes  # some may only be late
                self._events.append(UnitsLost(outcome.lost, outcome.lost_bytes, now))
        self.gauge.rtt.add(*rtts_s)
        self.unasked.useful_bytes += asked_bytes

    def _on_alive(self, now: float) -> None:
        silence_s = now - self.last_heard_at
        if silence_s >= OUTAGE_S and silence_s >= 2 * self._rtt_s():
            self._resumed_at = now
        elif not self._is_first_due:
            self._interval_s += (silence_s - self._interval_s) / 8
        self._is_first_due = False
        self._last_activity = self.last_heard_at = now
        self._quiet_factor, self.probes_unanswered = 1.0, 0

    # Silence.

    def next_deadline(self) -> float | None:
        """Return when something is due; None while nothing is outstanding."""
        if not self.gauge.outstanding_bytes:
            return None
        return min(self.renewal_at(), self._probe_at())

    def _probe_at(self) -> float:
        if not self.is_at_end or self._quiet_factor > 1.0:
            return self._last_activity + self._quiet_s()
        overdue_at = self._outstanding.oldest_asked_at() + self._grace_s()
        quiet_s = max(self._late_s(), _QUIET_INTERVALS * self._interval_s)
        return max(overdue_at, self._last_activity + quiet_s)

    def handle_timeout(self, now: float) -> None:
        """Probe if nothing came for too long."""
        if self.gauge.outstanding_bytes and now >= self._probe_at():
            self._send_probe(now)

    def on_moved(self, now: float) -> None:
        """Probe at once, and back off anew: the datagrams take another way from now on."""
        if self.gauge.outstanding_bytes:
            self._quiet_factor = 1.0
            self._send_probe(now)

    def _send_probe(self, now: float) -> None:
        probed: list[tuple[Unit, int]] = []
        if self.is_at_end and self._quiet_factor == 1.0:  # later a dead zone's network may hold the rest
            probed = self._outstanding.overdue(self._grace_s(), now)[:PROBED_UNITS]
        probed = probed or self._outstanding.oldest()
        self.probes_unanswered += 1
        self._quiet_factor *= 2
        self._last_activity = now
        pull_no = self._pulls.put([UnitRange(*unit, 1) for unit, _ in probed], now)
        self._outstanding.add_probe(probed, pull_no, now)
        self._pulls.watch_lease(self.gauge.outstanding_bytes, now)

    def _rtt_s(self) -> float:
        return self._first_rtt_s if self.gauge.rtt.mean_s is None else self.gauge.rtt.mean_s

    def _quiet_s(self) -> float:
        rtt_s = self._rtt_s()
        usual = max(1.5 * rtt_s + min(4 * self.gauge.rtt.variation_s, _PROBE_MAX_S), rtt_s + _QUIET_FLOOR_S)
        # The answers to earlier probes may come yet, one after another: then a further one fills the queue.
        expected = 1 if self.probes_unanswered else 1 + self._outstanding.probes_due
        usual = max(usual, min(rtt_s + _QUIET_INTERVALS * self._interval_s * expected, _PROBE_SLOW_S))
        longest_s = min(_PROBE_MAX_S * 2.0 ** max(0, self.probes_unanswered - _QUICK_PROBES), _PROBE_SLOW_S)
        return max(usual, min(usual * self._quiet_factor, longest_s))

    def _grace_s(self) -> float:
        """Return the age at which a unit at the end is overdue: paced, and half a round trip late."""
        paced_s = self.gauge.outstanding_bytes / max(self._pulls.pace_bytes_per_s, 1)
        paced_s = max(paced_s, self.gauge.outstanding_bytes / MAX_PAYLOAD * self._interval_s)
        return paced_s + self._rtt_s() + self._late_s()

    def _late_s(self) -> float:
        return max(4 * self.gauge.rtt.variation_s, self._rtt_s() / 2, _QUIET_FLOOR_S)


def _without(
    wanted: Sequence[tuple[UnitRange, Sequence[int]]], outstanding: Container[Unit]
) -> Sequence[tuple[UnitRange, Sequence[int]]]:
    """Return ranges of units, each with the sizes in bytes, without the units that are outstanding."""
    out: list[tuple[UnitRange, Sequence[int]]] = []
    for units, sizes in wanted:
        rendition, segment, first, count = units
        numbers = [n for n in range(first, first + count) if (rendition, segment, n) not in outstanding]
        if len(numbers) == count:
            out.append((units, sizes))
        else:
            out += [(UnitRange(rendition, segment, n, 1), (sizes[n - first],)) for n in numbers]
    return out


def _round_trip_s(pulled_at: float | None, resumed_at: float, hold_s: float, now: float) -> float | None:
    if pulled_at is None or pulled_at < resumed_at or hold_s >= MAX_HOLD_S:
        return None
    rtt_s = max(MIN_RTT_S, now - pulled_at - hold_s)
    return rtt_s if rtt_s < MAX_RTT_S else None
