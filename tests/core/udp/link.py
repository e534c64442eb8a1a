"""A link for closed-loop tests of one core: a bottleneck with a queue, and a server that answers PULLs.

Virtual time, one seed, no sockets. The server is the least that the protocol asks
for, written apart from `lightpeer.serve`, so that a fault there hides nothing here.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.udp.datagram import (
    DATA_OVERHEAD,
    Data,
    DatagramKeys,
    Unit,
    UnitRange,
    build_data,
    parse_pull_untrusted,
)
from lightpeer.core.udp.events import Event, UnitArrived
from lightpeer.core.udp.opening import UdpTerms
from lightpeer.core.udp.receiver import Receiver

KEYS = DatagramKeys(b"p" * 32, b"d" * 32)
STREAM_ID = 7
UNIT_BYTES = 1200
UNITS_PER_SEGMENT = 50
WIRE_OVERHEAD = 28


class Came(NamedTuple):
    """A datagram, and when it came."""

    data: bytes
    came_at: float


@dataclass
class Link:
    """A path whose downlink has the rates `steps` ((from second, bit/s), rising) behind one FIFO queue."""

    steps: Sequence[tuple[float, float]]
    rtt_s: float
    loss: float = 0.0
    buffer_s: float = 1.0  # drop-tail, in seconds at the present rate
    buffer_bytes: float = 16_000
    jitter_s: float = 0.0
    up_loss: float = 0.0
    duplicate: float = 0.0
    burst_s: float = 0.0  # of a radio's scheduler: what has passed the queue comes only at its multiples
    greedy_until_s: float = 0.0  # until then another download keeps half of the queue full
    seed: int = 1
    queue_delays: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.free_at = 0.0

    def rate(self, now: float) -> float:
        """Bytes a second."""
        return [rate for start, rate in self.steps if start <= now][-1] / 8

    def down(self, size: int, now: float) -> float | None:
        """Return when a datagram that leaves the server now arrives; None if it is lost."""
        if now < self.greedy_until_s:
            self.free_at = max(self.free_at, now + self.random.uniform(0.3, 0.7) * self.buffer_s)
        start = max(now, self.free_at)
        if (start - now) * self.rate(now) > max(self.buffer_bytes, self.buffer_s * self.rate(now)):
            return None
        self.free_at = self._through(start, size)
        self.queue_delays.append((now, start - now))
        if self.random.random() < self.loss:
            return None
        left = self.free_at if not self.burst_s else math.ceil(self.free_at / self.burst_s) * self.burst_s
        return left + self.rtt_s / 2 + self.random.uniform(0, self.jitter_s)

    def up(self, now: float) -> float | None:
        """Return when a PULL arrives at the server."""
        return None if self.random.random() < self.up_loss else now + self.rtt_s / 2

    def _through(self, start: float, size: float) -> float:
        ends = [at for at, _ in self.steps if at > start]
        for end in [*ends, float("inf")]:
            rate = self.rate(start)
            if rate and start + size / rate <= end:
                return start + size / rate
            size -= (end - start) * rate if rate else 0
            start = end
        raise AssertionError("the last rate must not be 0")


class Server:
    """Answers PULLs in the order asked, at the pace of the newest."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Unit, int, float]] = deque()
        self.pace = 0
        self.epoch = 0
        self.next_at = 0.0
        self.clock_drift = 0.0

    def receive(self, datagram: bytes, now: float) -> None:
        pull = parse_pull_untrusted(datagram, KEYS)
        if pull.epoch != self.epoch:
            self.queue.clear()
            self.epoch = pull.epoch
        self.pace = pull.pace_bytes_per_s
        for r in pull.ranges:
            for number in range(r.first, r.first + r.units):
                self.queue.append((Unit(r.rendition, r.segment, number), pull.pull_no, now))
        self.next_at = max(self.next_at, now)

    def due(self) -> float | None:
        return self.next_at if self.queue and self.pace else None

    def send(self, now: float) -> bytes:
        unit, pull_no, arrived = self.queue.popleft()
        payload = bytes(UNIT_BYTES)
        self.next_at = max(self.next_at, now - 0.005) + (len(payload) + DATA_OVERHEAD + 8) / self.pace
        data = Data(
            STREAM_ID,
            pull_no,
            (now - arrived) * (1 + self.clock_drift),
            unit,
            payload,
        )
        return build_data(data, KEYS)


class Download:
    """A client that wants units without end (or `total` of them) over a link, and what it sees of it."""

    def __init__(self, link: Link, bandwidth: Bandwidth | None = None, *, total: int | None = None) -> None:
        self.link = link
        self.bandwidth = bandwidth or Bandwidth()
        self.flow = self.bandwidth.open_flow()
        self.total = total
        self.receiver = Receiver(UdpTerms(0, STREAM_ID, 0, KEYS), self.flow.gauge, 0.0)
        self.server = Server()
        self.now = 0.0
        self.fresh = 0
        self.again: deque[Unit] = deque()
        self.got: set[Unit] = set()
        self.lost: list[Unit] = []
        self.asked: set[Unit] = set()
        self.arrivals: list[tuple[float, int]] = []  # of units that had not come before
        self.duplicates = 0  # units that came and were not outstanding
        self.windows: list[tuple[float, float]] = []
        self.pulls: list[float] = []  # when each was sent
        self._events: list[tuple[float, int, bool, bytes]] = []
        self._ids = itertools.count()

    def run(self, until: float) -> Download:
        """Go on until that time, or until all units came and none is outstanding."""
        self._step()
        while self.total is None or len(self.got) < self.total or self.asked:
            times = [t for t in (self.receiver.next_deadline(), self.server.due()) if t is not None]
            if self._events:
                times.append(self._events[0][0])
            if min(times) > until:
                break
            self.now = max(self.now, min(times))
            self._step()
        return self

    def drop_in_flight(self) -> None:
        """Lose all that the network holds."""
        self._events.clear()

    def goodput(self, start: float, end: float) -> float:
        """Bit/s of units that came for the first time, in that time."""
        return sum(size for t, size in self.arrivals if start <= t < end) * 8 / (end - start)

    def queue_s(self, start: float, end: float) -> float:
        """Mean of the queueing delays that datagrams met in that time."""
        delays = [delay for t, delay in self.link.queue_delays if start <= t < end]
        return sum(delays) / len(delays)

    def _step(self) -> None:
        came: list[Came] = []
        while self._events and self._events[0][0] <= self.now:
            _, _, to_server, datagram = heapq.heappop(self._events)
            if to_server:
                self.server.receive(datagram, self.now)
            else:
                came.append(Came(datagram, self.now))
        events = self.receiver.receive(came)
        self._on_events(events)
        if self.now >= self.receiver.renewal_at():
            self.receiver.renew(self.flow.present_pace_bytes_per_s(self.now), self.now)
        self.receiver.handle_timeout(self.now)
        self._ask()
        while self.receiver.outgoing:
            self.pulls.append(self.now)
            self._later(self.link.up(self.now), True, self.receiver.outgoing.popleft())
        while (due := self.server.due()) is not None and due <= self.now:
            datagram = self.server.send(self.now)
            for _ in range(1 + (self.link.random.random() < self.link.duplicate)):
                self._later(self.link.down(len(datagram) + WIRE_OVERHEAD, self.now), False, datagram)

    def _later(self, when: float | None, to_server: bool, datagram: bytes) -> None:
        if when is not None:
            heapq.heappush(self._events, (when, next(self._ids), to_server, datagram))

    def _on_events(self, events: list[Event]) -> None:
        if arrivals := [event for event in events if isinstance(event, UnitArrived)]:
            self.bandwidth.on_arrived(self.flow, arrivals)
        for event in events:
            if isinstance(event, UnitArrived):
                if event.unit not in self.got:
                    self.got.add(event.unit)
                    self.arrivals.append((self.now, len(event.payload)))
                if event.was_asked:
                    self.asked.remove(event.unit)
                else:
                    assert event.unit not in self.asked
                    self.duplicates += 1
            else:
                self.bandwidth.on_lost(self.flow, event)
                assert self.asked.issuperset(event.units), "lost, but not outstanding"
                assert event.size_bytes == UNIT_BYTES * len(event.units)
                self.asked.difference_update(event.units)
                self.lost += event.units
                self.again.extend(unit for unit in event.units if unit not in self.got)
            self.windows.append((self.now, self.flow.window_bytes()))

    def _ask(self) -> None:
        if self.flow.bytes_to_next_pull() > 0:
            return
        budget = self.flow.budget_bytes()
        units = [unit for _ in range(int(budget // UNIT_BYTES)) if (unit := self._next()) is not None]
        if not units:
            return
        self.asked.update(units)
        ranges = [(UnitRange(*unit, 1), [UNIT_BYTES]) for unit in units]
        size = self.receiver.ask(ranges, self.flow.pace_bytes_per_s(self.now), self.now)
        self.bandwidth.on_asked(self.flow, size, self.now)

    def _next(self) -> Unit | None:
        while self.again:
            unit = self.again.popleft()
            if unit not in self.got:
                return unit
        if self.total is not None and self.fresh >= self.total:
            return None
        self.fresh += 1
        return Unit(0, *divmod(self.fresh - 1, UNITS_PER_SEGMENT))
