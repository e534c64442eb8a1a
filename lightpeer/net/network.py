"""The seam to the world: sockets, wall-clock time and entropy, and nothing above them.

Everything in lightpeer that touches the outside is handed a `Network`.
`SystemNetwork` (`system.py`) is the real one; tests fill the same seam with a simulated
network on virtual time. Monotonic time is not part of it: that is always
`trio.current_time()`, which trio's own MockClock replaces.

A network also counts what it carries, since its users are on metered links:
`network.counters` gives the IP payload bytes of all of its sockets. UDP is
counted as it goes by; for TCP the kernel's own segment counts are read where
it has them (Linux), because acknowledgements and repeats cost money too.
"""

from __future__ import annotations

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


class _Addressed(Protocol):
    """What is simulated, and knows its addresses."""

    peer_address: Address
    local_address: Address


def peer_address(stream: object) -> Address:
    """Give the remote address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getpeername())
    return cast("_Addressed", stream).peer_address


def local_address(stream: object) -> Address:
    """Give the local address of a TCP stream, real or simulated."""
    if isinstance(stream, trio.SocketStream):
        return socket_address(stream.socket.getsockname())
    return cast("_Addressed", stream).local_address


def listener_address(listener: object) -> Address:
    """Give the local address, with the real port, of a TCP listener, real or simulated."""
    if isinstance(listener, trio.SocketListener):
        return socket_address(listener.socket.getsockname())
    return cast("_Addressed", listener).local_address


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


def socket_address(name: Any) -> Address:
    """Cut a socket name of either family (IPv6 has a flow and a scope too) to host and port.

    An address of IPv4 that came through a socket of both families is given as what it is, for it is
    compared, and goes into path tokens.
    """
    return name[0].removeprefix(MAPPED) if "." in name[0] else name[0], name[1]
