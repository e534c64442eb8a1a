"""One direction of a host's access link: its rate, its queue, and all that it does to packets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol


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
    """A packet that waits for its turn, or is on its way after it."""

    size: int
    leaves_at: float
    delay_s: float
    deliver: Callable[[], None]
    turn: int = 0  # raised when it leaves earlier than it was to

    def arrives_at(self) -> float:
        return self.leaves_at + self.delay_s


class Link:
    """One direction; every attribute may be changed while packets are on their way.

    `loss`, `reorder`, `duplicate` and `corrupt` are probabilities; a reordered packet comes `reorder_s`
    late, and a corrupt one is lost to TCP. Losses come in runs of `loss_run` on average, as in Gilbert's
    channel (1960). The queue is drop-tail. UDP above `police_bytes_per_s` is dropped, as by a token
    bucket of a second. Nothing leaves before `stalled_until`: a radio's dead zone, which holds what is sent.
    """

    def __init__(
        self,
        rate_bytes_per_s: float = math.inf,
        delay_s: float = 0.01,
        *,
        loss: float = 0.0,
        loss_run: float = 1.0,
        reorder: float = 0.0,
        reorder_s: float = 0.03,
        duplicate: float = 0.0,
        corrupt: float = 0.0,
        queue_bytes: int = 64 * 1024,
        mtu_bytes: float = math.inf,
        police_bytes_per_s: float = math.inf,
    ) -> None:
        self.delay_s = delay_s
        self.loss = loss
        self.loss_run = loss_run
        self.reorder = reorder
        self.reorder_s = reorder_s
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.queue_bytes = queue_bytes
        self.mtu_bytes = mtu_bytes
        self.police_bytes_per_s = police_bytes_per_s
        self.dropped = 0  # by the full queue
        self._rate = rate_bytes_per_s
        self._stalled_until = 0.0
        self._is_losing = False
        self._waiting: deque[_Packet] = deque()  # and the one that is being sent
        self._waiting_bytes = 0
        self._began_at = 0.0  # the sending of the first of these
        self._tokens = math.inf
        self._tokens_at = 0.0
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

    def send(self, timers: Timers, size: int, deliver: Callable[[bool], None], *, is_udp: bool) -> None:
        """Take a packet of `size` bytes; `deliver` is told on its arrival whether it is corrupt."""
        self._timers = timers
        now, chances = timers.now, timers.random
        if size > self.mtu_bytes or (is_udp and not self._conforms(size, now)):
            return
        self._forget_sent(now)
        if self._waiting_bytes + size > self.queue_bytes:
            self.dropped += 1
            return
        is_corrupt = self.corrupt > 0 and chances.random() < self.corrupt
        packet = self._enqueue(size, lambda: deliver(is_corrupt), now)
        if self.loss and self._loses(chances.random()):
            packet.deliver = _lose
            return
        if self.duplicate and chances.random() < self.duplicate:
            self._plan(packet)
        if self.reorder and chances.random() < self.reorder:
            packet.delay_s += self.reorder_s
        self._plan(packet)

    def flush(self) -> None:
        """Drop what waits: it belongs to a network that was left."""
        for packet in self._waiting:
            packet.turn += 1
        self._waiting.clear()
        self._waiting_bytes = 0

    def _enqueue(self, size: int, deliver: Callable[[], None], now: float) -> _Packet:
        start = self._waiting[-1].leaves_at if self._waiting else max(now, self._stalled_until)
        packet = _Packet(size, start + size / self._rate, self.delay_s, deliver)
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
        """Work out anew when what waits will leave."""
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
            is_sooner = at < packet.leaves_at
            packet.leaves_at = at
            if is_sooner and packet.deliver is not _lose:
                packet.turn += 1
                self._plan(packet)

    def _forget_sent(self, now: float) -> None:
        while self._waiting and self._waiting[0].leaves_at <= now:
            packet = self._waiting.popleft()
            self._waiting_bytes -= packet.size
            self._began_at = packet.leaves_at

    def _conforms(self, size: int, now: float) -> bool:
        """Return whether the policer lets a datagram pass."""
        rate = self.police_bytes_per_s
        if rate == math.inf:
            return True
        self._tokens = min(rate, self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if size > max(self._tokens, 0.0):
            return False
        self._tokens -= size
        return True

    def _loses(self, chance: float) -> bool:
        """Return whether a packet is lost; `chance` is evenly spread between 0 and 1."""
        if self.loss_run <= 1:
            return chance < self.loss
        if self._is_losing:
            self._is_losing = chance >= 1 / self.loss_run
        else:
            self._is_losing = chance < self.loss / (self.loss_run * (1 - self.loss))
        return self._is_losing


def _lose() -> None:
    """Stand for the arrival of a packet that gets lost behind the queue."""
