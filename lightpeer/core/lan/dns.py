"""DNS messages, as far as service discovery needs them: PTR, SRV, TXT and address records.

Names are tuples of labels, since a label may contain dots. Any host on the network can send such a message,
so a name may only point back in it, which ends every loop, and what is in a message is counted.

Sources: RFC 1035 section 4, RFC 2782 (SRV), RFC 6762 sections 5.4 and 10.2 (the top bit of a class).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Name: TypeAlias = tuple[bytes, ...]
"""The labels of a name."""

A, PTR, TXT, AAAA, SRV, ANY = 1, 12, 16, 28, 33, 255
_IN: Final = 1  # the internet's class
_TOP_BIT: Final = 0x8000  # of a class: a question wants a unicast answer, a record replaces others
_IS_RESPONSE: Final = 0x8000  # of the flags
_AUTHORITATIVE: Final = 0x0400
_POINTER: Final = 0xC0
_MAX_NAME_BYTES: Final = 255
_MAX_LABEL_BYTES: Final = 63
_MAX_LABELS: Final = 40  # that of an IPv6 address has 34; each costs time, however often a name is pointed to
MAX_ENTRIES: Final = 128  # questions and records in a message; more than a home's services fill
_HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!2H")
_RECORD: Final = struct.Struct("!2HIH")
_SRV: Final = struct.Struct("!3H")


@dataclass(frozen=True, slots=True)
class Service:
    """The contents of an SRV record: where a service is."""

    port: int
    target: Name


class Question(NamedTuple):
    """A question; `wants_unicast` is for its asker alone."""

    name: Name
    kind: int
    wants_unicast: bool = False


class Record(NamedTuple):
    """A record.

    Attributes:
        name: whose it is.
        kind: A, PTR, TXT, AAAA or SRV.
        ttl_s: for how long it is so, in seconds; 0: no longer.
        value: a numeric host, a name, bytes, or a service, by its kind.
        is_unique: whether it replaces the others of its name and kind.
    """

    name: Name
    kind: int
    ttl_s: int
    value: str | Name | bytes | Service
    is_unique: bool = False


class Message(NamedTuple):
    """A message: a query or a response."""

    number: int
    is_response: bool
    questions: Sequence[Question] = ()
    records: Sequence[Record] = ()


def folded(name: Name) -> Name:
    """Return a name in small letters, to compare it: both cases count alike (RFC 6762, section 16)."""
    return tuple(label.lower() for label in name)


# Reading.


def count_entries_untrusted(data: bytes) -> int:
    """Return how many questions and records a message says it has, which is what reading it costs.

    Raises:
        BadMessageError: it is none, or they are too many.
    """
    return sum(_header_untrusted(data)[2:])


def _header_untrusted(data: bytes) -> tuple[int, ...]:
    if len(data) < _HEADER.size:
        raise BadMessageError("a DNS message that is cut off")
    header = _HEADER.unpack_from(data)
    if sum(header[2:]) > MAX_ENTRIES:
        raise BadMessageError("a DNS message with too much in it")
    return header


def parse_message_untrusted(data: bytes) -> Message:
    """Return a message; records of other kinds are left out.

    Raises:
        BadMessageError: it is none.
    """
    number, flags, *counts = _header_untrusted(data)
    try:
        at, questions, records = _HEADER.size, [], []
        for _ in range(counts[0]):
            question, at = _question_untrusted(data, at)
            questions.append(question)
        for _ in range(sum(counts[1:])):
            record, at = _record_untrusted(data, at)
            records += [record] if record is not None else []
    except (struct.error, IndexError) as error:
        raise BadMessageError("a DNS message that is cut off") from error
    return Message(number, bool(flags & _IS_RESPONSE), questions, records)


def _question_untrusted(data: bytes, at: int) -> tuple[Question, int]:
    """Return a question, and where the next begins."""
    name, at = _name_untrusted(data, at)
    kind, cls = _QUESTION.unpack_from(data, at)
    return Question(name, kind, bool(cls & _TOP_BIT)), at + _QUESTION.size


def _record_untrusted(data: bytes, at: int) -> tuple[Record | None, int]:
    """Return a record, None for one of another kind, and where the next begins."""
    name, at = _name_untrusted(data, at)
    kind, cls, ttl_s, size = _RECORD.unpack_from(data, at)
    at += _RECORD.size
    if at + size > len(data):
        raise BadMessageError("a DNS record that is cut off")
    value = _value_untrusted(data, at, kind, size) if cls & ~_TOP_BIT == _IN else None
    record = None if value is None else Record(name, kind, ttl_s, value, bool(cls & _TOP_BIT))
    return record, at + size


def _value_untrusted(data: bytes, at: int, kind: int, size: int) -> str | Name | bytes | Service | None:
    """Return what a record says, None if it is of another kind."""
    if kind == PTR:
        return _name_untrusted(data, at)[0]
    if kind == SRV:
        _, _, port = _SRV.unpack_from(data, at)
        return Service(port, _name_untrusted(data, at + _SRV.size)[0])
    value = data[at : at + size]
    if kind == TXT:
        return value
    if (kind, size) == (A, 4):
        return str(IPv4Address(value))
    if (kind, size) == (AAAA, 16):
        return str(IPv6Address(value))
    return None


def _name_untrusted(data: bytes, at: int) -> tuple[Name, int]:
    """Return the name at a place in a message, and what follows it."""
    labels: list[bytes] = []
    size, earliest, after = 0, at, -1
    while (length := data[at]) != 0:
        if length >= _POINTER:
            after = at + 2 if after < 0 else after
            at = (length - _POINTER) << 8 | data[at + 1]
            if at >= earliest:
                raise BadMessageError("a DNS name that does not point back")
            earliest = at
            continue
        label = data[at + 1 : at + 1 + length]
        size += 1 + length
        is_bad_label = length > _MAX_LABEL_BYTES or len(label) < length
        if is_bad_label or size >= _MAX_NAME_BYTES or len(labels) == _MAX_LABELS:
            raise BadMessageError("a DNS name that is too long")
        labels.append(label)
        at += 1 + length
    return tuple(labels), at + 1 if after < 0 else after


def texts_of(value: bytes) -> dict[bytes, bytes]:
    """Return the keys, in small letters, and values in a TXT record (RFC 6763, section 6)."""
    texts: dict[bytes, bytes] = {}
    at = 0
    while at < len(value):
        text = value[at + 1 : at + 1 + value[at]]
        at += 1 + value[at]
        key, _, worth = text.partition(b"=")
        texts.setdefault(key.lower(), worth)  # of several the first counts
    return texts


# Writing.


def build_message(message: Message) -> bytes:
    """Return the bytes of a message; its records are answers."""
    flags = _IS_RESPONSE | _AUTHORITATIVE if message.is_response else 0
    out = bytearray(_HEADER.pack(message.number, flags, len(message.questions), len(message.records), 0, 0))
    places: dict[Name, int] = {}  # where a name, or the end of one, stands already
    for question in message.questions:
        _put_name(out, question.name, places)
        out += _QUESTION.pack(question.kind, _IN | _TOP_BIT * question.wants_unicast)
    for record in message.records:
        _put_name(out, record.name, places)
        out += _RECORD.pack(record.kind, _IN | _TOP_BIT * record.is_unique, record.ttl_s, 0)
        begin = len(out)
        _put_value(out, record.value, places)
        struct.pack_into("!H", out, begin - 2, len(out) - begin)
    return bytes(out)


def _put_value(out: bytearray, value: str | Name | bytes | Service, places: dict[Name, int]) -> None:
    if isinstance(value, Service):
        out += _SRV.pack(0, 0, value.port)
        _put_name(out, value.target, {})  # which is not to be compressed (RFC 2782)
    elif isinstance(value, tuple):
        _put_name(out, value, places)
    else:
        out += ip_address(value).packed if isinstance(value, str) else value


def _put_name(out: bytearray, name: Name, places: dict[Name, int]) -> None:
    while name:
        if (place := places.get(name)) is not None:
            out += (_POINTER << 8 | place).to_bytes(2, "big")
            return
        places[name] = len(out)
        out += bytes((len(name[0]),)) + name[0]
        name = name[1:]
    out.append(0)
