"""UDP to one peer, over sockets that are replaced when the network under them has changed.

A phone that goes from Wi-Fi to 3G sends from another address, and what was bound to
the old one may be dead without a word. So a new socket is made when the network
refuses a datagram, and when the user of the path says that nothing comes. The former
one is kept until something came on the new one: after a dead zone, what the network
held still comes there.

The new network may also be of the other family alone. Where the peer has an address of
each, datagrams go to both from then on, until something comes from one of them (as in
RFC 8305, but with the question itself: which one arrives first is for the peer to say).
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
"""At most so often: a phone without any network refuses every datagram."""


class Path:
    """UDP to one peer. `open` it first; all that comes from there goes to `on_datagrams`.

    Attributes:
        address: where something came from last, or is expected to.
        opened_at: when the present sockets were opened.
        rest_until: until when what comes next waits, to be taken together: it says when it came.
    """

    def __init__(
        self,
        network: Network,
        addresses: Sequence[Address],
        nursery: trio.Nursery,
        on_datagrams: Callable[[Sequence[Datagram]], Awaitable[bool]],
    ) -> None:
        """Take where to, and where what comes is received.

        Args:
            network: where.
            addresses: of the peer, one of each family at most; the first is used until the path is renewed.
            nursery: to receive in.
            on_datagrams: given what comes from there; tells whether any was the other end's.
        """
        self.address = addresses[0]
        self.opened_at = 0.0
        self._addresses = addresses
        self._network = network
        self._nursery = nursery
        self._on_datagrams = on_datagrams
        self.rest_until = -math.inf
        self._ways: dict[DatagramSocket, Address] = {}  # more than one until it is known which leads there
        self._former: list[DatagramSocket] = []
        self._closed = False

    async def open(self) -> None:
        """Open a socket to the first address; raise OSError."""
        self.opened_at = trio.current_time()
        self._adopt({await self._network.open_udp("", family_of=self.address[0]): self.address})

    async def send(self, datagram: bytes) -> None:
        """Send a datagram, over a new socket if the network refuses; else it is lost like any other."""
        if self._send(datagram) or trio.current_time() < self.opened_at + RENEW_EVERY_S:
            return
        await self.renew()
        self._send(datagram)

    def _send(self, datagram: bytes) -> bool:
        """Send a datagram to where the peer may be; tell whether the network took it."""
        is_taken = not self._ways
        for socket, address in self._ways.items():
            try:
                socket.send_now(datagram, address)
                is_taken = True
            except trio.ClosedResourceError:  # in the meantime
                is_taken = True
            except OSError as error:
                logger.debug("could not send to %s: %s", address[0], error)
        return is_taken

    async def renew(self, *, keep_former: bool = True) -> None:
        """Go on over a new socket for each address, if there can be one.

        The former are heard for now, unless not even that is wanted.
        """
        self.opened_at = trio.current_time()
        ways: dict[DatagramSocket, Address] = {}
        try:
            for address in self._addresses:
                try:
                    ways[await self._network.open_udp("", family_of=address[0])] = address
                except OSError as error:  # for example, this machine has no IPv6
                    logger.info("no new UDP socket: %s", error)
        finally:
            self._adopt(ways)
        if not keep_former:
            _close(self._former)
            self._former = []

    def _adopt(self, ways: dict[DatagramSocket, Address]) -> None:
        if self._closed:
            _close(ways)
        elif ways:
            _close(self._former)
            self._former, self._ways = list(self._ways), ways
            for socket, address in ways.items():
                self._nursery.start_soon(self._receive, socket, address)

    def close(self) -> None:
        """Close the sockets; nothing is received any more."""
        self._closed = True
        _close([*self._ways, *self._former])

    async def _receive(self, socket: DatagramSocket, address: Address) -> None:
        while not self._closed:
            try:
                came = await socket.receive_all(self.rest_until)
            except trio.ClosedResourceError:
                return
            except OSError as error:  # an ICMP error for what was sent, which says nothing that is proven
                logger.debug("from %s: %s", address[0], error)
                continue
            ours = [datagram for datagram in came if datagram.source == address]
            if not ours or not await self._on_datagrams(ours):
                continue
            if socket in self._ways and (self._former or len(self._ways) > 1):
                self._settle(socket)

    def _settle(self, socket: DatagramSocket) -> None:
        """Go on over the one socket that something came on."""
        self.address = self._ways.pop(socket)
        _close([*self._ways, *self._former])
        self._ways, self._former = {socket: self.address}, []


def _close(sockets: Iterable[DatagramSocket]) -> None:
    for socket in sockets:
        socket.close()
