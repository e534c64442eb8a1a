"""Which renditions will do, and what of them is kept. How tracks begin is in `tests/sim/test_kept.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.client.kept import KeptRenditions, Wanted
from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.state.kept_file import KeptFile
from tests.pair import made_track

MADE = made_track(4, kbps=(24, 48, 96))


@pytest.mark.parametrize(
    ("wanted", "renditions"),
    [
        (Wanted(), [0, 1, 2]),
        (Wanted(48), [1, 2]),
        (Wanted(10), [0, 1, 2]),
        (Wanted(1000), [2]),
        (Wanted(48, is_exact=True), [1]),
    ],
)
def test_a_bitrate_is_the_least_that_will_do_or_the_only_one(wanted: Wanted, renditions: list[int]) -> None:
    assert list(wanted.renditions(MADE.track)) == renditions


def test_what_is_kept_counts_in_the_renditions_that_will_do(tmp_path: Path) -> None:
    file = KeptFile(tmp_path, MADE.track.track_id, lambda _file: None)
    kept = KeptRenditions(file, MADE.track, Wanted(48))
    for rendition, number in [(0, 0), (1, 1), (1, 2), (2, 3)]:
        kept.put(rendition, TABLE_BASE, MADE.tables[rendition][0])
        kept.put(rendition, number, MADE.segments[rendition][number])
    assert [kept.best(segment) for segment in range(4)] == [None, 1, 1, 2]
    assert [kept.has_from(segment) for segment in (0, 1, 99)] == [False, True, True]
    assert [kept.has_from(segment, 1) for segment in (0, 1)] == [False, True]
    assert kept.read(0, 0, len(MADE.segments[0][0])) == MADE.segments[0][0], "whoever asks for it"
    kept.drop(1, 2)
    assert not kept.has_from(1)
