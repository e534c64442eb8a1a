"""Which renditions sources have, and when one that lacks some is asked again: by a literal clock."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.events import AskPresent
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.presence import EAGER, FIRST_S, LONGEST_S, Presence
from lightpeer.core.segments.scheduler import Scheduler
from lightpeer.core.segments.shared import DownloadStats, Shared
from lightpeer.core.segments.source import Source
from tests.pair import made_track

MADE = made_track(60, kbps=(24, 48, 96))


class Sources:
    """Sources of a track of three renditions, at 10 s."""

    def __init__(self) -> None:
        self.shared = Shared(MADE.track, Scheduler(MADE.track), Bandwidth(), DownloadStats())
        self.presence = Presence(self.shared)

    def join(self, name: str, present: int, now: float = 10.0) -> Source:
        source = Source(self.shared, PeerState(None, name, present=present), now)
        self.presence.on_joined(source, now)
        return source

    def asked(self, now: float) -> list[str]:
        self.presence.see(now)
        events = [event for event in self.shared.events if isinstance(event, AskPresent)]
        self.shared.events.clear()
        return [event.source.peer.name for event in events]

    def asked_at(self, source: Source, until: float) -> list[float]:
        """Return when a source is asked that always says that it has one; `see` is called when it is due."""
        times = []
        while (now := self.presence.due) <= until:
            assert self.asked(now) == [source.peer.name]
            times.append(now - 10.0)
            self.presence.on_told(source, 1, now)
        return times


def test_who_has_all_is_not_asked() -> None:
    on = Sources()
    source = on.join("a", 8)
    assert (on.presence.due, on.shared.present, source.peer.present) == (math.inf, 3, 3)
    assert on.asked(1e9) == []
    assert on.shared.scheduler.queue.present == {}


def test_who_lacks_some_is_asked_in_the_first_minute_then_while_something_is_fetched() -> None:
    on = Sources()
    source = on.join("a", 1)
    assert on.shared.scheduler.queue.present == {source: 1}
    assert on.asked(10.0 + FIRST_S - 0.1) == []
    times = on.asked_at(source, 1000.0)
    assert times == [4.0, 10.0, 19.0, 32.5, 52.75]
    assert len(times) == EAGER
    assert (on.presence.due, on.asked(500.0)) == (math.inf, []), "the radio sleeps"
    on.shared.scheduler.wish(0, 0)
    assert on.asked(93.0) == []
    assert on.asked(94.0) == ["a"]
    assert on.asked(1e6) == [], "it has not answered yet"
    for asked_at in (200.0, 300.0):
        on.presence.on_told(source, 1, asked_at)
    assert on.presence.due == 300.0 + LONGEST_S, "no more seldom than that"


def test_it_is_asked_no_more_once_it_has_all_or_is_gone() -> None:
    on = Sources()
    a, b = on.join("a", 1), on.join("b", 2, 11.0)
    assert (on.shared.present, on.presence.due) == (2, 14.0)
    on.presence.on_told(a, 3, 12.0)
    assert (on.shared.present, on.presence.due) == (3, 15.0)
    assert on.shared.scheduler.queue.present == {b: 2}
    on.presence.on_left(b)
    on.presence.on_told(b, 3, 16.0)  # though it is gone
    assert (on.shared.scheduler.queue.present, on.asked(1e9)) == ({}, [])


def test_as_much_is_present_as_one_of_them_has_and_as_the_last_one_had() -> None:
    """One that never has more, by need or by a lie, holds the others back from nothing."""
    on = Sources()
    a, b = on.join("a", 1), on.join("b", 3)
    assert on.shared.present == 3
    assert on.shared.scheduler.queue.present == {a: 1}, "which is not asked in vain"
    on.presence.on_left(a)
    assert on.shared.present == 3
    a = on.join("a", 1)
    on.presence.on_left(b)
    on.presence.on_told(a, 1, 12.0)
    on.presence.on_left(a)
    assert on.shared.present == 1, "nobody has said otherwise"
    on.join("c", 8)
    assert on.shared.present == 3


@pytest.mark.parametrize(("wanted", "asked"), [(1, []), (2, ["a"]), (3, ["a"]), (8, ["a"])])
def test_what_the_listener_does_not_want_is_not_asked_for(wanted, asked) -> None:
    on = Sources()
    on.shared.wanted = wanted
    on.join("a", 1)
    assert on.presence.due == (14.0 if asked else math.inf)
    assert on.asked(20.0) == asked
    on.shared.wanted = 8
    assert on.asked(21.0) == ([] if asked else ["a"]), "the limits may change"


def test_fewer_than_before_may_be_there() -> None:
    on = Sources()
    a = on.join("a", 2)
    on.presence.on_told(a, 1, 14.0)
    assert (on.shared.present, a.peer.present) == (1, 1)
