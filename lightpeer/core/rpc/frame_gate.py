"""A gate for HTTP/2 frames in front of h2: it counts frames that could flood us, and takes out GOAWAY.

The gate reads only the nine bytes of each frame's header and passes everything but GOAWAY on untouched.
Cheap frames that make the receiver work (RST_STREAM, SETTINGS, PING, PRIORITY, CONTINUATION, DATA without
data) draw on a budget that refills with time. Honest peers never exhaust it; a flood (CVE-2019-9512 to
9518, CVE-2023-44487) loses its connection before h2 looks at it.

The gate refuses a frame that is too long at its header, and a block of header fields in too many frames,
because h2 would buffer them first. That also refuses nearly everything that is not HTTP/2.

GOAWAY does not pass to h2, which would end the connection at once. RFC 9113 section 6.8 lets the streams up
to the last id finish.

Call `receive_untrusted(data, now)` with received bytes; it returns pieces for h2 and `GoAway`s, in order.
Call the budget's `earn` for sent data, and its `charge` for costs that no frame header shows.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from lightpeer.errors import FramingError

LAST_STREAM_ID: Final = 2**31 - 1
"""The largest stream id; after it, a connection can open no more streams (RFC 9113 section 5.1.1)."""

PREFACE_BYTES: Final = 24  # RFC 9113 section 3.4; h2 checks their value
HEADER_BYTES: Final = 9
FRAME_MAX_BYTES: Final = 16_384  # the smallest limit that RFC 9113 allows, and ours
GOAWAY_MAX_BYTES: Final = 1024  # more debug text than anyone would read

HEADER_BLOCK_MAX_BYTES: Final = 2 * FRAME_MAX_BYTES
"""The limit on compressed header fields: twice gRPC's limit on the list, which HPACK makes smaller."""

FLOOD_BUDGET: Final = 10_000
FLOOD_REFILL_PER_S: Final = 1000  # about 3 % of a small processor, in PINGs
OWN_BUDGET: Final = 200
"""Of one connection, beside its network's; an honest client spends a third of it."""

RESET_COST: Final = 10
"""Of a reset stream, for which a call may have been started and stopped."""

REFUSED_CALL_COST: Final = 40
"""Of a call that is turned away after its header fields were parsed, in a quarter of a millisecond. The
refill pays for 25 of them a second."""

SENT_BYTES_PER_CREDIT: Final = 32
"""Data that a WINDOW_UPDATE must let out to cost nothing; CVE-2019-9511 lets out one byte with each."""

_SETTING_BYTES = 6
_FLAG_END_STREAM = 0x1
_FLAG_END_HEADERS = 0x4
_FLAG_PADDED = 0x8


class ErrorCode(IntEnum):
    """RFC 9113 section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class FrameType(IntEnum):
    """RFC 9113 section 6."""

    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


_COST: Final[dict[int, int]] = {  # from the flood budget; frames that carry calls and their data are free
    FrameType.DATA: 0,
    FrameType.HEADERS: 0,
    FrameType.RST_STREAM: RESET_COST,
    FrameType.SETTINGS: 20,  # every stream's window may change; and 1 for each setting
}
_COST_OTHERWISE: Final = 1


class GoAway(NamedTuple):
    """The peer takes no streams above `last_stream_id`."""

    last_stream_id: int
    error_code: int
    debug_text: str


Piece: TypeAlias = bytes | GoAway


def encode_goaway(last_stream_id: int, error_code: int) -> bytes:
    """Return a GOAWAY frame."""
    return struct.pack(">HBBBIII", 0, 8, FrameType.GOAWAY, 0, 0, last_stream_id, error_code)


def encode_ping(opaque: bytes) -> bytes:
    """Return a PING frame with eight opaque bytes, to be sent behind a GOAWAY."""
    return struct.pack(">HBBBI8s", 0, 8, FrameType.PING, 0, 0, opaque)


class FloodBudget:
    """A budget for the cost of cheap frames.

    A connection has a full budget, or a small one and behind it the budget that all connections of its
    network share. So a flood does not end the connection of a neighbour behind the same address.

    Args:
        network: the network's budget, or None for a full budget.
    """

    def __init__(self, network: FloodBudget | None = None) -> None:
        self._network = network
        self._most = float(FLOOD_BUDGET if network is None else OWN_BUDGET)
        self._per_s = self._most * FLOOD_REFILL_PER_S / FLOOD_BUDGET
        self._left = self._most
        self._refilled_s: float | None = None

    def refill(self, now: float) -> None:
        """Add what has accrued until `now`."""
        if self._refilled_s is not None:
            self._left = min(self._most, self._left + (now - self._refilled_s) * self._per_s)
        self._refilled_s = now
        if self._network is not None:
            self._network.refill(now)

    def is_used_up(self, now: float) -> bool:
        """Return whether the budget is exhausted at `now`."""
        self.refill(now)
        return self._left <= 0

    def earn(self, sent_bytes: int) -> None:
        """Refund the WINDOW_UPDATEs that let these bytes out."""
        self._left = min(self._most, self._left + sent_bytes / SENT_BYTES_PER_CREDIT)

    def charge(self, cost: int) -> None:
        """Draw a cost from the budget.

        Raises:
            FramingError: the budget is exhausted (ENHANCE_YOUR_CALM).
        """
        if cost <= self._left:
            self._left -= cost
        elif self._network is not None:
            self._network.charge(cost)
        else:
            self._left = min(self._left, 0.0)
            raise FramingError(ErrorCode.ENHANCE_YOUR_CALM, "the peer floods us with control frames")


class FrameGate:
    """Reads frame headers ahead of h2.

    Args:
        is_server: whether a client preface comes first.
        budget: what cheap frames draw on; None gives the gate a full budget of its own.

    Attributes:
        frames: how many frames have begun to arrive.
        window_updates: how many of them are WINDOW_UPDATEs.
    """

    def __init__(self, *, is_server: bool, budget: FloodBudget | None = None) -> None:
        self._rest_bytes = PREFACE_BYTES if is_server else 0  # of a frame that is passing through
        self._held = b""  # part of a frame header, or of a GOAWAY, whose size is bounded
        self.frames = 0
        self.window_updates = 0
        self.budget = budget or FloodBudget()
        self._block_bytes = 0  # of header fields, in frames up to END_HEADERS

    def receive_untrusted(self, data: bytes, now: float) -> list[Piece]:
        """Handle received bytes; return the pieces for h2 and the GOAWAYs, in order.

        Raises:
            FramingError: a flood, a frame that is too long, or a malformed GOAWAY. Close the connection
                with the error's `code`.
        """
        self.budget.refill(now)
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[Piece] = []
        start = 0
        at = self._rest_bytes
        while at < len(data):
            if len(data) - at < HEADER_BYTES:
                self._held = data[at:]
                break
            self.frames += 1
            length = int.from_bytes(data[at : at + 3], "big")
            kind = data[at + 3]
            _check_length(kind, length)
            end = at + HEADER_BYTES + length
            if kind == FrameType.GOAWAY:
                if end > len(data):
                    self._held = data[at:]
                    break
                pieces += [data[start:at], _parse_goaway_untrusted(data[at + HEADER_BYTES : end])]
                start = end
            else:
                self._check(kind, length, data[at + 4])
            at = end
        self._rest_bytes = max(0, at - len(data))
        pieces.append(data[start : len(data) - len(self._held)])
        return [piece for piece in pieces if piece]

    def _check(self, kind: int, length: int, flags: int) -> None:
        if kind == FrameType.DATA:  # checked first: most frames of a busy stream
            if (not length and not flags & _FLAG_END_STREAM) or flags & _FLAG_PADDED:  # gRPC pads nothing
                self.budget.charge(_COST_OTHERWISE)
            return
        if kind in {FrameType.HEADERS, FrameType.CONTINUATION}:
            self._block_bytes += length
            if self._block_bytes > HEADER_BLOCK_MAX_BYTES:
                raise FramingError(ErrorCode.ENHANCE_YOUR_CALM, "the peer sent endless header fields")
            if flags & _FLAG_END_HEADERS:
                self._block_bytes = 0
        elif kind == FrameType.WINDOW_UPDATE:
            self.window_updates += 1
        elif kind == FrameType.SETTINGS:
            self.budget.charge(length // _SETTING_BYTES)
        self.budget.charge(_COST.get(kind, _COST_OTHERWISE))


def _check_length(kind: int, length: int) -> None:
    if length > FRAME_MAX_BYTES or (kind == FrameType.GOAWAY and not 8 <= length <= GOAWAY_MAX_BYTES):
        raise FramingError(
            ErrorCode.FRAME_SIZE_ERROR,
            f"the peer sent a frame of an impossible size ({length} bytes): is it HTTP/2?",
        )


def _parse_goaway_untrusted(payload: bytes) -> GoAway:
    last_stream_id, error_code = struct.unpack_from(">II", payload)
    return GoAway(last_stream_id & 0x7FFFFFFF, error_code, payload[8:].decode("latin-1"))
