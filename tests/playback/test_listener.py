"""What the listener makes of entries, on a literal clock."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.skips import SETTLED_S
from lightpeer.playback.listener import LISTENED_S, MAX_OPEN, SKIPPED_S, Listener

PEER = object()


def found() -> Listener:
    listener = Listener()
    listener.on_found(7, PEER)
    return listener


def test_a_skip_is_noted_and_listening_begins_anew():
    listener = found()
    assert listener.skips.open_at == -math.inf
    listener.listening.heard_s = 60.0
    listener.on_skip(1, None, 10.0)
    assert (listener.skips.open_at, listener.listening.heard_s) == (10.0, 0.0)
    listener.on_skip(2, None, 10.5)
    assert listener.skips.open_at == 10.5 + SETTLED_S


@pytest.mark.parametrize(
    ("heard_at_s", "is_skipped"),
    [(SKIPPED_S - 0.1, True), (SKIPPED_S, False), (None, False)],
)
def test_leaving_a_found_track_soon_is_a_skip(heard_at_s, is_skipped):
    assert found().on_skip(7, heard_at_s, 0.0) is (PEER if is_skipped else None)
    assert found().on_skip(8, heard_at_s, 0.0) is None


def test_each_found_track_is_judged_once():
    listener = found()
    assert listener.on_heard(7, LISTENED_S - 0.1, 90.0) is None
    assert listener.on_heard(7, LISTENED_S, 90.0) is PEER
    assert listener.on_heard(7, LISTENED_S + 1, 90.0) is None
    assert listener.on_skip(7, 1.0, 0.0) is None


def test_half_of_a_short_track_is_enough():
    listener = found()
    assert listener.on_heard(7, 4.9, 10.0) is None
    assert listener.on_heard(7, 5.0, 10.0) is PEER


def test_what_is_not_judged_is_forgotten_in_the_end():
    listener = found()
    for entry in range(8, 8 + MAX_OPEN - 1):
        listener.on_found(entry, object())
    listener.on_found(7, PEER)
    listener.on_found(99, object())
    assert listener.on_skip(7, 1.0, 0.0) is PEER
    assert listener.on_skip(8, 1.0, 0.0) is None
    listener.forget()
    assert listener.on_skip(99, 1.0, 0.0) is None
