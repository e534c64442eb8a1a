"""That a long session of listening leaves nothing behind, in short: ten tracks for each count."""

from __future__ import annotations

from bench.day import MOST_GROWTH, growth, listen


def test_hours_of_listening_leave_nothing_behind() -> None:
    counts = listen(6, track_s=6, every_s=60.0)
    assert [count.heard_s for count in counts] == [60.0, 120.0, 180.0, 240.0, 300.0, 360.0]
    assert counts[-1].fetched_bytes > counts[0].fetched_bytes > 0
    assert growth(counts[1:]) < MOST_GROWTH
