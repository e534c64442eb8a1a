from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.frame_gate import (
    FLOOD_BUDGET,
    FLOOD_REFILL_PER_S,
    FRAME_MAX_BYTES,
    HEADER_BLOCK_MAX_BYTES,
    OWN_BUDGET,
    SENT_BYTES_PER_CREDIT,
    ErrorCode,
    FloodBudget,
    FrameGate,
    FrameType,
    GoAway,
    encode_goaway,
    encode_ping,
)
from lightpeer.errors import BadMessageError, FramingError


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream_id: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream_id) + payload


def through(gate: FrameGate, data: bytes, piece: int) -> tuple[bytes, list[GoAway]]:
    passed, goaways = b"", []
    for at in range(0, len(data), piece):
        for item in gate.receive_untrusted(data[at : at + piece], 0.0):
            if isinstance(item, GoAway):
                goaways.append(item)
            else:
                passed += item
    return passed, goaways


@pytest.mark.parametrize("piece", [1, 2, 8, 9, 10, 33, 1000])
@pytest.mark.parametrize("is_server", [False, True])
def test_all_frames_pass_but_goaway(piece, is_server):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if is_server else b""
    before = frame(FrameType.SETTINGS) + frame(FrameType.DATA, b"x" * 40, stream_id=1)
    after = frame(FrameType.PING, b"12345678")
    gate = FrameGate(is_server=is_server)
    passed, goaways = through(gate, preface + before + encode_goaway(7, 2) + after, piece)
    assert passed == preface + before + after
    assert goaways == [GoAway(7, 2, "")]


def test_goaway_keeps_its_place_among_the_frames():
    gate = FrameGate(is_server=False)
    first, second = frame(FrameType.HEADERS, b"a"), frame(FrameType.HEADERS, b"b")
    assert gate.receive_untrusted(first + encode_goaway(1, 0) + second, 0.0) == [
        first,
        GoAway(1, 0, ""),
        second,
    ]


def test_goaway_may_come_with_text_and_a_reserved_bit():
    gate = FrameGate(is_server=False)
    data = frame(FrameType.GOAWAY, struct.pack(">II", 0x80000003, 11) + b"too_many_pings")
    assert gate.receive_untrusted(data, 0.0) == [GoAway(3, 11, "too_many_pings")]


@pytest.mark.parametrize("length", [0, 7, 1025, 2**24 - 1])
@pytest.mark.parametrize("is_whole", [False, True])
def test_a_goaway_of_an_impossible_size_is_refused_at_its_header(length, is_whole):
    data = length.to_bytes(3, "big") + bytes([FrameType.GOAWAY, 0, 0, 0, 0, 0])
    if is_whole and length < 2000:
        data += bytes(length)
    with pytest.raises(FramingError) as caught:
        FrameGate(is_server=False).receive_untrusted(data, 0.0)
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    "data", [b"\0\x40\x01" + bytes(6), b"HTTP/1.1 400 Bad Request", b"SSH-2.0-OpenSSH_9"]
)
def test_a_frame_that_is_too_long_is_refused_at_its_header(data):
    with pytest.raises(FramingError) as caught:
        FrameGate(is_server=False).receive_untrusted(data, 0.0)
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


def test_a_frame_of_the_greatest_length_passes():
    data = frame(FrameType.DATA, bytes(16384), stream_id=1)
    assert FrameGate(is_server=False).receive_untrusted(data, 0.0) == [data]


@pytest.mark.parametrize(
    ("flood", "cost"),
    [
        (frame(FrameType.PING, bytes(8)), 1),
        (frame(FrameType.PRIORITY, bytes(5), stream_id=1), 1),
        (frame(FrameType.CONTINUATION, b"", stream_id=1), 1),
        (frame(FrameType.DATA, stream_id=1), 1),
        (frame(FrameType.DATA, b"\x04" + bytes(4), flags=8, stream_id=1), 1),
        (frame(FrameType.WINDOW_UPDATE, bytes(4)), 1),
        (frame(0x77), 1),
        (frame(FrameType.RST_STREAM, bytes(4), stream_id=1), 10),
        (frame(FrameType.SETTINGS), 20),
        (frame(FrameType.SETTINGS, bytes(6 * 30)), 50),
    ],
)
def test_a_flood_is_refused_and_its_budget_refills(flood, cost):
    gate = FrameGate(is_server=False)
    most = FLOOD_BUDGET // cost
    gate.receive_untrusted(flood * most, 0.0)
    with pytest.raises(BadMessageError, match="floods"):
        gate.receive_untrusted(flood, 0.0)
    gate = FrameGate(is_server=False)
    gate.receive_untrusted(flood * most, 0.0)
    gate.receive_untrusted(flood * (FLOOD_REFILL_PER_S // cost), 1.0)
    with pytest.raises(BadMessageError, match="floods"):
        gate.receive_untrusted(flood, 1.0)


@pytest.mark.parametrize(
    "data",
    [
        frame(FrameType.DATA, b"x", stream_id=1),
        frame(FrameType.DATA, b"", flags=1, stream_id=1),
        frame(FrameType.HEADERS, b"abcde", flags=4, stream_id=1),
    ],
)
def test_what_carries_calls_is_free(data):
    gate = FrameGate(is_server=False)
    assert gate.receive_untrusted(data * (FLOOD_BUDGET + 1), 0.0) == [data * (FLOOD_BUDGET + 1)]


def test_a_window_update_is_free_if_it_lets_enough_out():
    gate = FrameGate(is_server=False)
    update = frame(FrameType.WINDOW_UPDATE, bytes(4))
    for _ in range(3):
        gate.receive_untrusted(update * FLOOD_BUDGET, 0.0)
        gate.budget.earn((FLOOD_BUDGET + 5) * SENT_BYTES_PER_CREDIT)
    gate.receive_untrusted(update * FLOOD_BUDGET, 0.0)
    with pytest.raises(BadMessageError, match="floods"):
        gate.receive_untrusted(update, 0.0)


def test_what_no_header_shows_is_charged_too():
    gate = FrameGate(is_server=False)
    gate.budget.charge(FLOOD_BUDGET)
    with pytest.raises(FramingError) as caught:
        gate.budget.charge(1)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("piece", [7, FRAME_MAX_BYTES])
def test_header_fields_end_within_a_few_frames(piece):
    gate = FrameGate(is_server=False)
    frames = HEADER_BLOCK_MAX_BYTES // piece
    more = frame(FrameType.CONTINUATION, bytes(piece), stream_id=1)
    last = frame(FrameType.CONTINUATION, bytes(HEADER_BLOCK_MAX_BYTES % piece), flags=4, stream_id=1)
    block = frame(FrameType.HEADERS, bytes(piece), stream_id=1) + more * (frames - 1)
    assert gate.receive_untrusted(block + last, 0.0) == [block + last]  # and the next one counts from zero
    with pytest.raises(FramingError) as caught:
        gate.receive_untrusted(block + more, 0.0)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
def test_any_bytes_pass_or_raise_the_one_error(pieces, is_server):
    gate = FrameGate(is_server=is_server)
    with suppress(BadMessageError):
        for piece in pieces:
            for item in gate.receive_untrusted(piece, 0.0):
                assert item


def test_a_ping_is_written_as_http2_has_it():
    assert encode_ping(b"12345678") == frame(FrameType.PING, b"12345678")


def test_what_is_used_up_comes_back_with_time():
    budget = FloodBudget()
    assert not budget.is_used_up(0.0)
    budget.charge(FLOOD_BUDGET)
    assert budget.is_used_up(0.0)
    with pytest.raises(FramingError):
        budget.charge(1)
    assert not budget.is_used_up(1.0)
    budget.charge(FLOOD_REFILL_PER_S)
    assert budget.is_used_up(1.0)


def test_a_connection_goes_on_with_its_own_part_when_its_network_has_spent_all():
    network = FloodBudget()
    flooding, honest = FloodBudget(network), FloodBudget(network)
    for _ in range(OWN_BUDGET + FLOOD_BUDGET):
        flooding.charge(1)
    with pytest.raises(FramingError):
        flooding.charge(1)
    for _ in range(OWN_BUDGET):
        honest.charge(1)
    with pytest.raises(FramingError):
        honest.charge(1)
    for budget in (flooding, honest):
        budget.refill(0.0)
        budget.refill(1.0)
    honest.charge(OWN_BUDGET * FLOOD_REFILL_PER_S // FLOOD_BUDGET)  # its own
    honest.charge(FLOOD_REFILL_PER_S)  # its network's
    with pytest.raises(FramingError):
        honest.charge(1)
    honest.earn(SENT_BYTES_PER_CREDIT)
    honest.charge(1)
