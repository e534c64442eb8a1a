"""Trees of hashes: each digest is proven by its own path, and by nothing else."""

from __future__ import annotations

import hashlib

import pytest

from lightpeer.core.content.hash_tree import path_bytes, root_and_paths, root_by

LEAVES = [bytes([number]) * 16 for number in range(1, 20)]
A, B, C = LEAVES[:3]


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.blake2b(left + right, digest_size=16, person=b"node").digest()


def test_a_tree_of_three_is_filled_up_with_zeros() -> None:
    ab, c0 = node(A, B), node(C, bytes(16))
    root, paths = root_and_paths([A, B, C])
    assert root == node(ab, c0)
    assert paths == [B + c0, A + c0, bytes(16) + ab]


def test_the_root_of_one_is_itself() -> None:
    assert root_and_paths([A]) == (A, [b""])


@pytest.mark.parametrize("count", range(1, len(LEAVES) + 1))
def test_each_is_proven_by_a_path_of_the_same_length_at_its_own_place(count: int) -> None:
    root, paths = root_and_paths(LEAVES[:count])
    for number, path in enumerate(paths):
        assert len(path) == path_bytes(count)
        proven = [place for place in range(count) if root_by(LEAVES[number], place, path) == root]
        assert proven == [number]
        assert root_by(LEAVES[number], number, path[:-16]) != root or count == 1
        for at in range(len(path)):
            changed = path[:at] + bytes([path[at] ^ 1]) + path[at + 1 :]
            assert root_by(LEAVES[number], number, changed) != root


def test_the_longest_track_has_paths_of_ten() -> None:
    assert [path_bytes(tables) for tables in (1, 2, 65, 128, 129, 1024)] == [0, 16, 112, 112, 128, 160]
