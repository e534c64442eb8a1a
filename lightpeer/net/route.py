"""Which interface leads to the internet, and the name of its wireless network.

The kernel is asked which of our addresses it would send from, and whose that is. This needs no packet, no
process and no right, and holds where /proc/net/route cannot be read or says nothing, as on Android. What
cannot be told is left empty; outside Linux that is everything.
"""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from lightpeer.core.budget.profile import WayOut

_SIOCGIFCONF: Final = 0x8912  # netdevice(7): the interfaces that have an IPv4 address
_SIOCGIWESSID: Final = 0x8B1B  # linux/wireless.h
_IFREQ_BYTES: Final = 40 if sys.maxsize > 1 << 32 else 32
_MOST_INTERFACES: Final = 64
_MOST_SSID_BYTES: Final = 32
_OUTSIDE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # for documentation alone
_INET6_FILE: Final = Path("/proc/net/if_inet6")


def way_out() -> WayOut:
    """Return the interface that leads to the internet now, as far as it can be told."""
    if sys.platform not in {"linux", "android"}:
        return WayOut()
    interface = _with_ipv4(_own_address(socket.AF_INET)) or _with_ipv6(_own_address(socket.AF_INET6))
    return WayOut(interface, _ssid(interface) if interface else "")


def _own_address(family: socket.AddressFamily) -> str:
    """Return the address that we would send from to the outside."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((_OUTSIDE[family], 9))  # nothing is sent
            return str(sock.getsockname()[0])
    except OSError:
        return ""


def _with_ipv4(address: str) -> str:
    """Return the name of the interface with an IPv4 address."""
    if not address:
        return ""
    names = array("B", bytes(_MOST_INTERFACES * _IFREQ_BYTES))
    request = struct.pack("@iP", len(names), names.buffer_info()[0])
    filled = _ioctl(_SIOCGIFCONF, request)
    data = names.tobytes()[: struct.unpack_from("@i", filled)[0] if filled else 0]
    wanted = ip_address(address).packed
    for at in range(0, len(data), _IFREQ_BYTES):
        if data[at + 20 : at + 24] == wanted:  # struct ifreq: 16 bytes of name, then a sockaddr_in
            return _text(data[at : at + 16]).partition(":")[0]
    return ""


def _with_ipv6(address: str) -> str:
    """Return the name of the interface with an IPv6 address, where the kernel lists them."""
    if not address:
        return ""
    wanted = ip_address(address).packed.hex()
    try:
        lines = _INET6_FILE.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return next((fields[-1] for line in lines if (fields := line.split()) and fields[0] == wanted), "")


def _ssid(interface: str) -> str:
    """Return the name of the wireless network that an interface is in."""
    name = array("B", bytes(_MOST_SSID_BYTES + 1))
    request = struct.pack("@16sPHH", interface.encode(), name.buffer_info()[0], len(name), 0)
    filled = _ioctl(_SIOCGIWESSID, request)
    size = struct.unpack_from("@16sPH", filled)[2] if filled else 0
    return _text(name.tobytes()[: min(size, _MOST_SSID_BYTES)])


def _ioctl(number: int, request: bytes) -> bytes:
    """Return what the kernel makes of a request; nothing if it refuses."""
    import fcntl

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            return fcntl.ioctl(sock.fileno(), number, request)
    except OSError:
        return b""


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="replace")
