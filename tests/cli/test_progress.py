"""The line of a fetch: share, time left and rate, at any width."""

from __future__ import annotations

import pytest

from lightpeer.cli.progress import Progress
from lightpeer.console.text import width


def test_the_rate_is_that_of_the_last_seconds():
    progress = Progress("Song.opus")
    assert progress.line(0, 1_000_000, 0.0, 80) == "Song.opus  0 %  0.0 MB of 1.0 MB"
    for second in range(1, 9):
        line = progress.line(second * 50_000, 1_000_000, float(second), 80)
    assert line == "Song.opus  40 %  0:12 left  50 kB/s  0.4 MB of 1.0 MB"
    assert progress.line(400_000, 1_000_000, 13.0, 80) == "Song.opus  40 %  0.4 MB of 1.0 MB"


def test_what_is_expected_is_only_about_right():
    assert Progress("x").line(1_100_000, 1_000_000, 0.0, 80) == "x  100 %  1.1 MB of 1.1 MB"
    assert Progress("x").line(1_100_000, None, 0.0, 80) == "x  1.1 MB"


@pytest.mark.parametrize("columns", [1, 3, 10, 19, 39, 79])
def test_it_fits(columns):
    progress = Progress("東京" * 30 + "\x1b")
    progress.line(0, 1_000_000, 0.0, columns)
    assert 0 < width(progress.line(300_000, 1_000_000, 1.0, columns)) <= columns
