"""The UDP wire format: PULL to the server; DATA and, where it does not know an address yet, PATH from it.

Every datagram ends in a tag: the first 8 bytes of BLAKE2b, keyed with a key that
only the two ends of one Open exchange can derive (one key for each direction),
over all bytes before it. A parser first finds the stream by its id, then checks
the tag, then believes the rest. All integers are big-endian. `proto/README.md`,
"Datagrams", is the normative text.

    PULL  stream id 4 | pull no 4 | pace B/s 4 | path token 4 | epoch 1 | n 1
          | n x (rendition 1, segment 3, first unit 1, units 1) | tag 8
    DATA  stream id 4 | pull no 2 | hold 2 | rendition 1, segment 3, unit 1 | payload 1..1200 | tag 8
    PATH  stream id 4 | path no 4 | path token 4 | tag 8

A PATH is known by its length, which no DATA has.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, NamedTuple

from lightpeer.core.trust.identity import PeerId
from lightpeer.errors import BadMessageError

MAX_PAYLOAD = 1200  # with all headers 1277 bytes over IPv6, whose least MTU is 1280 (RFC 8200 §5)
MAX_RANGES = 64  # a PULL of 410 bytes
MAX_UNITS = 255
HOLD_UNIT_S = 0.0001
MAX_HOLD_S = 0xFFFF * HOLD_UNIT_S
MIN_PACE_BYTES_PER_S: Final = 1_000  # a server sends no slower: it would hold a unit for over a second
UDP_HEADER_BYTES: Final = 8  # which paces count
LEASE_S: Final = 2.0  # after the last PULL a server forgets what it was asked for

_TAG_BYTES = 8
_PULL = struct.Struct(">IIIIBB")
RANGE = struct.Struct(">IBB")  # rendition and segment share 4 bytes
_DATA = struct.Struct(">IHHIB")
_PATH = struct.Struct(">III")
PATH_BYTES = _PATH.size + _TAG_BYTES
DATA_OVERHEAD = _DATA.size + _TAG_BYTES


class Unit(NamedTuple):
    """One datagram's worth of a segment."""

    rendition: int
    segment: int
    unit: int


class UnitRange(NamedTuple):
    """`units` consecutive units of one segment."""

    rendition: int
    segment: int
    first: int
    units: int


class DatagramKeys(NamedTuple):
    """The keys of one stream, 32 bytes each: `pull` tags what goes to the server, `data` what comes."""

    pull: bytes
    data: bytes


class Pull(NamedTuple):
    """What a receiver asks for, and how fast it may come."""

    stream_id: int
    pull_no: int
    pace_bytes_per_s: int
    path_token: int
    epoch: int
    ranges: Sequence[UnitRange]


class Data(NamedTuple):
    """One unit."""

    stream_id: int
    pull_no: int  # low 16 bits of the PULL that asked for it
    hold_s: float  # from that PULL's arrival to this departure
    unit: Unit
    payload: bytes


class PathToken(NamedTuple):
    """What proves that we receive at the address that it came to; the greatest number is the newest."""

    stream_id: int
    path_no: int
    path_token: int


def derive_keys(
    shared_secret: bytes, *, track_id: bytes, client: PeerId, server: PeerId, stream_id: int
) -> DatagramKeys:
    """Return both keys of a stream from the ECDH secret of its Open exchange."""
    context = b"".join((track_id, client, server, stream_id.to_bytes(4, "big")))
    return DatagramKeys(
        *(blake2b(context, digest_size=32, key=shared_secret, person=p).digest() for p in (b"pull", b"data"))
    )


def unit_layout(size: int) -> tuple[int, int]:
    """Return how many units an object of `size` bytes has, and the size of all but the last.

    Units are as even as can be, so that no datagram is spent on a remainder.
    """
    count = max(1, -(-size // MAX_PAYLOAD))
    return count, -(-size // count)


def peek_stream_id(datagram: bytes) -> int | None:
    """Return the stream id that a datagram claims, to look its key up by; None if it is too short."""
    return int.from_bytes(datagram[:4], "big") if len(datagram) >= 4 else None


def build_pull(pull: Pull, keys: DatagramKeys) -> bytes:
    """Return the bytes of a PULL; at most MAX_RANGES ranges."""
    head = _PULL.pack(
        pull.stream_id,
        pull.pull_no,
        pull.pace_bytes_per_s,
        pull.path_token,
        pull.epoch,
        len(pull.ranges),
    )
    ranges = [RANGE.pack(r.rendition << 24 | r.segment, r.first, r.units) for r in pull.ranges]
    return _tagged(head + b"".join(ranges), keys.pull)


def parse_pull_untrusted(datagram: bytes, keys: DatagramKeys) -> Pull:
    """Return the PULL; raise BadMessageError if the tag or the form is wrong."""
    body = _checked_untrusted(datagram, keys.pull, _PULL.size)
    stream_id, pull_no, pace, token, epoch, n = _PULL.unpack_from(body)
    if n > MAX_RANGES or len(body) != _PULL.size + n * RANGE.size:
        raise BadMessageError("a PULL whose size does not fit its ranges")
    ranges = tuple(
        UnitRange(place >> 24, place & 0xFFFFFF, first, units)
        for place, first, units in RANGE.iter_unpack(body[_PULL.size :])
    )
    if any(r.units == 0 or r.first + r.units > MAX_UNITS for r in ranges):
        raise BadMessageError("a PULL with an impossible range of units")
    return Pull(stream_id, pull_no, pace, token, epoch, ranges)


def build_data(data: Data, keys: DatagramKeys) -> bytes:
    """Return the bytes of a DATA; the payload is not empty, and at most MAX_PAYLOAD."""
    head = _DATA.pack(
        data.stream_id,
        data.pull_no & 0xFFFF,
        round(min(data.hold_s, MAX_HOLD_S) / HOLD_UNIT_S),
        data.unit.rendition << 24 | data.unit.segment,
        data.unit.unit,
    )
    return _tagged(head + data.payload, keys.data)


def build_path(path: PathToken, keys: DatagramKeys) -> bytes:
    """Return the bytes of a PATH."""
    return _tagged(_PATH.pack(*path), keys.data)


def parse_answer_untrusted(datagram: bytes, keys: DatagramKeys) -> Data | PathToken:
    """Return the DATA or PATH; raise BadMessageError if the tag or the form is wrong."""
    if len(datagram) == PATH_BYTES:
        return PathToken(*_PATH.unpack(_checked_untrusted(datagram, keys.data, _PATH.size)))
    body = _checked_untrusted(datagram, keys.data, _DATA.size + 1)
    stream_id, pull_no, hold, place, unit = _DATA.unpack_from(body)
    payload = body[_DATA.size :]
    if len(payload) > MAX_PAYLOAD:
        raise BadMessageError("a DATA longer than a unit may be")
    where = Unit(place >> 24, place & 0xFFFFFF, unit)
    return Data(stream_id, pull_no, hold * HOLD_UNIT_S, where, payload)


def _tagged(body: bytes, key: bytes) -> bytes:
    return body + blake2b(body, digest_size=_TAG_BYTES, key=key).digest()


def _checked_untrusted(datagram: bytes, key: bytes, least: int) -> bytes:
    if len(datagram) < least + _TAG_BYTES:
        raise BadMessageError("a datagram that is too short")
    body, tag = datagram[:-_TAG_BYTES], datagram[-_TAG_BYTES:]
    if not compare_digest(blake2b(body, digest_size=_TAG_BYTES, key=key).digest(), tag):
        raise BadMessageError("a datagram whose tag is wrong")
    return body
