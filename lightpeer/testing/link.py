"""One direction of a host's access link: its rate, its delay and its queue.

A packet's arrival is planned as it is sent. When the rate changes or the link stalls, the plan is made anew
for the packets that still wait. What goes wrong besides is in `faults.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from lightpeer.testing.faults import Faults


class Timers(Protocol):
    """The time of the simulated world."""

    random: Random

    @property
    def now(self) -> float:
        """Seconds of virtual time."""

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a time."""


@dataclass(slots=True, eq=False)
class _Packet:
    """A packet in the queue, or on its way behind it."""

    size: int
    leaves_at: float
    delay_s: float
    deliver: Callable[[], None]
    turn: int = 0  # raised when it is to leave earlier than planned

    def arrives_at(self) -> float:
        return self.leaves_at + self.delay_s


class Link:
    """One direction. The rate, the delay, the queue and the faults may change while packets are on their way.

    The queue is drop-tail. Nothing leaves before `stalled_until`: in a radio's dead zone
    packets wait. A link whose rate is known for all times may have a `sent_at` of its own instead.
    """

    def __init__(
        self,
        rate_bytes_per_s: float = math.inf,
        delay_s: float = 0.01,
        *,
        queue_bytes: int = 64 * 1024,
        faults: Faults | None = None,
    ) -> None:
        """Make a link.

        Args:
            rate_bytes_per_s: of IP payloads.
            delay_s: from the end of sending to the arrival.
            queue_bytes: room for packets that wait.
            faults: None for none.
        """
        self.delay_s = delay_s
        self.queue_bytes = queue_bytes
        self.faults = faults or Faults()
        self.dropped = 0  # by the full queue
        self._rate = rate_bytes_per_s
        self._stalled_until = 0.0
        self._waiting: deque[_Packet] = deque()  # and the one that is being sent
        self._waiting_bytes = 0
        self._began_at = 0.0  # the sending of the first of these
        self._timers: Timers | None = None

    @property
    def rate_bytes_per_s(self) -> float:
        """Bytes a second."""
        return self._rate

    @rate_bytes_per_s.setter
    def rate_bytes_per_s(self, rate: float) -> None:
        before, self._rate = self._rate, rate
        self._replan(before)

    @property
    def stalled_until(self) -> float:
        """The virtual time before which nothing leaves."""
        return self._stalled_until

    @stalled_until.setter
    def stalled_until(self, when: float) -> None:
        self._stalled_until = when
        self._replan(self._rate)

    @property
    def queue_s(self) -> float:
        """How long a packet would wait now."""
        if not self._waiting or self._timers is None:
            return 0.0
        return max(0.0, self._waiting[-1].leaves_at - self._timers.now)

    def sent_at(self, start_s: float, size: int) -> float:
        """Return when a packet of `size` bytes has left whole, if its sending begins at a time."""
        return start_s + size / self._rate

    def send(self, timers: Timers, size: int, deliver: Callable[[bool], None], *, is_udp: bool) -> None:
        """Send a packet, unless a fault or the full queue drops it.

        Args:
            timers: the time and the chances of the simulated world.
            size: bytes.
            deliver: called on arrival, with whether the packet is corrupt.
            is_udp: False for TCP.
        """
        self._timers = timers
        now, chances, faults = timers.now, timers.random, self.faults
        if not faults.admits(size, now, is_udp=is_udp):
            return
        self._forget_sent(now)
        if self._waiting_bytes + size > self.queue_bytes:
            self.dropped += 1
            return
        is_corrupt = faults.corrupt > 0 and chances.random() < faults.corrupt
        packet = self._enqueue(size, lambda: deliver(is_corrupt), now)
        if faults.loss and faults.loses(chances.random()):
            packet.deliver = _lose
            return
        if faults.duplicate and chances.random() < faults.duplicate:
            self._plan(packet)
        if faults.reorder and chances.random() < faults.reorder:
            packet.delay_s += faults.reorder_s
        self._plan(packet)

    def flush(self) -> None:
        """Drop all waiting packets: they belong to a network that the host has left."""
        for packet in self._waiting:
            packet.turn += 1
        self._waiting.clear()
        self._waiting_bytes = 0

    def _enqueue(self, size: int, deliver: Callable[[], None], now: float) -> _Packet:
        start = self._waiting[-1].leaves_at if self._waiting else max(now, self._stalled_until)
        packet = _Packet(size, self.sent_at(start, size), self.delay_s, deliver)
        if packet.leaves_at > now:
            if not self._waiting:
                self._began_at = start
            self._waiting.append(packet)
            self._waiting_bytes += size
        return packet

    def _plan(self, packet: _Packet) -> None:
        assert self._timers is not None
        timers, turn = self._timers, packet.turn

        def arrive() -> None:
            if packet.turn != turn:
                return
            if timers.now < packet.arrives_at():
                timers.call_at(packet.arrives_at(), arrive)
            else:
                packet.deliver()

        timers.call_at(packet.arrives_at(), arrive)

    def _replan(self, rate_before: float) -> None:
        """Recompute when the waiting packets leave."""
        if self._timers is None:
            return
        now = self._timers.now
        self._forget_sent(now)
        if not self._waiting:
            return
        first = self._waiting[0]
        sent = 0.0 if now <= self._began_at else min(first.size, (now - self._began_at) * rate_before)
        at = max(now, self._stalled_until)
        self._began_at = at - sent / self._rate
        at -= sent / self._rate
        for packet in self._waiting:
            at += packet.size / self._rate
            self._move(packet, at)

    def _move(self, packet: _Packet, leaves_at: float) -> None:
        is_sooner = leaves_at < packet.leaves_at
        packet.leaves_at = leaves_at
        if is_sooner and packet.deliver is not _lose:
            packet.turn += 1
            self._plan(packet)

    def _forget_sent(self, now: float) -> None:
        while self._waiting and self._waiting[0].leaves_at <= now:
            packet = self._waiting.popleft()
            self._waiting_bytes -= packet.size
            self._began_at = packet.leaves_at


def _lose() -> None:
    """Do nothing: the arrival of a packet that is lost behind the queue."""
