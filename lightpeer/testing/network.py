"""A simulated internet on virtual time: several hosts, each of which is a `Network`.

A packet passes the sending host's `up` link and the receiving host's `down` link (`link.py`), so everything
a host does shares its own access link, as on a phone. UDP and TCP (`tcp/`) meet the same losses, queues and
partitions.

    async def main(net):
        server, client = net.host("10.0.0.1"), net.host("10.0.0.2", up=Link(rate_bytes_per_s=50_000))
        ...
    simulate(main, seed=7)

`simulate` also pins trio's own scheduling, so a seed repeats a run exactly.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from random import Random
from typing import Any, TypeVar

import trio

from lightpeer.net.found import Lan
from lightpeer.net.network import Address
from lightpeer.testing.clock import SimClock, without_threads
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.packet import IpPacket

T = TypeVar("T")
Mutate = Callable[[bytes, Address, Address], bytes | None]


def simulate(main: Callable[[SimInternet], Awaitable[T]], seed: int = 1) -> T:
    """Run `main` with a fresh internet on virtual time, and return its result; a seed repeats a run."""
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
    """The hosts, the network between them, and its faults."""

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
        """Virtual time in seconds, which no suspension stops."""
        return self.clock.now

    def host(
        self, address: str, *, also: str | None = None, up: Link | None = None, down: Link | None = None
    ) -> SimHost:
        """Add a host, or replace a killed one.

        Args:
            address: its numeric address.
            also: its address of the other family, if it has one.
            up: the link that its packets leave by. None: 10 ms, any rate, no faults.
            down: the link that they arrive by, likewise.
        """
        host = SimHost(self, address, also, up or Link(), down or Link())
        for name in host.addresses:
            assert name not in self.hosts or not self.hosts[name].alive, f"{name} is taken"
            self.hosts[name] = host
        return host

    def block_udp(self, blocked: bool = True, *between: SimHost) -> None:
        """Block UDP: everywhere, to and from one host, or between two. The newest rule that fits wins."""
        self._udp_rules.append((frozenset(h.name for h in between), blocked))

    def partition(self, *between: SimHost) -> None:
        """Let nothing pass to and from one host, or between two."""
        self._cuts.add(frozenset(h.name for h in between))

    def partition_one_way(self, source: SimHost, target: SimHost) -> None:
        """Let nothing pass from one host to another; the way back stays open."""
        self._one_way_cuts.add((source.name, target.name))

    def heal(self, *between: SimHost) -> None:
        """End all partitions, or those of exactly these hosts."""
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

    def carry(self, packet: IpPacket[SimHost]) -> None:
        """Carry a packet to the host that has its target address when it arrives."""
        sender, size, is_udp = packet.sender, packet.size, packet.is_udp
        target = sender if sender.is_own(packet.target) else self.hosts.get(packet.target)
        if target is None or not self._passes(packet, target):
            return

        def arrive(is_corrupt: bool) -> None:
            is_there = target is sender or self.hosts.get(packet.target) is target
            if is_there and target.reachable and not target.is_suspended:
                packet.deliver(target, is_corrupt)

        def leave(is_corrupt: bool) -> None:
            target.down.send(self, size, lambda again: arrive(is_corrupt or again), is_udp=is_udp)

        if target is sender:
            self.call_at(self.now, lambda: arrive(False))
        else:
            sender.up.send(self, size, leave, is_udp=is_udp)

    def _passes(self, packet: IpPacket[SimHost], target: SimHost) -> bool:
        sender = packet.sender
        if not (sender.is_own(packet.source) and sender.reachable) or sender.no_route or sender.is_suspended:
            return False
        if packet.source in sender.silenced or packet.target in target.silenced:
            return False
        pair = {sender.name, target.name}
        if any(cut <= pair for cut in self._cuts) or (sender.name, target.name) in self._one_way_cuts:
            return False
        return not packet.is_udp or not self._is_udp_blocked(pair)

    def _is_udp_blocked(self, pair: set[str]) -> bool:
        return next((blocked for hosts, blocked in reversed(self._udp_rules) if hosts <= pair), False)

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a virtual time, in order."""
        self.clock.call_at(when, function)
