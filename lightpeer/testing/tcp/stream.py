"""TCP of simulated hosts: one end of a connection, which meets losses, queues and partitions as UDP does.

Data travels in numbered segments over the same links as UDP. Acknowledgements name the next segment that is
expected and those that came out of order (RFC 2018). Sending is in `sending.py`, receiving in `receiving.py`;
the stream joins them, connects, and ends.

A connection is known to its host by both addresses. A packet of an unknown connection is answered with a
reset, as after a process was killed; a host that is gone answers nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import trio

from lightpeer.testing.packet import IpPacket
from lightpeer.testing.tcp.receiving import ReceivingHalf
from lightpeer.testing.tcp.segments import TCP_HEADER_BYTES, Ack, TcpSegment
from lightpeer.testing.tcp.sending import SendingHalf
from lightpeer.testing.tcp.timer import FIRST_RTO_S, Timer

if TYPE_CHECKING:
    from lightpeer.net.network import Address, Counters

SYN_TIMEOUT_S = 63.0  # six repeats of a SYN, as Linux has it
ORPHANED_S = 60.0  # how long a closed connection waits for the peer to close too (tcp_fin_timeout)


class StreamHost(Protocol):
    """The parts of a host that a stream needs."""

    net: Any  # the internet, from a layer above: its time, and its packets
    counters: Counters
    connections: dict[tuple[Address, Address], SimStream]

    @property
    def is_suspended(self) -> bool:
        """Whether the machine stands still."""

    def refuse(self, local: Address, peer: Address, /) -> None:
        """Answer with a reset."""

    def take_syn(self, local: Address, peer: Address, /) -> None:
        """Answer a SYN."""


class Way:
    """The way to a connection's other end.

    Attributes:
        is_cut: whether it carries nothing any more, without a word to either end.
    """

    def __init__(self, host: StreamHost, local: Address, peer: Address) -> None:
        self.is_cut = False
        self._host = host
        self._local = local
        self._peer = peer

    def send(self, size: int, arrive: Callable[[SimStream], None] | None) -> None:
        """Send a packet of `size` bytes, and call `arrive` with the other end; None: a SYN."""
        if self.is_cut:
            return
        own, other = self._local, self._peer

        def deliver(target: StreamHost, is_corrupt: bool) -> None:
            stream = target.connections.get((other, own))
            if is_corrupt or (stream is not None and stream.way.is_cut):
                return
            if arrive is None:
                target.take_syn(other, own)
            elif stream is not None:
                arrive(stream)
            else:
                target.refuse(other, own)

        self._host.net.carry(IpPacket(self._host, own[0], other[0], size, is_udp=False, deliver=deliver))

    def refuse(self) -> None:
        """Send a reset."""
        self._host.refuse(self._local, self._peer)


class SimStream(trio.abc.HalfCloseableStream):
    """One end of a TCP connection."""

    def __init__(self, host: StreamHost, local_address: Address, peer_address: Address) -> None:
        self.local_address = local_address
        self.peer_address = peer_address
        self.is_established = False
        self.settled = trio.Event()  # established, or failed
        self.closed = False  # by its program
        self.error = 0  # errno, once it is broken
        self.on_established: Callable[[], None] = lambda: None
        self.way = Way(host, local_address, peer_address)
        self._host = host
        self._is_client = False
        self._changed = trio.lowlevel.ParkingLot()
        self._sending = trio.StrictFIFOLock()
        self._receiving = trio.StrictFIFOLock()
        self._greetings_repeated = 0
        self._timer = Timer(host, self._on_timeout)
        self._sender = SendingHalf(self._timer, lambda: host.net.now, self._transmit)
        self._receiver = ReceivingHalf()
        host.connections[local_address, peer_address] = self

    # For programs.

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, waiting for room in the buffer."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._check_sendable()
            rest = memoryview(bytes(data))
            while rest:
                await self._wait_for_room()
                room = self._sender.room_bytes
                self._sender.write(rest[:room])
                rest = rest[room:]
                self._pump()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room in the buffer."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            await self._wait_for_room()

    async def send_eof(self) -> None:
        """Send no more; the buffered bytes still go out."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._check_sendable()
            self._end()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes; empty at the end."""
        with _Exclusive(self._receiving):
            await trio.lowlevel.checkpoint()
            receiver = self._receiver
            while not (self.closed or self.error or receiver.readable_bytes or receiver.has_ended):
                await self._changed.park()
            if self.closed:
                raise trio.ClosedResourceError
            if receiver.readable_bytes:
                return self._read(max_bytes or 65536)
            if receiver.has_ended:
                return b""
            raise self._broken()

    async def aclose(self) -> None:
        """Close, with a reset where bytes are left unread."""
        if not self.closed:
            if self._receiver.readable_bytes or not self.is_established:
                self.abort()  # as kernels do when bytes are left unread
            else:
                self.closed = True
                self._end()
                self._host.net.call_at(self._host.net.now + ORPHANED_S, self._forget)
                self._changed.unpark_all()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close at once, and reset the peer."""
        self.closed = True
        if not self.error:
            self.way.refuse()
            self._break(errno.ECONNABORTED)
        self._changed.unpark_all()

    def reset(self) -> None:
        """Break, because a reset came."""
        self._break(errno.ECONNRESET if self.is_established else errno.ECONNREFUSED)

    def hang(self) -> None:
        """Let nothing pass any more, without a word to either end."""
        self.way.is_cut = True

    def _broken(self) -> trio.BrokenResourceError:
        error = trio.BrokenResourceError("the connection broke")
        error.__cause__ = OSError(self.error, "the connection broke")
        return error

    def _check_sendable(self) -> None:
        if self.closed or self._sender.is_ending:
            raise trio.ClosedResourceError
        if self.error:
            raise self._broken()

    async def _wait_for_room(self) -> None:
        self._check_sendable()
        while self._sender.room_bytes <= 0:
            await self._changed.park()
            self._check_sendable()

    def _read(self, max_bytes: int) -> bytes:
        data = self._receiver.read(max_bytes)
        if self._receiver.has_new_room:
            self._acknowledge()
        return data

    # Connecting.

    def connect(self) -> None:
        """Begin to connect; `settled` is set at the end of it."""
        self._is_client = True
        self._timer.start(FIRST_RTO_S)
        self.way.send(TCP_HEADER_BYTES, None)

    def greet(self) -> None:
        """Answer a SYN."""
        self._timer.start(FIRST_RTO_S)
        self.way.send(TCP_HEADER_BYTES, lambda stream: stream._on_greeting())

    def _on_greeting(self) -> None:
        if not self.is_established:
            self._establish()
        self._acknowledge()

    def _establish(self) -> None:
        self.is_established = True
        self._timer.stop()
        self.settled.set()
        self.on_established()
        self._pump()

    def _on_timeout(self) -> None:
        if self.is_established:
            if self._sender.on_timeout():
                self._break(errno.ETIMEDOUT)
            return
        self._greetings_repeated += 1
        if 2**self._greetings_repeated - 1 >= SYN_TIMEOUT_S:
            self._break(errno.ETIMEDOUT)
            return
        self._timer.start(FIRST_RTO_S * 2**self._greetings_repeated)
        self.way.send(TCP_HEADER_BYTES, None if self._is_client else lambda stream: stream._on_greeting())

    # Both halves.

    def _pump(self) -> None:
        if self.is_established and not self.error:
            self._sender.pump()

    def _end(self) -> None:
        if not self._sender.is_ending and not self.error:
            self._sender.is_ending = True
            self._pump()
            self._forget_if_done()

    def _transmit(self, segment: TcpSegment) -> None:
        size = len(segment.data) + TCP_HEADER_BYTES
        self._host.counters.add(tx=size)
        self.way.send(size, lambda stream: stream._on_segment(segment))

    def _on_segment(self, segment: TcpSegment) -> None:
        if not self.is_established:
            self._establish()
        if self.closed and segment.data:
            self.way.refuse()
            self._break(errno.ECONNABORTED)
            return
        if self._receiver.take_in(segment):
            self._host.counters.add(rx=len(segment.data) + TCP_HEADER_BYTES)
        self._acknowledge()
        self._changed.unpark_all()
        self._forget_if_done()

    def _acknowledge(self) -> None:
        ack = self._receiver.acknowledge()
        self.way.send(TCP_HEADER_BYTES, lambda stream: stream._on_ack(ack))

    def _on_ack(self, ack: Ack) -> None:
        if not self.is_established:
            self._establish()
        self._sender.on_ack(ack)
        self._pump()
        self._changed.unpark_all()
        self._forget_if_done()

    # The end.

    def _break(self, number: int) -> None:
        if not self.error:
            self.error = number
            self._timer.stop()
            self._forget()
            self.settled.set()
            self._changed.unpark_all()

    def _forget_if_done(self) -> None:
        if self.closed and self._sender.end_was_acked and self._receiver.has_ended:
            self._forget()

    def _forget(self) -> None:
        """Leave the host's table: nothing is to be sent or received any more."""
        self._host.connections.pop((self.local_address, self.peer_address), None)


class _Exclusive:
    """Hold a lock that nobody may be waiting for: concurrent use of a stream is a bug."""

    def __init__(self, lock: trio.StrictFIFOLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            raise trio.BusyResourceError("another task is using this stream") from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()
