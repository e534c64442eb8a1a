"""DNS messages: what we write, what others write, and what nobody should."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.lan.dns import (
    AAAA,
    MAX_ENTRIES,
    PTR,
    SRV,
    TXT,
    A,
    Message,
    Question,
    Record,
    Service,
    build_message,
    folded,
    parse_message_untrusted,
    texts_of,
)
from lightpeer.errors import BadMessageError

TYPE, INSTANCE, HOST = (b"_x", b"_tcp", b"local"), (b"one", b"_x", b"_tcp", b"local"), (b"h", b"local")
QUERY = Message(7, False, [Question(TYPE, PTR, wants_unicast=True)], [Record(TYPE, PTR, 9, INSTANCE)])
RESPONSE = Message(
    0,
    True,
    [],
    [
        Record(TYPE, PTR, 4500, INSTANCE),
        Record(INSTANCE, SRV, 120, Service(5, HOST), is_unique=True),
        Record(INSTANCE, TXT, 120, b"\x03a=b", is_unique=True),
        Record(HOST, A, 120, "192.168.1.2", is_unique=True),
        Record(HOST, AAAA, 120, "fd00::2"),
    ],
)
HEADER = struct.Struct("!6H")


@pytest.mark.parametrize("message", [QUERY, RESPONSE, Message(1, True, [], [])])
def test_what_is_written_is_read(message):
    assert parse_message_untrusted(build_message(message)) == message


def test_names_are_written_once():
    assert len(build_message(QUERY)) == 12 + 15 + 4 + 2 + 10 + 4 + 2


def test_names_are_compared_in_small_letters():
    assert folded((b"_LoudP2P", b"local")) == (b"_loudp2p", b"local")


def message(*records: bytes, questions: int = 0) -> bytes:
    return HEADER.pack(0, 0x8400, questions, len(records) - questions, 0, 0) + b"".join(records)


def record(kind: int, value: bytes, name: bytes = b"\x01a\0", cls: int = 1) -> bytes:
    return name + struct.pack("!2HIH", kind, cls, 1, len(value)) + value


def test_records_of_other_kinds_classes_and_sizes_are_left_out():
    others = [record(47, b"nsec"), record(A, b"\1\2\3"), record(AAAA, b"1"), record(A, bytes(4), cls=3)]
    data = message(*others, record(A, bytes(4), cls=0x8001))
    assert parse_message_untrusted(data).records == [Record((b"a",), A, 1, "0.0.0.0", is_unique=True)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cut off"),
        (HEADER.pack(0, 0, 1, 0, 0, 0), "cut off"),
        (HEADER.pack(0, 0, 1, 0, 0, 0) + b"\xc0", "cut off"),
        (HEADER.pack(0, 0, MAX_ENTRIES, 1, 0, 0), "too much in it"),
        (message(record(A, bytes(4))[:-1]), "cut off"),
        (message(record(SRV, b"\0")), "cut off"),
        (message(record(A, b"", name=b"\xc0\x0c")), "does not point back"),
        (message(record(A, b"", name=b"\xc0\xff")), "does not point back"),
        (message(record(A, b"", name=b"\x01a\xc0\x0c")), "does not point back"),
        (message(record(A, b"", name=b"\x40" + b"a" * 64 + b"\0")), "too long"),
        (message(b"\x05ab"), "too long"),
        (message(record(A, b"", name=(b"\x3f" + b"a" * 63) * 4 + b"\0")), "too long"),
        (message(record(A, b"", name=b"\x01a" * 41 + b"\0")), "too long"),
    ],
)
def test_what_is_no_message(data, says):
    with pytest.raises(BadMessageError, match=says):
        parse_message_untrusted(data)


def test_texts():
    assert texts_of(b"\x04A=b=\x01c\x03a=x\x09cut") == {b"a": b"b=", b"c": b"", b"cut": b""}
    assert texts_of(b"") == {}


labels = st.lists(st.binary(min_size=1, max_size=63), max_size=3).map(tuple)


@given(st.lists(st.tuples(labels, labels), max_size=8))
def test_any_names_are_read_as_written(pairs):
    records = [Record(name, PTR, 1, value) for name, value in pairs]
    written = build_message(Message(0, True, [], records))
    assert parse_message_untrusted(written).records == records
