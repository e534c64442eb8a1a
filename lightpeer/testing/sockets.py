"""The sockets of simulated hosts: UDP, and the listening ports of TCP."""

from __future__ import annotations

import errno
from contextlib import suppress
from random import Random
from typing import Any, Protocol

import trio

from lightpeer.core.udp.datagram import UDP_HEADER_BYTES
from lightpeer.net.network import MOST_AT_ONCE, Address, Counters, Datagram
from lightpeer.testing.nat import Nat
from lightpeer.testing.packet import IpPacket, family_of
from lightpeer.testing.tcp.stream import SimStream

UDP_RECEIVE_QUEUE = 256  # datagrams, about a kernel's default socket buffer
LISTEN_BACKLOG = 128


class SocketHost(Protocol):
    """The parts of a host that a socket needs."""

    net: Any  # the internet, from a layer above
    counters: Counters
    nat: Nat
    udp: dict[int, SimUdpSocket]
    listeners: dict[int, SimListener]

    @property
    def time_s(self) -> float:
        """The host's monotonic time."""

    def source_for(self, target: str, /) -> str:
        """Return the address that packets to a target leave from."""


class SimUdpSocket:
    """A bound UDP socket of a simulated host, of one family or of both."""

    def __init__(self, host: SocketHost, local_address: Address, family: int | None) -> None:
        self._host = host
        self.local_address = local_address
        self._family = family
        self.stranded = False
        self._send, self._receive = trio.open_memory_channel[Datagram](UDP_RECEIVE_QUEUE)

    async def send_to(self, data: bytes, address: Address) -> None:
        """Send a datagram."""
        await trio.lowlevel.checkpoint()
        self.send_now(data, address)

    def send_now(self, data: bytes, address: Address) -> bool:
        """Send a datagram; return True, since there is always room.

        Raises:
            ClosedResourceError: the socket was closed.
            OSError: no route, or an address of another family.
        """
        host, net = self._host, self._host.net
        if host.udp.get(self.local_address[1]) is not self:
            raise trio.ClosedResourceError
        if self._family not in {None, family_of(address[0])}:
            raise OSError(errno.EAFNOSUPPORT, "an address of another family")
        own = host.source_for(address[0])
        host.nat.leave(net.now)
        host.counters.add(tx=len(data) + UDP_HEADER_BYTES)
        source = (own, self.local_address[1] + host.nat.shift)
        payload: bytes | None = (
            bytes(data) if net.mutate is None else net.mutate(bytes(data), source, address)
        )
        if payload is None or self.stranded:
            return True

        def arrive(target: SocketHost, is_corrupt: bool) -> None:
            socket = target.udp.get(address[1] - target.nat.shift)
            if socket is not None and target.nat.enter(net.now):
                socket.take(_changed(payload, net.random) if is_corrupt else payload, source)

        size = len(payload) + UDP_HEADER_BYTES
        net.carry(IpPacket(host, own, address[0], size, is_udp=True, deliver=arrive))
        return True

    async def receive_from(self) -> tuple[bytes, Address]:
        """Wait for a datagram; return it and its source."""
        datagram = await self._receive_one()
        return datagram.data, datagram.source

    async def receive_all(self, not_before: float) -> list[Datagram]:
        """Wait for datagrams, at least until a time; return all that have arrived."""
        if trio.current_time() < not_before:
            await trio.sleep_until(not_before)
        came = [await self._receive_one()]
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while len(came) < MOST_AT_ONCE:
                came.append(self._receive.receive_nowait())
        return came

    async def _receive_one(self) -> Datagram:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    def take(self, data: bytes, source: Address) -> None:
        """Receive a datagram, unless the buffer is full."""
        if self.stranded:
            return
        try:
            self._send.send_nowait(Datagram(data[:2048], source, self._host.time_s))
        except trio.WouldBlock:
            return
        self._host.counters.add(rx=len(data) + UDP_HEADER_BYTES)

    def close(self) -> None:
        """Close the socket; a waiting task gets ClosedResourceError."""
        self._host.udp.pop(self.local_address[1], None)
        self._send.close()


class SimListener(trio.abc.Listener[trio.abc.Stream]):
    """A listening TCP port of a simulated host."""

    def __init__(self, host: SocketHost, local_address: Address) -> None:
        self._host = host
        self.local_address = local_address
        self._send, self._receive = trio.open_memory_channel[SimStream](LISTEN_BACKLOG)

    def has_room(self) -> bool:
        """Return whether one more connection may wait to be accepted."""
        return self._send.statistics().current_buffer_used < LISTEN_BACKLOG

    def offer(self, stream: SimStream) -> None:
        """Queue a connection to be accepted."""
        try:
            self._send.send_nowait(stream)
        except (trio.WouldBlock, trio.ClosedResourceError):  # the port was closed meanwhile
            stream.abort()

    async def accept(self) -> SimStream:
        """Wait for a connection."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    def close(self) -> None:
        """Close the port; a waiting task gets ClosedResourceError."""
        self._host.listeners.pop(self.local_address[1], None)
        self._send.close()

    async def aclose(self) -> None:
        """Close the port."""
        self.close()
        await trio.lowlevel.checkpoint()


def _changed(data: bytes, random: Random) -> bytes:
    """Return the bytes with one bit flipped."""
    at = random.randrange(len(data)) if data else 0
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :] if data else data
