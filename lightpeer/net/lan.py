"""Peers on the local network, found without configuration: the shell around `core/lan`, which decides.

Each interface has a socket of its own, in the group of multicast DNS alone, so that it takes nothing from
another responder on this computer, such as avahi. A server looks for new interfaces now and then, since a
wireless network may come up after it; a client looks once. IPv6 is used where an interface has no IPv4.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.lan.mdns import GROUP, GROUP_OF_IPV6, PORT, Mdns
from lightpeer.core.lan.services import Heard
from lightpeer.net.found import Lan
from lightpeer.net.network import Counters
from lightpeer.net.route import Interface, local_networks
from lightpeer.net.udp import UdpSocket
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from lightpeer.core.lan.services import Own
    from lightpeer.core.trust.contact import Contact

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 15.0  # for interfaces, as a server
_MULTICAST_ALL: Final = 49  # IP_MULTICAST_ALL of Linux: on, a socket hears the groups of all others too
_IPV6_MULTICAST_ALL: Final = 29
_IS_LINUX: Final = sys.platform in {"linux", "android"}
_HOPS: Final = 255  # RFC 6762, section 11
LOOPBACK: Final = Interface("lo", 1, "127.0.0.1", (IPv4Network("127.0.0.0/8"),))  # for tests


@asynccontextmanager
async def on_lan(
    own: Own | None = None,
    counters: Counters | None = None,
    *,
    interfaces: Callable[[], Sequence[Interface]] = local_networks,
) -> AsyncIterator[Lan]:
    """Look for peers on the local network during a block, and register our own service.

    Args:
        own: our own service, or None to register nothing.
        counters: count the traffic.
        interfaces: gives the interfaces to use.
    """
    links = _Links(own, counters or Counters(), interfaces)
    async with open_nursery() as nursery:
        await links.look(nursery)
        if own is not None:
            nursery.start_soon(links.keep_looking, nursery)
        yield links.lan
        nursery.cancel_scope.cancel()


class _Links:
    """The interfaces in use, each with its socket."""

    def __init__(
        self, own: Own | None, counters: Counters, interfaces: Callable[[], Sequence[Interface]]
    ) -> None:
        self.lan = Lan(is_looking=False)
        self._own = own
        self._counters = counters
        self._interfaces = interfaces
        self._scopes: dict[Interface, trio.CancelScope] = {}

    async def keep_looking(self, nursery: trio.Nursery) -> None:
        """Look for interfaces that come, change or go, for ever."""
        while True:
            await trio.sleep(LOOK_AGAIN_S)
            await self.look(nursery)

    async def look(self, nursery: trio.Nursery) -> None:
        """Use the interfaces that are there now."""
        there = [i for i in self._interfaces() if self._own is None or self._own.host in {None, i.host}]
        for interface, scope in list(self._scopes.items()):
            if interface not in there:
                del self._scopes[interface]
                scope.cancel()
        for interface in there:
            if interface not in self._scopes:
                try:
                    sock = UdpSocket(_open(interface), self._counters)
                except OSError as error:
                    logger.info("cannot look at the local network by %s: %s", interface.name, error)
                else:
                    self._scopes[interface] = await nursery.start(self._run, interface, sock)
        self.lan.is_looking = bool(self._scopes)

    async def _run(
        self,
        interface: Interface,
        sock: UdpSocket,
        task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        heard = Heard(interface.networks, self._own.name if self._own is not None else None)
        core = Mdns(heard, self._own, interface.host, os.urandom, trio.current_time())
        group = GROUP_OF_IPV6 if interface.is_ipv6 else GROUP
        link = _Link(core, sock, group, lambda name, found: self.lan.put((interface, name), found))
        try:
            with trio.CancelScope() as scope:
                task_status.started(scope)
                await link.run()
        except OSError as error:  # the interface is gone
            logger.info("cannot look at the local network by %s any more: %s", interface.name, error)
            self._scopes.pop(interface, None)
        finally:
            link.close()


class _Link:
    """Carries one core on one socket."""

    def __init__(
        self, core: Mdns, sock: UdpSocket, group: str, tell: Callable[[object, list[Contact]], None]
    ) -> None:
        self._core = core
        self._sock = sock
        self._group = group
        self._tell = tell
        self._timer = trio.CancelScope()

    async def run(self) -> None:
        async with open_nursery() as nursery:
            nursery.start_soon(self._receive)
            while True:
                with trio.CancelScope(deadline=self._core.next_deadline()) as self._timer:
                    await trio.sleep_forever()
                self._core.handle_timeout(trio.current_time())
                self._pass_on()

    async def _receive(self) -> None:
        while True:
            for data, source, _ in await self._sock.receive_all(trio.current_time()):
                self._core.receive(data, source, trio.current_time())
            self._pass_on()
            self._timer.deadline = self._core.next_deadline()

    def _pass_on(self) -> None:
        while (found := self._core.next_found()) is not None:
            self._tell(*found)
        while (datagram := self._core.next_datagram()) is not None:
            data, place = datagram
            with suppress(OSError):  # it is the network's moment; we ask again
                self._sock.send_now(data, place or (self._group, PORT))

    def close(self) -> None:
        """Say goodbye, and close the socket."""
        self._core.stop()
        with suppress(trio.ClosedResourceError):
            self._pass_on()
        self._sock.close()


def _open(interface: Interface) -> socket.socket:
    """Return a socket in the group of multicast DNS on one interface.

    Raises:
        OSError: there can be none.
    """
    sock = socket.socket(socket.AF_INET6 if interface.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not _IS_LINUX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        (_join_ipv6 if interface.is_ipv6 else _join_ipv4)(sock, interface)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _join_ipv4(sock: socket.socket, interface: Interface) -> None:
    """Join the group, and bind to it; raise OSError if that fails."""
    if _IS_LINUX:
        sock.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)
    # A struct ip_mreqn, of which other systems read the first two parts.
    hosts = socket.inet_aton(GROUP), socket.inet_aton(interface.host)
    member = struct.pack("@4s4si", *hosts, interface.number)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member if _IS_LINUX else member[4:8])
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
    sock.bind((GROUP if _IS_LINUX else "", PORT))  # so it gets multicasts alone


def _join_ipv6(sock: socket.socket, interface: Interface) -> None:
    """Join the group, and bind to it on this interface; raise OSError if that fails."""
    member = socket.inet_pton(socket.AF_INET6, GROUP_OF_IPV6) + struct.pack("@I", interface.number)
    with suppress(OSError):  # older than Linux 4.20
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.number)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
    sock.bind((GROUP_OF_IPV6, PORT, 0, interface.number))
