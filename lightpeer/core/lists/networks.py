"""Networks, IPv4 and IPv6, in which an address is looked up.

A network's key is its first address followed by the length of its prefix, so that a network sorts after those
that contain it. IPv4-mapped addresses (`::ffff:192.0.2.1`) are IPv4 addresses, and a network of them alone is
an IPv4 network. No other IPv6 network, not even `::/0`, contains an IPv4 address.

Usual forms of addresses are parsed here, because `ipaddress` takes ten times as long; it parses the others.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from lightpeer.core.lists.packed import PackedSet

_IPV4_BYTES: Final = 4
_IPV6_BYTES: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2
_OCTETS: Final = {str(value): value for value in range(256)}
_LENGTHS: Final = {str(length): length for length in range(8 * _IPV6_BYTES + 1)}
_GROUPS: Final = 8  # of an IPv6 address, with four hexadecimal digits each
_GROUP_CHARS: Final = 4


def network_key(text: str) -> bytes:
    """Return the key of a network or an address; raise ValueError for anything else."""
    host, slash, length = text.partition("/")
    try:
        address = _plain(host)
        return _key(address, _LENGTHS[length] if slash else 8 * len(address))
    except (KeyError, ValueError):
        network = ip_network(text, strict=False)
        return _key(network.network_address.packed, network.prefixlen)


class NetworkSet:
    """A set of networks. Call order: `update` as often as wanted, `flush`, then look up."""

    def __init__(self) -> None:
        self._of_ipv4 = PackedSet(_IPV4_BYTES + 1)
        self._of_ipv6 = PackedSet(_IPV6_BYTES + 1)

    def __len__(self) -> int:
        return len(self._of_ipv4) + len(self._of_ipv6)

    def update(self, keys: Iterable[bytes]) -> None:
        """Add networks by their keys (`network_key`); call `flush` before they are looked up."""
        of_ipv4: list[bytes] = []
        of_ipv6: list[bytes] = []
        for key in keys:
            (of_ipv4 if len(key) <= _IPV4_BYTES + 1 else of_ipv6).append(key)
        self._of_ipv4.update(of_ipv4)
        self._of_ipv6.update(of_ipv6)

    def flushing(self) -> Iterable[None]:
        """Merge the added networks, in short steps."""
        yield from self._of_ipv4.flushing()
        yield from self._of_ipv6.flushing()

    def __contains__(self, host: str) -> bool:
        """Return whether an address is in one of the networks; False for anything but a numeric address.

        Every key between a network and an address in it belongs to that network. So the network
        before the address holds it, or shares at least as many leading bits with it as one that does.
        """
        try:
            packed = _unmapped(_address(host.partition("%")[0]))
        except ValueError:
            return False
        networks = self._of_ipv4 if len(packed) == _IPV4_BYTES else self._of_ipv6
        address, length = int.from_bytes(packed, "big"), 8 * len(packed)
        while True:
            found = networks.floor(_key(packed, length))
            if found is None:
                return False
            start = int.from_bytes(found[:-1], "big")
            length = 8 * len(packed) - (start ^ address).bit_length()
            if length >= found[-1]:
                return True


def _plain(host: str) -> bytes:
    """Return an address in a usual form; raise KeyError or ValueError for any other."""
    if ":" not in host:
        first, second, third, fourth = host.split(".")
        return bytes((_OCTETS[first], _OCTETS[second], _OCTETS[third], _OCTETS[fourth]))
    head, gap, tail = host.partition("::")
    groups = head.split(":") if head else []
    if gap:
        after = tail.split(":") if tail else []
        groups += ["0"] * max(_GROUPS - len(groups) - len(after), 1) + after
    packed = unhexlify("".join([group.zfill(_GROUP_CHARS) for group in groups]))
    if len(groups) != _GROUPS or len(packed) != _IPV6_BYTES or not all(groups):
        raise ValueError("this is written in another way")
    return packed


def _address(host: str) -> bytes:
    """Return a numeric address; raise ValueError for anything else."""
    try:
        return _plain(host)
    except (KeyError, ValueError):
        return ip_address(host).packed


def _unmapped(address: bytes) -> bytes:
    return address.removeprefix(_MAPPED)


def _key(address: bytes, length: int) -> bytes:
    """Return the key of an address's network; raise ValueError if the length is invalid."""
    if address.startswith(_MAPPED) and length >= 8 * len(_MAPPED):
        address, length = _unmapped(address), length - 8 * len(_MAPPED)
    rest = 8 * len(address) - length
    return (int.from_bytes(address, "big") >> rest << rest + 8 | length).to_bytes(len(address) + 1, "big")
