"""The seam to the world: sockets, wall-clock time and entropy, and nothing above them.

Everything in lightpeer that touches the outside is handed a `Network`.
`SystemNetwork` is the real one; tests fill the same seam with a simulated
network on virtual time. Monotonic time is not part of it: that is always
`trio.current_time()`, which trio's own MockClock replaces.

A network also counts what it carries, since its users are on metered links:
`network.counters` gives the IP payload bytes of all of its sockets. UDP is
counted as it goes by; for TCP the kernel's own segment counts are read where
it has them (Linux), because acknowledgements and repeats cost money too.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from lightpeer.net.lan import Lan, Own

Address: TypeAlias = tuple[str, int]
"""A host (a name, or a numeric address without brackets) and a port."""

MAX_DATAGRAM_BYTES: Final = 2048
"""More than any datagram of ours; a longer one is cut, and then fails its tag."""

ANY_OF_BOTH: Final = "::"
"""The local address that takes in both families on one port (RFC 3493, sections 3.7 and 5.3)."""

MAPPED: Final = "::ffff:"  # what such a socket puts before addresses of IPv4
_TCP_HEADER_BYTES = 32  # 20, and 12 for the timestamps that nearly every stack sends
_TCP_SEGMENT_BYTES = 1448  # what an Ethernet frame holds after those headers
_TCP_INFO_BYTES = 208  # as far as tcpi_bytes_sent, in Linux 4.19 and later
_LISTEN_BACKLOG = 128

ACCEPTS_AT_ONCE: Final = 32
"""Connections that are taken together: beside a flood of them, one for each turn of the loop would have an
honest one wait for hundreds of turns."""

MOST_AT_ONCE: Final = 64
"""Datagrams that are taken together: two thirds of what Linux holds for a socket unless told otherwise."""


class Datagram(NamedTuple):
    """A datagram that came: its first 2048 bytes, from whom, and when, as `trio.current_time` counts."""

    data: bytes
    source: Address
    came_at: float


class DatagramSocket(Protocol):
    """A bound UDP socket."""

    @property
    def local_address(self) -> Address:
        """Where it is bound."""

    async def send_to(self, data: bytes, address: Address) -> None:
        """Send one datagram to a numeric address.

        Raises:
            OSError: the network refused it (for example, there is no route).
            trio.ClosedResourceError: this socket is closed.
        """

    def send_now(self, data: bytes, address: Address) -> bool:
        """Send one datagram without waiting; tell whether there was room for it.

        Raises as `send_to` does.
        """

    async def receive_from(self) -> tuple[bytes, Address]:
        """Wait for one datagram; give its first 2048 bytes and its source.

        Raises:
            OSError: the network failed.
            trio.ClosedResourceError: this socket is or becomes closed.
        """

    async def receive_all(self, not_before: float) -> list[Datagram]:
        """Wait for a datagram, and until a time of trio's; give all that are here, at most MOST_AT_ONCE.

        Raises as `receive_from` does.
        """

    def close(self) -> None:
        """Close it; whoever waits on it gets `trio.ClosedResourceError`."""


class Network(Protocol):
    """What lightpeer needs of the world."""

    @property
    def counters(self) -> Counters:
        """The bytes carried so far."""

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """Connect; a name's addresses are tried with a staggered start (RFC 8305).

        Raises:
            OSError: no address of it could be reached.
        """

    async def resolve(self, host: str) -> list[str]:
        """Give the numeric addresses of a name, or of itself, the best first.

        Raises:
            OSError: there is none.
        """

    async def listen_tcp(self, host: str, port: int) -> trio.abc.Listener[trio.abc.Stream]:
        """Listen on one address; port 0 picks a free one (see `listener_address`).

        The address `::` stands for all of both families: peers of IPv4 are named as ever there.

        Raises:
            OSError: the address is taken or not ours.
        """

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None) -> DatagramSocket:
        """Bind a UDP socket to a local address.

        Args:
            host: the local address, or "" for any of one family; `::` is any of both.
            port: 0 picks a free one.
            family_of: a remote host; with `host` "", the socket gets its address family (else IPv4).

        Raises:
            OSError: the address is taken, or not ours, or the hint cannot be resolved.
        """

    def lan(self, own: Own | None = None) -> AbstractAsyncContextManager[Lan]:
        """Look for peers on the local network for the length of a block, and be found there as `own`."""

    def unix_time(self) -> float:
        """Give the wall-clock time in seconds since 1970."""

    def entropy(self, n: int) -> bytes:
        """Give `n` bytes fit for keys."""


def peer_address(stream: object) -> Address:
    """Give the remote address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getpeername())
    return cast("Address", stream.peer_address)  # type: ignore[attr-defined]


def local_address(stream: object) -> Address:
    """Give the local address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getsockname())
    return cast("Address", stream.local_address)  # type: ignore[attr-defined]


def listener_address(listener: object) -> Address:
    """Give the local address, with the real port, of a TCP listener, real or simulated."""
    if isinstance(listener, trio.SocketListener):
        return socket_address(listener.socket.getsockname())
    return cast("Address", listener.local_address)  # type: ignore[attr-defined]


class Counters:
    """IP payload bytes received and sent by all sockets of one network."""

    def __init__(self) -> None:
        self._rx_bytes = 0
        self._tx_bytes = 0
        self._open: set[Callable[[], tuple[int, int]]] = set()  # one for each open TCP stream

    def rx_bytes(self) -> int:
        """Give the bytes received so far."""
        return self._rx_bytes + sum(read()[0] for read in self._open)

    def tx_bytes(self) -> int:
        """Give the bytes sent so far."""
        return self._tx_bytes + sum(read()[1] for read in self._open)

    def add(self, *, rx: int = 0, tx: int = 0) -> None:
        """Count bytes that went by."""
        self._rx_bytes += rx
        self._tx_bytes += tx

    def track(self, read: Callable[[], tuple[int, int]]) -> None:
        """Count an open stream by asking `read` for its (received, sent) bytes."""
        self._open.add(read)

    def retire(self, read: Callable[[], tuple[int, int]]) -> None:
        """Add up a tracked stream for the last time; must come before it closes."""
        if read in self._open:
            self._open.remove(read)
            rx, tx = read()
            self.add(rx=rx, tx=tx)


class SystemNetwork:
    """The real network, clock and entropy."""

    def __init__(self) -> None:
        self.counters = Counters()

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """Connect (see `Network`)."""
        return TcpStream(await trio.open_tcp_stream(host, port), self.counters)

    async def resolve(self, host: str) -> list[str]:
        """Resolve a name (see `Network`)."""
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(name[0]) for *_, name in found))

    async def listen_tcp(self, host: str, port: int) -> trio.abc.Listener[trio.abc.Stream]:
        """Listen (see `Network`)."""
        family, address = await _resolve(host, port, socket.SOCK_STREAM, socket.AI_PASSIVE)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name != "nt":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            await _bind(trio.socket.from_stdlib_socket(sock), address)
            sock.listen(_LISTEN_BACKLOG)
        except BaseException:
            sock.close()
            raise
        return TcpListener(sock, self.counters)

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None) -> DatagramSocket:
        """Bind a UDP socket (see `Network`)."""
        from lightpeer.net.udp import UdpSocket

        family = socket.AF_UNSPEC if host else socket.AF_INET
        if not host and family_of is not None:
            family, _ = await _resolve(family_of, port, socket.SOCK_DGRAM)
        family, address = await _resolve(host, port, socket.SOCK_DGRAM, socket.AI_PASSIVE, family)
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            await _bind(trio.socket.from_stdlib_socket(sock), address)
        except BaseException:
            sock.close()
            raise
        return UdpSocket(sock, self.counters)

    def lan(self, own: Own | None = None) -> AbstractAsyncContextManager[Lan]:
        """Look for peers on the local network (see `Network`)."""
        from lightpeer.net.lan import on_lan

        return on_lan(own)

    def unix_time(self) -> float:
        """Give the wall-clock time in seconds since 1970."""
        return time.time()

    def entropy(self, n: int) -> bytes:
        """Give `n` bytes from the system's generator."""
        return os.urandom(n)


class TcpStream(trio.abc.HalfCloseableStream):
    """A TCP connection that knows its addresses and what it carried."""

    def __init__(self, stream: trio.SocketStream, counters: Counters) -> None:
        self._stream = stream
        self._counters = counters
        self._payload_rx_bytes = 0
        self._payload_tx_bytes = 0
        self.peer_address = socket_address(stream.socket.getpeername())
        self.local_address = socket_address(stream.socket.getsockname())
        self._read = self._carried  # one bound method, so that it can be found again
        counters.track(self._read)

    def send_now(self, data: bytes) -> int:
        """Send what the socket takes without waiting, while no `send_all` runs; give how much that was."""
        if os.name != "posix":  # elsewhere a socket is no file
            return 0
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except OSError:  # it is full, or broken: `send_all` waits, or tells
            return 0
        self._payload_tx_bytes += sent
        return sent

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data."""
        self._payload_tx_bytes += len(data)
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket's buffer has room."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Close the sending direction."""
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive some bytes; none at the end."""
        data = await self._stream.receive_some(max_bytes)
        self._payload_rx_bytes += len(data)
        return data

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()
        await trio.lowlevel.checkpoint()

    def drop(self) -> None:
        """Close the connection without a turn of the loop."""
        self._counters.retire(self._read)
        self._stream.socket.close()

    def _carried(self) -> tuple[int, int]:
        """Give the bytes received and sent, TCP headers included."""
        if sys.platform in {"linux", "android"}:
            try:
                info = self._stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
                return _tcp_info_bytes(info)
            except (OSError, struct.error):  # already closed, or an old kernel that tells less
                pass
        return _estimate_tcp(self._payload_rx_bytes), _estimate_tcp(self._payload_tx_bytes)


class TcpListener(trio.abc.Listener[trio.abc.Stream]):
    """A listening TCP socket."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._sock = sock  # which does not block
        self._counters = counters
        self._left = ACCEPTS_AT_ONCE
        self.local_address = socket_address(sock.getsockname())

    async def accept(self) -> TcpStream:
        """Wait for a connection that is still alive when it is taken up.

        Up to `ACCEPTS_AT_ONCE` that wait already are given without a turn of the loop between them.
        """
        while True:
            if not self._left:
                await trio.lowlevel.checkpoint()
                self._left = ACCEPTS_AT_ONCE
            try:
                accepted, _ = self._sock.accept()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._sock)
                self._left = ACCEPTS_AT_ONCE
                continue
            self._left -= 1
            try:
                stream = trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
                return TcpStream(stream, self._counters)
            except OSError:  # the peer has already gone, and its address with it
                accepted.close()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
        await trio.lowlevel.checkpoint()


def socket_address(name: Any) -> Address:
    """Cut a socket name of either family (IPv6 has a flow and a scope too) to host and port.

    An address of IPv4 that came through a socket of both families is given as what it is, for it is
    compared, and goes into path tokens.
    """
    return name[0].removeprefix(MAPPED) if "." in name[0] else name[0], name[1]


async def _resolve(
    host: str,
    port: int,
    kind: socket.SocketKind,
    flags: int = 0,
    family: int = socket.AF_UNSPEC,
) -> tuple[socket.AddressFamily, Any]:
    found = await trio.socket.getaddrinfo(host or None, port, family, kind, 0, flags)
    return found[0][0], found[0][4]


async def _bind(sock: trio.socket.SocketType, address: Any) -> None:
    if sock.family == socket.AF_INET6:  # systems differ in what they do by themselves
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != ANY_OF_BOTH))
    await sock.bind(address)


def _tcp_info_bytes(info: bytes) -> tuple[int, int]:
    """Read bytes received and sent, headers included, from Linux's `struct tcp_info`."""
    received, segments_out, segments_in = struct.unpack_from("=QII", info, 128)
    (sent,) = struct.unpack_from("=Q", info, 200)  # repeats included
    return (
        received + segments_in * _TCP_HEADER_BYTES,
        sent + segments_out * _TCP_HEADER_BYTES,
    )


def _estimate_tcp(payload_bytes: int) -> int:
    segments = -(-payload_bytes // _TCP_SEGMENT_BYTES)
    return payload_bytes + segments * _TCP_HEADER_BYTES
