"""The file in which one track is kept on disk: blocks, each a head and the bytes that it lists.

Blocks are only appended, so what a crash tears is the last one. A head names the objects of its block: the
manifest, tables and segments, by rendition and number, with their sizes. Its digest tells a head from torn or
damaged bytes; the objects themselves are checked as those from a source are, when they are used.

    head:   magic (4 bytes), number of objects (2), the objects (8 each), digest of all this (8)
    object: rendition (1 byte), number (3), size (4)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from lightpeer.core.trust.bounds import MAX_MANIFEST_BYTES
from lightpeer.errors import BadMessageError

MANIFEST_NUMBER: Final = 0xFFFFFF  # of the manifest, in rendition 0; tables are from TABLE_BASE on
MOST_OBJECTS: Final = 256  # of a block: four minutes of segments

_MAGIC: Final = b"LPK1"
_COUNT: Final = struct.Struct(">4sH")
_OBJECT: Final = struct.Struct(">II")
_CHECK_BYTES: Final = 8
MOST_HEAD_BYTES: Final = _COUNT.size + MOST_OBJECTS * _OBJECT.size + _CHECK_BYTES

Key: TypeAlias = tuple[int, int]
"""A rendition, and a number in it: a segment's, TABLE_BASE and a table's, or MANIFEST_NUMBER."""


class Placed(NamedTuple):
    """An object that lies in a file: its key, where it begins, and its size in bytes."""

    key: Key
    at: int
    size: int


class Block(NamedTuple):
    """What a block holds, and where the next one begins."""

    objects: list[Placed]
    end: int


def build_block(objects: Sequence[tuple[Key, bytes]]) -> bytes:
    """Return a block of at most MOST_OBJECTS objects."""
    head = _COUNT.pack(_MAGIC, len(objects)) + b"".join(
        _OBJECT.pack(rendition << 24 | number, len(data)) for (rendition, number), data in objects
    )
    return b"".join((head, _check(head), *(data for _, data in objects)))


def parse_block_untrusted(data: bytes, at: int) -> Block:
    """Return what the block lists that begins with `data` and lies at `at`.

    Args:
        data: its first bytes, MOST_HEAD_BYTES where the file has as many.
        at: where it begins in the file, in bytes.

    Raises:
        BadMessageError: there is no whole head.
    """
    magic, count = _COUNT.unpack_from(data) if len(data) >= _COUNT.size else (b"", 0)
    end = _COUNT.size + count * _OBJECT.size
    head, check = data[:end], data[end : end + _CHECK_BYTES]
    if magic != _MAGIC or not 1 <= count <= MOST_OBJECTS or check != _check(head):
        raise BadMessageError("a block of kept segments is torn or damaged")
    objects, offset = [], at + end + _CHECK_BYTES
    for name, size in _OBJECT.iter_unpack(head[_COUNT.size :]):
        if size > MAX_MANIFEST_BYTES:
            raise BadMessageError("a block of kept segments has an object larger than any may be")
        objects.append(Placed((name >> 24, name & 0xFFFFFF), offset, size))
        offset += size
    return Block(objects, offset)


def _check(head: bytes) -> bytes:
    return blake2b(head, digest_size=_CHECK_BYTES).digest()
