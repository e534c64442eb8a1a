"""A simulated host: a `Network` with ports, clock and entropy of its own, and the faults of one host.

A killed host ends as a process does, and one that moves as a phone does: its UDP sockets go on from the new
address, and its TCP connections hang.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from random import Random
from typing import Protocol, TypeVar

import trio

from lightpeer.core.budget.profile import WayOut
from lightpeer.core.lan.services import Own
from lightpeer.core.trust.contact import Contact
from lightpeer.net.found import Lan
from lightpeer.net.network import Address, Counters
from lightpeer.testing.clock import Machine, SimClock
from lightpeer.testing.link import Link
from lightpeer.testing.nat import Nat
from lightpeer.testing.packet import IpPacket, family_of, is_loopback
from lightpeer.testing.sockets import SimListener, SimUdpSocket
from lightpeer.testing.tcp.segments import TCP_HEADER_BYTES
from lightpeer.testing.tcp.stream import SimStream

EPOCH_S = 1_750_000_000  # unix_time() at virtual time 0
HANGING_NAME_S = 30.0  # until resolvers give up: two servers, three times each (resolv.conf(5))

T = TypeVar("T")


class Internet(Protocol):
    """The parts of the internet that a host needs."""

    clock: SimClock
    seed: int
    random: Random
    names: dict[str, str | list[str]]
    lan: Lan
    hosts: dict[str, SimHost]

    @property
    def now(self) -> float:
        """Virtual time, in seconds."""

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a virtual time."""

    def resolve(self, name: str) -> str:
        """Return the first address of a name."""

    def resolve_all(self, name: str) -> list[str]:
        """Return all addresses of a name."""

    def carry(self, packet: IpPacket[SimHost]) -> None:
        """Carry a packet to its target."""


class SimHost(Machine):
    """One host: a `Network`, and a machine. Its ports, clock and entropy are its own."""

    def __init__(self, net: Internet, address: str, also: str | None, up: Link, down: Link) -> None:
        """Attach a host.

        Args:
            net: the internet.
            address: its address, by which the network's rules know it.
            also: its address of the other family, if it has one.
            up: the link that its packets leave by.
            down: the link that they arrive by.
        """
        super().__init__(net.clock)
        self.net = net
        self.name = self.address = address  # the network's rules go by the name, which stays
        self.also = also
        self.silenced: set[str] = set()  # own addresses that nothing passes
        self.up, self.down = up, down
        self.counters = Counters()
        self.clock_offset_s = 0.0  # a wrong wall clock
        self.interface = "eth0"  # which leads to the internet
        self.no_route = False  # sending and connecting fail at once: a phone in flight mode
        self.names_fail = False  # at once
        self.names_hang = False  # until the resolver gives up
        self.alive = True
        self.reachable = True  # False: it does not even refuse
        self.nat = Nat()
        self.udp: dict[int, SimUdpSocket] = {}
        self.listeners: dict[int, SimListener] = {}
        self.connections: dict[tuple[Address, Address], SimStream] = {}  # as the kernel has them
        self.random = Random(f"{net.seed} {address}")

    @property
    def addresses(self) -> list[str]:
        """All addresses that it has."""
        return [self.address, self.also] if self.also else [self.address]

    @property
    def streams(self) -> list[SimStream]:
        """The TCP connections that its programs have open."""
        return [stream for stream in self.connections.values() if not stream.closed]

    # Faults.

    def kill(self, *, silently: bool = False) -> None:
        """End the process: connections are reset, ports closed. Silently: as if the plug were pulled."""
        self.alive, self.reachable = False, not silently
        for stream in list(self.connections.values()):
            stream.abort()
        for socket in list(self.udp.values()):
            socket.close()
        for listener in list(self.listeners.values()):
            listener.close()

    def move(self, address: str) -> None:
        """Join another network: UDP sockets go on from the new address, TCP connections hang."""
        assert address not in self.net.hosts, f"{address} is taken"
        del self.net.hosts[self.address]
        self.address = address
        self.net.hosts[address] = self
        self.up.flush()
        self.down.flush()

    def lose(self, address: str) -> None:
        """Lose one of two addresses: its family has no route any more, its TCP connections hang."""
        del self.net.hosts[address]
        (self.address,), self.also = (a for a in self.addresses if a != address), None

    def gain(self, address: str) -> None:
        """Get an address of the other family."""
        assert self.also is None
        assert address not in self.net.hosts, f"{address} is taken"
        self.also = address
        self.net.hosts[address] = self

    def silence(self, address: str) -> None:
        """Let nothing pass one of the addresses any more, without a word to the host."""
        self.silenced.add(address)

    def rebind(self) -> None:
        """Change the ports under which others see the UDP sockets, as a NAT that has lost its state does."""
        self.nat.rebind()

    def strand_udp(self) -> None:
        """Let the open UDP sockets carry nothing any more, without a word: their network is gone."""
        for socket in self.udp.values():
            socket.stranded = True

    def reset_tcp(self) -> None:
        """Reset every connection at both ends, as a middlebox does."""
        for stream in list(self.connections.values()):
            other = self.net.hosts.get(stream.peer_address[0])
            if other is not None:
                self.refuse(stream.local_address, stream.peer_address)
                other.refuse(stream.peer_address, stream.local_address)

    def hang_tcp(self) -> None:
        """Let the open connections carry nothing any more, as behind a NAT that has lost its state."""
        for stream in self.connections.values():
            stream.hang()

    # TCP.

    async def connect_tcp(self, host: str, port: int) -> SimStream:
        """Connect, which takes one round trip.

        Raises:
            OSError: refused, unreachable, an unknown name, or no answer within SYN_TIMEOUT_S.
        """
        await trio.lowlevel.checkpoint()
        address = (await self.resolve(host))[0] if host in self.net.names else self.net.resolve(host)
        own = self.source_for(address)
        stream = SimStream(self, (own, self.free_port(self.udp)), (address, port))
        stream.connect()
        try:
            await stream.settled.wait()
        except trio.Cancelled:
            stream.abort()
            raise
        if stream.error:
            raise OSError(stream.error, f"cannot connect to {host}:{port}")
        return stream

    def take_syn(self, local: Address, peer: Address) -> None:
        """Answer a SYN to one of the host's addresses."""
        listener = self.listeners.get(local[1])
        known = self.connections.get((local, peer))
        if known is not None:
            known.greet()
        elif listener is None or not listener.has_room():
            self.refuse(local, peer)
        else:
            stream = SimStream(self, local, peer)
            stream.on_established = lambda: listener.offer(stream)
            stream.greet()

    def refuse(self, local: Address, peer: Address) -> None:
        """Send a reset for a connection."""

        def reset(target: SimHost, is_corrupt: bool) -> None:
            stream = target.connections.get((peer, local))
            if stream is not None and not is_corrupt:
                stream.reset()

        self.net.carry(IpPacket(self, local[0], peer[0], TCP_HEADER_BYTES, is_udp=False, deliver=reset))

    async def listen_tcp(self, host: str, port: int) -> SimListener:
        """Listen on one address of this host, or on all of them; raise OSError if the port is taken."""
        await trio.lowlevel.checkpoint()
        port = self._claim(host, port, self.listeners)
        listener = self.listeners[port] = SimListener(self, (host or "0.0.0.0", port))
        return listener

    # The rest of a `Network`.

    async def resolve(self, host: str) -> list[str]:
        """Return the addresses of a name; raise OSError if it has none, or the resolver fails."""
        await trio.lowlevel.checkpoint()
        if host in self.net.names and (self.names_fail or self.names_hang):
            if self.names_hang:
                await trio.sleep(HANGING_NAME_S)
            raise OSError(errno.EAGAIN, "temporary failure in name resolution")
        return self.net.resolve_all(host)

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None) -> SimUdpSocket:
        """Bind a UDP socket, as `Network.open_udp` has it."""
        await trio.lowlevel.checkpoint()
        family = None if family_of is None else ip_address(self.net.resolve(family_of)).version
        port = self._claim(host, port, self.udp)
        socket = self.udp[port] = SimUdpSocket(self, (host or "0.0.0.0", port), family)
        return socket

    @asynccontextmanager
    async def lan(self, own: Own | None = None) -> AsyncIterator[Lan]:
        """Return the one local network of this internet, and put the host on it if a peer is given."""
        if own is not None:
            self.net.lan.put(str(own), [Contact((own.host or self.address, own.port), own.peer_id)])
        yield self.net.lan

    def local_hosts(self) -> list[str]:
        """Return the host's addresses."""
        return list(self.addresses)

    def way_out(self) -> WayOut:
        """Return the interface that leads to the internet."""
        return WayOut(self.interface)

    def unix_time(self) -> float:
        """Return Unix time by this host's clock, which may be wrong, and goes on while it is suspended."""
        return EPOCH_S + self.net.now + self.clock_offset_s

    def entropy(self, n: int) -> bytes:
        """Return bytes determined by the seed and the address."""
        return self.random.randbytes(n)

    def source_for(self, target: str) -> str:
        """Return the address that packets to a target leave from; raise OSError if there is no route."""
        family = family_of(target)
        own = next((a for a in self.addresses if family_of(a) == family), None)
        if is_loopback(target):
            own = self.address
        if self.no_route or not self.alive or own is None:
            raise OSError(errno.ENETUNREACH, "the network is unreachable")
        return own

    def is_own(self, address: str) -> bool:
        """Return whether an address is this host's, or loopback."""
        return address in (self.address, self.also) or is_loopback(address)

    def free_port(self, used: dict[int, T]) -> int:
        """Return a port that is not in use, as the kernel chooses one."""
        return next(p for p in iter(lambda: self.random.randint(49152, 65535), 0) if p not in used)

    def _claim(self, host: str, port: int, used: dict[int, T]) -> int:
        if host and not ip_address(host).is_unspecified and not self.is_own(host):
            raise OSError(errno.EADDRNOTAVAIL, f"{host} is not an address of this host")
        if port in used:
            raise OSError(errno.EADDRINUSE, f"port {port} is in use")
        return port or self.free_port(used)
