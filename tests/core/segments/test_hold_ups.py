"""What is done about sources that hold up playback, with literal times."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.asking import QUIET_S, Asking
from lightpeer.core.segments.hold_ups import MAX_HEDGED, NEAR_S, URGENT_S, HoldUps
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.sources.dead_zone import GRACE_S, DeadZone
from tests.core.segments.scripted import MADE, Scripted, asked, hand, names, new_shared, scripted, wish


class Stage:
    """Two sources that are asked, the first of which holds what is needed first since 1.0."""

    def __init__(self, *, wishes: int = 1) -> None:
        self.shared = new_shared()
        self.sources: list[Scripted] = []
        self.asking = Asking(self.shared, self.sources)
        self.dead_zone = DeadZone()
        self.hold_ups = HoldUps(self.shared, self.sources, self.asking, self.dead_zone)
        self.first, self.second = self.join("a"), self.join("b")
        wish(self.shared, wishes)
        hand(self.shared, self.first, 1.0)

    def join(self, name: str) -> Scripted:
        source = scripted(self.shared, name)
        self.sources.append(source)
        self.asking.selection.on_joined(source)
        self.asking.selection.ask(source)
        return source

    def hedge(self, ahead_s: float, *, realtime: bool = True) -> bool:
        """Return whether what is needed first is asked for twice from now on."""
        before = self.shared.scheduler.queue.first_holder()
        self.hold_ups.hedge_first(1.0, ahead_s, realtime=realtime)
        return before is not None and self.shared.scheduler.queue.first_holder() is not before


# One that holds up playback.


def test_one_that_is_late_holds_up_playback_once_little_is_left():
    stage = Stage()
    due = stage.shared.scheduler.queue.next_due()
    assert due >= 1.0 + PATIENCE_S
    assert stage.hold_ups.holder(due - 0.1, 0.0) is None, "it is not late"
    assert stage.hold_ups.holder(due, URGENT_S) is stage.first
    assert stage.hold_ups.holder(due, URGENT_S + 0.1) is None
    stage.shared.scheduler.queue.release(stage.first)
    assert stage.hold_ups.holder(due, 0.0) is None


def test_after_a_dead_zone_nobody_is_to_blame_for_a_while():
    stage = Stage()
    stage.dead_zone.on_due(1.0)
    stage.dead_zone.on_heard(100.0)
    assert stage.hold_ups.holder(100.0 + GRACE_S - 0.1, 0.0) is None
    assert stage.hold_ups.holder(100.0 + GRACE_S, 0.0) is stage.first


# What is needed next.


@pytest.mark.parametrize(
    ("ahead_s", "silence_s", "backlog_s", "is_hedged"),
    [
        (NEAR_S, QUIET_S, 0.0, True),
        (NEAR_S + 0.1, QUIET_S, 0.0, False),
        (NEAR_S, QUIET_S - 0.1, NEAR_S, False),
        (NEAR_S, QUIET_S - 0.1, NEAR_S + 0.1, True),
    ],
)
def test_a_second_is_asked_for_what_the_first_will_hardly_give_in_time(
    ahead_s: float, silence_s: float, backlog_s: float, is_hedged: bool
):
    stage = Stage()
    stage.first.silence_s = silence_s
    stage.first.udp.flow.delivery.take(1000.0)
    stage.first.udp.flow.gauge.outstanding_bytes = round(1000 * backlog_s)
    assert stage.first.udp.backlog_s == pytest.approx(backlog_s)
    assert stage.hedge(ahead_s) == is_hedged
    assert asked(stage.shared) == ["b"] * is_hedged


def test_for_a_file_nothing_is_late_but_one_may_be_silent():
    stage = Stage()
    stage.first.udp.flow.gauge.outstanding_bytes = 9000
    assert not stage.hedge(0.0, realtime=False)
    stage.first.silence_s = stage.second.silence_s = QUIET_S
    assert not stage.hedge(0.0, realtime=False), "the other is silent as well"
    stage.second.silence_s = QUIET_S - 0.1
    assert stage.hedge(0.0, realtime=False)


def test_the_other_that_was_heard_last_is_asked_where_none_is():
    stage = Stage()
    stage.join("c")
    stage.asking.selection.asked[:] = [stage.first]
    stage.asking.selection._roster.silent[:] = stage.sources[1:]
    stage.first.silence_s = QUIET_S
    stage.sources[1].silence_s, stage.sources[2].silence_s = 0.5, 0.2
    assert stage.hedge(1.0)
    assert names(stage.asking.selection.asked) == "ac"
    assert asked(stage.shared) == ["c"]


def test_nothing_is_shared_while_nobody_holds_it():
    stage = Stage()
    stage.shared.scheduler.queue.release(stage.first)
    stage.first.silence_s = math.inf
    assert not stage.hedge(0.0)
    assert asked(stage.shared) == []


def test_hardly_anything_is_asked_for_twice():
    stage = Stage(wishes=2)
    stage.first.silence_s = QUIET_S
    size = len(MADE.segments[0][0])
    assert stage.hedge(1.0), "one segment at any time"
    stage.shared.scheduler.on_object(stage.first, 0, 0, MADE.segments[0][0])
    stage.shared.stats.fetched_bytes = math.floor(size / MAX_HEDGED) - 1
    assert not stage.hedge(1.0)
    stage.shared.stats.fetched_bytes += 2
    assert stage.hedge(1.0)
    stage.shared.scheduler.on_object(stage.first, 0, 1, MADE.segments[0][1])
    wish(stage.shared, 3)
    hand(stage.shared, stage.first, 1.0)
    stage.shared.stats.fetched_bytes = math.floor((size + len(MADE.segments[0][1])) / MAX_HEDGED) - 1
    assert not stage.hedge(1.0), "in sum"


def test_what_is_overdue_is_asked_for_again_whatever_was_asked_for_twice():
    """One that took its first segment and gives nothing, where the buffer has room for no other."""
    stage = Stage()
    stage.first.silence_s = QUIET_S
    stage.hold_ups._hedged_bytes = 1  # of nothing that came yet
    assert not stage.hedge(1.0)
    due = stage.shared.scheduler.queue.next_due()
    stage.hold_ups.hedge_first(due, 1.0, realtime=True)
    assert asked(stage.shared) == ["b"]
