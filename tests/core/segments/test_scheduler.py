"""Segments out of units, from sources that may fail or lie."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.core.content.manifest import (
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.segments import tables as module
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.segments.scheduler import Scheduler, SegmentReady, SourceLied
from lightpeer.core.udp.datagram import Unit, UnitRange, unit_layout
from tests.core.segments.kept import FakeKept

COUNT = 130
TABLE = 0xFF0000


def segment_bytes(rendition, segment):
    """About 3 units in the low rendition, 5 in the high one."""
    size = (2500, 5000)[rendition] + segment
    return random.Random(size).randbytes(size)


SEGMENTS = {(r, s): segment_bytes(r, s) for r in (0, 1) for s in range(COUNT)}
OBJECTS = dict(SEGMENTS)
for r in (0, 1):
    for number in range(3):
        covered = range(64 * number, min(64 * number + 64, COUNT))
        OBJECTS[r, TABLE + number] = build_table(SEGMENTS[r, s] for s in covered)
MANIFEST = build_manifest(
    Description(
        title="t",
        artist="",
        album="",
        duration_samples=COUNT * 48_000,
        gain_q8_db=0,
        segment_count=COUNT,
    ),
    renditions=[(24_000 + r, b"h", [OBJECTS[r, TABLE + number] for number in range(3)]) for r in (0, 1)],
)
TRACK = parse_manifest_untrusted(MANIFEST, track_id_of(MANIFEST))


def payload(unit):
    data = OBJECTS[unit.rendition, unit.segment]
    _, step = unit_layout(len(data))
    return data[unit.unit * step : (unit.unit + 1) * step]


def units(ranges):
    return [Unit(r.rendition, r.segment, n) for r, _ in ranges for n in range(r.first, r.first + r.units)]


class Arrived(NamedTuple):
    unit: Unit
    payload: bytes


def arrival(unit, data=None):
    return Arrived(unit, payload(unit) if data is None else data)


def give(scheduler, source, wanted):
    scheduler.on_units(source, [arrival(unit) for unit in wanted])


def events(scheduler):
    out = []
    while (event := scheduler.next_event()) is not None:
        out.append(event)
    return out


def ready(*keys):
    return [SegmentReady(*key, SEGMENTS[key]) for key in keys]


@pytest.fixture
def plan():
    """A scheduler that has the first tables of both renditions."""
    scheduler = Scheduler(TRACK)
    for rendition in (0, 1):
        scheduler.wish(rendition, 0)
        scheduler.on_object("seed", rendition, TABLE, OBJECTS[rendition, TABLE])
    scheduler.clear()
    assert events(scheduler) == []
    return scheduler


# From wishes to segments


def test_the_table_is_fetched_first():
    scheduler = Scheduler(TRACK)
    for segment in (64, 65):
        scheduler.wish(0, segment)
    assert scheduler.wished == 2
    assert scheduler.queue.next_ranges("a", 10_000, 0.0) == [(UnitRange(0, TABLE + 1, 0, 1), [1152])]
    assert scheduler.queue.next_ranges("a", 10_000, 0.0) == []
    give(scheduler, "a", [Unit(0, TABLE + 1, 0)])
    assert events(scheduler) == []
    ranges = scheduler.queue.next_ranges("a", 10_000, 0.0)
    assert [wanted.segment for wanted, _ in ranges] == [64, 65]
    assert not scheduler.has_event
    give(scheduler, "a", units(ranges))
    assert scheduler.has_event
    assert events(scheduler) == ready((0, 64), (0, 65))
    assert scheduler.wished == 0


def test_tables_are_not_counted_among_the_segments_that_are_wished_for():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 0)
    scheduler.wish(0, 1)
    assert scheduler.wished == 2
    scheduler.on_object("a", 0, TABLE, OBJECTS[0, TABLE])
    assert scheduler.wished == 2
    scheduler.clear()
    assert scheduler.wished == 0
    scheduler.want_table(1, 0)
    assert scheduler.wished == 0
    scheduler.wish(0, 0)
    scheduler.on_object("a", 1, TABLE, OBJECTS[1, TABLE])
    assert scheduler.wished == 1
    scheduler.on_object("a", 0, 0, OBJECTS[0, 0])
    assert scheduler.wished == 0


def test_the_next_table_is_fetched_before_it_is_needed():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 31)
    assert [r.segment for r, _ in scheduler.queue.next_ranges("a", 1e9, 0.0)] == [TABLE]
    scheduler.wish(0, 32)
    assert [r.segment for r, _ in scheduler.queue.next_ranges("a", 1e9, 0.0)] == [TABLE + 1]
    scheduler.wish(0, 33)
    assert not scheduler.queue.next_ranges("a", 1e9, 0.0), "asked for once"


def test_beyond_the_end_there_is_no_table():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, COUNT - 1)
    assert [r.segment for r, _ in scheduler.queue.next_ranges("a", 1e9, 0.0)] == [TABLE + 2]


def test_wishing_twice_changes_nothing(plan):
    plan.wish(0, 1)
    plan.wish(0, 1)
    plan.wish(0, 64)
    plan.wish(0, 64)
    assert plan.wished == 2
    assert [wanted.segment for wanted, _ in plan.queue.next_ranges("a", 1e9, 0.0)] == [1, TABLE + 1]


def test_ranges_say_the_size_of_every_unit(plan):
    plan.wish(0, 0)
    plan.wish(0, 1)
    assert plan.queue.next_ranges("a", 1e9, 0.0) == [
        (UnitRange(0, 0, 0, 3), [834, 834, 832]),
        (UnitRange(0, 1, 0, 3), [834, 834, 833]),
    ]


def test_a_budget_is_kept_to_and_the_rest_asked_later(plan):
    plan.wish(0, 0)
    assert plan.queue.next_ranges("a", 833, 0.0) == []
    assert plan.queue.next_ranges("a", 1700, 0.0) == [(UnitRange(0, 0, 0, 2), [834, 834])]
    assert plan.queue.next_ranges("a", 1700, 0.0) == [(UnitRange(0, 0, 2, 1), [832])]
    assert plan.queue.next_ranges("a", 1700, 0.0) == []


def test_lost_units_are_asked_for_ahead_of_newer_wishes(plan):
    plan.wish(1, 0)
    asked = units(plan.queue.next_ranges("a", 1e9, 0.0))
    plan.wish(1, 1)
    give(plan, "a", asked[3:4])
    plan.on_lost([asked[0], asked[2], asked[3], Unit(0, 9, 9)])
    again = plan.queue.next_ranges("a", 3100, 0.0)
    assert [wanted for wanted, _ in again] == [
        UnitRange(1, 0, 0, 1),
        UnitRange(1, 0, 2, 1),
        UnitRange(1, 1, 0, 1),
    ]


def test_segments_come_in_any_order(plan):
    for segment in (3, 4):
        plan.wish(0, segment)
    give(plan, "a", reversed(units(plan.queue.next_ranges("a", 1e9, 0.0))))
    assert events(plan) == ready((0, 4), (0, 3))


def test_what_comes_twice_or_was_not_wanted_is_counted(plan):
    plan.wish(0, 0)
    first, *_ = units(plan.queue.next_ranges("a", 1e9, 0.0))
    give(plan, "a", [first, first, Unit(0, 5, 0)])
    plan.on_units("a", [arrival(Unit(0, 0, 3), b"beyond")])
    plan.on_object("a", 0, 7, b"four")
    assert plan.wasted_bytes == 834 + 835 + 6 + 4
    assert events(plan) == []


def test_a_seek_forgets_wishes_and_keeps_tables(plan):
    plan.wish(0, 0)
    plan.wish(0, 64)
    asked = units(plan.queue.next_ranges("a", 1e9, 0.0))
    plan.clear()
    assert plan.wished == 0
    give(plan, "a", asked)
    assert events(plan) == []
    plan.wish(0, 5)
    assert [wanted.segment for wanted, _ in plan.queue.next_ranges("a", 1e9, 0.0)] == [5]


def test_tables_are_bounded_and_fetched_again(plan, monkeypatch):
    monkeypatch.setattr(module, "TABLES_KEPT", 2)
    plan.wish(0, 0)
    asked = plan.queue.next_ranges("a", 1e9, 0.0)
    plan.wish(1, 64)
    plan.on_object("a", 1, TABLE + 1, OBJECTS[1, TABLE + 1])
    assert len(plan._tables) == 2
    give(plan, "a", units(asked))
    assert events(plan) == ready((0, 0)), "what is on its way keeps its table"
    plan.wish(0, 1)
    assert plan.queue.next_ranges("b", 1e9, 0.0)[0][0] == UnitRange(0, TABLE, 0, 1)


# Several sources


def test_an_object_is_asked_from_one_source(plan):
    plan.wish(0, 0)
    plan.wish(0, 1)
    assert units(plan.queue.next_ranges("a", 1000, 0.0)) == [Unit(0, 0, 0)]
    assert {unit.segment for unit in units(plan.queue.next_ranges("b", 1e9, 0.0))} == {1}
    assert units(plan.queue.next_ranges("a", 1e9, 0.0)) == [Unit(0, 0, 1), Unit(0, 0, 2)]


def test_another_source_goes_on_where_one_fell_silent(plan):
    plan.wish(0, 0)
    give(plan, "a", units(plan.queue.next_ranges("a", 1e9, 0.0))[:1])
    plan.queue.release("a")
    rest = units(plan.queue.next_ranges("b", 1e9, 0.0))
    assert rest == [Unit(0, 0, 1), Unit(0, 0, 2)]
    give(plan, "b", rest)
    assert events(plan) == ready((0, 0))


def test_what_is_needed_first_is_asked_from_a_second_source_once(plan):
    assert plan.queue.first_holder() is None
    plan.wish(0, 3)
    plan.wish(0, 4)
    asked = units(plan.queue.next_ranges("a", 10_000, 0.0))
    give(plan, "a", asked[:1])
    assert plan.queue.first_holder() == "a"
    assert plan.queue.hedge_first() == len(SEGMENTS[0, 3]) - len(payload(asked[0]))
    again = units(plan.queue.next_ranges("b", 10_000, 0.0))
    assert again == [unit for unit in asked[1:] if unit.segment == 3]
    assert plan.queue.first_holder() is None, "both were asked"
    give(plan, "b", again[:1])
    give(plan, "a", asked[1:])
    assert events(plan) == ready((0, 3), (0, 4))
    assert plan.wasted_bytes == len(payload(again[0]))


def test_whole_objects_for_a_source_that_sends_them(plan):
    for segment in range(5):
        plan.wish(0, segment)
    plan.queue.next_ranges("udp", 3400, 0.0)
    assert plan.queue.next_objects("rpc", 2, 0.0) == [(0, 2), (0, 3)]
    assert plan.queue.next_objects("rpc", 9, 0.0) == [(0, 4)]
    assert plan.queue.next_objects("rpc", 9, 0.0) == []
    plan.on_object("rpc", 0, 3, SEGMENTS[0, 3])
    assert events(plan) == ready((0, 3))


def test_a_unit_of_a_whole_object_that_is_lost_is_asked_for_again(plan):
    plan.wish(0, 0)
    asked = units(plan.queue.next_ranges("a", 3000, 0.0))
    give(plan, "a", asked[:1])
    plan.queue.release("a")
    assert plan.queue.next_objects("a", 1, 0.0) == [(0, 0)]
    plan.on_lost(asked[1:2])
    assert units(plan.queue.next_ranges("a", 3000, 0.0)) == asked[1:2], (
        "the first is here, the last was asked for"
    )


def test_a_whole_object_overtakes_units(plan):
    plan.wish(0, 0)
    asked = units(plan.queue.next_ranges("a", 1e9, 0.0))
    give(plan, "a", asked[:1])
    plan.on_object("b", 0, 0, SEGMENTS[0, 0])
    assert events(plan) == ready((0, 0))
    give(plan, "a", asked[1:])
    assert plan.wasted_bytes == 2500


# Lies


def test_bytes_of_one_source_that_fail_their_hash_show_it_up(plan):
    plan.wish(0, 0)
    asked = units(plan.queue.next_ranges("a", 1e9, 0.0))
    give(plan, "a", asked[:2])
    plan.on_units("a", [arrival(asked[2], bytes(832))])
    (lie,) = events(plan)
    assert isinstance(lie, SourceLied)
    assert lie.source == "a"
    give(plan, "b", units(plan.queue.next_ranges("b", 1e9, 0.0)))
    assert events(plan) == ready((0, 0))


def test_a_unit_of_the_wrong_size_is_a_lie(plan):
    plan.wish(0, 0)
    plan.queue.next_ranges("a", 1e9, 0.0)
    plan.on_units("a", [arrival(Unit(0, 0, 0), b"short")])
    assert events(plan) == [SourceLied("a", "a unit of the wrong size")]
    assert len(units(plan.queue.next_ranges("b", 1e9, 0.0))) == 3


def test_a_false_table_is_a_lie():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 0)
    scheduler.queue.next_ranges("a", 1e9, 0.0)
    scheduler.on_units("a", [arrival(Unit(0, TABLE, 0), bytes(1152))])
    assert [event.source for event in events(scheduler)] == ["a"]
    give(scheduler, "b", units(scheduler.queue.next_ranges("b", 1e9, 0.0)))
    give(scheduler, "b", units(scheduler.queue.next_ranges("b", 1e9, 0.0)))
    assert events(scheduler) == ready((0, 0))


def test_a_false_whole_object_is_a_lie(plan):
    plan.wish(0, 0)
    plan.on_object("a", 0, 0, b"what is this")
    assert events(plan) == [SourceLied("a", "a segment whose bytes do not match their hash")]


def test_nobody_is_blamed_where_two_had_a_part(plan):
    plan.wish(0, 0)
    plan.on_units("a", [arrival(Unit(0, 0, 0), bytes(834))])
    plan.queue.release("a")
    give(plan, "b", units(plan.queue.next_ranges("b", 1e9, 0.0)))
    assert events(plan) == []
    whole = units(plan.queue.next_ranges("b", 1e9, 0.0))
    assert len(whole) == 3
    give(plan, "b", whole)
    assert events(plan) == ready((0, 0))


def test_after_a_failure_of_two_one_alone_gives_the_object(plan):
    plan.wish(0, 0)
    plan.on_units("bad", [arrival(Unit(0, 0, 0), bytes(834))])
    give(plan, "good", units(plan.queue.next_ranges("good", 1e9, 0.0))[:2])
    plan.on_units("good", [arrival(Unit(0, 0, 2), payload(Unit(0, 0, 2)))])
    asked = units(plan.queue.next_ranges("good", 1e9, 0.0))
    plan.on_units("bad", [arrival(Unit(0, 0, 0), bytes(834))])  # to spoil it once more
    give(plan, "good", asked)
    assert events(plan) == ready((0, 0))


def test_what_one_gave_of_a_failed_object_is_not_mixed_with_what_the_next_gives(plan):
    plan.wish(0, 0)
    plan.on_units("bad", [arrival(Unit(0, 0, 0), bytes(834))])
    give(plan, "good", units(plan.queue.next_ranges("good", 1e9, 0.0)))
    plan.queue.next_ranges("bad", 1e9, 0.0)
    plan.on_units("bad", [arrival(Unit(0, 0, 1), bytes(834))])
    plan.queue.release("bad")  # it comes up with no more
    asked = units(plan.queue.next_ranges("good", 1e9, 0.0)) + units(plan.queue.next_ranges("good", 1e9, 0.0))
    assert len(asked) == 3
    give(plan, "good", asked)
    assert events(plan) == ready((0, 0))


# Patience


def test_an_object_is_due_some_seconds_after_it_was_asked_and_each_further_one_a_segment_later(plan):
    for segment in range(3):
        plan.wish(0, segment)
    assert plan.queue.next_due() == math.inf
    first = units(plan.queue.next_ranges("a", 1e9, 10.0))[:3]
    assert plan.queue.next_due() == 10.0 + PATIENCE_S
    assert plan.queue.overdue(10.0 + PATIENCE_S - 0.1) is None
    assert plan.queue.overdue(10.0 + PATIENCE_S) == "a"
    give(plan, "a", first)
    assert plan.queue.overdue(10.0 + PATIENCE_S) is None
    assert plan.queue.overdue(11.0 + PATIENCE_S) == "a"
    plan.queue.release("a")
    assert plan.queue.overdue(99.0) is None


def test_on_a_link_that_does_not_sustain_playback_nobody_is_due_before_it_can_be_through(plan):
    plan.wish(0, 0)
    plan.queue.share_bytes_per_s = 100.0
    plan.queue.next_ranges("a", 1e9, 10.0)
    size = len(OBJECTS[0, 0])
    assert plan.queue.next_due() == pytest.approx(10.0 + 4 * size / 100.0)


def test_asking_a_source_again_for_what_was_lost_gives_it_no_more_time(plan):
    plan.wish(0, 0)
    plan.on_lost(units(plan.queue.next_ranges("a", 1e9, 10.0)))
    plan.queue.next_ranges("a", 1e9, 12.0)
    assert plan.queue.overdue(10.0 + PATIENCE_S) == "a"
    plan.queue.release("a")
    assert plan.queue.next_objects("b", 1, 20.0) == [(0, 0)]
    assert plan.queue.overdue(20.0 + PATIENCE_S) == "b"


@given(st.integers(0, 1 << 32))
@settings(max_examples=25)
def test_whatever_happens_every_segment_comes_once_and_no_honest_source_is_blamed(seed):
    chance = random.Random(seed)
    scheduler, honest, liar = Scheduler(TRACK), ["a", "b"], "liar"
    sources = [*honest, liar]
    wished = [(chance.randrange(2), segment) for segment in range(55, 75)]
    got = []
    for key in wished:
        scheduler.wish(*key)
    for _ in range(2000):
        source = chance.choice(sources)
        for unit in units(scheduler.queue.next_ranges(source, chance.choice([900, 4000]), 0.0)):
            data = payload(unit)
            if chance.random() < 0.2:
                scheduler.on_lost([unit])
            elif source == liar and chance.random() < 0.3:
                scheduler.on_units(source, [arrival(unit, bytes(len(data) - chance.randrange(2)))])
            else:
                scheduler.on_units(source, [arrival(unit, data)])
        if chance.random() < 0.05:
            scheduler.queue.release(source)
        for event in events(scheduler):
            if isinstance(event, SegmentReady):
                assert event.data == SEGMENTS[event.rendition, event.segment]
                got.append((event.rendition, event.segment))
            else:
                assert event.source == liar
                sources = honest
                scheduler.queue.release(liar)
        if len(got) == len(wished):
            break
    assert sorted(got) == sorted(wished)
    assert scheduler.wished == 0


# What comes with an Open


def test_of_what_began_to_come_only_the_rest_is_asked_for(plan):
    plan.wish(1, 0)
    _, step = unit_layout(len(SEGMENTS[1, 0]))
    plan.on_beginning("a", 1, 0, SEGMENTS[1, 0][: 2 * step])
    assert [unit.unit for unit in units(plan.queue.next_ranges("a", 10_000, 0.0))] == [2, 3, 4]
    give(plan, "a", [Unit(1, 0, number) for number in (2, 3, 4)])
    assert events(plan) == ready((1, 0))


def test_a_whole_segment_may_come_at_once_and_one_that_nobody_wants_is_left(plan):
    plan.wish(1, 0)
    plan.on_beginning("a", 1, 0, SEGMENTS[1, 0])
    assert events(plan) == ready((1, 0))
    plan.on_beginning("a", 1, 9, b"unasked")
    assert plan.wasted_bytes == 7


def test_a_beginning_that_ends_within_a_unit_is_a_lie(plan):
    plan.wish(1, 0)
    plan.on_beginning("a", 1, 0, SEGMENTS[1, 0][:100])
    assert events(plan) == [SourceLied("a", "a unit of the wrong size")]


def test_more_than_an_object_has_is_left(plan):
    plan.wish(1, 0)
    plan.on_beginning("a", 1, 0, SEGMENTS[1, 0] + b"more")
    assert plan.wasted_bytes == len(SEGMENTS[1, 0]) + 4
    assert units(plan.queue.next_ranges("a", 10_000, 0.0))


class TestKept:
    """Segments that are here already: a file that was begun before."""

    def scheduler(self, kept):
        scheduler = Scheduler(TRACK, kept)
        scheduler.want_table(0, 0)
        give(scheduler, "a", units(scheduler.queue.next_ranges("a", 10_000, 0.0)))
        assert events(scheduler) == []
        return scheduler

    def test_a_segment_that_verifies_is_not_asked_for(self):
        kept = FakeKept(lambda rendition, number, _size: SEGMENTS[rendition, 0] if number == 0 else None)
        scheduler = self.scheduler(kept)
        scheduler.wish(0, 0)
        scheduler.wish(0, 1)
        assert events(scheduler) == [SegmentReady(0, 0, SEGMENTS[0, 0], was_kept=True)]
        segments = [asked for asked in kept.asked if asked[1] < TABLE]
        assert segments == [(0, 0, len(SEGMENTS[0, 0])), (0, 1, len(SEGMENTS[0, 1]))]
        assert {unit.segment for unit in units(scheduler.queue.next_ranges("a", 100_000, 0.0))} - {
            TABLE + 1
        } == {1}

    def test_one_that_does_not_is_fetched(self):
        kept = FakeKept(lambda _rendition, number, size: bytes(size) if number < TABLE else None)
        scheduler = self.scheduler(kept)
        scheduler.wish(0, 0)
        assert kept.dropped == [(0, 0)]
        give(scheduler, "a", units(scheduler.queue.next_ranges("a", 100_000, 0.0)))
        assert events(scheduler) == ready((0, 0))
        assert kept.put_in[0, 0] == SEGMENTS[0, 0], "it replaces the other"

    def test_a_track_that_is_all_here_needs_no_source(self):
        scheduler = Scheduler(TRACK, FakeKept(lambda rendition, number, _size: OBJECTS[rendition, number]))
        scheduler.wish(0, 0)
        assert events(scheduler) == [SegmentReady(0, 0, SEGMENTS[0, 0], was_kept=True)]
        assert (scheduler.wished, scheduler.queue.next_objects("a", 9, 0.0)) == (0, [])


# Several units in one wake-up


def test_a_table_and_what_it_leads_to_may_come_in_one_wake_up():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 0)
    table = [arrival(Unit(0, TABLE, 0))]
    segment = [arrival(Unit(0, 0, number)) for number in range(3)]
    scheduler.on_units("a", segment + table + segment)
    assert scheduler.wasted_bytes == 2500, "nobody wanted it before the table came"
    assert (scheduler.has_event, scheduler.wished) == (True, 0)
    assert events(scheduler) == ready((0, 0))
    assert not scheduler.has_event


def test_a_lie_does_not_spoil_what_comes_beside_it(plan):
    plan.wish(0, 0)
    plan.wish(0, 1)
    plan.queue.next_ranges("a", 1e9, 0.0)
    good = [arrival(Unit(0, 1, number)) for number in range(3)]
    plan.on_units("a", [arrival(Unit(0, 0, 0), b"short"), *good])
    assert events(plan) == [SourceLied("a", "a unit of the wrong size"), *ready((0, 1))]
    assert plan.wished == 1


def test_a_wake_up_in_which_nothing_came_changes_nothing(plan):
    plan.wish(0, 0)
    plan.on_units("a", [])
    assert (plan.wished, plan.has_event) == (1, False)


# The order of wishes


def test_what_can_wait_comes_behind_all_that_cannot(plan):
    plan.wish(1, 2, can_wait=True)
    plan.wish(1, 1, can_wait=True)
    plan.wish(0, 9)
    plan.wish(0, 8)
    assert [r.segment for r, _ in plan.queue.next_ranges("a", 1e9, 0.0)] == [8, 9, 1, 2]


def test_what_can_wait_still_can_once_its_table_is_here():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 0)
    scheduler.on_object("a", 0, TABLE, OBJECTS[0, TABLE])
    scheduler.wish(1, 0, can_wait=True)
    scheduler.wish(1, 3)
    scheduler.on_object("a", 1, TABLE, OBJECTS[1, TABLE])
    keys = [(r.rendition, r.segment) for r, _ in scheduler.queue.next_ranges("a", 1e9, 0.0)]
    assert keys == [(0, 0), (1, 3), (1, 0)]


def test_the_table_of_what_can_wait_waits_too_until_something_needs_it():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 0)
    scheduler.on_object("a", 0, TABLE, OBJECTS[0, TABLE])
    scheduler.wish(1, 0, can_wait=True)
    scheduler.wish(0, 9)
    queue = scheduler.queue
    assert [item.key for item in queue.items] == [(0, 0), (0, 9), (1, TABLE)]
    scheduler.wish(1, 5)
    assert [item.key for item in queue.items] == [(0, 0), (1, TABLE), (0, 9)]
    scheduler.wish(1, 1, can_wait=True)
    assert [item.key for item in queue.items] == [(0, 0), (1, TABLE), (0, 9)]


def test_a_table_is_asked_for_before_the_segments_that_it_covers_and_after_those_before_them(plan):
    plan.wish(0, 63)
    plan.wish(0, 64)
    assert [r.segment for r, _ in plan.queue.next_ranges("a", 1e9, 0.0)] == [63, TABLE + 1]


# Taking back


def test_what_is_taken_back_is_asked_for_no_more(plan):
    plan.wish(0, 1)
    plan.wish(0, 2)
    plan.take_back(0, 1)
    assert (plan.wished, plan.wished_bytes) == (1, len(SEGMENTS[0, 2]))
    assert [r.segment for r, _ in plan.queue.next_ranges("a", 1e9, 0.0)] == [2]
    plan.take_back(0, 1)
    plan.take_back(1, 7)
    assert (plan.wished, plan.wished_bytes) == (1, len(SEGMENTS[0, 2])), "that was none"


def test_what_is_taken_back_with_units_on_their_way_is_wasted_once(plan):
    plan.wish(0, 0)
    plan.wish(0, 1)
    asked = units(plan.queue.next_ranges("a", 1e9, 0.0))
    give(plan, "a", asked[:1])
    assert plan.unasked_bytes({0: 0})[0] == 0
    plan.take_back(0, 0)
    assert plan.wasted_bytes == 834
    give(plan, "a", asked[1:3])
    plan.on_lost(asked[1:3])
    assert plan.wasted_bytes == len(SEGMENTS[0, 0])
    give(plan, "a", asked[3:])
    assert events(plan) == ready((0, 1))
    assert (plan.wished, plan.wished_bytes, plan.ready_bytes) == (0, 0, 0)
    assert plan.queue.first_holder() is None


def test_what_is_taken_back_may_be_wished_for_again(plan):
    plan.wish(0, 0)
    give(plan, "a", units(plan.queue.next_ranges("a", 1e9, 0.0))[:1])
    plan.take_back(0, 0)
    plan.wish(0, 0)
    again = units(plan.queue.next_ranges("b", 1e9, 0.0))
    assert len(again) == 3
    give(plan, "b", again)
    assert events(plan) == ready((0, 0))


def test_what_waits_for_its_table_may_be_taken_back():
    scheduler = Scheduler(TRACK)
    scheduler.wish(0, 64)
    scheduler.wish(0, 65)
    assert scheduler.wished_bytes == 6_000
    assert scheduler.unasked_bytes({64: 0})[64] == math.inf
    scheduler.take_back(0, 64)
    assert (scheduler.wished, scheduler.wished_bytes) == (1, 3_000)
    scheduler.on_object("a", 0, TABLE + 1, OBJECTS[0, TABLE + 1])
    assert [r.segment for r, _ in scheduler.queue.next_ranges("a", 1e9, 0.0)] == [65]
    assert scheduler.wished_bytes == len(SEGMENTS[0, 65])
    scheduler.take_back(0, 65)
    assert (scheduler.wished, scheduler.wished_bytes) == (0, 0)


def test_a_suspect_that_is_taken_back_leaves_nobody_to_blame(plan):
    """Bytes of two sources failed together, and one of the two goes on."""
    plan.wish(0, 0)
    plan.on_units("bad", [arrival(Unit(0, 0, 0), bytes(834))])
    give(plan, "good", units(plan.queue.next_ranges("good", 1e9, 0.0)))
    asked = units(plan.queue.next_ranges("good", 1e9, 0.0))
    give(plan, "good", asked[:1])
    plan.take_back(0, 0)
    assert (plan.wished, plan.wished_bytes) == (0, 0)
    give(plan, "good", asked[1:])
    plan.on_units("bad", [arrival(Unit(0, 0, 0), bytes(834))])
    assert events(plan) == []
    plan.wish(0, 0)
    give(plan, "good", units(plan.queue.next_ranges("good", 1e9, 0.0)))
    assert events(plan) == ready((0, 0))


def test_how_much_is_still_to_be_asked_for(plan):
    plan.wish(0, 0)
    assert plan.unasked_bytes({0: 0})[0] == len(SEGMENTS[0, 0])
    asked = units(plan.queue.next_ranges("a", 1700, 0.0))
    assert plan.unasked_bytes({0: 0})[0] == 832
    plan.on_lost(asked[:1])
    assert plan.unasked_bytes({0: 0})[0] == 832 + 834
    assert plan.unasked_bytes({5: 1})[5] == 0, "nobody wants it"


def test_what_waits_to_be_taken_needs_no_asking_and_is_counted_until_then():
    scheduler = Scheduler(TRACK, FakeKept(lambda rendition, number, _size: OBJECTS[rendition, number]))
    scheduler.want_table(0, 0)
    scheduler.on_object("a", 0, TABLE, OBJECTS[0, TABLE])
    scheduler.wish(0, 0)
    scheduler.wish(0, 1)
    assert scheduler.unasked_bytes({0: 0})[0] == 0
    assert (scheduler.wished, scheduler.ready_bytes) == (0, len(SEGMENTS[0, 0]) + len(SEGMENTS[0, 1]))
    scheduler.next_event()
    assert scheduler.ready_bytes == len(SEGMENTS[0, 1])
    scheduler.next_event()
    scheduler.next_event()
    assert scheduler.ready_bytes == 0


@given(st.integers(0, 1 << 32))
@settings(max_examples=25)
def test_whatever_is_wished_for_and_taken_back_the_counts_are_true(seed):
    chance = random.Random(seed)
    scheduler, delivered, asked = Scheduler(TRACK), 0, []
    wished: set[tuple[int, int]] = set()
    for _ in range(300):
        match chance.randrange(6):
            case 0 | 1:
                key = (chance.randrange(2), chance.randrange(COUNT))
                if key not in wished:
                    wished.add(key)
                    scheduler.wish(*key, can_wait=chance.random() < 0.3)
            case 2 if wished:
                key = chance.choice(sorted(wished))
                wished.remove(key)
                scheduler.take_back(*key)
            case 3 if chance.random() < 0.1:
                scheduler.clear()
                wished.clear()
            case 3:
                asked += units(scheduler.queue.next_ranges(chance.choice("ab"), 5000, 0.0))
            case _ if asked:
                unit = asked.pop(chance.randrange(len(asked)))
                if chance.random() < 0.2:
                    scheduler.on_lost([unit])
                else:
                    give(scheduler, "a", [unit])
                    delivered += len(payload(unit))
        for event in events(scheduler):
            assert event.data == SEGMENTS[event.rendition, event.segment]
            wished.remove((event.rendition, event.segment))
        assert scheduler.wished == len(wished)
        assert scheduler.delivered_bytes == delivered >= scheduler.wasted_bytes
    for key in sorted(wished):
        scheduler.take_back(*key)
    assert (scheduler.wished, scheduler.wished_bytes, scheduler.ready_bytes) == (0, 0, 0)
