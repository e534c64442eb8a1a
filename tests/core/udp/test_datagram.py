"""The bytes of PULL and DATA."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.udp.datagram import (
    DATA_OVERHEAD,
    HOLD_UNIT_S,
    MAX_HOLD_S,
    MAX_PAYLOAD,
    MAX_RANGES,
    MAX_UNITS,
    PATH_BYTES,
    Data,
    DatagramKeys,
    PathToken,
    Pull,
    Unit,
    UnitRange,
    _tagged,
    build_data,
    build_path,
    build_pull,
    derive_keys,
    parse_answer_untrusted,
    parse_pull_untrusted,
    peek_stream_id,
    unit_layout,
)
from lightpeer.errors import BadMessageError
from tests.core.hostile import is_refused, refuses_all

KEYS = DatagramKeys(pull=b"p" * 32, data=b"d" * 32)
PULL = Pull(
    0x01020304, 5, 50_000, 0xA0B0C0D0, 9, (UnitRange(2, 0x030405, 6, 7), UnitRange(0, 0xFF0000, 0, 1))
)
DATA = Data(0x01020304, 5, 0.0123, Unit(2, 0x030405, 6), b"payload")
PATH = PathToken(0x01020304, 11, 0xA0B0C0D0)

u8, u16, u24, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 24, 32))
ranges = st.builds(UnitRange, u8, u24, st.integers(0, 100), st.integers(1, 155))
pulls = st.builds(Pull, u32, u32, u32, u32, u8, st.lists(ranges, max_size=MAX_RANGES).map(tuple))
datas = st.builds(
    Data,
    u32,
    u16,
    u16.map(lambda hold: hold * HOLD_UNIT_S),
    st.builds(Unit, u8, u24, u8),
    st.binary(min_size=1, max_size=MAX_PAYLOAD),
)
paths = st.builds(PathToken, u32, u32, u32)


def test_a_pull_byte_by_byte():
    body = bytes.fromhex("01020304 00000005 0000c350 a0b0c0d0 09 02 02030405 06 07 00ff0000 00 01")
    assert build_pull(PULL, KEYS)[:-8] == body
    assert len(build_pull(PULL, KEYS)) == len(body) + 8


def test_a_data_byte_by_byte():
    body = bytes.fromhex("01020304 0005 007b 02030405 06") + b"payload"
    assert build_data(DATA, KEYS)[:-8] == body
    assert len(build_data(DATA, KEYS)) == DATA_OVERHEAD + len(b"payload")


def test_a_path_byte_by_byte():
    assert build_path(PATH, KEYS)[:-8] == bytes.fromhex("01020304 0000000b a0b0c0d0")
    assert len(build_path(PATH, KEYS)) == PATH_BYTES < len(build_data(DATA._replace(payload=b"x"), KEYS))


@given(pulls)
def test_pulls_come_back(pull):
    datagram = build_pull(pull, KEYS)
    assert parse_pull_untrusted(datagram, KEYS) == pull
    assert peek_stream_id(datagram) == pull.stream_id
    assert len(datagram) <= 410


@given(datas)
def test_datas_come_back(data):
    datagram = build_data(data, KEYS)
    assert parse_answer_untrusted(datagram, KEYS) == data
    assert peek_stream_id(datagram) == data.stream_id
    assert len(datagram) <= 1221


@given(paths)
def test_paths_come_back(path):
    datagram = build_path(path, KEYS)
    assert parse_answer_untrusted(datagram, KEYS) == path
    assert peek_stream_id(datagram) == path.stream_id


def test_numbers_that_do_not_fit_are_cut():
    long = Data(1, 0x12345, 100.0, Unit(0, 0, 0), b"x")
    data = parse_answer_untrusted(build_data(long, KEYS), KEYS)
    assert data.pull_no == 0x2345
    assert data.hold_s == MAX_HOLD_S


def test_every_cut_and_every_flipped_bit_is_refused():
    refuses_all(lambda d: parse_pull_untrusted(d, KEYS), build_pull(PULL, KEYS))
    refuses_all(lambda d: parse_answer_untrusted(d, KEYS), build_data(DATA, KEYS))
    refuses_all(lambda d: parse_answer_untrusted(d, KEYS), build_path(PATH, KEYS))


def test_none_is_another():
    assert is_refused(lambda d: parse_pull_untrusted(d, KEYS), build_path(PATH, KEYS))
    assert is_refused(lambda d: parse_answer_untrusted(d, KEYS), build_pull(PULL, KEYS))
    assert is_refused(lambda d: parse_pull_untrusted(d, KEYS), build_data(DATA, KEYS))


@given(st.binary(max_size=100))
def test_random_bytes_are_refused(data):
    assert is_refused(lambda d: parse_pull_untrusted(d, KEYS), data)
    assert is_refused(lambda d: parse_answer_untrusted(d, KEYS), data)


@given(st.binary(max_size=2048))
def test_a_peer_with_the_key_may_still_send_nonsense(body):
    """What it gets through is sound, whatever it is."""
    for parse, key in ((parse_pull_untrusted, KEYS.pull), (parse_answer_untrusted, KEYS.data)):
        try:
            parsed = parse(_tagged(body, key), KEYS)
        except BadMessageError:
            continue
        if isinstance(parsed, Pull):
            assert all(r.units and r.first + r.units <= MAX_UNITS for r in parsed.ranges)
        elif isinstance(parsed, Data):
            assert 1 <= len(parsed.payload) <= MAX_PAYLOAD


@pytest.mark.parametrize(
    "ranges",
    [
        (UnitRange(0, 0, 0, 0),),
        (UnitRange(0, 0, 1, 255),),
        (UnitRange(0, 0, 255, 1),),
        (UnitRange(0, 0, 0, 1),) * (MAX_RANGES + 1),
    ],
    ids=["none", "past the last", "from the last", "too many"],
)
def test_impossible_ranges(ranges):
    datagram = build_pull(Pull(1, 1, 1, 1, 0, ranges), KEYS)
    with pytest.raises(BadMessageError):
        parse_pull_untrusted(datagram, KEYS)


def test_a_pull_that_does_not_hold_what_it_announces():
    body = build_pull(PULL, KEYS)[:-8]
    for wrong in (body[:-1], body + b"\0", body[:17] + b"\x01" + body[18:]):
        with pytest.raises(BadMessageError):
            parse_pull_untrusted(_tagged(wrong, KEYS.pull), KEYS)


def test_a_data_without_payload():
    with pytest.raises(BadMessageError):
        parse_answer_untrusted(build_data(DATA._replace(payload=b""), KEYS), KEYS)


def test_a_payload_that_is_too_long():
    long = Data(1, 3, 0.0, Unit(0, 0, 0), bytes(MAX_PAYLOAD + 1))
    with pytest.raises(BadMessageError):
        parse_answer_untrusted(build_data(long, KEYS), KEYS)


def test_the_stream_id_of_what_is_too_short():
    assert peek_stream_id(b"\0\0\1") is None
    assert peek_stream_id(b"\0\0\1\2") == 0x102


def test_keys_differ_by_all_that_they_are_bound_to():
    bound = {"track_id": b"t" * 32, "client": b"c" * 20, "server": b"s" * 20, "stream_id": 1}
    keys = derive_keys(b"k" * 32, **bound)
    seen = {keys.pull, keys.data}
    for name, other in {
        "track_id": b"u" * 32,
        "client": b"x" * 20,
        "server": b"y" * 20,
        "stream_id": 2,
    }.items():
        changed = derive_keys(b"k" * 32, **{**bound, name: other})
        seen |= {changed.pull, changed.data}
    seen.add(derive_keys(b"l" * 32, **bound).pull)
    assert len(seen) == 11
    assert all(len(key) == 32 for key in seen)


@pytest.mark.parametrize(
    ("size", "layout"),
    [(0, (1, 0)), (1, (1, 1)), (1200, (1, 1200)), (1201, (2, 601)), (2400, (2, 1200)), (2401, (3, 801))],
)
def test_layouts(size, layout):
    assert unit_layout(size) == layout


@given(st.integers(1, 0xFFFF))
def test_units_fill_the_object_and_none_is_empty(size):
    count, step = unit_layout(size)
    assert 1 <= count <= 55
    assert step <= MAX_PAYLOAD
    assert (count - 1) * step < size <= count * step
