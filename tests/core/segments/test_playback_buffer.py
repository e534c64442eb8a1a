"""A track around the playhead, by literal times: when it sounds, what it wishes for, what it counts."""

from __future__ import annotations

import math
from random import Random

import pytest

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.plan.insurance import InsuranceFirst
from lightpeer.core.plan.rules import Fixed
from lightpeer.core.plan.view import Want
from lightpeer.core.segments.events import Rebuffering, Resumed
from lightpeer.core.segments.playback_buffer import FLOOR_SHARE, LEAST_PUMP_S, LOW_S
from lightpeer.core.segments.playout import LEAST_S, MOST_NEEDED_S, UNPROVEN_S
from lightpeer.core.segments.policy import ANY
from lightpeer.core.segments.scheduler import SegmentReady
from tests.core.segments.kept import FakeKept, without_tables
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
)

# Sound.


def test_nothing_is_here_at_first() -> None:
    buffer = Stage().buffer
    assert (len(buffer), buffer.cursor, buffer.buffer_s, buffer.ahead_s) == (0, 0, 0.0, 0.0)
    assert (buffer.size_bytes, buffer.most_bytes) == (0, ANY.buffer_bytes)
    assert not buffer.is_complete
    assert not buffer.is_at_end
    assert buffer.is_low
    assert buffer.pump_at == math.inf


def test_sound_runs_once_there_is_enough_and_is_counted_as_it_is_taken() -> None:
    on = Stage()
    assert on.put(0) == [True]
    assert on.buffer.take(10.0) is None
    assert on.buffer.buffer_s == on.buffer.ahead_s == 1.0
    on.buffer.on_sink(UNPROVEN_S - 1.0, 10.0)  # the sink has as much as lacks
    assert on.buffer.ahead_s == UNPROVEN_S
    assert on.buffer.take(10.0) == ready(0)
    assert on.buffer.cursor == 1
    assert on.put(1) == [True]
    assert on.buffer.take(10.0) == ready(1)
    assert on.buffer.ahead_s == UNPROVEN_S + 1.0, "what was taken is still to be heard"
    assert on.buffer.sink_until == 10.0 + UNPROVEN_S + 1.0
    on.buffer.on_sink(1.5, 10.0)
    assert on.buffer.ahead_s == 1.5
    stats = on.shared.stats
    assert (stats.segments, stats.switches, stats.replaced_bytes) == (2, 0, 0)
    assert stats.audio_bytes == stats.fetched_bytes == sum(map(len, MADE.segments[LOW][:2]))
    assert stats.bitrate_seconds == 2 * 24.0
    assert on.bursts.listening.heard_s == 2.0


@pytest.mark.parametrize(("rate", "enough"), [(1e6, LEAST_S), (1.0, MOST_NEEDED_S)])
def test_how_fast_more_comes_says_how_much_is_enough(rate: float, enough: float) -> None:
    on = Stage()
    on.bandwidth.measured = rate
    for number in range(int(enough)):
        assert on.buffer.take(10.0) is None
        on.put(number)
    assert on.buffer.take(10.0) == ready(0)


def test_what_is_enough_is_by_the_least_that_is_fetched() -> None:
    """A link that lasts for the lowest does not for the one that the listener wants."""
    free, only = Stage(), Stage(only=HIGH)
    for on, rendition in ((free, LOW), (only, HIGH)):
        on.bandwidth.measured = 5_000.0
        on.put(0, rendition=rendition)
    assert free.buffer.take(10.0) == ready(0)
    assert only.buffer.take(10.0) is None


def test_where_there_is_no_room_for_more_that_is_enough() -> None:
    """Or a small buffer over a slow link would be silent for good."""
    on = Stage(only=HIGH, limits=limits(buffer_bytes=50_000))
    on.bandwidth.measured = 1.0
    on.buffer.pump(10.0)
    on.give_all()
    assert (on.wishes, on.bursts.fetching) == ([], False)
    assert LEAST_S < on.buffer.ahead_s < MOST_NEEDED_S
    assert on.buffer.take(10.0) == ready(0, HIGH)
    while on.buffer.buffer_s:
        on.heard_and_taken(11.0)
    on.heard_and_taken(12.0)
    on.buffer.pump(12.0)
    assert on.events == [Rebuffering()]
    assert on.wishes, "with nothing here there is room"


def test_a_file_takes_what_is_here_at_once() -> None:
    on = Stage(realtime=False)
    on.put(0)
    assert on.buffer.take(10.0) == ready(0)
    assert on.buffer.take(10.0) is None
    assert on.events == []
    assert on.bursts.listening.heard_s == 0.0, "nobody listens"


def test_an_interruption_and_its_end_are_told_once() -> None:
    on = Stage()
    on.put(0, 1)
    on.buffer.take(10.0)
    on.buffer.take(10.0)
    on.buffer.update(11.0)
    assert on.events == [], "two seconds are still to be heard"
    on.buffer.on_sink(0.0, 11.0)
    on.buffer.update(11.0)
    on.buffer.update(12.0)
    assert on.events == [Rebuffering()]
    on.put(2)
    on.buffer.update(20.0)
    assert on.events == [Rebuffering()]
    on.put(3)
    on.buffer.pump(20.0)
    on.put(4)
    on.buffer.pump(21.0)
    assert on.events == [Rebuffering(), Resumed(9.0)]
    assert on.playout.rebuffer_s == 9.0


def test_an_interruption_counts_from_when_the_player_found_nothing() -> None:
    on = Stage()
    on.put(0, 1)
    assert [on.heard_and_taken(11.0) for _ in range(3)] == [ready(0), ready(1), None]
    assert on.events == [Rebuffering()]
    on.put(2, 3)
    assert on.buffer.take(20.0) == ready(2)
    assert on.events == [Rebuffering(), Resumed(9.0)]
    assert on.playout.rebuffer_s == 9.0


def test_the_rest_of_a_track_is_heard_even_if_it_is_less_than_enough() -> None:
    on = Stage()
    on.bandwidth.measured = 1.0
    on.buffer.seek(98)
    on.put(98)
    assert on.buffer.take(10.0) is None
    on.put(99)
    assert on.buffer.is_complete
    assert [on.buffer.take(10.0) for _ in range(2)] == [ready(98), ready(99)]
    assert on.buffer.is_at_end
    assert on.buffer.take(10.0) is None
    assert on.events == []


def test_a_seek_to_what_is_here_or_coming_keeps_it_and_another_does_not() -> None:
    on = Stage()
    on.put(0, 1, 2, 3)
    on.buffer.take(10.0)
    assert on.buffer.seek(2)
    assert (on.buffer.cursor, on.buffer.buffer_s) == (2, 2.0)
    assert on.put(1) == [False]  # it was left behind
    on.bursts.on_full(2.0)
    assert not on.buffer.seek(50)
    assert (on.buffer.cursor, on.buffer.buffer_s, on.bursts.fetching) == (50, 0.0, True)


def test_a_change_of_the_rendition_is_counted_as_it_is_heard() -> None:
    on = Stage()
    on.put(0, 1, 4)
    on.put(2, 3, rendition=HIGH)
    assert [on.heard_and_taken(10.0) for _ in range(5)].count(None) == 0
    assert on.shared.stats.switches == 2
    assert on.shared.stats.bitrate_seconds == 3 * 24.0 + 2 * 96.0


def test_all_that_was_replaced_is_counted() -> None:
    on = Stage()
    on.put(0, 1, 2)
    on.put(1, 2, rendition=HIGH)
    low_bytes = MADE.track.renditions[LOW].bitrate_bps // 8
    assert on.shared.stats.replaced_bytes == 2 * low_bytes
    assert on.put(1) == [False]
    assert on.shared.stats.replaced_bytes == 2 * low_bytes + len(MADE.segments[LOW][1]), "it came too late"


@pytest.mark.parametrize(("here", "goes_on"), [(1, False), (2, True), (3, True)])
def test_a_seek_goes_on_where_two_segments_are_here(here: int, goes_on: bool) -> None:
    """Of one the decoder may only begin with: the rest would be silent."""
    on = Stage()
    on.bandwidth.measured = 1.0  # so that much would be needed to begin
    on.put(*range(20))
    on.buffer.take(10.0)
    assert on.playout.playing
    on.buffer.seek(20 - here)
    assert on.playout.playing == goes_on


def test_what_runs_on_with_less_than_a_second_ahead_is_no_interruption() -> None:
    on = Stage()
    on.put(0, 1, 2)
    for _ in range(3):
        assert on.heard_and_taken(10.0) is not None
    on.buffer.on_sink(0.5, 12.5)
    on.buffer.update(12.5)
    assert on.events == []
    on.buffer.on_sink(0.0, 13.0)
    on.buffer.update(13.0)
    assert on.events == [Rebuffering()]


def test_a_single_wish_is_fetching_too() -> None:
    on = Stage(Script(Want(LOW, 0)))
    on.buffer.pump(10.0)
    on.buffer.pump(15.0)
    on.give(0, now=20.0)
    came_bytes = on.scheduler.delivered_bytes
    assert on.bandwidth.history.mean_bytes_per_s(20) == pytest.approx(came_bytes / 10.0)


# The rate and the time of fetching.


def test_a_rate_is_kept_up_while_the_buffer_is_low() -> None:
    on = Stage(only=MIDDLE)
    on.buffer.pump(10.0)
    assert on.bandwidth.floors == [FLOOR_SHARE * 48_000 / 8]
    on.put(*range(int(LOW_S) - 1), rendition=MIDDLE)
    on.buffer.pump(10.0)
    assert on.buffer.is_low
    assert len(on.bandwidth.floors) == 1  # what stands is not said again
    on.put(int(LOW_S) - 1, rendition=MIDDLE)
    on.buffer.pump(10.0)
    assert not on.buffer.is_low
    assert on.bandwidth.floors == [FLOOR_SHARE * 48_000 / 8, 0.0]


def test_the_rate_that_is_kept_up_is_that_of_what_is_heard() -> None:
    on = Stage()
    on.put(0, rendition=HIGH)
    on.put(1)
    on.buffer.take(10.0)
    on.buffer.pump(10.0)
    assert on.bandwidth.floors == [FLOOR_SHARE * 96_000 / 8]


def test_the_time_in_which_something_is_wished_for_is_counted() -> None:
    on = Stage(Script(*(Want(LOW, number) for number in range(4))))
    on.buffer.pump(10.0)
    assert on.shared.stats.fetching_s == 0.0
    on.buffer.pump(12.0)
    assert on.shared.stats.fetching_s == 2.0
    on.give(0, 1, now=15.0)
    assert on.shared.stats.fetching_s == 5.0
    on.give(2, 3, now=16.0)
    assert on.wishes == []
    on.buffer.pump(30.0)
    assert on.shared.stats.fetching_s == 6.0  # nothing is


# The link's history.


def test_what_came_while_something_was_wished_for_is_in_the_links_history() -> None:
    on = Stage(Script(*(Want(LOW, number) for number in range(3))))
    on.buffer.pump(10.0)
    on.buffer.pump(15.0)
    assert on.bandwidth.history.mean_bytes_per_s(20) == 0.0
    on.give(0, now=20.0)
    came_bytes = on.scheduler.delivered_bytes
    assert on.bandwidth.history.mean_bytes_per_s(20) == pytest.approx(came_bytes / 10.0)
    on.give(1, 2, now=21.0)
    came_bytes = on.scheduler.delivered_bytes
    assert on.wishes == []
    on.buffer.pump(100.0)
    assert on.bandwidth.history.mean_bytes_per_s(20) == pytest.approx(came_bytes / 11.0)


def test_a_track_that_rests_says_nothing_of_what_comes_of_another() -> None:
    busy = Stage(Script(*(Want(LOW, number) for number in range(9))))
    resting = Stage(Script(), bandwidth=busy.bandwidth)
    busy.buffer.pump(10.0)
    for step in range(5):
        resting.buffer.pump(10.5 + step)
        busy.give(step, now=11.0 + step)
    came_bytes = busy.scheduler.delivered_bytes
    assert busy.bandwidth.history.mean_bytes_per_s(20) == pytest.approx(came_bytes / 5.0)


# When to pump.


def test_a_player_that_finds_nothing_has_it_pumped_at_once_but_a_file_does_not() -> None:
    on, file = Stage(), Stage(realtime=False)
    assert on.buffer.take(10.0) is file.buffer.take(10.0) is None
    assert on.buffer.pump_at == -math.inf
    assert file.buffer.pump_at == math.inf
    on.buffer.pump(10.0)
    assert on.buffer.pump_at == math.inf


def test_taking_has_it_pumped_where_it_is_time_to_fetch_and_nothing_is_on_its_way() -> None:
    on = Stage(limits=limits(buffer_bytes=LITTLE))
    on.buffer.pump(10.0)
    on.give_all()
    on.heard_and_taken(10.0)
    assert on.buffer.pump_at == math.inf  # it rests
    while on.buffer.pump_at == math.inf:
        assert on.heard_and_taken(10.0) is not None
    assert on.buffer.pump_at == -math.inf
    assert on.buffer.buffer_s > 5.0
    on.buffer.pump(11.0)
    assert on.wishes
    on.buffer.take(11.0)
    assert on.buffer.pump_at == math.inf  # something is


def test_a_seek_has_it_pumped_at_once() -> None:
    on = Stage()
    on.buffer.seek(50)
    assert on.buffer.pump_at == -math.inf
    on.buffer.pump(10.0)
    assert on.wishes[0] == (LOW, 50)
    assert on.buffer.pump_at == math.inf


@pytest.mark.parametrize("realtime", [True, False])
def test_what_is_kept_comes_as_far_as_there_is_room_and_wakes_itself(realtime: bool) -> None:
    """It would wait for ever else: nothing is on its way that could wake it."""
    on = Stage(
        realtime=realtime,
        limits=limits(buffer_bytes=LITTLE),
        kept=without_tables(MADE),
    )
    on.buffer.pump(10.0)
    on.give()
    taken: list[SegmentReady] = []
    while not on.buffer.is_at_end:
        assert max(on.scheduler.ready_bytes, on.buffer.size_bytes) <= LITTLE
        on.drain()
        on.buffer.pump(10.0)
        for number in range(len(MADE.tables[LOW])):
            if (LOW, table_segment(number)) in on.scheduler.queue.by_key:
                on.give()
        while (segment := on.heard_and_taken(10.0)) is not None:
            taken.append(segment)
    assert [segment.data for segment in taken] == MADE.segments[LOW]
    assert on.shared.stats.replaced_bytes == 0


def test_what_is_kept_and_not_taken_yet_is_not_taken_back() -> None:
    """What is here costs nothing: to fetch it in a lower rendition would."""
    on = Stage(
        InsuranceFirst(),
        kept=FakeKept(lambda r, n, _: MADE.segments[r][n] if r == HIGH and n < 100 else None),
    )
    on.scheduler.want_table(HIGH, 0)
    on.scheduler.on_object("peer", HIGH, table_segment(0), MADE.tables[HIGH][0])
    on.buffer.wishes._wish(HIGH, 0)
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, 1), (LOW, 2)]
    on.drain()
    on.put(1)
    assert on.buffer.take(10.0) == ready(0, HIGH)._replace(was_kept=True)


def test_it_is_pumped_when_the_sink_will_have_run_dry() -> None:
    on = Stage()
    on.buffer.pump(10.0)
    on.playout.playing = True
    on.buffer.on_sink(3.0, 10.0)
    assert on.buffer.pump_at == 13.0
    on.buffer.pump(12.9)
    assert on.buffer.pump_at == 13.0  # whatever came meanwhile
    on.buffer.on_sink(0.0, 12.9)
    assert on.buffer.pump_at == 12.9 + LEAST_PUMP_S
    on.put(0)
    assert on.buffer.pump_at == math.inf  # there is more


def test_nothing_runs_dry_for_a_file_nor_at_the_end() -> None:
    file, ended = Stage(realtime=False), Stage()
    file.buffer.pump(10.0)
    assert file.playout.playing
    assert file.buffer.pump_at == math.inf
    ended.buffer.seek(99)
    ended.buffer.pump(10.0)
    ended.put(99)
    assert ended.buffer.take(10.0) == ready(99)
    ended.buffer.pump(10.0)
    assert ended.playout.playing
    assert ended.buffer.pump_at == math.inf


def test_how_long_the_sink_sounds_is_noted() -> None:
    on = Stage()
    on.put(0, 1)
    on.buffer.on_sink(1.5, 10.0)
    assert (on.buffer.ahead_s, on.buffer.sink_until) == (3.5, 11.5)


def test_what_is_decoded_only_to_begin_with_is_not_heard() -> None:
    """After a seek the sink is behind by what the first segment holds before the place."""
    on = Stage()
    on.put(0, 1)
    on.buffer.on_sink(-0.5, 10.0)
    on.buffer.update(10.0)
    on.put(2)
    assert on.buffer.take(10.0) == ready(0)
    assert (on.buffer.sink_ahead_s, on.buffer.sink_until) == (0.5, 10.5)


# Any course of things.


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_what_is_wished_for_is_what_is_on_its_way_and_the_bound_holds(seed: int) -> None:
    random = Random(seed)
    plan = InsuranceFirst() if seed % 3 else Fixed(random.randrange(3))
    chosen = limits(buffer_bytes=random.choice([LITTLE, 250_000, 2_000_000]), waste_share=0.3)
    on = Stage(plan, limits=chosen)
    on.bandwidth.window = random.choice([1_000.0, 30_000.0])
    now, taken = 10.0, 0
    for _ in range(400):
        now += random.choice([0.01, 0.1, 1.0])
        match random.randrange(10):
            case 0 if random.random() < 0.3:
                on.seek(random.randrange(100))
            case 0:
                on.seek(on.buffer.cursor + random.randrange(-12, 12))
            case 1 | 2 | 3:
                taken += on.heard_and_taken(now) is not None
            case 4:
                source = random.choice("ab")
                on.scheduler.queue.next_ranges(source, 9_000.0, now)
                if random.random() < 0.5:
                    on.scheduler.queue.release(source)
            case _:
                items = on.scheduler.queue.items
                if items:
                    item = random.choice(items[:3])
                    on.scheduler.on_object("a", *item.key, MADE.read(*item.key))
        on.drain()
        segments = on.buffer._segments
        assert on.scheduler.wished == len(segments.wished)
        assert on.buffer.size_bytes <= chosen.buffer_bytes
        on.buffer.pump(now)
        on.drain()
        assert {(r, n) for n, r in segments.wished.items()} == set(on.wishes)
        stats = on.shared.stats
        assert stats.replaced_bytes <= stats.fetched_bytes <= on.scheduler.delivered_bytes
    assert taken > 0
    for rendition, number in on.wishes:
        on.scheduler.take_back(rendition, number)
    assert (on.scheduler.wished, on.scheduler.wished_bytes, on.scheduler.ready_bytes) == (0, 0, 0)
