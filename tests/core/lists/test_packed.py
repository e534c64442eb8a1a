from __future__ import annotations

from random import Random

import pytest

from lightpeer.core.lists import packed
from lightpeer.core.lists.packed import PackedSet


def flushed(made: PackedSet) -> PackedSet:
    for _ in made.flushing():
        pass
    return made


def packed_set(*strings: bytes, size: int = 2) -> PackedSet:
    made = PackedSet(size)
    for string in strings:
        made.update([string])
    return flushed(made)


def test_an_empty_set_holds_nothing() -> None:
    empty = packed_set()
    assert len(empty) == 0
    assert list(empty) == []
    assert b"aa" not in empty
    assert b"" not in empty
    assert empty.floor(b"aa") is None


def test_a_set_gives_what_was_added_once_and_rising() -> None:
    made = packed_set(b"cc", b"aa", b"cc", b"bb")
    assert list(made) == [b"aa", b"bb", b"cc"]
    assert len(made) == 3
    assert b"bb" in made
    assert b"b" not in made
    assert b"bbb" not in made
    assert b"ab" not in made


@pytest.mark.parametrize(
    ("string", "floor"), [(b"a`", None), (b"aa", b"aa"), (b"ab", b"aa"), (b"cc", b"cc"), (b"zz", b"cc")]
)
def test_the_greatest_that_is_not_above(string: bytes, floor: bytes | None) -> None:
    assert packed_set(b"aa", b"bb", b"cc").floor(string) == floor


def test_what_was_added_is_found_once_it_is_merged_in() -> None:
    made = PackedSet(2)
    made.update([b"bb", b"aa"])
    assert b"aa" not in made
    assert list(flushed(made)) == [b"aa", b"bb"]
    made.update([b"ab", b"bb"])
    assert list(made) == [b"aa", b"bb"]
    assert list(flushed(made)) == [b"aa", b"ab", b"bb"]
    assert list(flushed(made)) == [b"aa", b"ab", b"bb"]


def test_merging_takes_short_steps(monkeypatch) -> None:
    """So that others come to their turn between them."""
    monkeypatch.setattr(packed, "BLOCK", 4)
    monkeypatch.setattr(packed, "RUN_BLOCK", 4)
    monkeypatch.setattr(packed, "BATCH", 50)
    made = PackedSet(2)
    made.update([bytes([0, n]) for n in range(200)])
    lengths = [len(made) for _ in made.flushing()]
    assert lengths == list(range(4, 201, 4))


@pytest.mark.parametrize("seed", range(8))
def test_batches_in_any_order_make_the_set_that_python_makes(seed: int, monkeypatch) -> None:
    random = Random(seed)
    monkeypatch.setattr(packed, "BLOCK", random.randint(1, 9))
    monkeypatch.setattr(packed, "RUN_BLOCK", random.randint(1, 9))
    monkeypatch.setattr(packed, "BATCH", random.randint(1, 60))
    strings = [bytes([random.randrange(40), random.randrange(3)]) for _ in range(150)]
    made = packed_set(*strings)
    assert list(made) == sorted(set(strings))
    assert [len(block) for block in made._blocks[:-1]] == [2 * packed.BLOCK] * (len(made._blocks) - 1)
    for value in range(0, 1 << 16, 7):
        string = value.to_bytes(2, "big")
        below = [known for known in strings if known <= string]
        assert made.floor(string) == max(below, default=None)
        assert (string in made) == (string in strings)
