"""What is asked of one source over UDP, and what comes: a receiver, and its part of the downlink.

The receiver knows each unit, the flow how many may be outstanding and how fast they are to come; here the
two are joined to the scheduler, which knows what is wanted. Units that were asked for and came are left in
`arrived` for the source to see.

A wake-up is dear to a phone, so datagrams rest until the unit may have come that calls for a PULL, since it
makes one due or shows a loss (`rest_s`). A PULL that comes after the queue is empty idles the link, and the
lower rate that is then measured would delay the next one further. So nothing waits longer than
`soonest_s`: the time that the bytes take at the rate measured, or, if that is less, at the fastest rate
possible and behind the queue.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import table_bytes, table_segment
from lightpeer.core.udp.datagram import MAX_PAYLOAD, UnitRange, unit_layout
from lightpeer.core.udp.events import UnitArrived, UnitsLost
from lightpeer.core.udp.receiver import FIRST_PROBE_RTT_S, Receiver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rate.flow import Flow
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.udp.events import ReceivedDatagram
    from lightpeer.core.udp.opening import UdpTerms

PROBE_PACE_BYTES_PER_S: Final = 10_000
SLACK_BYTES: Final = MAX_PAYLOAD // 2  # units come whole: better one more than a wake-up for it alone
MOST_BYTES: Final = 32 * 1024  # that wait together: a third of what Linux holds for a socket
MOST_S: Final = 0.25  # that they wait: four wake-ups a second are few, and a fade may end in any of them
EARLY_BYTES: Final = MAX_PAYLOAD  # a PULL after a rest goes out so early: one unit is not worth a wake-up


class UdpStream:
    """The UDP half of a source; without a `receiver` until it is opened.

    Attributes:
        receiver: None where UDP is not used.
        flow: its part of the downlink.
        early_bytes: how much may be missing for a PULL to go out: a unit after a rest, rather than a wake-up
            for that unit alone; anything where something was lost.
        arrived: the units that were asked for and came in this wake-up.
        lost_units: how many were given up in this wake-up.
    """

    def __init__(self, shared: Shared, source: SourceHandle) -> None:
        """Have a flow."""
        self.receiver: Receiver | None = None
        self.flow = shared.bandwidth.open_flow()
        self.early_bytes: float = 0
        self.arrived: list[UnitArrived] = []
        self.lost_units = 0
        self._shared = shared
        self._source = source
        self._may_hold = False  # an object that it was asked for a part of

    def open(self, terms: UdpTerms, first_rtt_s: float | None, now: float) -> None:
        """Have a receiver; `first_rtt_s` is assumed before the first sample, if it is known."""
        first_rtt_s = first_rtt_s or FIRST_PROBE_RTT_S
        self.receiver = Receiver(terms, self.flow.gauge, now, first_rtt_s=first_rtt_s)

    def close(self) -> None:
        """End; what was outstanding is nobody's any more."""
        self.forget()
        self._shared.bandwidth.close_flow(self.flow)

    def forget(self) -> None:
        """Stop what is being sent."""
        if self.receiver is not None:
            self.receiver.forget_all()

    # Asking.

    @property
    def is_through(self) -> bool:
        """Whether all that was asked for has come or was lost, so that others may have the rest."""
        return self._may_hold and not self.flow.gauge.outstanding_bytes

    @property
    def backlog_s(self) -> float:
        """How long what was asked for will take to come."""
        return self.flow.gauge.outstanding_bytes / (self.flow.rate_bytes_per_s or 1.0)

    def hand_over(self) -> None:
        """Leave the rest of what it has begun to others."""
        self._may_hold, self.early_bytes = False, 0
        self._shared.scheduler.queue.release(self._source)

    def ask(self, now: float) -> int:
        """Ask for what is wanted next; return how many bytes that is."""
        assert self.receiver is not None, "else it is not ready"
        self.early_bytes = 0
        ranges = self._shared.scheduler.queue.next_ranges(self._source, self.flow.budget_bytes(), now)
        self.receiver.is_at_end = not ranges
        if not ranges:
            return 0
        self._may_hold = True
        return self._ask(ranges, self.flow.pace_bytes_per_s(now), now)

    def probe(self, now: float) -> None:
        """Ask for one small unit again, to see whether UDP passes."""
        self.forget()
        _, size = unit_layout(table_bytes(self._shared.track, 0))
        self._ask([(UnitRange(0, table_segment(0), 0, 1), [size])], PROBE_PACE_BYTES_PER_S, now)

    def probe_more(self, units: int, now: float) -> None:
        """Ask for so many units, to see whether they all pass."""
        ranges = [(UnitRange(0, segment, 0, 1), [MAX_PAYLOAD]) for segment in range(units)]
        self._ask(ranges, PROBE_PACE_BYTES_PER_S, now)

    def _ask(
        self, ranges: Sequence[tuple[UnitRange, Sequence[int]]], pace_bytes_per_s: int, now: float
    ) -> int:
        assert self.receiver is not None, "else there is nobody to ask"
        size = self.receiver.ask(ranges, pace_bytes_per_s, now)
        self._send(self.receiver)
        self._shared.bandwidth.on_asked(self.flow, size, now)
        return size

    # What comes.

    def receive(self, datagrams: Sequence[ReceivedDatagram]) -> bool:
        """Receive what came from the source's address; return whether any of it was the source's."""
        receiver = self.receiver
        assert receiver is not None, "else there is no socket"
        rejected = receiver.rejected
        events = receiver.receive(datagrams)
        arrivals = [event for event in events if isinstance(event, UnitArrived)]
        if arrivals:
            self._shared.bandwidth.on_arrived(self.flow, arrivals)
            if self.flow.is_back and receiver.gauge.outstanding_bytes:
                now = arrivals[-1].came_at
                receiver.renew(
                    self.flow.present_pace_bytes_per_s(now), now
                )  # the source sends at the old pace
            self.arrived = [unit for unit in arrivals if unit.was_asked]
            # The others are left alone: they may be meant to spoil what another source gives.
            self._shared.stats.duplicate_units += len(arrivals) - len(self.arrived)
        if len(arrivals) < len(events):
            self._on_lost([event for event in events if isinstance(event, UnitsLost)])
        self._send(receiver)
        return receiver.rejected < rejected + len(datagrams)

    def _on_lost(self, losses: Sequence[UnitsLost]) -> None:
        self.early_bytes = math.inf
        for lost in losses:
            self._shared.bandwidth.on_lost(self.flow, lost)
            self._shared.scheduler.on_lost(lost.units)
            self.lost_units += len(lost.units)

    def handle_timeout(self, now: float) -> None:
        """Have the source go on with what it was asked for, and probe if nothing came for too long."""
        if self.receiver is not None:
            if now >= self.receiver.renewal_at():
                self.receiver.renew(self.flow.present_pace_bytes_per_s(now), now)
            self.receiver.handle_timeout(now)
            self._send(self.receiver)

    def on_moved(self, now: float, *, is_flooded: bool) -> None:
        """Probe at once: the datagrams take another port, as the former one may be flooded."""
        assert self.receiver is not None, "it has one that moves"
        if is_flooded:
            self.receiver.unasked.on_moved()
        self.receiver.on_moved(now)
        self._send(self.receiver)

    def _send(self, receiver: Receiver) -> None:
        while receiver.outgoing:
            self._shared.out.append((self._source, receiver.outgoing.popleft()))

    def rest_s(self, now: float, *, is_urgent: bool) -> float:
        """Return how long what comes next may wait, so that it is taken together; 0: take it at once."""
        receiver = None if is_urgent else self.receiver
        seconds = 0.0 if receiver is None else rest_s(self.flow, receiver, now)
        if self.early_bytes != math.inf:
            self.early_bytes = EARLY_BYTES if seconds > 0 else 0
        return seconds


def rest_s(flow: Flow, receiver: Receiver, now: float) -> float:
    """Return for how many seconds the datagrams of a source may wait; 0: look at once.

    Args:
        flow: of the source.
        receiver: of the source.
        now: the time in seconds.
    """
    if receiver.is_at_end or receiver.probes_unanswered:
        return 0.0
    probe_at, units = receiver.next_deadline(), receiver.gauge.units_to_loss
    if probe_at is None:
        return 0.0
    expected = min(flow.bytes_to_next_pull(), math.inf if units is None else units * MAX_PAYLOAD)
    if expected <= MAX_PAYLOAD:  # the next one may be it
        return 0.0
    return max(
        0.0, min(soonest_s(flow, min(expected + SLACK_BYTES, MOST_BYTES)), MOST_S, (probe_at - now) / 2)
    )


def soonest_s(flow: Flow, size_bytes: float) -> float:
    """Return in how many seconds so many bytes may have come at the earliest; 0 if that is not known."""
    rate, fastest = flow.rate_bytes_per_s, flow.fastest_bytes_per_s()
    if not rate or not fastest:
        return 0.0
    return min(size_bytes / rate, size_bytes / fastest + flow.delay.queue_s)
