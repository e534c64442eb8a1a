"""Sets of strings of one size that take little more memory than the strings do.

Python's own set takes over a hundred bytes for an id of twenty. Here the strings stand sorted, one after
the other, in blocks of some thousand: the block is found by bisection among the blocks' first strings, and
the string by bisection within the block.

A set is made in batches. Each is sorted and merged into the blocks that it falls into, so that making a
set takes the room of the set and of one batch, in whatever order the strings come.

Call order: `add` as often as wanted, `flush`, then look up.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

BLOCK: Final = 4096  # strings: twelve steps of bisection, and Python objects for no more at a time
BATCH: Final = 32_768  # strings that wait to be merged in: 2 MB

_IPV4_BYTES: Final = 4
_IPV6_BYTES: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2


class PackedSet:
    """A set of byte strings of one size."""

    def __init__(self, size_bytes: int) -> None:
        """Take the size of each string."""
        self._size = size_bytes
        self._blocks = [b""]
        self._firsts = [b""]  # of each block; of an empty set, what is below every string
        self._batch: list[bytes] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Give the strings, rising."""
        for block in self._blocks:
            yield from self._strings(block)

    def __contains__(self, string: bytes) -> bool:
        return self.floor(string) == string

    def add(self, string: bytes) -> None:
        """Take one more string; `flush` must follow before it is found."""
        self._batch.append(string)
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Merge in what was added."""
        batch, self._batch = self._batch, []
        batch.sort()
        for number in reversed(range(len(self._blocks))):  # so that what is cut moves none that is to come
            start = bisect_left(batch, self._firsts[number]) if number else 0
            if batch[start:]:
                strings = sorted({*self._strings(self._blocks[number]), *batch[start:]})
                del batch[start:]
                blocks = self._cut(strings)
                self._blocks[number : number + 1] = blocks
                self._firsts[number : number + 1] = [block[: self._size] for block in blocks]
        self._count = sum(map(len, self._blocks)) // self._size

    def floor(self, string: bytes) -> bytes | None:
        """Return the greatest that is not above a string, or None."""
        number = bisect_right(self._firsts, string) - 1
        if number < 0:
            return None
        block, size = self._blocks[number], self._size
        low, high = 0, len(block) // size
        while low < high:
            middle = (low + high) // 2
            if block[middle * size : middle * size + size] <= string:
                low = middle + 1
            else:
                high = middle
        return block[low * size - size : low * size] if low else None

    def _strings(self, block: bytes) -> Iterator[bytes]:
        return (block[at : at + self._size] for at in range(0, len(block), self._size))

    def _cut(self, strings: list[bytes]) -> list[bytes]:
        """Return blocks that are about as long as each other, each half full at least."""
        length = math.ceil(len(strings) / math.ceil(len(strings) / BLOCK))
        return [b"".join(strings[at : at + length]) for at in range(0, len(strings), length)]


class NetworkSet:
    """A set of networks, IPv4 and IPv6, in which an address is looked up.

    Each is its first address and the length of its prefix, so a network stands after those that hold it.
    IPv4 addresses as IPv6 has them (`::ffff:192.0.2.1`) are IPv4 addresses, and a network of them alone is an
    IPv4 network; of all others, `::/0` too, none holds an IPv4 address.
    """

    def __init__(self) -> None:
        self._of_ipv4 = PackedSet(_IPV4_BYTES + 1)
        self._of_ipv6 = PackedSet(_IPV6_BYTES + 1)

    def __len__(self) -> int:
        return len(self._of_ipv4) + len(self._of_ipv6)

    def add(self, network: IPv4Network | IPv6Network) -> None:
        """Take one more network; `flush` must follow before it is found."""
        key = _key(network.network_address.packed, network.prefixlen)
        (self._of_ipv4 if len(key) <= _IPV4_BYTES + 1 else self._of_ipv6).add(key)

    def flush(self) -> None:
        """Merge in what was added."""
        self._of_ipv4.flush()
        self._of_ipv6.flush()

    def __contains__(self, host: str) -> bool:
        """Tell whether an address is in one of the networks; what is no numeric address is in none.

        Whatever stands between a network and an address in it is itself in that network. So the network
        before the address holds it, or shares at least as many leading bits with it as one that does.
        """
        try:
            packed = _unmapped(ip_address(host.partition("%")[0]).packed)
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


def _unmapped(address: bytes) -> bytes:
    return address.removeprefix(_MAPPED)


def _key(address: bytes, length: int) -> bytes:
    """Return the key of the network that an address is in."""
    if address.startswith(_MAPPED) and length >= 8 * len(_MAPPED):
        address, length = _unmapped(address), length - 8 * len(_MAPPED)
    rest = 8 * len(address) - length
    return (int.from_bytes(address, "big") >> rest << rest + 8 | length).to_bytes(len(address) + 1, "big")
