"""The seam to the world: sockets, wall-clock time and entropy, and nothing above them.

Everything in lightpeer that touches the outside gets a `Network`. `SystemNetwork` (`system.py`) is the real
one; tests use a simulated network on virtual time instead. Monotonic time is not part of the seam: it is
always `trio.current_time()`, which trio's MockClock replaces.

A network also counts its traffic, because its users are on metered links: `network.counters` has the IP
payload bytes of all its sockets, without IP's own headers. UDP is counted per datagram. For TCP, Linux gives
the kernel's own segment counts, which include acknowledgements and retransmissions; those cost money too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from lightpeer.core.budget.profile import WayOut
    from lightpeer.core.lan.services import Own
    from lightpeer.net.found import Lan

Address: TypeAlias = tuple[str, int]
"""A host (a name, or a numeric address without brackets) and a port."""

MAX_DATAGRAM_BYTES: Final = 2048
"""More than any datagram of ours; a longer one is cut, and its tag then fails."""

ANY_OF_BOTH: Final = "::"
"""The local address of both families on one port (RFC 3493, sections 3.7 and 5.3)."""

MAPPED: Final = "::ffff:"  # the prefix that such a socket gives to IPv4 addresses

MOST_AT_ONCE: Final = 64
"""Datagrams that are received together: two thirds of Linux's default buffer for a socket."""


class Datagram(NamedTuple):
    """A received datagram: its first 2048 bytes, its source, and its arrival in trio's time."""

    data: bytes
    source: Address
    came_at: float


class DatagramSocket(Protocol):
    """A bound UDP socket."""

    @property
    def local_address(self) -> Address:
        """The address that it is bound to."""

    async def send_to(self, data: bytes, address: Address) -> None:
        """Send one datagram to a numeric address.

        Raises:
            OSError: the network refused it (for example, there is no route).
            trio.ClosedResourceError: this socket is closed.
        """

    def send_now(self, data: bytes, address: Address) -> bool:
        """Send one datagram without waiting; return whether there was room for it.

        Raises:
            OSError: the network refused it.
            trio.ClosedResourceError: this socket is closed.
        """

    async def receive_from(self) -> tuple[bytes, Address]:
        """Wait for one datagram; return its first 2048 bytes and its source.

        Raises:
            OSError: the network failed.
            trio.ClosedResourceError: this socket is or becomes closed.
        """

    async def receive_all(self, not_before: float) -> list[Datagram]:
        """Wait for a datagram, but at least until `not_before`; return all that are here, up to MOST_AT_ONCE.

        Args:
            not_before: a time of trio's.

        Raises:
            OSError: the network failed.
            trio.ClosedResourceError: this socket is or becomes closed.
        """

    def close(self) -> None:
        """Close it; a task that waits on it gets `trio.ClosedResourceError`."""


class Network(Protocol):
    """What lightpeer needs of the outside world."""

    @property
    def counters(self) -> Counters:
        """The traffic so far."""

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """Connect; the addresses of a name are tried with staggered starts (RFC 8305).

        Raises:
            OSError: none of its addresses could be reached.
        """

    async def resolve(self, host: str) -> list[str]:
        """Return the numeric addresses of a host, the best first.

        Raises:
            OSError: there is none.
        """

    async def listen_tcp(self, host: str, port: int) -> trio.abc.Listener[trio.abc.Stream]:
        """Listen on one address; port 0 picks a free one (see `listener_address`).

        The address `::` listens on all addresses of both families, of IPv4 alone where a system has no IPv6;
        IPv4 peers keep their usual addresses.

        Raises:
            OSError: the address is taken or not ours.
        """

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None) -> DatagramSocket:
        """Bind a UDP socket to a local address.

        Args:
            host: the local address; "" is any address of one family, `::` of both.
            port: 0 picks a free one.
            family_of: a remote host, whose address family the socket gets if `host` is ""; IPv4 without it.

        Raises:
            OSError: the address is taken or not ours, or `family_of` cannot be resolved.
        """

    def lan(self, own: Own | None = None) -> AbstractAsyncContextManager[Lan]:
        """Look for peers on the local network during a block, and register our own service."""

    def local_hosts(self) -> list[str]:
        """Return our numeric addresses in local networks, without loopback, as far as they can be told."""

    def way_out(self) -> WayOut:
        """Return the interface that leads to the internet now, as far as it can be told."""

    def unix_time(self) -> float:
        """Return the wall-clock time in seconds since 1970."""

    def entropy(self, n: int) -> bytes:
        """Return `n` random bytes that are fit for keys."""


class _Addressed(Protocol):
    """A simulated stream or listener, which knows its addresses."""

    peer_address: Address
    local_address: Address


def peer_address(stream: object) -> Address:
    """Return the remote address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getpeername())
    return cast("_Addressed", stream).peer_address


def local_address(stream: object) -> Address:
    """Return the local address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getsockname())
    return cast("_Addressed", stream).local_address


def listener_address(listener: object) -> Address:
    """Return the local address of a TCP listener, real or simulated, with its actual port."""
    if isinstance(listener, trio.SocketListener):
        return socket_address(listener.socket.getsockname())
    return cast("_Addressed", listener).local_address


class Counters:
    """IP payload bytes received and sent by all sockets of one network."""

    def __init__(self) -> None:
        self._rx_bytes = 0
        self._tx_bytes = 0
        self._open: set[Callable[[], tuple[int, int]]] = set()  # of each open TCP stream
        # Told of bytes received and sent, as they pass.
        self.on_traffic: Callable[[int, int], None] | None = None
        self._traffic: trio.Event | None = None  # somebody waits for it

    def rx_bytes(self) -> int:
        """Return the bytes received so far."""
        return self._rx_bytes + sum(read()[0] for read in self._open)

    def tx_bytes(self) -> int:
        """Return the bytes sent so far."""
        return self._tx_bytes + sum(read()[1] for read in self._open)

    def total_bytes(self) -> int:
        """Return the bytes received and sent so far."""
        return self.rx_bytes() + self.tx_bytes()

    def add(self, *, rx: int = 0, tx: int = 0) -> None:
        """Count received and sent bytes."""
        self._rx_bytes += rx
        self._tx_bytes += tx
        if self.on_traffic is not None:  # once for each datagram: no further call
            self.on_traffic(rx, tx)
        if self._traffic is not None:
            self._wake(self._traffic)

    def tell(self, rx: int, tx: int) -> None:
        """Tell who listens of bytes that pass now and are counted later, as a stream's are."""
        if self.on_traffic is not None:
            self.on_traffic(rx, tx)
        if self._traffic is not None:
            self._wake(self._traffic)

    async def wait_beyond(self, total_bytes: int) -> None:
        """Wait until more bytes than these have been received and sent."""
        while self.total_bytes() <= total_bytes:
            if self._traffic is None:
                self._traffic = trio.Event()
            await self._traffic.wait()

    def _wake(self, traffic: trio.Event) -> None:
        traffic.set()
        self._traffic = None

    def track(self, read: Callable[[], tuple[int, int]]) -> None:
        """Count an open stream, whose `read` returns its received and sent bytes."""
        self._open.add(read)

    def retire(self, read: Callable[[], tuple[int, int]]) -> None:
        """Count a tracked stream for the last time, before it closes."""
        if read in self._open:
            self._open.remove(read)
            rx, tx = read()
            self._rx_bytes += rx
            self._tx_bytes += tx


def socket_address(name: Any) -> Address:
    """Return the host and port of a socket name of either family; IPv6 names also have a flow and a scope.

    An IPv4 address on a socket of both families loses its prefix, because addresses are compared and go
    into path tokens.
    """
    return name[0].removeprefix(MAPPED) if "." in name[0] else name[0], name[1]
