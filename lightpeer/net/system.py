"""The real network: the system's sockets, clock and entropy, and counts of their traffic."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from lightpeer.net.network import ANY_OF_BOTH, Counters, DatagramSocket, socket_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager

    from lightpeer.core.budget.profile import WayOut
    from lightpeer.core.lan.services import Own
    from lightpeer.net.found import Lan

_TCP_HEADER_BYTES = 32  # 20, and 12 of timestamps, which nearly every stack sends
_TCP_SEGMENT_BYTES = 1448  # the rest of an Ethernet frame
_TCP_INFO_BYTES = 208  # up to tcpi_bytes_sent, in Linux 4.19 and later
_LISTEN_BACKLOG = 128
_ANY_IPV4: Final = socket.inet_ntoa(bytes(4))
ACCEPTS_AT_ONCE: Final = 32
"""Connections that are accepted together. With one for each turn of the event loop, an honest client beside a
flood would wait for hundreds of turns."""


class SystemNetwork:
    """The real network, clock and entropy."""

    def __init__(self) -> None:
        self.counters = Counters()

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """Connect (see `Network`)."""
        with _known_as_names(host):
            stream = await trio.open_tcp_stream(host, port)
        return TcpStream(stream, self.counters)

    async def resolve(self, host: str) -> list[str]:
        """Resolve a name (see `Network`)."""
        with _known_as_names(host):
            found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(name[0]) for *_, name in found))

    async def listen_tcp(self, host: str, port: int) -> trio.abc.Listener[trio.abc.Stream]:
        """Listen (see `Network`)."""
        if host == ANY_OF_BOTH and not _has_ipv6():
            host = _ANY_IPV4
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

        return on_lan(own, self.counters)

    def local_hosts(self) -> list[str]:
        """Return our addresses in local networks (see `Network`)."""
        from lightpeer.net.route import local_networks

        return [interface.host for interface in local_networks()]

    def way_out(self) -> WayOut:
        """Return the interface that leads to the internet now (see `Network`)."""
        from lightpeer.net.route import way_out

        return way_out()

    def unix_time(self) -> float:
        """Return the wall-clock time in seconds since 1970."""
        return time.time()

    def entropy(self, n: int) -> bytes:
        """Return `n` bytes from the system's generator."""
        return os.urandom(n)


class TcpStream(trio.abc.HalfCloseableStream):
    """A TCP connection that knows its addresses and counts its traffic."""

    def __init__(self, stream: trio.SocketStream, counters: Counters) -> None:
        self._stream = stream
        self._counters = counters
        self._payload_rx_bytes = 0
        self._payload_tx_bytes = 0
        self.peer_address = socket_address(stream.socket.getpeername())
        self.local_address = socket_address(stream.socket.getsockname())
        self._read = self._carried  # kept, because each access makes a new bound method
        counters.track(self._read)

    def send_now(self, data: bytes) -> int:
        """Send what the socket takes without waiting and return how many bytes that was.

        No `send_all` may be running.
        """
        if os.name != "posix":  # elsewhere a socket is not a file
            return 0
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except OSError:  # it is full or broken; `send_all` waits or raises
            return 0
        self._payload_tx_bytes += sent
        self._counters.tell(0, sent)
        return sent

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data."""
        self._payload_tx_bytes += len(data)
        self._counters.tell(0, len(data))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket's buffer has room."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Close the sending direction."""
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive some bytes, or b"" at the end."""
        data = await self._stream.receive_some(max_bytes)
        self._payload_rx_bytes += len(data)
        self._counters.tell(len(data), 0)
        return data

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()
        await trio.lowlevel.checkpoint()

    def drop(self) -> None:
        """Close the connection without a turn of the event loop."""
        self._counters.retire(self._read)
        self._stream.socket.close()

    def _carried(self) -> tuple[int, int]:
        """Return the bytes received and sent, including TCP headers."""
        if sys.platform in {"linux", "android"}:
            try:
                info = self._stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
                return _tcp_info_bytes(info)
            except (OSError, struct.error):  # it is closed, or the kernel is too old
                pass
        return _estimate_tcp(self._payload_rx_bytes), _estimate_tcp(self._payload_tx_bytes)


class TcpListener(trio.abc.Listener[trio.abc.Stream]):
    """A listening TCP socket."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._sock = sock  # non-blocking
        self._counters = counters
        self._left = ACCEPTS_AT_ONCE
        self.local_address = socket_address(sock.getsockname())

    async def accept(self) -> TcpStream:
        """Wait for a connection that is still alive when it is accepted.

        Up to `ACCEPTS_AT_ONCE` waiting connections are returned without a turn of the event loop between
        them.
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
            except ConnectionAbortedError:  # the client aborted it: accept(2)
                continue
            self._left -= 1
            try:
                stream = trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
                return TcpStream(stream, self._counters)
            except OSError:  # the peer is gone, so it has no address
                accepted.close()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
        await trio.lowlevel.checkpoint()


async def _resolve(
    host: str,
    port: int,
    kind: socket.SocketKind,
    flags: int = 0,
    family: int = socket.AF_UNSPEC,
) -> tuple[socket.AddressFamily, Any]:
    with _known_as_names(host):
        found = await trio.socket.getaddrinfo(host or None, port, family, kind, 0, flags)
    return found[0][0], found[0][4]


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:  # as with ipv6.disable=1
        return False
    return True


@contextmanager
def _known_as_names(host: str) -> Iterator[None]:
    """Raise socket.gaierror for a host that cannot be a name, such as `a..example`."""
    try:
        yield
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is no host name ({error})") from error


async def _bind(sock: trio.socket.SocketType, address: Any) -> None:
    if sock.family == socket.AF_INET6:  # the default differs between systems
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != ANY_OF_BOTH))
    await sock.bind(address)


def _tcp_info_bytes(info: bytes) -> tuple[int, int]:
    """Return the bytes received and sent, including headers, from Linux's `struct tcp_info`."""
    received, segments_out, segments_in = struct.unpack_from("=QII", info, 128)
    (sent,) = struct.unpack_from("=Q", info, 200)  # including retransmissions
    return (
        received + segments_in * _TCP_HEADER_BYTES,
        sent + segments_out * _TCP_HEADER_BYTES,
    )


def _estimate_tcp(payload_bytes: int) -> int:
    segments = -(-payload_bytes // _TCP_SEGMENT_BYTES)
    return payload_bytes + segments * _TCP_HEADER_BYTES
