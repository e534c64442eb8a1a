"""When the connections of a server are read: a network that makes it work waits for its turn.

A frame costs processor time whatever is in it, and a call more. Each network may cause so much work a
second. What it sends beyond that is not refused: it stays in the kernel's buffers, unread, until the
network's allowance has grown again, and TCP slows the sender. So a flood takes no more of the processor
than its networks' allowances, however it is made, and an honest client that is in a hurry loses nothing.

Each connection has a small allowance of its own, which goes first: a client whose neighbour behind the
same address translation is flooding is still read. What a read will cost is not known before, so it is
booked about, which also puts the connections of a network one behind the other; an allowance may be
overdrawn by one read, and is then shut until that is paid: by the connection for half a minute, and what is
more, or still owed when it ends, by its network. How much is read at once follows from what the
last read cost, so that no connection holds up the others for longer than a few calls take.

Call order: read `read_bytes`; `book` a turn and wait for as long as it says; take up what was read, and
`charge` it; `leave` at the end.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.guard.fairness import Buckets

BURST_S: Final = 10.0  # of a network's work at once
OWN_BURST: Final = 200.0  # of a connection: a greeting and six calls: a listener starts with five
OWN_PER_S: Final = 2.0  # a listener by gRPC asks for a segment and returns a window now and then
OWN_DEBT: Final = 60.0  # that a connection pays itself: half a minute, so that who is gone is missed
TURN_WORK: Final = 1.0  # of each read, whatever came: a turn of the loop
READ_WORK: Final = 40.0  # that a read should cost: a call, and what belongs to it
FIRST_READ_BYTES: Final = 256
LEAST_READ_BYTES: Final = 64  # two or three calls, of the smallest
MOST_READ_BYTES: Final = 2048  # 200 of the smallest frames


class Turns:
    """What each network may still cause."""

    def __init__(self, work_per_s: float) -> None:
        """Take what one network may cause in a second, in frames."""
        self.work_per_s = work_per_s
        self.networks = Buckets(work_per_s, BURST_S * work_per_s)


class Turn:
    """Those of one connection."""

    def __init__(self, turns: Turns, network: str) -> None:
        """Take the turns of all, and whose the connection is."""
        self._turns = turns
        self._network = network
        self._own = Buckets(OWN_PER_S, OWN_BURST)
        self.read_bytes = FIRST_READ_BYTES
        self._booked = 0.0  # with the network; 0 where the connection pays

    def book(self, now: float) -> float:
        """Take the next turn to read; return for how long to wait for it, in seconds."""
        self._booked = 0.0
        own = self._own.level(None, now)
        if own > 0:
            return 0.0
        own_wait_s = (1 - own) / OWN_PER_S
        shared = self._turns.networks.level(self._network, now)
        shared_wait_s = 0.0 if shared > 0 else (1 - shared) / self._turns.work_per_s
        if own_wait_s <= shared_wait_s:
            return own_wait_s
        self._booked = READ_WORK
        self._turns.networks.take(self._network, READ_WORK, now)
        return shared_wait_s

    def charge(self, work: float, taken_bytes: int, now: float) -> None:
        """Count what was read in the turn that was taken last.

        Args:
            work: what it cost, in frames.
            taken_bytes: how much it was.
            now: the time, in seconds, monotonic.
        """
        if work > READ_WORK:
            self.read_bytes = max(LEAST_READ_BYTES, int(taken_bytes * READ_WORK / work))
        elif taken_bytes >= self.read_bytes:
            self.read_bytes = min(4 * self.read_bytes, MOST_READ_BYTES)
        work += TURN_WORK
        own = 0.0 if self._booked else min(work, self._own.level(None, now) + OWN_DEBT)
        self._own.take(None, own, now)
        self._turns.networks.take(self._network, work - own - self._booked, now)
        self._booked = 0.0

    def leave(self, now: float) -> None:
        """End: what was booked and not used is given back, and what the connection owes its network pays."""
        owed = max(0.0, -self._own.level(None, now))
        self._turns.networks.take(self._network, owed - self._booked, now)
