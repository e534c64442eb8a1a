"""UDP to one peer, over sockets that are replaced when the network under them changes.

A phone that moves from Wi-Fi to 3G sends from another address, and a socket bound to the old one may be
dead without an error. So a new socket is opened when the network refuses a datagram, and when the user of
the path says that nothing comes. The former one stays open until something comes on the new one, because
after a dead zone the network still delivers there what it held.

The new network may have only the other address family. If the peer has an address of each, datagrams then
go to both until something comes from one of them. This is like RFC 8305, except that the request itself
races.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from lightpeer.net.network import Address, Datagram, DatagramSocket, Network

logger = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 1.0
"""The least time between two new sockets, because a phone without a network refuses every datagram."""


class Path:
    """UDP to one peer; `open` it first.

    Args:
        network: where to open sockets.
        addresses: of the peer, at most one of each family; the first is used until the path is bound anew.
        nursery: for the tasks that receive.
        on_datagrams: called with received datagrams; returns whether any of them was really the peer's.

    Attributes:
        address: where something last came from, or is expected from.
        opened_at: when the present sockets were opened, in trio's time.
        rest_until: until when datagrams are left unread, to read them together; each knows its arrival.
    """

    def __init__(
        self,
        network: Network,
        addresses: Sequence[Address],
        nursery: trio.Nursery,
        on_datagrams: Callable[[Sequence[Datagram]], Awaitable[bool]],
    ) -> None:
        self.address = addresses[0]
        self.opened_at = 0.0
        self._addresses = addresses
        self._network = network
        self._nursery = nursery
        self._on_datagrams = on_datagrams
        self.rest_until = -math.inf
        self._ways: dict[DatagramSocket, Address] = {}  # more than one until something comes on one
        self._former: list[DatagramSocket] = []
        self._closed = False

    async def open(self) -> None:
        """Open a socket to the first address.

        Raises:
            OSError: it cannot be opened.
        """
        self.opened_at = trio.current_time()
        self._adopt({await self._network.open_udp("", family_of=self.address[0]): self.address})

    async def send(self, datagram: bytes) -> None:
        """Send a datagram, over a new socket if the network refuses it; it may be lost."""
        if self._send(datagram) or trio.current_time() < self.opened_at + RENEW_EVERY_S:
            return
        await self.rebind()
        self._send(datagram)

    def _send(self, datagram: bytes) -> bool:
        """Send a datagram to each address where the peer may be; return whether the network took it."""
        is_taken = not self._ways
        for socket, address in self._ways.items():
            try:
                socket.send_now(datagram, address)
                is_taken = True
            except trio.ClosedResourceError:  # closed in the meantime
                is_taken = True
            except OSError as error:
                logger.debug("could not send to %s: %s", address[0], error)
        return is_taken

    async def rebind(self, *, keep_former: bool = True) -> None:
        """Continue over a new socket for each address, where one can be opened.

        Args:
            keep_former: whether the former sockets still receive for now.
        """
        self.opened_at = trio.current_time()
        ways: dict[DatagramSocket, Address] = {}
        try:
            for address in self._addresses:
                await self._open_way(address, ways)
        finally:
            self._adopt(ways)
        if not keep_former:
            _close(self._former)
            self._former = []

    async def _open_way(self, address: Address, ways: dict[DatagramSocket, Address]) -> None:
        try:
            ways[await self._network.open_udp("", family_of=address[0])] = address
        except OSError as error:  # for example, this machine has no IPv6
            logger.info("no new UDP socket: %s", error)

    def _adopt(self, ways: dict[DatagramSocket, Address]) -> None:
        if self._closed:
            _close(ways)
        elif ways:
            _close(self._former)
            self._former, self._ways = list(self._ways), ways
            for socket, address in ways.items():
                self._nursery.start_soon(self._receive, socket, address)

    def close(self) -> None:
        """Close the sockets and receive nothing more."""
        self._closed = True
        _close([*self._ways, *self._former])

    async def _receive(self, socket: DatagramSocket, address: Address) -> None:
        while not self._closed:
            try:
                came = await socket.receive_all(self.rest_until)
            except trio.ClosedResourceError:
                return
            except OSError as error:  # an ICMP error, which anybody can forge
                logger.debug("from %s: %s", address[0], error)
                continue
            ours = [datagram for datagram in came if datagram.source == address]
            if not ours or not await self._on_datagrams(ours):
                continue
            if socket in self._ways and (self._former or len(self._ways) > 1):
                self._settle(socket)

    def _settle(self, socket: DatagramSocket) -> None:
        """Continue over the one socket that something came on."""
        self.address = self._ways.pop(socket)
        _close([*self._ways, *self._former])
        self._ways, self._former = {socket: self.address}, []


def _close(sockets: Iterable[DatagramSocket]) -> None:
    for socket in sockets:
        socket.close()
