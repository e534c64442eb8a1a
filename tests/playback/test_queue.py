"""The queue on a literal clock: places, skips, and what the listener makes of items."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.core.segments.skips import SETTLED_S
from lightpeer.errors import StateMisuseError, UsageError
from lightpeer.playback.queue import LISTENED_S, SKIPPED_S, Place, Queue, check_queue

TRACK = SimpleNamespace(title="Song", duration_s=60.0)
PEER = object()


def begun(*items: str, start_s: float = 0.0) -> Queue:
    queue = Queue()
    queue.begin(items or ("one", "two", "three"), start_s)
    return queue


def test_it_begins_where_it_is_told_to_and_is_over_after_the_last():
    queue = begun("one", "two", start_s=2.5)
    assert queue.at == Place(0, 2.5)
    queue.advance()
    assert (queue.at, queue.is_over) == (Place(1), False)
    queue.advance()
    assert queue.is_over


def test_one_at_a_time():
    queue = begun()
    with pytest.raises(StateMisuseError, match="one queue at a time"):
        queue.begin(["four"], 0.0)
    queue.end()
    assert queue.is_over
    queue.begin(["four"], 0.0)


@pytest.mark.parametrize(
    ("items", "start_s"),
    [(["loud:malformed"], 0.0), (["one"], -1.0), (["one"], MAX_SEGMENTS + 1.0), (["one"], math.nan)],
)
def test_what_cannot_be_played_is_refused_and_nothing_begins(items, start_s):
    with pytest.raises(UsageError):
        check_queue(items, start_s)
    queue = Queue()
    with pytest.raises(UsageError):
        queue.begin(items, start_s)
    assert queue.items == ()


def test_places_before_the_beginning_are_the_beginning():
    queue = begun()
    queue.go(Place(-1, -5.0), None, 0.0)
    assert queue.at == Place(0, 0.0)


def test_skips_to_other_items_are_noted_and_seeks_are_not():
    queue = begun()
    queue.go(Place(0, 9.0), None, 10.0)
    assert queue.skips.open_at == -math.inf
    queue.go(Place(1), None, 10.0)
    assert queue.skips.open_at == 10.0
    queue.go(Place(2), None, 10.5)
    assert queue.skips.open_at == 10.5 + SETTLED_S


@pytest.mark.parametrize(
    ("to", "heard_at_s", "is_skipped"),
    [
        (1, SKIPPED_S - 0.1, True),
        (1, SKIPPED_S, False),
        (1, None, False),  # nothing was heard of it
        (0, 1.0, False),
    ],
)
def test_leaving_a_found_track_soon_is_a_skip(to, heard_at_s, is_skipped):
    queue = begun()
    queue.on_found(0, PEER)
    assert queue.go(Place(to), heard_at_s, 0.0) is (PEER if is_skipped else None)


def test_going_back_is_no_skip():
    queue = begun()
    queue.advance()
    queue.on_found(1, PEER)
    assert queue.go(Place(0), 1.0, 0.0) is None


def test_each_found_track_is_judged_once():
    queue = begun()
    queue.on_found(0, PEER)
    assert queue.on_heard(0, LISTENED_S - 0.1, 90.0) is None
    assert queue.on_heard(0, LISTENED_S, 90.0) is PEER
    assert queue.on_heard(0, LISTENED_S + 1, 90.0) is None
    assert queue.go(Place(1), 1.0, 0.0) is None


def test_half_of_a_short_track_is_enough():
    queue = begun()
    queue.on_found(0, PEER)
    assert queue.on_heard(0, 4.9, 10.0) is None
    assert queue.on_heard(0, 5.0, 10.0) is PEER


@pytest.mark.parametrize(("start_s", "is_refused"), [(0.0, False), (59.9, False), (60.0, True), (99.0, True)])
def test_a_first_track_must_last_to_where_it_begins(start_s, is_refused):
    queue = begun(start_s=start_s)
    if is_refused:
        with pytest.raises(UsageError, match=r"^Song ends after 60\.0 s: it cannot begin at"):
            queue.check_start(TRACK)
    else:
        queue.check_start(TRACK)
    queue.check_start(TRACK)  # it has been opened: from now on it is a seek like any other
