"""The tables that are here, and segments that were kept."""

from __future__ import annotations

import pytest

from lightpeer.core.content.manifest import TABLE_BASE, table_segment
from lightpeer.core.segments import tables as module
from lightpeer.core.segments.tables import Tables
from lightpeer.errors import RemoteError
from tests.core.segments.kept import FakeKept
from tests.pair import made_track

MADE = made_track(130)
LOW, HIGH = 0, 1


def test_a_table_is_checked_by_the_manifest() -> None:
    tables = Tables(MADE.track)
    assert tables.get(LOW, 1) is None
    with pytest.raises(RemoteError):
        tables.put_untrusted(LOW, 1, MADE.tables[LOW][0])
    assert tables.get(LOW, 1) is None
    tables.put_untrusted(LOW, 1, MADE.tables[LOW][1])
    table = tables.get(LOW, 1)
    assert table is not None
    table.check_untrusted(64, MADE.segments[LOW][64])
    assert tables.get(HIGH, 1) is None
    assert len(tables) == 1


def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TABLES_KEPT", 2)
    tables = Tables(MADE.track)
    for number in range(3):
        tables.put_untrusted(LOW, number, MADE.tables[LOW][number])
    assert [tables.get(LOW, number) is not None for number in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    ("kept", "is_taken"), [(MADE.segments[LOW][65], True), (MADE.segments[LOW][64], False), (None, False)]
)
def test_a_kept_segment_is_verified(kept: bytes | None, is_taken: bool) -> None:
    on = FakeKept(lambda _rendition, number, _size: kept if number < TABLE_BASE else None)
    tables = Tables(MADE.track, on)
    tables.put_untrusted(LOW, 1, MADE.tables[LOW][1])
    table = tables.get(LOW, 1)
    assert table is not None
    assert tables.kept_segment(LOW, 65, table) == (kept if is_taken else None)
    assert on.asked == [(LOW, 65, len(MADE.segments[LOW][65]))]
    assert on.dropped == ([(LOW, 65)] if kept and not is_taken else []), "it is of no use"


def test_without_anything_kept_there_is_none() -> None:
    tables = Tables(MADE.track)
    tables.put_untrusted(LOW, 0, MADE.tables[LOW][0])
    table = tables.get(LOW, 0)
    assert table is not None
    assert tables.kept_segment(LOW, 0, table) is None


@pytest.mark.parametrize(("number", "is_right"), [(1, True), (0, False)])
def test_a_kept_table_is_verified(number: int, is_right: bool) -> None:
    on = FakeKept(lambda rendition, _number, _size: MADE.tables[rendition][number])
    tables = Tables(MADE.track, on)
    assert (tables.get(LOW, 1) is not None) is is_right
    assert on.asked == [(LOW, table_segment(1), 64 * 18)]
    assert on.dropped == ([] if is_right else [(LOW, table_segment(1))])
    assert len(tables) == is_right
    if is_right:
        assert tables.get(LOW, 1) is tables.get(LOW, 1), "it is read once"
        assert len(on.asked) == 1


def test_what_is_verified_is_kept() -> None:
    on = FakeKept()
    tables = Tables(MADE.track, on)
    tables.put_untrusted(LOW, 2, MADE.tables[LOW][2])
    assert tables.get(LOW, 1) is None
    with pytest.raises(RemoteError):
        tables.put_untrusted(LOW, 1, b"junk")
    tables.keep(LOW, 5, b"a segment")
    assert on.put_in == {(LOW, table_segment(2)): MADE.tables[LOW][2], (LOW, 5): b"a segment"}
