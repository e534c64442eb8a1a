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

_ADDRESS_BYTES: Final = 16
_ADDRESS_BITS: Final = 128
_MAPPED: Final = 0xFFFF << 32  # IPv4 addresses as IPv6 has them (RFC 4291, section 2.5.5.2)
_MAPPED_BITS: Final = 96


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
    """

    def __init__(self) -> None:
        self._networks = PackedSet(_ADDRESS_BYTES + 1)

    def __len__(self) -> int:
        return len(self._networks)

    def add(self, network: IPv4Network | IPv6Network) -> None:
        """Take one more network; `flush` must follow before it is found."""
        start = int(network.network_address)
        if isinstance(network, IPv4Network):
            self._networks.add(_key(start | _MAPPED, network.prefixlen + _MAPPED_BITS))
        else:
            self._networks.add(_key(start, network.prefixlen))

    def flush(self) -> None:
        """Merge in what was added."""
        self._networks.flush()

    def __contains__(self, host: str) -> bool:
        """Tell whether an address is in one of the networks; what is no numeric address is in none.

        Whatever stands between a network and an address in it is itself in that network. So the network
        before the address holds it, or shares at least as many leading bits with it as one that does.
        """
        address = _address(host)
        length = _ADDRESS_BITS
        while address is not None:
            mask = (1 << _ADDRESS_BITS) - (1 << (_ADDRESS_BITS - length))
            found = self._networks.floor(_key(address & mask, length))
            if found is None:
                return False
            start = int.from_bytes(found[:_ADDRESS_BYTES], "big")
            length = _ADDRESS_BITS - (start ^ address).bit_length()
            if length >= found[_ADDRESS_BYTES]:
                return True
        return False


def _key(start: int, length: int) -> bytes:
    return start.to_bytes(_ADDRESS_BYTES, "big") + bytes([length])


def _address(host: str) -> int | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return int(address) | _MAPPED if address.version == 4 else int(address)
