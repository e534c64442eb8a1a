"""The packets of TCP connections: numbered segments, and acknowledgements of them."""

from __future__ import annotations

from dataclasses import dataclass

TCP_HEADER_BYTES = 32
SEGMENT_BYTES = 1448


@dataclass(slots=True, eq=False)
class TcpSegment:
    """A segment, with its sender's notes.

    Attributes:
        number: its place in the stream.
        data: at most SEGMENT_BYTES; empty at the end.
        is_end: whether nothing follows.
        sent_at: virtual time of its latest transmission.
        order: the number of that transmission.
        times: how many transmissions it has had.
        is_lost: whether it is to be sent again.
    """

    number: int
    data: bytes
    is_end: bool = False
    sent_at: float = 0.0
    order: int = -1
    times: int = 0
    is_lost: bool = False


@dataclass(slots=True, frozen=True)
class Ack:
    """The next segment expected, those beyond it that came, and the room for more."""

    expected: int
    beyond: frozenset[int]
    room_bytes: int
