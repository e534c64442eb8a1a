"""The index of a kept track: where things lie, and what can be heard of it."""

from __future__ import annotations

from lightpeer.core.content import kept_index as module
from lightpeer.core.content.kept_blocks import MANIFEST_NUMBER, Key, Placed
from lightpeer.core.content.kept_index import UNWRITTEN, KeptIndex
from lightpeer.core.content.manifest import TABLE_BASE

ALL = range(8)


def index_of(*keys: Key) -> KeptIndex:
    index = KeptIndex()
    for at, key in enumerate(keys):
        index.add(Placed(key, at, 10 + at))
    return index


def test_what_was_added_is_found_and_the_latest_counts() -> None:
    index = index_of((1, 5), (0, MANIFEST_NUMBER), (1, TABLE_BASE))
    assert [index.offset(key) for key in [(1, 5), (0, MANIFEST_NUMBER), (1, TABLE_BASE)]] == [0, 1, 2]
    sizes = [index.size(key) for key in [(0, MANIFEST_NUMBER), (1, TABLE_BASE), (0, TABLE_BASE)]]
    assert sizes == [11, 12, 0]
    for key in [(1, 4), (1, 6), (0, 5), (0, TABLE_BASE)]:
        assert index.offset(key) is None
    index.add(Placed((1, 5), 70, 3))
    assert index.offset((1, 5)) == 70
    index.add(Placed((1, 5), UNWRITTEN, 3))
    assert index.offset((1, 5)) == UNWRITTEN


def test_what_is_dropped_is_not_here() -> None:
    index = index_of((1, 5), (1, TABLE_BASE))
    for key in [(1, 5), (1, TABLE_BASE), (3, 3), (3, TABLE_BASE)]:
        index.drop(key)
        assert index.offset(key) is None


def test_what_no_track_has_is_passed_over(monkeypatch) -> None:
    monkeypatch.setattr(module, "_MOST_OTHERS", 2)
    index = index_of((8, 0), (200, TABLE_BASE), (0, TABLE_BASE), (0, TABLE_BASE + 1), (0, TABLE_BASE + 2))
    assert index.offset((0, TABLE_BASE + 2)) is None
    index.add(Placed((0, TABLE_BASE + 1), 99, 1))
    assert index.offset((0, TABLE_BASE + 1)) == 99


def test_the_best_rendition_is_one_whose_table_is_here() -> None:
    index = index_of((0, 3), (1, 3), (2, 3), (0, TABLE_BASE), (1, TABLE_BASE), (2, TABLE_BASE + 1))
    assert index.best(3, ALL) == 1
    assert index.best(3, range(1)) == 0
    assert index.best(3, range(2, 8)) is None
    assert index.best(4, ALL) is None


def test_a_track_is_covered_by_any_of_the_renditions_wanted() -> None:
    index = index_of((0, 62), (1, 63), (0, 64), (0, TABLE_BASE), (1, TABLE_BASE), (0, TABLE_BASE + 1))
    assert index.covers(range(62, 65), ALL)
    assert not index.covers(range(61, 65), ALL)
    assert not index.covers(range(62, 65), range(1))
    assert index.covers(range(65, 65), ALL)
    index.drop((0, TABLE_BASE + 1))
    assert not index.covers(range(62, 65), ALL)
