"""One direction of a link, without a socket or a clock: a queue, a rate, a delay, and what goes wrong.

A packet waits for those before it, is sent at the link's rate, may be lost, and arrives
after the delay. The queue is first come, first served and the rate is known ahead, so all
that will happen to a packet is decided when it comes: there is nothing to do in between.

    send(packet, now)       a packet comes to the link; may be dropped for want of room
    next_deadline()         when the next packet arrives at the other end
    receive(now)            what has arrived by now, with the time of each

Losses come after the rate: a packet that the radio lost has used the radio.
"""

from __future__ import annotations

import heapq
from collections import deque
from random import Random
from typing import NamedTuple

from .link import BurstLoss, Capacity, Direction

PASSED, LOST, DROPPED, REPEATED = "passed", "lost", "dropped", "repeated"
LOG_PACKETS = 500_000  # 50 MB of memory at most; an hour at 1.6 Mbit/s


class Passage(NamedTuple):
    """What became of one packet. Times are in s since the link's first packet."""

    came_s: float
    size: int
    queue_s: float  # waited for packets before it; 0 where it was dropped
    arrived_s: float  # or would have
    fate: str


class Losses:
    """Says of each packet whether it is lost: independent losses, bursts, or both."""

    def __init__(self, loss: float, burst: BurstLoss | None, random: Random) -> None:
        self._loss, self._burst, self._random = loss, burst, random
        self._bad = False

    def next(self) -> bool:
        """Return whether the next packet is lost."""
        lost = self._loss > 0 and self._random.random() < self._loss
        if self._burst is None:
            return lost
        turn = self._burst.ends if self._bad else self._burst.begins
        if self._random.random() < turn:
            self._bad = not self._bad
        return lost or self._bad


class Pipe:
    """One way of a link. `now` is in seconds and never goes back."""

    def __init__(self, direction: Direction, random: Random) -> None:
        self._direction, self._random = direction, random
        self._capacity = Capacity(direction.steps)
        self._losses = Losses(direction.loss, direction.burst, random)
        self._queue: deque[tuple[float, int]] = deque()  # (when it has left, bytes)
        self._queued_bytes = 0
        self._free_s = 0.0  # when all that has come will have left
        self._underway: list[tuple[float, int, bytes]] = []  # heap of (arrival, number, packet)
        self._number = 0
        self.log: list[Passage] = []
        self.unlogged = 0

    def send(self, packet: bytes, now: float) -> None:
        """Take a packet that comes to the link."""
        size, way = len(packet), self._direction
        while self._queue and self._queue[0][0] <= now:
            self._queued_bytes -= self._queue.popleft()[1]
        if self._queued_bytes + size > way.queue_bytes:
            self._note(Passage(now, size, 0.0, now, DROPPED))
            return
        starts_s = max(now, self._free_s)
        self._free_s = self._capacity.sent_at(starts_s, size)
        self._queue.append((self._free_s, size))
        self._queued_bytes += size
        arrives_s = self._free_s + way.delay_s
        if self._chance(way.reorder):
            arrives_s += way.reorder_s
        lost = self._losses.next()
        self._note(Passage(now, size, starts_s - now, arrives_s, LOST if lost else PASSED))
        if lost:
            return
        self._push(arrives_s, packet)
        if self._chance(way.duplicate):
            self._note(Passage(now, size, starts_s - now, arrives_s, REPEATED))
            self._push(arrives_s, packet)

    def next_deadline(self) -> float | None:
        """Return when the next packet arrives, or None while none is under way."""
        return self._underway[0][0] if self._underway else None

    def receive(self, now: float) -> list[tuple[float, bytes]]:
        """Return (arrival, packet) for all that has arrived by now, in order of arrival."""
        arrived = []
        while self._underway and self._underway[0][0] <= now:
            at, _, packet = heapq.heappop(self._underway)
            arrived.append((at, packet))
        return arrived

    def _push(self, at: float, packet: bytes) -> None:
        self._number += 1
        heapq.heappush(self._underway, (at, self._number, packet))

    def _chance(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _note(self, passage: Passage) -> None:
        if len(self.log) < LOG_PACKETS:
            self.log.append(passage)
        else:
            self.unlogged += 1
