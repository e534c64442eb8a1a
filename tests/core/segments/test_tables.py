"""The tables that are here, and segments that were kept."""

from __future__ import annotations

import pytest

from lightpeer.core.segments import tables as module
from lightpeer.core.segments.tables import Tables
from lightpeer.errors import RemoteError
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
    asked: list[tuple[int, int, int]] = []

    def keep(rendition: int, segment: int, size: int) -> bytes | None:
        asked.append((rendition, segment, size))
        return kept

    tables = Tables(MADE.track, keep)
    tables.put_untrusted(LOW, 1, MADE.tables[LOW][1])
    table = tables.get(LOW, 1)
    assert table is not None
    assert tables.kept_segment(LOW, 65, table) == (kept if is_taken else None)
    assert asked == [(LOW, 65, len(MADE.segments[LOW][65]))]


def test_without_anything_kept_there_is_none() -> None:
    tables = Tables(MADE.track)
    tables.put_untrusted(LOW, 0, MADE.tables[LOW][0])
    table = tables.get(LOW, 0)
    assert table is not None
    assert tables.kept_segment(LOW, 0, table) is None
