"""Runs one sans-I/O HTTP/2 connection over one byte stream: three small tasks and no protocol.

The reader feeds the core, the writer drains it, the timer wakes it. Code that acts on the core calls
`flush` afterwards, which passes the core's events on, wakes the writer, and moves the timer forward. The
writer sends the output of several actions together, and waits only for the part that the socket does not
take. The last action of a series, like the only request of a call, sends at once if the writer rests, and
leaves the remainder to it. Nothing else sends, so cancelling a call can never cut a frame in two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

import trio

from lightpeer.core.rpc.stream import Stream
from lightpeer.net.system import TcpStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.rpc.connection import Connection

StreamT = TypeVar("StreamT", bound=Stream)

READ_BYTES: Final = 64 * 1024
CRUMBS_BYTES: Final = 2048
"""How much is read at once from a peer that sends small frames: each costs as much as a large one, while the
other connections wait."""

SMALL_FRAME_BYTES: Final = 256
WRITE_BYTES: Final = 16 * 1024
STALLED_WRITE_S: Final = 60.0
"""A peer that takes longer to read `WRITE_BYTES` is gone or hostile: no audio is that slow."""


class Pacing(Protocol):
    """When a peer is read, and how much at once; servers use `core.guard.turns.Turn`.

    Attributes:
        read_bytes: how much to read at once.
    """

    read_bytes: int

    def book(self, now: float) -> float:
        """Book the next turn to read; return how many seconds to wait for it."""

    def charge(self, work: float, taken_bytes: int, now: float) -> None:
        """Charge for the read of the last turn.

        Args:
            work: its cost, in frames.
            taken_bytes: its size.
            now: the time, as trio counts.
        """

    def leave(self, now: float) -> None:
        """End the connection."""


class Unpaced:
    """The pacing of a peer that is read whenever it sends."""

    read_bytes = CRUMBS_BYTES

    def book(self, now: float) -> float:
        """Read at once."""
        del now
        return 0.0

    def charge(self, work: float, taken_bytes: int, now: float) -> None:
        """Read more at once if the frames were large.

        Args:
            work: the cost of the last read, in frames.
            taken_bytes: its size.
            now: not used.
        """
        del now
        self.read_bytes = READ_BYTES if taken_bytes >= SMALL_FRAME_BYTES * work else CRUMBS_BYTES

    def leave(self, now: float) -> None:
        """End the connection; nothing is owed."""


class Hooks(NamedTuple, Generic[StreamT]):
    """What a link calls; none of them may block.

    Attributes:
        on_event: called with each stream of the core that has changed.
        on_greeted: called once the peer has shown that it speaks HTTP/2.
        on_held: called after each turn with what is held in memory for the peer, in bytes.
    """

    on_event: Callable[[StreamT], None]
    on_greeted: Callable[[], None] | None = None
    on_held: Callable[[int], None] | None = None


class Link(Generic[StreamT]):
    """A core connection on a stream.

    Args:
        stream: the transport; it belongs to the link from now on.
        core: the connection's protocol.
        hooks: what to call.
        pacing: when the peer is read; None reads it whenever it sends.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        core: Connection[StreamT],
        hooks: Hooks[StreamT],
        pacing: Pacing | None = None,
    ) -> None:
        self.core = core
        self.stream = stream
        self._on_event, self._on_greeted, self._on_held = hooks
        self._pacing = pacing or Unpaced()
        self._sending_bytes = 0  # that the writer waits to send
        self._writer = trio.lowlevel.ParkingLot()
        self._unsent = b""  # output that the socket did not take at once
        self._timer = trio.CancelScope(deadline=math.inf)

    async def run(self) -> None:
        """Carry the connection until it is closed. Never raises for what the peer or the network does."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                nursery.start_soon(self._keep_time)
                await self._write()
                nursery.cancel_scope.cancel()
        finally:
            self._pacing.leave(trio.current_time())
            self._receive(b"")
            await trio.aclose_forcefully(self.stream)

    def flush(self, *, at_once: bool = False) -> None:
        """Pass on the events, output and deadline that an action has caused. Never waits.

        Args:
            at_once: whether to send without the writer if it rests, because no other action follows soon.
        """
        if at_once and self._writer and self.core.is_open:
            self._send_now()
        while (changed := self.core.next_event()) is not None:
            self._on_event(changed)
        self.wake_writer()
        if self.core.is_rescheduled:
            deadline = self.core.next_deadline()
            if deadline is not None and deadline < self._timer.deadline:
                self._timer.deadline = deadline
        if self._on_held is not None:
            self._on_held(self._sending_bytes + len(self._unsent) + self.core.held_bytes)

    def wake_writer(self) -> None:
        """Have the writer send the output, and then do the rest of `flush`."""
        if self._writer and (self._unsent or self.core.has_output):
            self._writer.unpark()

    def _send_now(self) -> bool:
        """Send what the socket takes at once; return whether there was output. The rest is `_unsent`."""
        self._unsent = self._unsent or self.core.data_to_send()
        if not self._unsent:
            return False
        if isinstance(self.stream, TcpStream):
            self._unsent = self._unsent[self.stream.send_now(self._unsent) :]
        return True

    async def _read(self) -> None:
        pacing = self._pacing
        while self.core.is_open:
            data = await self._receive_some(pacing.read_bytes)
            if data and (wait_s := pacing.book(trio.current_time())):
                await trio.sleep(wait_s)
            work = self.core.work_received
            self._receive(data)
            pacing.charge(self.core.work_received - work, len(data), trio.current_time())

    async def _receive_some(self, size: int) -> bytes | bytearray:
        """Read some bytes, or b"" if the stream is at its end or broken."""
        try:
            return await self.stream.receive_some(size)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def _receive(self, data: bytes | bytearray) -> None:
        self.core.receive(bytes(data), trio.current_time())
        self.flush()
        if self._on_greeted is not None and self.core.is_greeted:
            self._on_greeted()
            self._on_greeted = None

    async def _write(self) -> None:
        """Send until the core is closed and has no output, or the transport takes no more."""
        while True:
            had_output = self._send_now()
            self.flush()
            if self._unsent:
                data, self._unsent = self._unsent, b""
                self._sending_bytes = len(data)
                if not await self._send_patiently(data):
                    return
                self._sending_bytes = 0
            elif not (had_output and self.core.has_output):
                if not self.core.is_open:
                    return
                await self._writer.park()

    async def _send_patiently(self, data: bytes) -> bool:
        """Send as slowly as the peer reads; return whether it still reads."""
        for start in range(0, len(data), WRITE_BYTES):
            with trio.move_on_after(STALLED_WRITE_S) as stalled:
                try:
                    await self.stream.send_all(data[start : start + WRITE_BYTES])
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return False
            if stalled.cancelled_caught:
                return False
        return True

    async def _keep_time(self) -> None:
        while True:
            deadline = self.core.next_deadline()
            self._timer = trio.CancelScope(deadline=math.inf if deadline is None else deadline)
            with self._timer:
                await trio.sleep_forever()
            self.core.handle_timeout(trio.current_time())
            self.flush()
