"""Which interface leads to the internet, the name of its wireless network, and which lead to local networks.

The kernel is asked which of our addresses it would send from, and whose that is. This needs no packet, no
process and no right, and holds where /proc/net/route cannot be read or says nothing, as on Android. What
cannot be told is left empty; outside Linux that is everything.
"""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.addresses import joined_network
from lightpeer.core.budget.profile import WayOut

if TYPE_CHECKING:
    from lightpeer.core.lan.services import IPNetwork

_SIOCGIFCONF: Final = 0x8912  # netdevice(7): the interfaces that have an IPv4 address
_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFNETMASK: Final = 0x891B
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT, _IFF_MULTICAST = 0x1, 0x8, 0x10, 0x1000  # linux/if.h
_SIOCGIWESSID: Final = 0x8B1B  # linux/wireless.h
_IFREQ_BYTES: Final = 40 if sys.maxsize > 1 << 32 else 32
_MOST_INTERFACES: Final = 64
_MOST_SSID_BYTES: Final = 32
_OUTSIDE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # for documentation alone
_INET6_FILE: Final = Path("/proc/net/if_inet6")  # address, number, prefix, scope, flags, name; a line each
_GLOBAL: Final = "00"  # scope
_IFA_F_TEMPORARY, _IFA_F_NOT_IN_USE = 0x01, 0x68  # linux/if_addr.h: dadfailed, deprecated, tentative


def way_out() -> WayOut:
    """Return the interface that leads to the internet now, as far as it can be told."""
    if sys.platform not in {"linux", "android"}:
        return WayOut()
    interface = _with_ipv4(_own_address(socket.AF_INET)) or _with_ipv6(_own_address(socket.AF_INET6))
    return WayOut(interface, _ssid(interface) if interface else "")


class Interface(NamedTuple):
    """An interface to a local network.

    Attributes:
        name: the kernel's.
        number: the kernel's, 0 for the system's choice.
        host: our address there, of IPv4 if there is one.
        networks: whose addresses are on its link.
    """

    name: str
    number: int
    host: str
    networks: tuple[IPNetwork, ...]

    @property
    def is_ipv6(self) -> bool:
        """Whether it has no IPv4 address."""
        return ":" in self.host


def local_networks() -> list[Interface]:
    """Return the interfaces that lead to local networks: those that are up, and carry multicasts."""
    if sys.platform not in {"linux", "android"}:
        host = _own_address(socket.AF_INET)
        return [Interface("", 0, host, (ip_network(joined_network(host)),))] if host else []
    by_name: dict[str, list[IPv4Interface | IPv6Interface]] = {}
    listed: list[tuple[str, IPv4Interface | IPv6Interface]] = [*_ipv4_addresses(), *_ipv6_addresses()]
    for name, address in listed:
        by_name.setdefault(name, []).append(address)
    found = []
    for name, addresses in by_name.items():
        flags = _flags(name)
        if flags & _IFF_UP and flags & _IFF_MULTICAST and not flags & (_IFF_LOOPBACK | _IFF_POINTOPOINT):
            networks = tuple(dict.fromkeys(address.network for address in addresses))
            with suppress(OSError):  # it has just gone
                found.append(Interface(name, socket.if_nametoindex(name), str(addresses[0].ip), networks))
    return found


def _flags(interface: str) -> int:
    filled = _ioctl(_SIOCGIFFLAGS, interface.encode().ljust(_IFREQ_BYTES, b"\0"))
    return int(struct.unpack_from("@H", filled, 16)[0]) if filled else 0


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
    return next((name for name, own in _ipv4_addresses() if str(own.ip) == address), "")


def _ipv4_addresses() -> list[tuple[str, IPv4Interface]]:
    """Return the names of the interfaces with IPv4 addresses, and these."""
    names = array("B", bytes(_MOST_INTERFACES * _IFREQ_BYTES))
    request = struct.pack("@iP", len(names), names.buffer_info()[0])
    filled = _ioctl(_SIOCGIFCONF, request)
    data = names.tobytes()[: struct.unpack_from("@i", filled)[0] if filled else 0]
    entries = [data[at : at + _IFREQ_BYTES] for at in range(0, len(data), _IFREQ_BYTES)]
    return [(_text(entry[:16]).partition(":")[0], _ipv4_in(entry)) for entry in entries]


def _ipv4_in(entry: bytes) -> IPv4Interface:
    """Return the address in a struct ifreq, 16 bytes of name and a sockaddr_in; its prefix is asked for."""
    mask = _ioctl(_SIOCGIFNETMASK, entry)[20:24] or b"\xff" * 4  # it has just gone
    return IPv4Interface((entry[20:24], str(IPv4Address(mask))))


def _with_ipv6(address: str) -> str:
    """Return the name of the interface with an IPv6 address, where the kernel lists them."""
    wanted = ip_address(address).packed.hex() if address else ""
    return next((name for digits, *_, name in _ipv6_lines() if digits == wanted), "")


def _ipv6_addresses() -> list[tuple[str, IPv6Interface]]:
    """Return the names of the interfaces with IPv6 addresses for others, and these, the lasting first."""
    found = []
    for digits, _, prefix, scope, flags, name in _ipv6_lines():
        if scope == _GLOBAL and not int(flags, 16) & _IFA_F_NOT_IN_USE:
            is_temporary = int(flags, 16) & _IFA_F_TEMPORARY
            found.append((is_temporary, name, IPv6Interface((bytes.fromhex(digits), int(prefix, 16)))))
    return [(name, address) for _, name, address in sorted(found, key=lambda one: one[0])]


def _ipv6_lines() -> list[list[str]]:
    """Return what the kernel lists of IPv6 addresses, six words each."""
    try:
        lines = _INET6_FILE.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    return [fields for line in lines if len(fields := line.split()) == 6]


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
