from __future__ import annotations

import base58
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightpeer.core.content.uri import format_uri
from lightpeer.core.lists import many_ids
from lightpeer.core.lists.many_ids import read_hex_track_ids, read_peer_ids, read_track_ids
from lightpeer.core.trust.identity import PeerId, format_peer_id

PEER = PeerId(bytes(range(20)))


def track_text(track_id: bytes) -> bytes:
    return format_uri(track_id).removeprefix("loud:").encode()


@given(st.lists(st.binary(min_size=20, max_size=20), max_size=10))
@example([bytes(20), b"\xff" * 20])
def test_peer_ids_come_back(ids: list[bytes]) -> None:
    assert read_peer_ids([format_peer_id(PeerId(one)).encode() for one in ids]) == ids


@given(st.lists(st.binary(min_size=32, max_size=32).filter(lambda one: one[0]), max_size=10))
@example([b"\1" + bytes(31), b"\xff" * 32])
def test_track_ids_come_back(ids: list[bytes]) -> None:
    assert read_track_ids([track_text(one) for one in ids]) == ids
    assert read_hex_track_ids([one.hex().encode() for one in ids]) == ids
    assert read_hex_track_ids([one.hex().upper().encode() for one in ids]) == ids


def test_hundreds_are_read_in_turns() -> None:
    ids = [bytes([1, n >> 8, n & 255]) + bytes(29) for n in range(500)]
    assert read_track_ids([track_text(one) for one in ids]) == ids
    assert read_peer_ids([format_peer_id(PeerId(one[:20])).encode() for one in ids]) == [
        one[:20] for one in ids
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        format_peer_id(PEER).replace("4", "5", 1).encode(),
        format_peer_id(PEER)[:-1].encode() + b"0",
        format_peer_id(PEER)[:-1].encode() + b"\xff",
        base58.b58encode_check(b"\x2f" + b"\xf8" * 20),  # another network's: 34 characters that begin with L
        b"L" + b"1" * 33,
    ],
)
def test_one_wrong_peer_id_is_told(wrong: bytes) -> None:
    right = format_peer_id(PEER).encode()
    assert len(wrong) == len(right)
    assert wrong[:1] == b"L"
    assert read_peer_ids([right, right]) == [PEER, PEER]
    assert read_peer_ids([right, wrong, right]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        b"z" * 44,  # a byte too long
        base58.b58encode(b"\1" + bytes(32)),
        b"2" * 43,  # a byte too short
        b"l" + b"2" * 42,
    ],
)
def test_one_wrong_track_id_is_told(wrong: bytes) -> None:
    right = track_text(b"r" * 32)
    assert len(wrong) in many_ids.TRACK_ID_CHARS
    assert read_track_ids([right, wrong, right]) is None


@pytest.mark.parametrize("wrong", [b"g" * 64, b"ab " * 21 + b"a", b"\xff" * 64])
def test_one_wrong_hexadecimal_id_is_told(wrong: bytes) -> None:
    assert read_hex_track_ids([b"ab" * 32, wrong]) is None
