"""UDP to one address, over a socket that is replaced when the network under it has changed.

A phone that goes from Wi-Fi to 3G sends from another address, and what was bound to
the old one may be dead without a word. So a new socket is made when the network
refuses a datagram, and when the user of the path says that nothing comes. The former
one is kept until something came on the new one: after a dead zone, what the network
held still comes there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.wire.network import Address, DatagramSocket, Network

logger = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 1.0
"""At most so often: a phone without any network refuses every datagram."""


class Path:
    """UDP to one address. `open` it first; all that comes from there goes to `on_datagram`."""

    def __init__(
        self,
        network: Network,
        address: Address,
        nursery: trio.Nursery,
        on_datagram: Callable[[bytes], Awaitable[bool]],
    ) -> None:
        """Take where to, the nursery to receive in, and what tells whether a datagram was the other end's."""
        self.address = address
        self.opened_at = 0.0
        self._network = network
        self._nursery = nursery
        self._on_datagram = on_datagram
        self._socket: DatagramSocket | None = None
        self._former: DatagramSocket | None = None
        self._closed = False

    async def open(self) -> None:
        """Open a socket, and keep the former one until this one hears something; raise OSError."""
        self.opened_at = trio.current_time()
        socket = await self._network.open_udp("", family_of=self.address[0])
        if self._closed:
            socket.close()
            return
        if self._former is not None:
            self._former.close()
        self._former, self._socket = self._socket, socket
        self._nursery.start_soon(self._receive, socket)

    async def send(self, datagram: bytes) -> None:
        """Send a datagram; what cannot be sent is lost like any other."""
        try:
            if self._socket is not None:
                await self._socket.send_to(datagram, self.address)
        except trio.ClosedResourceError:
            return
        except OSError as error:
            logger.debug("could not send to %s: %s", self.address[0], error)
            if trio.current_time() >= self.opened_at + RENEW_EVERY_S:
                await self.renew()

    async def renew(self) -> None:
        """Go on over a new socket, if there can be one."""
        try:
            await self.open()
        except OSError as error:
            logger.info("no new UDP socket: %s", error)

    def close(self) -> None:
        """Close the sockets; nothing is received any more."""
        self._closed = True
        for socket in (self._socket, self._former):
            if socket is not None:
                socket.close()

    async def _receive(self, socket: DatagramSocket) -> None:
        while not self._closed:
            try:
                datagram, source = await socket.receive_from()
            except trio.ClosedResourceError:
                return
            except OSError as error:  # an ICMP error for what was sent, which says nothing that is proven
                logger.debug("from %s: %s", self.address[0], error)
                continue
            if source != self.address or not await self._on_datagram(datagram):
                continue
            if socket is self._socket and self._former is not None:
                self._former.close()
                self._former = None
