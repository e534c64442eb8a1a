"""Decides when a server reads each connection: a network that causes much work waits for its turn.

Every frame costs processor time, and a call costs more. Each network may cause a bounded amount of work per
second. The server does not refuse the rest: the bytes stay unread in the kernel's buffers until the
network's allowance has grown, and TCP slows the sender. So a flood of any kind takes no more of the
processor than the allowances of its networks, and an honest client in a hurry loses nothing.

Each connection has a small allowance of its own, which is used first, so a client is still read while a
neighbour behind the same address translation floods. The cost of a read is known only afterwards. An
estimate is booked first, which also queues the connections of a network behind each other. One read may
overdraw an allowance, and nothing is read until the debt is paid: up to half a minute of it by the
connection, the rest, and what it still owes at its end, by its network. The size of a read follows from the
cost of the last one, so no connection holds up the others for longer than a few calls take.

Call order: read `read_bytes`; `book` a turn and wait as long as it says; handle the bytes and `charge`
them; `leave` at the end.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.guard.fairness import Buckets

BURST_S: Final = 10.0  # the burst of a network, in seconds of its work
OWN_BURST: Final = 200.0  # of a connection: a greeting and six calls, where a listener starts with five
OWN_PER_S: Final = 2.0  # for a listener by gRPC, which asks for segments and returns windows
OWN_DEBT: Final = 60.0  # the most that a connection pays itself: half a minute
TURN_WORK: Final = 1.0  # of each read: a turn of the event loop
READ_WORK: Final = 40.0  # the target for a read: a call with all its frames
FIRST_READ_BYTES: Final = 256
LEAST_READ_BYTES: Final = 64  # two or three of the smallest calls
MOST_READ_BYTES: Final = 2048  # 200 of the smallest frames


class Turns:
    """The allowances of all networks.

    Args:
        work_per_s: the work that one network may cause in a second, in frames.
    """

    def __init__(self, work_per_s: float) -> None:
        self.work_per_s = work_per_s
        self.networks = Buckets(work_per_s, BURST_S * work_per_s)


class Turn:
    """The turns of one connection.

    Args:
        turns: the allowances of all networks.
        network: the connection's.

    Attributes:
        read_bytes: how much to read at once.
    """

    def __init__(self, turns: Turns, network: str) -> None:
        self._turns = turns
        self._network = network
        self._own = Buckets(OWN_PER_S, OWN_BURST)
        self.read_bytes = FIRST_READ_BYTES
        self._booked = 0.0  # with the network; 0 if the connection pays

    def book(self, now: float) -> float:
        """Book the next turn to read; return how many seconds to wait for it."""
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
        """Charge for the read of the last turn.

        Args:
            work: its cost, in frames.
            taken_bytes: its size.
            now: the monotonic time in seconds.
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
        """End the connection: return the unused booking, and have the network pay the connection's debt."""
        owed = max(0.0, -self._own.level(None, now))
        self._turns.networks.take(self._network, owed - self._booked, now)
