"""Networks, IPv4 and IPv6, in which an address is looked up.

Each is kept as a key: its first address and then the length of its prefix. So a network stands after those
that hold it. IPv4 addresses as IPv6 has them (`::ffff:192.0.2.1`) are IPv4 addresses, and a network of them
alone is an IPv4 network; of all others, `::/0` too, none holds an IPv4 address.

Addresses are parsed here, because `ipaddress` takes ten times as long; what is written in another way than
most is left to it.
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
    """Return an address as most are written; raise KeyError or ValueError for any other."""
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
    """Return the key of the network that an address is in; raise ValueError if none has such a length."""
    if address.startswith(_MAPPED) and length >= 8 * len(_MAPPED):
        address, length = _unmapped(address), length - 8 * len(_MAPPED)
    rest = 8 * len(address) - length
    return (int.from_bytes(address, "big") >> rest << rest + 8 | length).to_bytes(len(address) + 1, "big")
