"""The capped uplink of a server, shared fairly among its listeners.

Networks with audio to send stand in a row, and the first one sends about a datagram (round robin, as in
RFC 970 for gateways: turns are nearly all of one size, so bytes are shared as fairly as turns). A UDP stream
sends its next datagram. A segment by gRPC is sent after as many turns as it would have datagrams. A network
has one place in the row, however many streams, calls and peer ids it has, since peer ids cost nothing.

The first segments, in the reply to an Open, cannot wait. While the row is empty they are sent at once, and
their network takes its turns for them afterwards; otherwise the reply goes without them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from lightpeer.core.udp.datagram import MAX_PAYLOAD
from lightpeer.core.udp.pacer import Pacer

SEND_AHEAD_S: Final = 0.5  # of the whole uplink, for first segments at once: a second or two of sound

SendTurn: TypeAlias = Callable[[], Awaitable[int]]
"""Sends about a datagram, and returns the bytes sent."""


@dataclass(slots=True)
class _Message:
    """A message that waits for its turns."""

    left_bytes: int
    is_through: trio.Event


class Uplink:
    """The row; keep `run` running while `join` and `take` are called."""

    def __init__(self, max_bytes_per_s: int) -> None:
        """Limit the rate of UDP datagrams, headers included, and of gRPC messages."""
        self._rate = max_bytes_per_s
        self._pacer = Pacer(max_bytes_per_s)
        self._pacer.set_pace(max_bytes_per_s, 0.0)
        self._row: deque[str] = deque()
        self._turns: dict[str, deque[SendTurn]] = {}  # of those in the row; one for each stream and call
        self._wake = trio.Event()

    async def run(self) -> None:
        """Give one turn after another as the uplink becomes free, until cancelled."""
        while True:
            self._wake = trio.Event()
            while self._row:
                await trio.sleep_until(self._pacer.ready_at())
                self._pacer.sent(await self._next_turn()(), trio.current_time())
            await self._wake.wait()

    def join(self, network: str, turn: SendTurn) -> None:
        """Give a turn to a network (`network_of`) in its order; for each further one, join again."""
        turns = self._turns.setdefault(network, deque())
        if not turns:
            self._row.append(network)
        turns.append(turn)
        self._wake.set()

    async def take(self, network: str, size: int) -> None:
        """Wait until a network may send a message of `size` bytes."""
        message = self._join_for(network, size)
        try:
            await message.is_through.wait()
        finally:
            message.left_bytes = 0  # if the wait was cancelled, its turns are void

    def spare_bytes(self) -> int:
        """Return how many bytes may be sent at once, out of turn; call `spent` after that."""
        return 0 if self._row else int(SEND_AHEAD_S * self._rate)

    def spent(self, network: str, size: int) -> None:
        """Count bytes that were sent out of turn: the network stands in the row for them all the same."""
        if size:  # the row was empty then, so one network at most is behind with its turns
            self._join_for(network, size)

    def _join_for(self, network: str, size: int) -> _Message:
        message = _Message(size, trio.Event())

        async def turn() -> int:
            part = min(message.left_bytes, MAX_PAYLOAD)
            message.left_bytes -= part
            if message.left_bytes:
                self.join(network, turn)
            else:
                message.is_through.set()
            return part

        self.join(network, turn)
        return message

    def _next_turn(self) -> SendTurn:
        network = self._row.popleft()
        turns = self._turns[network]
        turn = turns.popleft()
        if turns:
            self._row.append(network)
        else:
            del self._turns[network]
        return turn
