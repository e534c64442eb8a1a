"""A binary tree of hashes: its root stands for a list of digests, and a path proves one of them.

A node is the hash of the two below it. A level with an odd number of nodes is filled up with one of zeros, so
all paths of a tree have the same length. A path holds, from the bottom to the top, the neighbour of each node
between a digest and the root. `proto/README.md`, "Content", is the normative text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

DIGEST_BYTES: Final = 16
_FILLER: Final = bytes(DIGEST_BYTES)


def path_bytes(leaves: int) -> int:
    """Return the length of each path in a tree over so many digests, at least one."""
    return (leaves - 1).bit_length() * DIGEST_BYTES


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return the root of the tree over some digests, at least one, and the path of each."""
    paths = [bytearray() for _ in leaves]
    level = list(leaves)
    height = 0
    while len(level) > 1:
        if len(level) % 2:
            level.append(_FILLER)
        for number in range(len(leaves)):
            paths[number] += level[number >> height ^ 1]
        level = [_node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        height += 1
    return level[0], [bytes(path) for path in paths]


def root_by(digest: bytes, number: int, path: bytes) -> bytes:
    """Return the root that a digest and its path lead to.

    Args:
        digest: what is to be proven; without a path it is the root itself.
        number: its place among the digests that the tree stands for.
        path: a whole number of digests, as many as such a tree has levels.
    """
    for at in range(0, len(path), DIGEST_BYTES):
        neighbour = path[at : at + DIGEST_BYTES]
        digest = _node(neighbour, digest) if number & 1 else _node(digest, neighbour)
        number >>= 1
    return digest


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.blake2b(left + right, digest_size=DIGEST_BYTES, person=b"node").digest()
