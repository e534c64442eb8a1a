"""What PULLs have asked one stream for, in the order asked: no greater in memory than it came.

A stream may be asked for a thousand units and not be let send any, and there are thousands of streams. So
ranges are kept as bytes, as in a PULL, and only the one at the head is an object.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import RANGE

if TYPE_CHECKING:
    from lightpeer.core.udp.datagram import Pull

MAX_QUEUED_UNITS: Final = 1024  # 1.2 MB: four seconds of a fast link, far above any sane window

_PULL = struct.Struct(">IdB")  # its number, when it came, and how many ranges are left of it


@dataclass(slots=True)
class Asked:
    """What is left of a range, and the PULL that it came with."""

    rendition: int
    segment: int
    unit: int  # the next
    end: int
    pull_no: int
    arrived_s: float


class AskedQueue:
    """The ranges, of `MAX_QUEUED_UNITS` units at most.

    Attributes:
        head: what is next, None if there is nothing.
        units: how many there are in all.
    """

    __slots__ = ("_pulls", "_ranges", "head", "units")

    def __init__(self) -> None:
        self.head: Asked | None = None
        self.units = 0
        self._ranges = bytearray()  # behind the head
        self._pulls = bytearray()  # that these came with

    def put(self, pull: Pull, now: float) -> None:
        """Queue what a PULL asks for, as far as there is room."""
        count = 0
        for rendition, segment, first, wanted in pull.ranges:
            units = min(wanted, MAX_QUEUED_UNITS - self.units)
            if not units:
                break
            self._ranges += RANGE.pack(rendition << 24 | segment, first, units)
            self.units += units
            count += 1
        if count:
            self._pulls += _PULL.pack(pull.pull_no, now, count)
            if self.head is None:
                self._next()

    def advance(self, units: int) -> None:
        """Take so many units off the head, which has them."""
        assert self.head is not None
        self.head.unit += units
        self.units -= units
        if self.head.unit == self.head.end:
            self._next()

    def clear(self) -> None:
        """Forget all."""
        self.head, self.units = None, 0
        self._ranges, self._pulls = bytearray(), bytearray()

    def upcoming(self, most: int) -> Iterator[tuple[int, int, int]]:
        """Yield rendition, segment and number of units of so many ranges at most, the head first."""
        if self.head is None:
            return
        yield self.head.rendition, self.head.segment, self.head.end - self.head.unit
        for place, _, units in RANGE.iter_unpack(self._ranges[: (most - 1) * RANGE.size]):
            yield place >> 24, place & 0xFFFFFF, units

    def _next(self) -> None:
        self.head = None
        if self._ranges:
            place, first, units = RANGE.unpack_from(self._ranges)
            pull_no, arrived_s, count = _PULL.unpack_from(self._pulls)
            self.head = Asked(place >> 24, place & 0xFFFFFF, first, first + units, pull_no, arrived_s)
            del self._ranges[: RANGE.size]
            if count > 1:
                _PULL.pack_into(self._pulls, 0, pull_no, arrived_s, count - 1)
            else:
                del self._pulls[: _PULL.size]
