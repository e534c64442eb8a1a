"""One source's UDP stream, seen from the receiving end.

What is asked goes out in numbered PULLs; the server answers in the order asked.
So a unit is lost once three units that were asked after it have come. The end of
a burst has no later ones: when nothing has come for a while, the oldest
outstanding unit is asked once more as a probe, and whatever was asked before a
probe that was answered is lost. At the very end, where the link is idle anyway, the
first probe asks for all that is overdue. While nothing comes at all the probes back off to
one a second and nothing else is repeated, because in a dead zone the radio
network still holds what is outstanding (DESIGN §6). What it held comes when the
zone ends, and says how long the zone was, not how long the path is: that gives no
round trip.

Call order: `ask` queues PULLs and `data_to_send` gives them as datagrams;
`receive` takes datagrams, `handle_timeout` is called at `next_deadline`, and
after each of these `next_event` is drained. Only `receive` sees bytes from the
network: what does not verify is counted and otherwise ignored.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from lightpeer.core.udp.datagram import (
    MAX_HOLD_S,
    MAX_RANGES,
    Data,
    DatagramKeys,
    PathToken,
    Pull,
    Unit,
    UnitRange,
    build_pull,
    parse_answer_untrusted,
)
from lightpeer.core.udp.outstanding import Outstanding
from lightpeer.core.udp.round_trip import OUTAGE_S, SmoothedRtt
from lightpeer.core.udp.unasked import Unasked
from lightpeer.errors import BadMessageError

REORDER_UNITS = 3
FIRST_RTT_S = 0.5  # assumed before the first sample: to repeat too early loads a slow link twice
_QUIET_FLOOR_S = 0.05  # scheduling noise and the server's pacing, on links with no delay at all
_PROBE_MAX_S = 1.0
PROBED_UNITS = 8  # so few are all asked for again at the end, where the link is idle anyway
_PULLS_REMEMBERED = 1024  # send times; units older than that many PULLs give no round trip


class UnitArrived(NamedTuple):
    """A unit that verified as the source's. `rtt_s` is None where it says nothing of the path."""

    unit: Unit
    payload: bytes
    rtt_s: float | None
    was_asked: bool  # and had not come yet
    pulled_at: float | None = None  # when the PULL was sent that it answers, as far as that is known
    came_at: float = 0.0


class Came(Protocol):
    """A datagram that came."""

    @property
    def data(self) -> bytes: ...
    @property
    def came_at(self) -> float: ...


class UnitsLost(NamedTuple):
    """Units that will not come, to be asked for again."""

    units: tuple[Unit, ...]
    size_bytes: int


Event: TypeAlias = UnitArrived | UnitsLost


@dataclass(slots=True)
class _Asked:
    order: int
    pull_no: int  # as it is echoed
    size: int
    later_arrivals: int = 0


class Receiver:
    """The receiving end of one UDP stream; see the module's docstring."""

    def __init__(
        self,
        stream_id: int,
        keys: DatagramKeys,
        path_token: int,
        outstanding: Outstanding,
        now: float,
        *,
        first_rtt_s: float = FIRST_RTT_S,
    ) -> None:
        """Begin to receive.

        Args:
            stream_id: of the Open exchange, as the next two.
            keys: of both directions.
            path_token: the first.
            outstanding: where the sum of what is outstanding is kept for the rate control.
            now: the time in seconds.
            first_rtt_s: assumed before the first sample.
        """
        self._first_rtt_s = first_rtt_s
        self._stream_id = stream_id
        self._keys = keys
        self._path_token = path_token
        self._newest_path = 0  # the number of the first
        self._shown_at = -math.inf  # when a new token was shown last
        self._epoch = 0
        self._pull_no = 0
        self._pace = 0
        self._order = 0
        self._asked: dict[Unit, _Asked] = {}  # in the order asked
        self._outstanding = outstanding
        self._pull_sent: dict[int, float] = {}
        self._probe: _Asked | None = None  # the last, until it is answered
        self._out: deque[bytes] = deque()
        self._events: deque[Event] = deque()
        self._last_activity = self._last_heard = self._resumed_at = now
        self._quiet_factor = 1.0
        self.rtt = SmoothedRtt()
        self.probes_unanswered = 0
        self.is_at_end = False  # there is nothing to ask for after what is outstanding
        self.first_pull_at: float | None = None
        self.arrived = 0
        self.duplicates = 0
        self.rejected = 0
        self.unasked = Unasked()

    @property
    def last_heard(self) -> float:
        """When something that was asked for came last, or was asked for with nothing outstanding."""
        return self._last_heard

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is outstanding; 0 while nothing is."""
        return now - self._last_heard if self._asked else 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether anything is outstanding: `next_deadline` is None while nothing is."""
        return bool(self._asked)

    @property
    def units_to_loss(self) -> int | None:
        """How many units more show that the oldest is lost; None if nothing came that was asked after it."""
        oldest = next(iter(self._asked.values()), None)
        return REORDER_UNITS - oldest.later_arrivals if oldest is not None and oldest.later_arrivals else None

    def ask(
        self, ranges: Sequence[tuple[UnitRange, Sequence[int]]], pace_bytes_per_s: int, now: float
    ) -> int:
        """Ask for ranges of units, each with the size of every unit in it, at a pace.

        Return how many bytes more are outstanding: what still was is asked for anew.
        """
        before = self._outstanding.size_bytes
        if not self._asked:
            self._last_activity = self._last_heard = now
        self._pace = pace_bytes_per_s
        for start in range(0, len(ranges), MAX_RANGES):
            chunk = ranges[start : start + MAX_RANGES]
            self._pull([wanted for wanted, _ in chunk], now)
            for wanted, sizes in chunk:
                for unit, size in zip(_units(wanted), sizes, strict=True):
                    self._note(unit, size)
        return self._outstanding.size_bytes - before

    def forget_all(self) -> None:
        """Start a new epoch (seek): the source empties its queue, and nothing is outstanding any more."""
        self.unasked.on_asked(self._outstanding.size_bytes)  # some of it is on its way
        self._outstanding.size_bytes = 0
        self._epoch = (self._epoch + 1) % 256
        self._asked.clear()
        self._probe = None

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a datagram from the source's address."""
        try:
            answer = parse_answer_untrusted(datagram, self._keys)
        except BadMessageError:
            self.rejected += 1
            self.unasked.on_junk(len(datagram))
            return
        if isinstance(answer, Data):
            self._take(answer, len(datagram), now)
        else:
            is_new = 0 < (answer.path_no - self._newest_path) % (1 << 32) < 1 << 31
            self.unasked.on_path(len(datagram), is_new=is_new)
            self._follow(answer, now)

    def _follow(self, path: PathToken, now: float) -> None:
        """Show a new token at once: the source waits for it before it sends more.

        An old one, which anybody on the path may send again, would stop the stream.
        """
        if (path.path_no - self._newest_path) % (1 << 32) >= 1 << 31:  # RFC 1982
            return
        self._newest_path = path.path_no
        if path.path_token != self._path_token:
            self._path_token = path.path_token
            if self._asked:
                if self._shown_at <= self._last_heard:  # it is shown again soon if it is lost; but once alone
                    self._last_activity, self._quiet_factor = now, 1.0
                self._shown_at = now
                self._pull([], now, shows_token=True)

    def _take(self, data: Data, size: int, now: float) -> None:
        asked = self._forget(data.unit)
        answers_probe = self._probe is not None and self._probe.pull_no == data.pull_no
        if asked is not None or answers_probe:  # anything else keeps nobody waiting for what was asked
            self._alive(now)
        if asked is None:
            self.duplicates += 1
            self.unasked.on_data(data, size)
            self._events.append(UnitArrived(data.unit, data.payload, None, was_asked=False, came_at=now))
        else:
            self.arrived += 1
            self.unasked.on_asked(size)
            rtt = self._round_trip(data.pull_no, data.hold_s, now)
            pulled_at = self._pull_sent.get(data.pull_no)
            self._events.append(UnitArrived(data.unit, data.payload, rtt, True, pulled_at, now))
        if self._probe is not None and answers_probe:
            self._find_losses(self._probe.order, probed=True)
            self._probe = None
        elif asked is not None and asked.pull_no == data.pull_no:  # not a late copy of one asked again
            self._find_losses(asked.order, probed=False)

    def data_to_send(self) -> bytes | None:
        """Return the next datagram for the source, None when there is none."""
        return self._out.popleft() if self._out else None

    def next_deadline(self) -> float | None:
        """Return when `handle_timeout` is due; None while nothing is outstanding."""
        if not self._asked:
            return None
        if not self.is_at_end or self._quiet_factor > 1.0:
            return self._last_activity + self._quiet_s()
        return max(self._overdue_at(next(iter(self._asked.values()))), self._last_activity + self._late_s())

    def handle_timeout(self, now: float) -> None:
        """Probe if nothing came for too long."""
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            self._send_probe(now)

    def on_moved(self, now: float) -> None:
        """Probe at once, and in short order: the datagrams take another way from now on."""
        if self._asked:
            self._quiet_factor = 1.0
            self._send_probe(now)

    def _send_probe(self, now: float) -> None:
        probed = [(unit, asked.size) for unit, asked in islice(self._asked.items(), 1)]
        if self.is_at_end and self._quiet_factor == 1.0:  # later a dead zone's network may hold the rest
            late = [
                (unit, asked.size) for unit, asked in self._asked.items() if self._overdue_at(asked) <= now
            ]
            probed = late[:PROBED_UNITS] or probed
        self.probes_unanswered += 1
        self._quiet_factor *= 2
        self._last_activity = now
        self._pull([UnitRange(*unit, 1) for unit, _ in probed], now)
        again = [self._note(unit, size) for unit, size in probed]
        self._probe = again[0]

    def next_event(self) -> Event | None:
        """Return what happened, oldest first, None when there is no more."""
        return self._events.popleft() if self._events else None

    def _pull(self, ranges: Sequence[UnitRange], now: float, *, shows_token: bool = False) -> None:
        self._pull_no = (self._pull_no + 1) & 0xFFFFFFFF
        self.unasked.on_pull(self._pull_no & 0xFFFF, ranges, shows_token=shows_token)
        self._pull_sent[self._pull_no & 0xFFFF] = now
        if len(self._pull_sent) > _PULLS_REMEMBERED:
            del self._pull_sent[next(iter(self._pull_sent))]
        if self.first_pull_at is None:
            self.first_pull_at = now
        pull = Pull(self._stream_id, self._pull_no, self._pace, self._path_token, self._epoch, ranges)
        self._out.append(build_pull(pull, self._keys))

    def _note(self, unit: Unit, size: int) -> _Asked:
        """Remember that the last PULL asked for a unit, after all others."""
        self._forget(unit)
        asked = self._asked[unit] = _Asked(self._order, self._pull_no & 0xFFFF, size)
        self._outstanding.size_bytes += size
        self._order += 1
        return asked

    def _forget(self, unit: Unit) -> _Asked | None:
        asked = self._asked.pop(unit, None)
        if asked is not None:
            self._outstanding.size_bytes -= asked.size
        return asked

    def _rtt_s(self) -> float:
        return self._first_rtt_s if self.rtt.mean_s is None else self.rtt.mean_s

    def _quiet_s(self) -> float:
        rtt_s = self._rtt_s()
        usual = max(1.5 * rtt_s + min(4 * self.rtt.variation_s, _PROBE_MAX_S), rtt_s + _QUIET_FLOOR_S)
        return max(usual, min(usual * self._quiet_factor, _PROBE_MAX_S))

    def _overdue_at(self, asked: _Asked) -> float:
        """Return when a unit at the end must have come: sent at the pace, and half a round trip late."""
        sent_at = self._pull_sent.get(asked.pull_no, self._last_activity)
        paced_s = self._outstanding.size_bytes / max(self._pace, 1)
        return sent_at + paced_s + self._rtt_s() + self._late_s()

    def _late_s(self) -> float:
        return max(4 * self.rtt.variation_s, self._rtt_s() / 2, _QUIET_FLOOR_S)

    def _alive(self, now: float) -> None:
        silence_s = now - self._last_heard
        if silence_s >= OUTAGE_S and silence_s >= 2 * self._rtt_s():
            self._resumed_at = now
        self._last_activity = self._last_heard = now
        self._quiet_factor = 1.0
        self.probes_unanswered = 0

    def _round_trip(self, pull_no: int, hold_s: float, now: float) -> float | None:
        sent = self._pull_sent.get(pull_no)
        if sent is None or sent < self._resumed_at or hold_s >= MAX_HOLD_S:
            return None
        rtt_s = max(0.0, now - sent - hold_s)
        self.rtt.add(rtt_s)
        return rtt_s

    def _find_losses(self, order: int, *, probed: bool) -> None:
        lost: list[Unit] = []
        for other, asked in self._asked.items():
            if asked.order > order:
                break
            asked.later_arrivals += 1
            if probed or asked.later_arrivals >= REORDER_UNITS:
                lost.append(other)
        if lost:
            before = self._outstanding.size_bytes
            for other in lost:
                self._forget(other)
            size = before - self._outstanding.size_bytes
            self.unasked.on_asked(size)  # some may only be late
            self._events.append(UnitsLost(tuple(lost), size))


def _units(wanted: UnitRange) -> Iterable[Unit]:
    return (
        Unit(wanted.rendition, wanted.segment, number)
        for number in range(wanted.first, wanted.first + wanted.units)
    )
