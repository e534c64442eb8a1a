"""Protobuf bodies in and out: the one place where bytes become messages.

A few bytes can become much memory: the two bytes of an empty hit make an object of a hundred bytes in C, and
of a thousand or more in pure Python, and groups within groups recurse. So each kind of message has a greatest
size and a greatest total number of fields, those of the largest valid message. Both are checked before
protobuf sees anything, by a walk over the wire format that makes no objects. The numbers follow from sections
4 to 6 of `proto/README.md`, with room for fields that a later version adds.

Source: protobuf's "Encoding" page, for the wire format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from lightpeer.core.trust.bounds import (
    MAX_HITS,
    MAX_INLINE_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_PEERS,
    MAX_PULL_RANGES,
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    MAX_RENDITIONS,
    MAX_SEGMENT_BYTES,
    MAX_TEXT_CHARS,
)
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

PACKAGE: Final = "/loudp2p.v1."  # the prefix of each method's path

_SPARE_FIELDS: Final = 32  # of one message: fields that occur once, and those of later versions
_TEXT_BYTES: Final = 4 * MAX_TEXT_CHARS  # of the longest title, in UTF-8
_CHUNKS: Final = 512  # in an Open's reply
_BITRATES_BYTES: Final = MAX_RENDITIONS * 5
_KIB: Final = 1024


class _Shape(NamedTuple):
    """The bounds on one kind of message, checked before it is parsed.

    Attributes:
        max_bytes: its greatest size, by itself or within another.
        max_fields: its greatest number of fields, including those of inner messages and packed numbers.
        messages: the shapes of the fields that are messages, by field number.
        packed: the field numbers of lists of integers.
    """

    max_bytes: int
    max_fields: int
    messages: Mapping[int, _Shape] = {}
    packed: tuple[int, ...] = ()


_HIT_FIELDS: Final = 1 + 12 + _BITRATES_BYTES + MAX_PEERS
_CHUNK_FIELDS: Final = 1 + 3
_OPEN_FIELDS: Final = _CHUNKS * _CHUNK_FIELDS + _SPARE_FIELDS

_INNER: Final = _Shape(_KIB, _SPARE_FIELDS)  # a message without inner messages
_SEALED: Final = {15: _INNER}  # the seal, each message's last field; refused within a body
_OPEN_REQUEST: Final = _Shape(_KIB, _SPARE_FIELDS, _SEALED)
_CHUNK: Final = _Shape(MAX_SEGMENT_BYTES + _KIB, _SPARE_FIELDS, _SEALED)
_OPEN_REPLY: Final = _Shape(
    MAX_MANIFEST_BYTES + MAX_INLINE_BYTES + 16 * _KIB, _OPEN_FIELDS, {6: _CHUNK} | _SEALED
)
_RENDITION: Final = _Shape(MAX_MANIFEST_BYTES, _SPARE_FIELDS)
_HIT: Final = _Shape(4 * _TEXT_BYTES + _KIB, _HIT_FIELDS, packed=(6, 7))
_EXCHANGE: Final = _Shape(MAX_RECORDS * MAX_RECORD_BYTES + _KIB, MAX_RECORDS + _SPARE_FIELDS, _SEALED)

_SHAPES: Final[Mapping[str, _Shape]] = {
    "loudp2p.v1.PeerRecord": _Shape(MAX_RECORD_BYTES, _SPARE_FIELDS, _SEALED),
    "loudp2p.v1.ExchangeRequest": _EXCHANGE,
    "loudp2p.v1.ExchangeReply": _EXCHANGE,
    "loudp2p.v1.Announcement": _Shape(MAX_RECORD_BYTES + _KIB, _SPARE_FIELDS, _SEALED),
    "loudp2p.v1.AnnounceReply": _Shape(_KIB, _SPARE_FIELDS, _SEALED),
    "loudp2p.v1.SearchRequest": _Shape(
        _TEXT_BYTES + 2 * _KIB, 2 * _SPARE_FIELDS, {5: _OPEN_REQUEST} | _SEALED
    ),
    "loudp2p.v1.SearchReply": _Shape(
        MAX_HITS * _HIT.max_bytes + MAX_PEERS * (MAX_RECORD_BYTES + 3) + _OPEN_REPLY.max_bytes,
        MAX_HITS * _HIT_FIELDS + MAX_PEERS + _OPEN_FIELDS + _SPARE_FIELDS,
        {1: _HIT, 3: _OPEN_REPLY} | _SEALED,
    ),
    "loudp2p.v1.OpenRequest": _OPEN_REQUEST,
    "loudp2p.v1.OpenReply": _OPEN_REPLY,
    "loudp2p.v1.PullRequest": _Shape(2 * _KIB, MAX_PULL_RANGES * 4 + _SPARE_FIELDS, {2: _INNER} | _SEALED),
    "loudp2p.v1.Chunk": _CHUNK,
    "loudp2p.v1.Manifest": _Shape(MAX_MANIFEST_BYTES, MAX_RENDITIONS * 4 + _SPARE_FIELDS, {6: _RENDITION}),
    # Names of services, files and symbols, which are shorter.
    "grpc.health.v1.HealthCheckRequest": _INNER,
    "grpc.reflection.v1.ServerReflectionRequest": _Shape(2 * _KIB, _SPARE_FIELDS, {5: _INNER}),
}

MAX_REPLY_BYTES: Final = _SHAPES["loudp2p.v1.SearchReply"].max_bytes + 128
"""The size of the largest valid reply with its seal; a client's connection refuses a larger message."""


def parse_body_untrusted(kind: type[M], body: bytes) -> M:
    """Return the message in a body, the bytes that a seal covered; raise BadMessageError if it is invalid."""
    message = parse_message_untrusted(kind, body)
    if message.HasField("seal"):
        raise BadMessageError(f"a {kind.DESCRIPTOR.name} whose seal is not at its end")
    return message


def parse_message_untrusted(kind: type[M], data: bytes) -> M:
    """Return the message in some bytes, with or without a seal; raise BadMessageError if it is invalid.

    A message is also invalid if it is larger, or has more fields, than its kind may.
    """
    name, shape = kind.DESCRIPTOR.name, _SHAPES[kind.DESCRIPTOR.full_name]
    if len(data) > shape.max_bytes:
        raise BadMessageError(f"a {name} larger than one may be")
    try:
        fields = _count_fields(data, 0, len(data), shape, shape.max_fields)
    except IndexError:
        raise BadMessageError(f"a {name} that cannot be parsed") from None
    if fields > shape.max_fields:
        raise BadMessageError(f"a {name} with more fields than one may have")
    try:
        return kind.FromString(data)
    except Exception as error:  # each protobuf runtime has its own DecodeError
        raise BadMessageError(f"a {name} that cannot be parsed") from error


def _count_fields(data: bytes, at: int, end: int, shape: _Shape, most: int) -> int:
    """Return a message's total number of fields, or any number above `most`.

    Raises:
        BadMessageError: an inner message is too large.
        IndexError: the message ends within a field, or has groups, which our messages never have.
    """
    fields = 0
    while at < end and fields <= most:
        fields += 1
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                _, at = _varint(data, at)
            case 1:
                at += 8
            case 2:
                size, at = _varint(data, at)
                if (inner := shape.messages.get(tag >> 3)) is not None:
                    if at + size > end:
                        raise IndexError
                    if size > inner.max_bytes:
                        raise BadMessageError("a message within another that is larger than one may be")
                    fields += _count_fields(data, at, at + size, inner, most - fields)
                elif tag >> 3 in shape.packed:
                    fields += size  # each number has at least one byte
                at += size
            case 5:
                at += 4
            case _:
                raise IndexError
    if at > end:
        raise IndexError
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at an offset, and its end; raise IndexError if it has none."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
    raise IndexError
