"""A UDP socket that knows when its datagrams arrived, however late they are read.

Linux stamps each datagram on arrival (SO_TIMESTAMPNS, socket(7)). So round trips and rates are those of the
path, not of a busy phone, and several datagrams may wait to be read together; waking up costs more than
handling one. On other systems, a datagram arrives when it is read.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from typing import Any

import trio

from lightpeer.net.network import (
    ANY_OF_BOTH,
    MAPPED,
    MAX_DATAGRAM_BYTES,
    MOST_AT_ONCE,
    Address,
    Counters,
    Datagram,
    socket_address,
)

_HEADER_BYTES = 8
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; its control message has the same number
_TIMESPEC = struct.Struct("@ll")
_CONTROL_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) if sys.platform in {"linux", "android"} else 0


class UdpSocket:
    """A bound UDP socket (see `network.DatagramSocket`)."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._plain = sock
        self._socket = trio.socket.from_stdlib_socket(sock)
        self._counters = counters
        self._emptied_at = trio.current_time()  # datagrams that are read next arrived later
        self.local_address = socket_address(sock.getsockname())
        self._is_both = sock.family == socket.AF_INET6 and self.local_address[0] == ANY_OF_BOTH
        if _CONTROL_BYTES:
            with contextlib.suppress(OSError):  # the kernel has no time stamps
                sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    async def send_to(self, data: bytes, address: Address) -> None:
        """Send one datagram (see `network.DatagramSocket`)."""
        self._check_open()
        await self._socket.sendto(data, self._mapped(address))
        self._counters.add(tx=len(data) + _HEADER_BYTES)

    def send_now(self, data: bytes, address: Address) -> bool:
        """Send one datagram without waiting (see `network.DatagramSocket`)."""
        self._check_open()
        try:
            self._plain.sendto(data, self._mapped(address))
        except BlockingIOError:
            return False
        self._counters.add(tx=len(data) + _HEADER_BYTES)
        return True

    async def receive_from(self) -> tuple[bytes, Address]:
        """Receive one datagram (see `network.DatagramSocket`)."""
        self._check_open()
        data, source = await self._socket.recvfrom(MAX_DATAGRAM_BYTES)
        self._counters.add(rx=len(data) + _HEADER_BYTES)
        return data, socket_address(source)

    async def receive_all(self, not_before: float) -> list[Datagram]:
        """Receive what is here (see `network.DatagramSocket`)."""
        came: list[Datagram] = []
        if trio.current_time() < not_before:
            with trio.CancelScope(deadline=not_before):  # cheaper than `sleep_until`, on a hot path
                await trio.sleep_forever()
            self._check_open()
            self._take_all(came, trio.current_time())
        self._check_open()
        while not came:  # a datagram with a wrong checksum wakes us, but cannot be read
            await trio.lowlevel.wait_readable(self._plain)
            self._take_all(came, trio.current_time())
        self._counters.add(rx=sum(len(one.data) + _HEADER_BYTES for one in came))
        return came

    def _take_all(self, came: list[Datagram], now: float) -> None:
        came_at, wall_ahead_s = self._emptied_at, time.time() - now
        try:
            while len(came) < MOST_AT_ONCE:
                data, source, stamp = self._take()
                # The bounds also hold if the wall clock was set in the meantime.
                came_at = now if stamp is None else min(max(stamp - wall_ahead_s, came_at), now)
                came.append(Datagram(data, socket_address(source), came_at))
        except BlockingIOError:
            self._emptied_at = now
        except OSError:  # an error of the socket, not of a datagram
            if not came:
                raise

    def _take(self) -> tuple[bytes, Any, float | None]:
        """Read a datagram; return its bytes, its source, and the kernel's time stamp, if there is one."""
        if not _CONTROL_BYTES:
            return *self._plain.recvfrom(MAX_DATAGRAM_BYTES), None
        data, control, _, source = self._plain.recvmsg(MAX_DATAGRAM_BYTES, _CONTROL_BYTES)
        for _, kind, stamp in control:
            if kind == _SO_TIMESTAMPNS and len(stamp) == _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack(stamp)
                return data, source, seconds + nanoseconds / 1e9
        return data, source, None

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _mapped(self, address: Address) -> Address:
        """Return an address in the form that a socket of both families needs."""
        return (MAPPED + address[0], address[1]) if self._is_both and ":" not in address[0] else address

    def _check_open(self) -> None:
        if self._plain.fileno() < 0:
            raise trio.ClosedResourceError
