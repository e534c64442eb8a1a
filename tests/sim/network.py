"""A simulated internet on virtual time: several hosts, each of which is a `Network`.

One heap of events and one task that sleeps until the earliest is all there is.
A packet passes the sending host's `up` link and the receiving host's `down`
link, so that everything a host does shares its own access link, as a phone's
does. UDP datagrams may be lost, reordered, duplicated or dropped by a full
queue. TCP is a reliable, ordered byte stream over the same links: its segments
wait instead of getting lost.

    async def main(net):
        server, client = net.host("10.0.0.1"), net.host("10.0.0.2", up=Link(rate_bytes_per_s=50_000))
        ...
    simulate(main, seed=7)

`simulate` also pins trio's own scheduling, so a seed repeats a run exactly.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from typing import Self, TypeVar

import trio
import trio.testing

from lightpeer.contacts import Contact
from lightpeer.lan import Lan, Own
from lightpeer.wire.network import MOST_AT_ONCE, Address, Counters, Datagram

EPOCH_S = 1_750_000_000  # what unix_time() gives at virtual time 0
UDP_HEADER_BYTES = 8
TCP_HEADER_BYTES = 32
TCP_SEGMENT_BYTES = 1448
TCP_WINDOW_BYTES = 256 * 1024
TCP_CONNECT_TIMEOUT_S = 60.0
UDP_RECEIVE_QUEUE = 256  # datagrams, about a kernel's default socket buffer
LISTEN_BACKLOG = 128

T = TypeVar("T")
Mutate = Callable[[bytes, Address, Address], bytes | None]


def simulate(main: Callable[[SimInternet], Awaitable[T]], seed: int = 1) -> T:
    """Run `main` with a fresh internet on virtual time; the same seed gives the same run."""
    run = trio._core._run
    run._ALLOW_DETERMINISTIC_SCHEDULING = True
    run._r.seed(seed)

    async def body() -> T:
        async with SimInternet(seed) as net:
            return await main(net)

    return trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


@dataclass(slots=True)
class Link:
    """One direction of a host's access; every field may be changed while it runs.

    `loss`, `reorder` and `duplicate` are probabilities for UDP datagrams; a reordered
    one comes `reorder_s` late. Losses come in runs of `loss_run` on average, as in
    Gilbert's channel (1960). The queue is drop-tail for UDP, and holds what TCP sends.
    """

    rate_bytes_per_s: float = math.inf
    delay_s: float = 0.01
    loss: float = 0.0
    loss_run: float = 1.0
    reorder: float = 0.0
    reorder_s: float = 0.03
    duplicate: float = 0.0
    queue_bytes: int = 64 * 1024
    stalled_until: float = 0.0  # what is sent before this time waits for it: a radio's dead zone
    dropped: int = 0
    _losing: bool = field(default=False, repr=False)
    _busy_until: float = field(default=0.0, repr=False)

    def loses(self, chance: float) -> bool:
        """Tell whether a datagram is lost; `chance` is evenly spread between 0 and 1."""
        if self._losing:
            self._losing = chance >= 1 / self.loss_run
        else:
            self._losing = chance < self.loss / (self.loss_run * (1 - self.loss))
        return self._losing

    def enqueue(self, now: float, size: int, *, may_drop: bool) -> float | None:
        """Return when a packet of `size` bytes has left; None if the queue is full."""
        start = max(now, self._busy_until, self.stalled_until)
        backlog = max(0.0, self._busy_until - now) * self.rate_bytes_per_s if self._busy_until > now else 0.0
        if may_drop and backlog + size > self.queue_bytes:
            self.dropped += 1
            return None
        self._busy_until = start + size / self.rate_bytes_per_s
        return self._busy_until


class SimInternet:
    """The hosts, what lies between them, and its faults."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.mutate: Mutate | None = None  # sees each datagram (bytes, source, target); None drops it
        self.names: dict[str, str | list[str]] = {}  # host name to its address or addresses
        self.lan = Lan()
        self.hosts: dict[str, SimHost] = {}
        self._udp_rules: list[tuple[frozenset[str], bool]] = []
        self._cut: set[frozenset[str]] = set()
        self._held: list[tuple[SimHost, SimHost, int, Callable[[], None]]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._counter = itertools.count()
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    async def __aenter__(self) -> Self:
        # A system task: an exception in the body must not arrive wrapped in a group.
        trio.lowlevel.spawn_system_task(self._run)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._scope.cancel()

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
        self._udp_rules.append((frozenset(h.address for h in between), blocked))

    def partition(self, *between: SimHost) -> None:
        """Let nothing pass to and from one host, or between two; TCP waits, UDP is lost."""
        self._cut.add(frozenset(h.address for h in between))

    def heal(self) -> None:
        """End all partitions; TCP goes on."""
        self._cut.clear()
        held, self._held = self._held, []
        for source, target, size, deliver in held:
            self.carry(source, target, size, deliver, reliable=True)

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
        self, source: SimHost, target: SimHost, size: int, deliver: Callable[[], None], *, reliable: bool
    ) -> None:
        """Take a packet of `size` bytes (headers included) from one host to another."""
        pair = {source.address, target.address}
        if any(cut <= pair for cut in self._cut):
            if reliable:
                self._held.append((source, target, size, deliver))
        elif not reliable and self._udp_blocked(pair):
            pass
        elif source is target:
            self.call_at(trio.current_time(), deliver)
        else:
            self._hop(
                source.up,
                size,
                lambda: self._hop(target.down, size, deliver, reliable=reliable),
                reliable=reliable,
            )

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a virtual time, in order."""
        event = when, next(self._counter), function
        heapq.heappush(self._events, event)
        if self._events[0] is event:  # else the one who sleeps wakes in time
            self._wake.set()

    def _udp_blocked(self, pair: set[str]) -> bool:
        return next((blocked for hosts, blocked in reversed(self._udp_rules) if hosts <= pair), False)

    def _hop(self, link: Link, size: int, then: Callable[[], None], *, reliable: bool) -> None:
        departure = link.enqueue(trio.current_time(), size, may_drop=not reliable)
        if departure is None:
            return
        arrival = departure + link.delay_s
        if not reliable:
            lost, late, twice = (self.random.random() for _ in range(3))
            if link.loses(lost) if link.loss_run > 1 else lost < link.loss:
                return
            if twice < link.duplicate:
                self.call_at(arrival, then)
            if late < link.reorder:
                arrival += link.reorder_s
        self.call_at(arrival, then)

    async def _run(self) -> None:
        with self._scope:
            while True:
                now = trio.current_time()
                while self._events and self._events[0][0] <= now:
                    heapq.heappop(self._events)[2]()
                self._wake = trio.Event()
                with trio.move_on_at(self._events[0][0] if self._events else math.inf):
                    await self._wake.wait()


class SimHost:
    """One host: a `Network`. Its ports, clock and entropy are its own."""

    def __init__(self, net: SimInternet, address: str, also: str | None, up: Link, down: Link) -> None:
        self.net = net
        self.address = address
        self.also = also  # of the other family
        self.silenced: set[str] = set()  # addresses of ours that nothing passes at
        self.up = up
        self.down = down
        self.counters = Counters()
        self.clock_offset_s = 0.0  # a wrong wall clock
        self.no_route = False  # sending and connecting fail at once: a phone in flight mode
        self.alive = True
        self.reachable = True  # False: not even a refusal comes from it
        self.nat_shift = 0  # between a UDP port and the one that others see of it
        self.udp: dict[int, SimUdpSocket] = {}
        self.listeners: dict[int, SimListener] = {}
        self.streams: dict[SimStream, None] = {}
        self.random = Random(f"{net.seed} {address}")

    @property
    def addresses(self) -> list[str]:
        """All addresses that it has."""
        return [self.address, self.also] if self.also else [self.address]

    def kill(self, *, silently: bool = False) -> None:
        """End the process: connections are reset, ports closed. Silently: as if the plug were pulled."""
        self.alive, self.reachable = False, not silently
        for stream in list(self.streams):
            stream.abort()
        for socket in list(self.udp.values()):
            socket.close()
        for listener in list(self.listeners.values()):
            listener.close()

    def move(self, address: str) -> None:
        """Change the address: UDP sockets go on from the new one, TCP connections hang for ever."""
        assert address not in self.net.hosts, f"{address} is taken"
        del self.net.hosts[self.address]
        self.address = address
        self.net.hosts[address] = self
        for stream in self.streams:
            stream.strand()

    def lose(self, address: str) -> None:
        """Lose one of two addresses: its family has no route any more, its TCP connections hang for ever."""
        del self.net.hosts[address]
        (self.address,), self.also = (a for a in self.addresses if a != address), None
        self._strand(address)

    def silence(self, address: str) -> None:
        """Let nothing pass at one of the addresses any more, without a word to the host."""
        self.silenced.add(address)
        self._strand(address)

    def _strand(self, address: str) -> None:
        for stream in self.streams:
            if stream.local_address[0] == address:
                stream.strand()

    def rebind(self) -> None:
        """Change the ports that others see of our UDP sockets, as a NAT does that has forgotten us."""
        self.nat_shift += 1

    def strand_udp(self) -> None:
        """Let the present UDP sockets carry nothing any more, without a word: their network is gone."""
        for socket in self.udp.values():
            socket.stranded = True

    async def connect_tcp(self, host: str, port: int) -> SimStream:
        """Connect: one round trip; refused when nobody listens there."""
        await trio.lowlevel.checkpoint()
        address = self.net.resolve(host)
        own = self.source_for(address)
        target = self if self._is_own(address) else self.net.hosts.get(address)
        stream = SimStream(self, (own, self.free_port(self.udp)), (address, port))
        if target is not None and not self._is_silenced(own, target, address):
            syn = self._syn(stream, target, port)
            self.net.carry(self, target, TCP_HEADER_BYTES, syn, reliable=True)
        try:
            with trio.move_on_after(TCP_CONNECT_TIMEOUT_S):
                await stream.established.wait()
        except trio.Cancelled:
            stream.abort()
            raise
        if stream.peer is None:
            number = errno.ECONNREFUSED if stream.established.is_set() else errno.ETIMEDOUT
            stream.abort()
            raise OSError(number, f"cannot connect to {host}:{port}")
        return stream

    def _syn(self, client: SimStream, target: SimHost, port: int) -> Callable[[], None]:
        def arrive() -> None:
            if not target.reachable or client.closed:
                return
            listener = target.listeners.get(port)
            if listener is not None and listener.has_room():
                server = SimStream(target, client.peer_address, client.local_address)
                server.peer = client
                listener.offer(server)
                self.net.carry(target, self, TCP_HEADER_BYTES, lambda: client.join(server), reliable=True)
            else:
                self.net.carry(target, self, TCP_HEADER_BYTES, client.established.set, reliable=True)

        return arrive

    async def resolve(self, host: str) -> list[str]:
        """Resolve a name."""
        await trio.lowlevel.checkpoint()
        return self.net.resolve_all(host)

    async def listen_tcp(self, host: str, port: int) -> SimListener:
        """Listen on one address of this host, or any."""
        await trio.lowlevel.checkpoint()
        port = self._claim(host, port, self.listeners)
        listener = self.listeners[port] = SimListener(self, (host or "0.0.0.0", port))
        return listener

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
        """Virtual time since a fixed epoch, on this host's possibly wrong clock."""
        return EPOCH_S + trio.current_time() + self.clock_offset_s

    def entropy(self, n: int) -> bytes:
        """Bytes that the seed and the address determine."""
        return self.random.randbytes(n)

    def source_for(self, target: str) -> str:
        """Return the address that packets to a target leave from."""
        family = ip_address(target).version
        own = next((a for a in self.addresses if ip_address(a).version == family), None)
        if ip_address(target).is_loopback:
            own = self.address
        if self.no_route or not self.alive or own is None:
            raise OSError(errno.ENETUNREACH, "the network is unreachable")
        return own

    def _is_silenced(self, own: str, target: SimHost, address: str) -> bool:
        return own in self.silenced or address in target.silenced

    def free_port(self, used: dict[int, T]) -> int:
        return next(p for p in iter(lambda: self.random.randint(49152, 65535), 0) if p not in used)

    def _is_own(self, address: str) -> bool:
        return address in self.addresses or ip_address(address).is_loopback

    def _claim(self, host: str, port: int, used: dict[int, T]) -> int:
        if host and not ip_address(host).is_unspecified and not self._is_own(host):
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
        await trio.lowlevel.checkpoint()
        self.send_now(data, address)

    def send_now(self, data: bytes, address: Address) -> None:
        host, net = self._host, self._host.net
        if host.udp.get(self.local_address[1]) is not self:
            raise trio.ClosedResourceError
        if self._family not in {None, ip_address(address[0]).version}:
            raise OSError(errno.EAFNOSUPPORT, "an address of another family")
        own = host.source_for(address[0])
        host.counters.add(tx=len(data) + UDP_HEADER_BYTES)
        source = (own, self.local_address[1] + host.nat_shift)
        payload = bytes(data) if net.mutate is None else net.mutate(bytes(data), source, address)
        target = host if host._is_own(address[0]) else net.hosts.get(address[0])
        if payload is None or target is None or self.stranded or host._is_silenced(own, target, address[0]):
            return

        def arrive() -> None:
            socket = target.udp.get(address[1] - target.nat_shift)
            if socket is not None and (target is host or net.hosts.get(address[0]) is target):
                socket.take(payload, source)

        net.carry(host, target, len(payload) + UDP_HEADER_BYTES, arrive, reliable=False)

    async def receive_from(self) -> tuple[bytes, Address]:
        datagram = await self._receive_one()
        return datagram.data, datagram.source

    async def receive_all(self, not_before: float) -> list[Datagram]:
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
        if self.stranded:
            return
        try:
            self._send.send_nowait(Datagram(data[:2048], source, trio.current_time()))
        except trio.WouldBlock:
            return  # the socket's buffer is full
        self._host.counters.add(rx=len(data) + UDP_HEADER_BYTES)

    def close(self) -> None:
        self._host.udp.pop(self.local_address[1], None)
        self._send.close()


class SimListener(trio.abc.Listener[trio.abc.Stream]):
    """A listening TCP port of a simulated host."""

    def __init__(self, host: SimHost, local_address: Address) -> None:
        self._host = host
        self.local_address = local_address
        self._send, self._receive = trio.open_memory_channel[SimStream](LISTEN_BACKLOG)

    def has_room(self) -> bool:
        return self._send.statistics().current_buffer_used < LISTEN_BACKLOG

    def offer(self, stream: SimStream) -> None:
        self._send.send_nowait(stream)

    async def accept(self) -> SimStream:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    def close(self) -> None:
        self._host.listeners.pop(self.local_address[1], None)
        self._send.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()


class SimStream(trio.abc.HalfCloseableStream):
    """One end of a TCP connection.

    What travels lies in `_flight`, in order; a packet that arrives only says that the
    next chunk of it may be taken, so no change of a link can reorder a stream.
    """

    def __init__(self, host: SimHost, local_address: Address, peer_address: Address) -> None:
        self._host = host
        self.local_address = local_address
        self.peer_address = peer_address
        self.peer: SimStream | None = None
        self.established = trio.Event()
        self.closed = False
        self._flight: deque[bytes] = deque()  # an empty chunk is the end
        self._unread_bytes = 0  # sent and not yet taken by the peer's program
        self._buffer = bytearray()
        self._ended = False  # the peer will send no more
        self._eof_sent = False
        self._broken = False
        self._stranded = False
        self._changed = trio.lowlevel.ParkingLot()
        self._sending = trio.StrictFIFOLock()
        self._receiving = trio.StrictFIFOLock()
        host.streams[self] = None

    def join(self, server: SimStream) -> None:
        if self.closed:
            server.reset()
        else:
            self.peer = server
            self.established.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with _exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._check_sendable()
            view = bytes(data)
            for start in range(0, len(view), TCP_SEGMENT_BYTES):
                await self._room()
                self._transmit(view[start : start + TCP_SEGMENT_BYTES])

    async def wait_send_all_might_not_block(self) -> None:
        with _exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            await self._room()

    async def send_eof(self) -> None:
        with _exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        with _exclusive(self._receiving):
            await trio.lowlevel.checkpoint()
            while not self.closed and not self._broken and not self._buffer and not self._ended:
                await self._changed.park()
            if self.closed:
                raise trio.ClosedResourceError
            if self._buffer:
                return self._take(max_bytes or 65536)
            if self._ended:
                return b""
            raise trio.BrokenResourceError("the connection was reset")

    async def aclose(self) -> None:
        if not self.closed:
            if self._buffer or self.peer is None:
                self.abort()  # as kernels do when bytes are left unread
            else:
                if not self._broken:
                    self._finish()
                self._forget()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close without a farewell; the peer is reset, if packets still leave this host."""
        if not self.closed:
            self._forget()
            if self._host.reachable:
                self._send_reset()

    def reset(self) -> None:
        """Take in the peer's reset."""
        self._broken = True
        self._changed.unpark_all()

    def strand(self) -> None:
        """Cut the connection without anybody noticing."""
        self._stranded = True
        if self.peer is not None:
            self.peer._stranded = True

    def arrive(self) -> None:
        """Take the next chunk in; a program that has closed answers with a reset."""
        if self.peer is None:  # it was given up before it stood
            return
        if not self.peer._flight or self._stranded or not self._host.reachable:
            return
        chunk = self.peer._flight.popleft()
        if self.closed:
            if chunk:
                self._send_reset()
            return
        if chunk:
            self._host.counters.add(rx=len(chunk) + TCP_HEADER_BYTES)
            self._buffer += chunk
        else:
            self._ended = True
        self._changed.unpark_all()

    def _take(self, max_bytes: int) -> bytes:
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        peer = self.peer
        assert peer is not None
        delay_s = 0.0 if peer._host is self._host else self._host.up.delay_s + peer._host.down.delay_s
        self._host.net.call_at(trio.current_time() + delay_s, lambda: peer._acknowledged(len(data)))
        return data

    def _acknowledged(self, size: int) -> None:
        if not self._stranded:
            self._unread_bytes -= size
            self._changed.unpark_all()

    async def _room(self) -> None:
        self._check_sendable()
        while self._unread_bytes >= TCP_WINDOW_BYTES:
            await self._changed.park()
            self._check_sendable()

    def _check_sendable(self) -> None:
        if self.closed or self._eof_sent:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError("the connection was reset")

    def _finish(self) -> None:
        if not self._eof_sent:
            self._check_sendable()
            self._eof_sent = True
            self._transmit(b"")

    def _transmit(self, chunk: bytes) -> None:
        assert self.peer is not None
        self._flight.append(chunk)
        self._unread_bytes += len(chunk)
        size = len(chunk) + TCP_HEADER_BYTES
        self._host.counters.add(tx=size)
        if not self._stranded:
            self._host.net.carry(self._host, self.peer._host, size, self.peer.arrive, reliable=True)

    def _send_reset(self) -> None:
        peer = self.peer
        if peer is not None and not self._stranded:
            self._host.net.carry(self._host, peer._host, TCP_HEADER_BYTES, peer.reset, reliable=True)

    def _forget(self) -> None:
        self.closed = True
        self._host.streams.pop(self, None)
        self._changed.unpark_all()


class _exclusive:  # noqa: N801 - reads as a statement
    """Hold a lock that nobody may be waiting for: concurrent use of a stream is a bug."""

    def __init__(self, lock: trio.StrictFIFOLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            raise trio.BusyResourceError("another task is using this stream") from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()
