"""What a plan says becomes wishes, and what comes with an Open is taken as far as it is next."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.content.manifest import table_of
from lightpeer.core.plan.bursts import Listening
from lightpeer.core.plan.view import Decision, Drop, View, Want
from lightpeer.core.segments.pull_call import FEWEST
from lightpeer.core.segments.wishes import WINDOWS
from lightpeer.core.udp.datagram import unit_layout
from lightpeer.core.udp.opening import Chunk
from tests.core.segments.playing import (
    HIGH,
    LITTLE,
    LOW,
    MADE,
    MIDDLE,
    Script,
    Stage,
    limits,
    ready,
    segment,
    table,
)

# What is wished for.


def test_it_wishes_for_more_than_fills_the_window() -> None:
    on = Stage()
    on.bandwidth.window = 30_000.0 / WINDOWS  # with that, ten seconds at 24 kbit/s
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(10)]
    assert on.bursts.fetching
    on.give(0, 1, 2)
    assert on.wishes[0] == (LOW, 3)
    last = on.wishes[-1][1]
    assert on.scheduler.wished_bytes >= 30_000.0
    assert on.scheduler.wished_bytes - len(MADE.segments[LOW][last]) < 30_000.0


def test_it_wishes_for_what_comes_within_a_second_where_that_is_more() -> None:
    on = Stage()
    on.buffer.wishes.committed_bytes = 100_000.0
    on.buffer.pump(10.0)
    assert len(on.wishes) > 20


def test_it_wishes_for_a_few_at_least() -> None:
    on = Stage()
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(FEWEST)]
    on.give(0)
    assert on.wishes == [(LOW, number) for number in range(1, 1 + FEWEST)]


def test_it_fetches_until_the_buffer_is_full_then_rests_until_it_is_low() -> None:
    on = Stage(limits=limits(buffer_bytes=LITTLE))
    on.buffer.pump(10.0)
    on.give_all()
    full_s = on.buffer.buffer_s
    assert 10.0 < full_s < 30.0
    assert on.buffer.size_bytes <= LITTLE
    assert (on.bursts.fetching, on.scheduler.wished_bytes) == (False, 0)
    rested, now = 0, 10.0
    while not on.wishes:
        assert on.heard_and_taken(now) is not None
        on.buffer.pump(now)
        rested, now = rested + 1, now + 1.0
    assert rested >= 2, "no trickle"
    assert on.buffer.ahead_s >= full_s / 2
    on.give_all(now)
    assert on.buffer.buffer_s >= full_s - 2.0, "it is full again"
    assert on.buffer.size_bytes <= LITTLE


def test_a_burst_takes_in_nothing_further_once_all_is_on_its_way_however_long_that_takes() -> None:
    """A segment that is heard before all has come makes room for another, which is for the next burst."""
    on = Stage(limits=limits(buffer_bytes=LITTLE))
    on.bandwidth.window = LITTLE
    on.buffer.pump(10.0)
    while math.isinf(on.bursts.end):
        on.give(on.wishes[0][1])
    last = max(number for _, number in on.wishes)
    for now in (10.0, 11.0):
        assert on.heard_and_taken(now) is not None
        on.buffer.pump(now)
        assert max(number for _, number in on.wishes) == last
    on.give_all()
    assert not on.bursts.fetching


def test_a_seek_to_what_is_missing_fetches_it_though_nothing_more_was_wanted_at_the_end() -> None:
    """At the end nothing is ahead either."""
    on = Stage()
    on.seek(90)
    on.buffer.pump(10.0)
    on.give_all()
    for now in range(10, 20):
        assert on.heard_and_taken(now) is not None
        on.buffer.pump(now)
    assert (on.buffer.is_at_end, on.wishes) == (True, [])
    on.seek(0)
    on.buffer.pump(20.0)
    assert on.wishes[0] == (LOW, 0)


@pytest.mark.parametrize("listening", [None, Listening(3_600.0)])
def test_who_has_not_listened_for_long_has_little_fetched(
    listening: Listening | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightpeer.core.plan.bursts.FIRST_DEPTH_S", 40.0)
    on = Stage(listening=listening)
    on.buffer.on_sink(2.0, 10.0)
    on.buffer.pump(10.0)
    on.give_all()
    assert on.buffer.buffer_s == (100 if listening else 38)


def test_a_file_is_fetched_as_far_as_there_is_room() -> None:
    on = Stage(realtime=False)
    on.buffer.pump(10.0)
    on.give_all()
    assert on.buffer.buffer_s == 100


def test_the_plan_decides_what() -> None:
    on = Stage(Script(Want(HIGH, 0), Want(LOW, 1)))
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, 1), (HIGH, 0)]
    assert (on.scheduler.wished, on.buffer._segments.wished) == (2, {0: HIGH, 1: LOW})


def test_the_plan_sees_the_track_as_it_is() -> None:
    plan = Script(Want(LOW, 3), Want(HIGH, 1))
    on = Stage(plan, limits=limits(top_kbps=500, buffer_bytes=LITTLE, waste_share=0.25))
    on.put(0, 1, 2)
    on.buffer.on_sink(0.5, 10.0)
    on.buffer.take(10.0)
    on.buffer.on_sink(1.5, 10.0)
    on.bandwidth.window = 1e6  # so that the plan is asked once more, with both on their way
    on.buffer.pump(10.5)
    view = plan.view
    assert view is not None
    assert view.rates is on.bandwidth.history
    assert (view.bitrates_bps, view.count, view.now) == ([24_000, 48_000, 96_000], 100, 10.5)
    assert (view.cursor, view.before_s, view.limit) == (1, 1.0, 100)
    assert (view.best, view.waste_share) == (HIGH, 0.25)
    assert view.here == {1: LOW, 2: LOW}
    assert (view.end, view.wished) == (4, {3: LOW, 1: HIGH})
    assert view.unasked == {3: math.inf, 1: math.inf}, "their tables are not here"
    ahead_bytes = sum(map(len, MADE.segments[LOW][1:3]))
    assert view.room_bytes == 0.875 * LITTLE - ahead_bytes - 3_000 - 12_000
    assert view.fetched_bytes == sum(map(len, MADE.segments[LOW][:3]))
    assert view.wasted_bytes == 3_000, "what is to be replaced"


def test_a_listener_who_wants_no_more_is_heeded() -> None:
    plan = Script()
    Stage(plan, limits=limits(top_kbps=48)).buffer.pump(10.0)
    assert plan.view is not None
    assert plan.view.best == MIDDLE


def test_what_the_plan_takes_back_is_wished_for_no_more() -> None:
    on = Stage(Script(Want(HIGH, 0), Want(HIGH, 1), Drop(HIGH, 1), Want(LOW, 1)))
    on.buffer.pump(10.0)
    assert on.wishes == [(HIGH, 0), (HIGH, 1)]
    on.buffer.pump(10.1)
    assert on.wishes == [(HIGH, 0), (HIGH, 1)], "nothing has changed"
    on.put(0)
    on.buffer.pump(10.2)
    assert on.wishes == [(LOW, 1), (HIGH, 0)]
    assert (on.scheduler.wished, on.scheduler.wished_bytes) == (2, 3_000 + 12_000)


def test_where_enough_is_on_its_way_the_plan_is_asked_once_for_each_change() -> None:
    plan = Script(*(Want(LOW, number) for number in range(FEWEST)), Want(LOW, 9))
    on = Stage(plan)
    on.buffer.pump(10.0)
    asked = plan.asked
    on.buffer.pump(10.0)
    assert plan.asked == asked
    on.put(0)
    on.buffer.pump(10.0)
    assert plan.asked == asked + 1
    assert (LOW, 9) not in on.wishes, "there is no need to wish for more"


def test_a_better_one_comes_behind_what_is_not_here_yet_and_takes_its_place() -> None:
    on = Stage(Script(Want(HIGH, 1), Want(LOW, 3)))
    on.put(0, 1, 2)
    on.buffer.pump(10.0)
    on.give()
    on.give(rendition=HIGH)
    asked = [wanted.segment for wanted, _ in on.scheduler.queue.next_ranges("peer", 1e9, 10.0)]
    assert [number for number in asked if number < 100] == [3, 1]
    on.give(1, rendition=HIGH)
    assert on.buffer.buffer_s == 3.0
    assert [on.heard_and_taken(10.0) for _ in range(2)] == [ready(0), ready(1, HIGH)]
    assert on.shared.stats.replaced_bytes == 3_000


def test_a_better_one_that_comes_too_late_is_taken_back_as_its_segment_is_taken() -> None:
    on = Stage(Script(Want(HIGH, 0), Want(HIGH, 1)))
    on.put(0, 1, 2)
    on.buffer.pump(10.0)
    assert on.buffer.take(10.0) == ready(0)
    assert on.wishes == [(HIGH, 1)]
    assert (on.scheduler.wished, on.scheduler.wished_bytes) == (1, 12_000)
    assert on.buffer._segments.wished == {1: HIGH}
    assert on.shared.stats.replaced_bytes == 0, "nothing came of it"
    assert on.buffer.take(10.0) == ready(1)
    assert (on.scheduler.wished, on.scheduler.wished_bytes) == (0, 0)


def test_what_comes_too_late_is_counted_as_in_vain_once() -> None:
    on = Stage()
    on.put(0, 1)
    on.buffer.take(10.0)
    assert on.put(0, rendition=HIGH) == [False]
    assert on.put(1) == [False]
    late_bytes = len(MADE.segments[HIGH][0]) + len(MADE.segments[LOW][1])
    assert on.shared.stats.replaced_bytes == late_bytes
    assert on.shared.stats.fetched_bytes == sum(map(len, MADE.segments[LOW][:2])) + late_bytes


def test_where_nobody_listens_the_greatest_is_fetched_unless_one_is_wanted() -> None:
    free, fixed, bound = Stage(Script()), Stage(only=LOW), Stage(Script(), limits=limits(top_kbps=48))
    for on, rendition in ((free, HIGH), (fixed, LOW), (bound, MIDDLE)):
        on.buffer.wishes.take_best()
        on.buffer.pump(10.0)
        assert on.wishes[0] == (rendition, 0)
        assert on.playout.realtime is False


def test_where_nobody_listens_what_there_is_now_is_no_bound_for_later() -> None:
    on = Stage(Script())
    on.shared.present = 1
    on.buffer.wishes.take_best()
    on.buffer.pump(10.0)
    assert on.wishes[0] == (LOW, 0)
    on.shared.present = 3
    on.give(0)
    assert on.wishes[-1][0] == HIGH


# What comes with an Open.


def test_tables_and_segments_that_come_with_an_open_are_taken() -> None:
    on = Stage()
    on.buffer.wishes.wish_inline("peer", [table(), segment(0), segment(1)])
    assert on.drain() == []
    assert on.buffer.buffer_s == 2.0
    assert on.scheduler.wished == 0
    on.buffer.pump(10.0)
    assert on.wishes[0] == (LOW, 2)


def test_a_part_of_a_segment_is_kept_and_the_rest_is_wished_for() -> None:
    on = Stage()
    unit_bytes = unit_layout(len(MADE.segments[LOW][1]))[1]
    on.buffer.wishes.wish_inline("peer", [table(), segment(0), segment(1, size=unit_bytes)])
    assert on.drain() == []
    assert on.buffer.buffer_s == 1.0
    assert on.wishes == [(LOW, 1)]
    assert on.scheduler.queue.items[0].givers == {"peer"}
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(1, 1 + FEWEST)]
    missing, _ = on.scheduler.queue.next_ranges("other", 1e6, 10.0)[0]
    assert (missing.segment, missing.first) == (1, 1)


def test_a_table_alone_is_taken_too() -> None:
    on = Stage()
    on.buffer.wishes.wish_inline("peer", [table()])
    on.buffer.pump(10.0)
    assert on.scheduler.queue.next_ranges("peer", 1e6, 10.0)[0][0].segment == 0


def test_another_rendition_than_the_one_that_is_wished_for_is_left() -> None:
    on = Stage(only=MIDDLE)
    on.buffer.wishes.wish_inline("peer", [table(), segment(0), table(0, MIDDLE), segment(0, MIDDLE)])
    on.buffer.on_sink(1.0, 10.0)
    on.drain()
    assert on.buffer.buffer_s == 1.0
    assert on.buffer.take(10.0) == ready(0, MIDDLE)


@pytest.mark.parametrize("first", [[], [segment(5), Chunk(LOW, 0, b"")]])
def test_what_is_empty_or_elsewhere_is_left(first: list[Chunk]) -> None:
    on = Stage()
    on.buffer.wishes.wish_inline("peer", [table(), Chunk(LOW, 0, b""), segment(5)])
    assert (on.drain(), on.buffer.buffer_s, on.wishes) == ([], 0.0, [])
    on.buffer.wishes.wish_inline("peer", [*first, table(), segment(0)])
    on.drain()
    assert on.buffer.buffer_s == 1.0


def test_the_table_of_where_it_begins_counts() -> None:
    on = Stage()
    on.buffer.seek(70)
    on.buffer.wishes.wish_inline("peer", [table(1), segment(70)])
    on.drain()
    assert (on.buffer.buffer_s, on.buffer.cursor) == (1.0, 70)


def test_more_than_there_is_room_for_gives_way() -> None:
    on = Stage(limits=limits(buffer_bytes=LITTLE))
    on.buffer.pump(10.0)
    on.give_all()
    end = int(on.buffer.buffer_s)
    chunks = [table(table_of(end)), *(segment(number) for number in range(end, end + 12))]
    on.buffer.wishes.wish_inline("peer", chunks)
    on.drain()
    assert on.buffer.size_bytes <= LITTLE
    assert on.scheduler.wished_bytes == 0
    assert on.buffer._segments.end == on.buffer.buffer_s


def test_nothing_comes_after_the_end() -> None:
    on = Stage()
    on.put(*range(100))
    on.buffer.wishes.wish_inline("peer", [table(1), segment(99)])
    assert (on.drain(), on.wishes) == ([], [])


def test_a_budget_that_runs_out_leaves_less_room_from_then_on() -> None:
    on = Stage(Script())
    assert on.buffer.most_bytes > LITTLE
    on.buffer.wishes.keep_to(limits(buffer_bytes=LITTLE))
    assert on.buffer.most_bytes == LITTLE


# What the sources have.


def test_what_no_source_has_is_not_wished_for_until_one_has_it() -> None:
    on = Stage(Best())
    on.shared.present = 1
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(FEWEST)]
    assert on.shared.wanted == 3
    on.shared.present = 2
    on.give(0)
    assert on.wishes[-1][0] == MIDDLE


def test_what_was_wished_for_and_no_source_has_any_more_is_taken_back() -> None:
    on = Stage(Best())
    on.buffer.pump(10.0)
    assert [rendition for rendition, _ in on.wishes] == [HIGH] * FEWEST
    on.shared.present = 1
    on.buffer.pump(11.0)
    assert on.wishes == [(LOW, number) for number in range(FEWEST)]


def test_the_one_rendition_that_is_wanted_is_waited_for() -> None:
    on = Stage(only=HIGH)
    on.shared.present = 1
    on.buffer.pump(10.0)
    assert {rendition for rendition, _ in on.wishes} == {HIGH}
    assert on.shared.wanted == 3
    lowest = Stage(only=LOW)
    lowest.buffer.pump(10.0)
    assert lowest.shared.wanted == 1, "who wants the lowest lacks nothing"


def test_the_listeners_limit_says_what_is_wanted() -> None:
    on = Stage(Best(), limits=limits(top_kbps=48))
    on.shared.present = 1
    on.buffer.pump(10.0)
    assert on.shared.wanted == 2
    assert {rendition for rendition, _ in on.wishes} == {LOW}


class Best:
    """Always the greatest that there is."""

    def decide(self, view: View) -> Decision:
        return Want(view.best, view.end) if view.may_extend(view.best) else None
