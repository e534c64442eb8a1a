"""Blocks of kept objects: what was built is read, and nothing else is."""

from __future__ import annotations

import pytest

from lightpeer.core.content.kept_blocks import (
    MANIFEST_NUMBER,
    MOST_HEAD_BYTES,
    MOST_OBJECTS,
    Block,
    Placed,
    _check,
    build_block,
    parse_block_untrusted,
)
from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.errors import BadMessageError

OBJECTS = [((0, MANIFEST_NUMBER), b"manifest"), ((7, TABLE_BASE + 3), b"table"), ((2, 200), b"a segment")]
HEAD = 4 + 2 + 3 * 8 + 8


def test_a_block_says_where_each_object_lies() -> None:
    block = build_block(OBJECTS)
    assert parse_block_untrusted(block, 1000) == Block(
        [
            Placed((0, MANIFEST_NUMBER), 1000 + HEAD, 8),
            Placed((7, TABLE_BASE + 3), 1000 + HEAD + 8, 5),
            Placed((2, 200), 1000 + HEAD + 13, 9),
        ],
        1000 + HEAD + 22,
    )
    assert block[HEAD:] == b"manifesttablea segment"
    assert len(block) == HEAD + 22


def test_the_largest_head_has_its_bound() -> None:
    block = build_block([((0, n), b"") for n in range(MOST_OBJECTS)])
    assert len(block) == MOST_HEAD_BYTES
    assert len(parse_block_untrusted(block + b"what follows", 0).objects) == MOST_OBJECTS


@pytest.mark.parametrize("kept", [0, 5, 6, HEAD - 1])
def test_a_torn_head_is_none(kept: int) -> None:
    with pytest.raises(BadMessageError):
        parse_block_untrusted(build_block(OBJECTS)[:kept], 0)


@pytest.mark.parametrize("at", range(HEAD))
def test_a_damaged_head_is_none(at: int) -> None:
    block = bytearray(build_block(OBJECTS))
    block[at] ^= 0x10
    with pytest.raises(BadMessageError):
        parse_block_untrusted(bytes(block), 0)


@pytest.mark.parametrize(
    "head",
    [
        b"LPK1\x00\x00",
        b"LPK1" + (MOST_OBJECTS + 1).to_bytes(2, "big") + bytes(8 * (MOST_OBJECTS + 1)),
        b"LPK1\x00\x01" + bytes(4) + (128 * 1024 + 1).to_bytes(4, "big"),
    ],
    ids=["no objects", "too many", "one too large"],
)
def test_impossible_heads_are_none(head: bytes) -> None:
    with pytest.raises(BadMessageError):
        parse_block_untrusted(head + _check(head), 0)
