"""A simulated internet on virtual time: several hosts, each of which is a `Network`.

A packet passes the sending host's `up` link and the receiving host's `down`
link (`link.py`), so that everything a host does shares its own access link, as a phone's
does. UDP and TCP (`tcp.py`) meet the same losses, queues and partitions.

    async def main(net):
        server, client = net.host("10.0.0.1"), net.host("10.0.0.2", up=Link(rate_bytes_per_s=50_000))
        ...
    simulate(main, seed=7)

`simulate` also pins trio's own scheduling, so a seed repeats a run exactly.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from random import Random
from typing import Any, TypeVar

import trio

from lightpeer.core.trust.contact import Contact
from lightpeer.net.lan import Lan, Own
from lightpeer.net.network import MOST_AT_ONCE, Address, Counters, Datagram
from lightpeer.testing.clock import Machine, SimClock, without_threads
from lightpeer.testing.link import Link
from lightpeer.testing.tcp import HEADER_BYTES, SimStream

EPOCH_S = 1_750_000_000  # what unix_time() gives at virtual time 0
UDP_HEADER_BYTES = 8
UDP_RECEIVE_QUEUE = 256  # datagrams, about a kernel's default socket buffer
LISTEN_BACKLOG = 128
HANGING_NAME_S = 30.0  # what resolvers take to give up: two servers, three times each (resolv.conf(5))

T = TypeVar("T")
Mutate = Callable[[bytes, Address, Address], bytes | None]


def simulate(main: Callable[[SimInternet], Awaitable[T]], seed: int = 1) -> T:
    """Run `main` with a fresh internet on virtual time; the same seed gives the same run."""
    run: Any = trio._core._run
    run._ALLOW_DETERMINISTIC_SCHEDULING = True
    run._r.seed(seed)
    clock = SimClock()

    async def body() -> T:
        clock.install()
        return await main(SimInternet(clock, seed))

    with without_threads():
        return trio.run(body, clock=clock.mock)


class SimInternet:
    """The hosts, what lies between them, and its faults."""

    def __init__(self, clock: SimClock, seed: int = 1) -> None:
        self.clock = clock
        self.seed = seed
        self.random = Random(seed)
        self.mutate: Mutate | None = None  # sees each datagram (bytes, source, target); None drops it
        self.names: dict[str, str | list[str]] = {}  # host name to its address or addresses
        self.lan = Lan()
        self.hosts: dict[str, SimHost] = {}
        self._udp_rules: list[tuple[frozenset[str], bool]] = []
        self._cuts: set[frozenset[str]] = set()
        self._one_way_cuts: set[tuple[str, str]] = set()

    @property
    def now(self) -> float:
        """Virtual time, which no host can stop."""
        return self.clock.now

    def host(
        self, address: str, *, also: str | None = None, up: Link | None = None, down: Link | None = None
    ) -> SimHost:
        """Add a host (or replace a killed one). Default links: 10 ms each way, any rate, no faults.

        `also` is its address of the other family, if it has one.
        """
        host = SimHost(self, address, also, up or Link(), down or Link())
        for name in host.addresses:
            assert name not in self.hosts or not self.hosts[name].alive, f"{name} is taken"
            self.hosts[name] = host
        return host

    def block_udp(self, blocked: bool = True, *between: SimHost) -> None:
        """Let no UDP pass: anywhere, to and from one host, or between two. The newest rule that fits wins."""
        self._udp_rules.append((frozenset(h.name for h in between), blocked))

    def partition(self, *between: SimHost) -> None:
        """Let nothing pass to and from one host, or between two."""
        self._cuts.add(frozenset(h.name for h in between))

    def partition_one_way(self, source: SimHost, target: SimHost) -> None:
        """Let nothing pass from one host to another; the other way is open."""
        self._one_way_cuts.add((source.name, target.name))

    def heal(self, *between: SimHost) -> None:
        """End all partitions, or those of just these hosts."""
        if not between:
            self._cuts.clear()
            self._one_way_cuts.clear()
            return
        names = tuple(h.name for h in between)
        self._cuts.discard(frozenset(names))
        self._one_way_cuts.difference_update({names, names[::-1]})

    def resolve(self, name: str) -> str:
        """Return the address of a host name or address, the first if there are several."""
        return self.resolve_all(name)[0]

    def resolve_all(self, name: str) -> list[str]:
        """Return all addresses of a host name, or the address itself."""
        known = self.names.get(name, name)
        addresses = [known] if isinstance(known, str) else known
        try:
            list(map(ip_address, addresses))
        except ValueError as error:
            raise OSError(errno.ENOENT, f"the name {name} is unknown") from error
        return addresses

    def carry(
        self,
        source: SimHost,
        own: str,
        address: str,
        size: int,
        deliver: Callable[[SimHost, bool], None],
        *,
        is_udp: bool,
    ) -> None:
        """Take a packet to whatever host has an address when it arrives there.

        Args:
            source: the host that sends.
            own: the address that it sends from.
            address: the target's.
            size: bytes, the header of UDP or TCP included.
            deliver: given the target, and whether the packet was changed on the way.
            is_udp: False for TCP.
        """
        target = source if source.is_own(address) else self.hosts.get(address)
        if target is None or not self._passes(source, own, target, address, is_udp=is_udp):
            return

        def arrive(is_corrupt: bool) -> None:
            is_there = target is source or self.hosts.get(address) is target
            if is_there and target.reachable and not target.is_suspended:
                deliver(target, is_corrupt)

        def leave(is_corrupt: bool) -> None:
            target.down.send(self, size, lambda again: arrive(is_corrupt or again), is_udp=is_udp)

        if target is source:
            self.call_at(self.now, lambda: arrive(False))
        else:
            source.up.send(self, size, leave, is_udp=is_udp)

    def _passes(self, source: SimHost, own: str, target: SimHost, address: str, *, is_udp: bool) -> bool:
        if not source.is_own(own) or not source.reachable or source.no_route or source.is_suspended:
            return False
        if own in source.silenced or address in target.silenced:
            return False
        pair = {source.name, target.name}
        if any(cut <= pair for cut in self._cuts) or (source.name, target.name) in self._one_way_cuts:
            return False
        return not is_udp or not self._is_udp_blocked(pair)

    def _is_udp_blocked(self, pair: set[str]) -> bool:
        return next((blocked for hosts, blocked in reversed(self._udp_rules) if hosts <= pair), False)

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a virtual time, in order."""
        self.clock.call_at(when, function)


class SimHost(Machine):
    """One host: a `Network`, and a machine. Its ports, clock and entropy are its own."""

    def __init__(self, net: SimInternet, address: str, also: str | None, up: Link, down: Link) -> None:
        super().__init__(net.clock)
        self.net = net
        self.name = address  # for the network's rules; it stays when the address changes
        self.address = address
        self.also = also  # of the other family
        self.silenced: set[str] = set()  # addresses of ours that nothing passes at
        self.up = up
        self.down = down
        self.counters = Counters()
        self.clock_offset_s = 0.0  # a wrong wall clock
        self.no_route = False  # sending and connecting fail at once: a phone in flight mode
        self.names_fail = False  # at once
        self.names_hang = False  # until the resolver gives up
        self.alive = True
        self.reachable = True  # False: not even a refusal comes from it
        self.nat_shift = 0  # between a UDP port and the one that others see of it
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
        """Go to another network: UDP sockets go on from a new address, TCP connections hang."""
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
        """Let nothing pass at one of the addresses any more, without a word to the host."""
        self.silenced.add(address)

    def rebind(self) -> None:
        """Change the ports that others see of our UDP sockets, as a NAT does that has forgotten us."""
        self.nat_shift += 1

    def strand_udp(self) -> None:
        """Let the present UDP sockets carry nothing any more, without a word: their network is gone."""
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
        """Let the present connections carry nothing any more, as behind a NAT that has forgotten them."""
        for stream in self.connections.values():
            stream.hang()

    # TCP.

    async def connect_tcp(self, host: str, port: int) -> SimStream:
        """Connect: one round trip; refused when nobody listens there."""
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
        """Answer a SYN that came to one of our addresses."""
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

        self.net.carry(self, local[0], peer[0], HEADER_BYTES, reset, is_udp=False)

    async def listen_tcp(self, host: str, port: int) -> SimListener:
        """Listen on one address of this host, or any."""
        await trio.lowlevel.checkpoint()
        port = self._claim(host, port, self.listeners)
        listener = self.listeners[port] = SimListener(self, (host or "0.0.0.0", port))
        return listener

    # The rest of a `Network`.

    async def resolve(self, host: str) -> list[str]:
        """Resolve a name."""
        await trio.lowlevel.checkpoint()
        if host in self.net.names and (self.names_fail or self.names_hang):
            if self.names_hang:
                await trio.sleep(HANGING_NAME_S)
            raise OSError(errno.EAGAIN, "temporary failure in name resolution")
        return self.net.resolve_all(host)

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None) -> SimUdpSocket:
        """Bind a UDP socket."""
        await trio.lowlevel.checkpoint()
        family = None if family_of is None else ip_address(self.net.resolve(family_of)).version
        port = self._claim(host, port, self.udp)
        socket = self.udp[port] = SimUdpSocket(self, (host or "0.0.0.0", port), family)
        return socket

    @asynccontextmanager
    async def lan(self, own: Own | None = None) -> AsyncIterator[Lan]:
        """All hosts of this internet are on one local network, if one of them says who it is there."""
        if own is not None:
            self.net.lan.add(str(own), [Contact((own.host or self.address, own.port), own.peer_id)])
        yield self.net.lan

    def unix_time(self) -> float:
        """Virtual time since a fixed epoch, on this host's possibly wrong clock, also while suspended."""
        return EPOCH_S + self.net.now + self.clock_offset_s

    def entropy(self, n: int) -> bytes:
        """Bytes that the seed and the address determine."""
        return self.random.randbytes(n)

    def source_for(self, target: str) -> str:
        """Return the address that packets to a target leave from."""
        family = _family(target)
        own = next((a for a in self.addresses if _family(a) == family), None)
        if _is_loopback(target):
            own = self.address
        if self.no_route or not self.alive or own is None:
            raise OSError(errno.ENETUNREACH, "the network is unreachable")
        return own

    def is_own(self, address: str) -> bool:
        """Return whether an address is this host's, or loopback."""
        return address in (self.address, self.also) or _is_loopback(address)

    def free_port(self, used: dict[int, T]) -> int:
        """Return a port that is not in use, as the kernel chooses one."""
        return next(p for p in iter(lambda: self.random.randint(49152, 65535), 0) if p not in used)

    def _claim(self, host: str, port: int, used: dict[int, T]) -> int:
        if host and not ip_address(host).is_unspecified and not self.is_own(host):
            raise OSError(errno.EADDRNOTAVAIL, f"{host} is not an address of this host")
        if port in used:
            raise OSError(errno.EADDRINUSE, f"port {port} is in use")
        return port or self.free_port(used)


class SimUdpSocket:
    """A bound UDP socket of a simulated host, of one family or of both."""

    def __init__(self, host: SimHost, local_address: Address, family: int | None) -> None:
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
        """Send a datagram; True, for there is always room."""
        host, net = self._host, self._host.net
        if host.udp.get(self.local_address[1]) is not self:
            raise trio.ClosedResourceError
        if self._family not in {None, _family(address[0])}:
            raise OSError(errno.EAFNOSUPPORT, "an address of another family")
        own = host.source_for(address[0])
        host.counters.add(tx=len(data) + UDP_HEADER_BYTES)
        source = (own, self.local_address[1] + host.nat_shift)
        payload = bytes(data) if net.mutate is None else net.mutate(bytes(data), source, address)
        if payload is None or self.stranded:
            return True

        def arrive(target: SimHost, is_corrupt: bool) -> None:
            socket = target.udp.get(address[1] - target.nat_shift)
            if socket is not None:
                socket.take(_changed(payload, net.random) if is_corrupt else payload, source)

        net.carry(host, own, address[0], len(payload) + UDP_HEADER_BYTES, arrive, is_udp=True)
        return True

    async def receive_from(self) -> tuple[bytes, Address]:
        """Wait for a datagram; return it and its source."""
        datagram = await self._receive_one()
        return datagram.data, datagram.source

    async def receive_all(self, not_before: float) -> list[Datagram]:
        """Wait for datagrams, at least until a time; return those that have come."""
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
        """Take a datagram from the network, unless the buffer is full."""
        if self.stranded:
            return
        try:
            self._send.send_nowait(Datagram(data[:2048], source, self._host.time_s))
        except trio.WouldBlock:
            return  # the socket's buffer is full
        self._host.counters.add(rx=len(data) + UDP_HEADER_BYTES)

    def close(self) -> None:
        """Close the socket; who waits is told."""
        self._host.udp.pop(self.local_address[1], None)
        self._send.close()


class SimListener(trio.abc.Listener[trio.abc.Stream]):
    """A listening TCP port of a simulated host."""

    def __init__(self, host: SimHost, local_address: Address) -> None:
        self._host = host
        self.local_address = local_address
        self._send, self._receive = trio.open_memory_channel[SimStream](LISTEN_BACKLOG)

    def has_room(self) -> bool:
        """Return whether one more connection may wait to be accepted."""
        return self._send.statistics().current_buffer_used < LISTEN_BACKLOG

    def offer(self, stream: SimStream) -> None:
        """Let a connection wait to be accepted."""
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
        """Close the port; who waits is told."""
        self._host.listeners.pop(self.local_address[1], None)
        self._send.close()

    async def aclose(self) -> None:
        """Close the port."""
        self.close()
        await trio.lowlevel.checkpoint()


@functools.cache
def _family(address: str) -> int:
    return ip_address(address).version


@functools.cache
def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def _changed(data: bytes, random: Random) -> bytes:
    """Return the bytes with one bit flipped."""
    at = random.randrange(len(data)) if data else 0
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :] if data else data
