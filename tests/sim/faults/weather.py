"""How each fault begins and ends, as a context manager over the world."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

from lightpeer.errors import StateError
from lightpeer.state import files as state
from lightpeer.testing.host import EPOCH_S, SimHost
from tests.sim.faults.lies import SPOIL, objects_fail
from tests.sim.faults.plan import Fault

if TYPE_CHECKING:
    from tests.sim.faults.world import World

YEAR_2040_S = 2_208_988_800
Befall = Callable[["World", SimHost, Fault], AbstractContextManager[None]]


def befalls(world: World, fault: Fault) -> AbstractContextManager[None]:
    """Return what makes a fault happen, and ends it."""
    if fault.server is not None:
        if fault.kind in SPOIL:
            return _lies(world, fault)
        if fault.kind in _OF_SERVERS:
            return _OF_SERVERS[fault.kind](world, world.server_hosts[fault.server], fault)
        return _OF_HOSTS[fault.kind](world, world.server_hosts[fault.server], fault)
    assert fault.phone is not None
    return _OF_HOSTS[fault.kind](world, world.phone_hosts[fault.phone], fault)


@contextmanager
def _lies(world: World, fault: Fault) -> Iterator[None]:
    assert fault.server is not None
    server = world.servers[fault.server]
    if server is None:  # it is down
        yield
        return
    with SPOIL[fault.kind](server, Random(f"{world.plan.seed} {fault}")):
        yield


# Of what a host has.


def _between(low: float, high: float, value: float) -> float:
    """Return the number at a part of the way between two, as their logarithms go."""
    return float(low * (high / low) ** value)


@contextmanager
def _set(target: object, name: str, value: Any) -> Iterator[None]:
    """Set an attribute; where several faults do, the newest that still goes on counts."""
    stack = target.__dict__.setdefault("_faults", {}).setdefault(name, [(None, getattr(target, name))])
    mark = object()
    stack.append((mark, value))
    setattr(target, name, value)
    yield
    stack[:] = [entry for entry in stack if entry[0] is not mark]
    setattr(target, name, stack[-1][1])


@contextmanager
def _both(host: SimHost, name: str, value: Any) -> Iterator[None]:
    with _set(host.up.faults, name, value), _set(host.down.faults, name, value):
        yield


@contextmanager
def _partition(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    world.net.partition(host)
    yield
    world.net.heal(host)


def _one_way(*, to: bool) -> Befall:
    """Let nothing pass one way between a server and the first phone."""

    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        phone = world.phone_hosts[0]
        pair = (phone, host) if to else (host, phone)
        world.net.partition_one_way(*pair)
        yield
        world.net.heal(*pair)

    return befall


def _held(*, up: bool) -> Befall:
    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        link = host.up if up else host.down
        link.stalled_until = max(link.stalled_until, world.net.now + fault.for_s)
        yield

    return befall


@contextmanager
def _udp_blocked(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    with _both(host, "police_bytes_per_s", 0.0):
        yield


def _udp_one_way(direction: str) -> Befall:
    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        with _set(getattr(host, direction).faults, "police_bytes_per_s", 0.0):
            yield

    return befall


@contextmanager
def _policed(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    with _both(host, "police_bytes_per_s", _between(300, 3000, fault.value)):
        yield


@contextmanager
def _rate(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    factor = _between(0.2, 4.0, fault.value)
    links = [host.up, host.down]
    for link in links:
        link.rate_bytes_per_s *= factor
    yield
    for link in links:
        link.rate_bytes_per_s /= factor


def _link(name: str, low: float, high: float, **more: Any) -> Befall:
    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        value = _between(low, high, fault.value)
        with _both(host, name, value):
            if not more:
                yield
                return
            ((other, other_value),) = more.items()
            with _both(host, other, other_value):
                yield

    return befall


@contextmanager
def _move(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    host.move(world.new_address(host))
    yield


@contextmanager
def _move_without_sockets(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    host.move(world.new_address(host))
    host.strand_udp()
    yield


@contextmanager
def _rebind(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    host.rebind()
    yield


def _flag(name: str) -> Befall:
    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        with _set(host, name, True):
            yield

    return befall


@contextmanager
def _wall_clock(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    offsets = [-EPOCH_S, YEAR_2040_S - EPOCH_S, -86_400.0, 86_400.0, -700.0, 100.0, -5.0]
    with _set(host, "clock_offset_s", offsets[int(fault.value * len(offsets)) % len(offsets)]):
        yield


@contextmanager
def _suspend(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    if host.is_suspended:
        yield
        return
    host.suspend()
    yield
    if host.is_suspended:
        host.resume()


class _FullDisk:
    """Stands for the module `os` where files of state are written."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, _descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _disk_full(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    with mock.patch.object(state, "os", _FullDisk()):
        yield


@contextmanager
def _tcp_reset(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    host.reset_tcp()
    yield


@contextmanager
def _tcp_hangs(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    host.hang_tcp()
    yield


# Of phones with an address of each family.


@contextmanager
def _ipv4_lost(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    if host.also is None:
        yield
        return
    lost = host.address
    host.lose(lost)
    yield
    host.gain(lost)


@contextmanager
def _ipv4_silent(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    silent = host.address
    host.silence(silent)
    yield
    host.silenced.discard(silent)


# Of servers.


def _kill(*, silently: bool = False, new_key: bool = False) -> Befall:
    @contextmanager
    def befall(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
        assert fault.server is not None
        world.stop_server(fault.server, silently=silently, new_key=new_key)
        yield
        world.start_server(fault.server)

    return befall


@contextmanager
def _disk_fails(world: World, host: SimHost, fault: Fault) -> Iterator[None]:
    assert fault.server is not None
    server = world.servers[fault.server]
    if server is None:
        yield
        return
    with objects_fail(server, StateError("disk", "the disk gives nothing")):
        yield


_OF_HOSTS: dict[str, Befall] = {
    "partition": _partition,
    "held": _held(up=False),
    "held up": _held(up=True),
    "udp blocked": _udp_blocked,
    "udp blocked in": _udp_one_way("down"),
    "udp blocked out": _udp_one_way("up"),
    "udp policed": _policed,
    "rate": _rate,
    "loss": _link("loss", 0.02, 0.3),
    "loss runs": _link("loss", 0.02, 0.2, loss_run=6.0),
    "reorder": _link("reorder", 0.02, 0.5, reorder_s=0.2),
    "duplicate": _link("duplicate", 0.02, 0.5),
    "corrupt": _link("corrupt", 0.01, 0.2),
    "mtu": _link("mtu_bytes", 1270, 1450),
    "move": _move,
    "move, sockets dead": _move_without_sockets,
    "rebind": _rebind,
    "no route": _flag("no_route"),
    "names fail": _flag("names_fail"),
    "names hang": _flag("names_hang"),
    "wall clock": _wall_clock,
    "suspend": _suspend,
    "disk full": _disk_full,
    "tcp reset": _tcp_reset,
    "tcp hangs": _tcp_hangs,
    "ipv4 lost": _ipv4_lost,
    "ipv4 silent": _ipv4_silent,
}
_OF_SERVERS: dict[str, Befall] = {
    "one way to": _one_way(to=True),
    "one way from": _one_way(to=False),
    "kill": _kill(),
    "kill, new key": _kill(new_key=True),
    "unplug": _kill(silently=True),
    "disk fails": _disk_fails,
}
