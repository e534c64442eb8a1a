"""What the listener makes of entries, on a literal clock, and what may be put into a queue."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.errors import UsageError
from lightpeer.playback.verdicts import LISTENED_S, MAX_OPEN, SKIPPED_S, Verdicts, check_items

PEER = object()


def found() -> Verdicts:
    verdicts = Verdicts()
    verdicts.on_found(7, PEER)
    return verdicts


@pytest.mark.parametrize(
    ("items", "start_s"),
    [(["loud:malformed"], 0.0), (["one"], -1.0), (["one"], MAX_SEGMENTS + 1.0), (["one"], math.nan)],
)
def test_what_cannot_be_played_is_refused(items, start_s):
    with pytest.raises(UsageError):
        check_items(items, start_s)


def test_queries_may_be_anything():
    check_items(["one", "two"], 2.5)


@pytest.mark.parametrize(
    ("heard_at_s", "is_skipped"),
    [(SKIPPED_S - 0.1, True), (SKIPPED_S, False), (None, False)],
)
def test_leaving_a_found_track_soon_is_a_skip(heard_at_s, is_skipped):
    assert found().on_left(7, heard_at_s) is (PEER if is_skipped else None)
    assert found().on_left(8, heard_at_s) is None


def test_each_found_track_is_judged_once():
    verdicts = found()
    assert verdicts.on_heard(7, LISTENED_S - 0.1, 90.0) is None
    assert verdicts.on_heard(7, LISTENED_S, 90.0) is PEER
    assert verdicts.on_heard(7, LISTENED_S + 1, 90.0) is None
    assert verdicts.on_left(7, 1.0) is None


def test_half_of_a_short_track_is_enough():
    verdicts = found()
    assert verdicts.on_heard(7, 4.9, 10.0) is None
    assert verdicts.on_heard(7, 5.0, 10.0) is PEER


def test_what_is_not_judged_is_forgotten_in_the_end():
    verdicts = found()
    for entry in range(8, 8 + MAX_OPEN - 1):
        verdicts.on_found(entry, object())
    verdicts.on_found(7, PEER)
    verdicts.on_found(99, object())
    assert verdicts.on_left(7, 1.0) is PEER
    assert verdicts.on_left(8, 1.0) is None
    verdicts.forget()
    assert verdicts.on_left(99, 1.0) is None
