"""A track around the playhead, by literal times: when it sounds, what it wishes for, what it counts."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.abr import Ladder
from lightpeer.core.segments.events import Rebuffering, Resumed
from lightpeer.core.segments.playback_buffer import FLOOR_SHARE, LEAST_PUMP_S, PlaybackBuffer, Policy
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.pull_call import MOST
from lightpeer.core.segments.scheduler import Scheduler, SegmentReady, SourceLied
from lightpeer.core.segments.shared import DownloadStats, Shared
from lightpeer.core.segments.tables import Kept
from lightpeer.core.udp.datagram import unit_layout
from lightpeer.core.udp.opening import Chunk
from tests.core.segments.kept import whole, without_tables
from tests.pair import made_track

MADE = made_track(100, kbps=(24, 48, 96))
LOW, MIDDLE, HIGH = range(3)


class FakeBandwidth(Bandwidth):
    """A link of a window and a rate that the test sets; it notes which rates are to be kept up."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 100.0
        self.floors: list[float] = []

    def window_bytes(self) -> float:
        return self.window

    def keep_up(self, floor_bytes_per_s: float) -> None:
        super().keep_up(floor_bytes_per_s)
        self.floors.append(floor_bytes_per_s)


class Stage:
    """A buffer, and the scheduler that it wishes from; marks at 2, 4, 8 and 16 s."""

    def __init__(
        self,
        *,
        rendition: int | None = LOW,
        fixed_kbps: int | None = None,
        realtime: bool = True,
        kept: Kept | None = None,
    ) -> None:
        self.bandwidth = FakeBandwidth()
        self.scheduler = Scheduler(MADE.track, kept)
        self.shared = Shared(MADE.track, self.scheduler, self.bandwidth, DownloadStats(), kept=kept)
        self.playout = Playout(2.0, 4.0, 8.0, 16.0, realtime)
        self.ladder = Ladder([r.bitrate_bps for r in MADE.track.renditions], fixed_kbps)
        self.ladder.current = rendition if fixed_kbps is None else self.ladder.current
        self.buffer = PlaybackBuffer(self.shared, Policy(self.playout, self.ladder))

    @property
    def events(self) -> list[object]:
        return list(self.shared.events)

    @property
    def wishes(self) -> list[tuple[int, int]]:
        """The segments that are on their way."""
        scheduler = self.scheduler
        keys = [*scheduler._objects, *scheduler._waiting]
        return sorted(key for key in keys if key[1] < table_segment(0))

    def heard_and_taken(self, now: float) -> SegmentReady | None:
        """Take a segment once all before it has been heard."""
        self.buffer.on_sink(0.0, now)
        return self.buffer.take(now)

    def put(self, *segments: int, rendition: int = LOW) -> list[bool]:
        """Put segments, which cost nobody a wish."""
        return [self.buffer.put(ready(number, rendition)) for number in segments]

    def give(self, *segments: int, rendition: int = LOW, now: float = 10.0) -> None:
        """Have tables and segments come that are wished for, and pump."""
        for number, table in enumerate(MADE.tables[rendition]):
            self.scheduler.on_object("peer", rendition, table_segment(number), table)
        for number in segments:
            self.scheduler.on_object("peer", rendition, number, MADE.segments[rendition][number])
        self.drain()
        self.buffer.pump(now)

    def drain(self) -> list[SourceLied]:
        """Put what is complete; return the rest."""
        lies = []
        while (event := self.scheduler.next_event()) is not None:
            if isinstance(event, SegmentReady):
                self.buffer.put(event)
            else:
                lies.append(event)
        return lies


def ready(number: int, rendition: int = LOW) -> SegmentReady:
    return SegmentReady(rendition, number, MADE.segments[rendition][number])


def segment(number: int, rendition: int = LOW, size: int | None = None) -> Chunk:
    return Chunk(rendition, number, MADE.segments[rendition][number][:size])


def table(number: int = 0, rendition: int = LOW) -> Chunk:
    return Chunk(rendition, table_segment(number), MADE.tables[rendition][number])


# Sound.


def test_nothing_is_here_at_first() -> None:
    buffer = Stage().buffer
    assert (len(buffer), buffer.cursor, buffer.buffer_s, buffer.ahead_s) == (0, 0, 0.0, 0.0)
    assert not buffer.is_complete
    assert not buffer.is_at_end
    assert buffer.is_low
    assert buffer.pump_at == math.inf


def test_sound_runs_once_the_start_mark_is_reached_and_is_counted_as_it_is_taken() -> None:
    on = Stage()
    assert on.put(0) == [True]
    assert on.buffer.take(10.0) is None
    assert on.buffer.buffer_s == on.buffer.ahead_s == 1.0
    on.buffer.on_sink(1.0, 10.0)  # the sink has as much as lacks
    assert on.buffer.ahead_s == 2.0
    assert on.buffer.take(10.0) == ready(0)
    assert on.buffer.cursor == 1
    assert on.put(1) == [True]
    assert on.buffer.take(10.0) == ready(1)
    assert on.buffer.ahead_s == 3.0, "what was taken is still to be heard"
    assert on.buffer.sink_until == 13.0
    on.buffer.on_sink(1.5, 10.0)
    assert on.buffer.ahead_s == 1.5
    stats = on.shared.stats
    assert stats.segments == 2
    assert stats.audio_bytes == stats.fetched_bytes == sum(map(len, MADE.segments[LOW][:2]))
    assert stats.bitrate_seconds == 2 * 24.0


def test_a_file_takes_what_is_here_at_once() -> None:
    on = Stage(realtime=False)
    on.put(0)
    assert on.buffer.take(10.0) == ready(0)
    assert on.buffer.take(10.0) is None
    assert on.events == []


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
    on.put(2, 3, 4)
    on.buffer.update(20.0)
    assert on.events == [Rebuffering()]
    on.put(5)
    on.buffer.pump(20.0)
    on.put(6)
    on.buffer.pump(21.0)
    assert on.events == [Rebuffering(), Resumed(9.0)]
    assert on.playout.rebuffer_s == 9.0


def test_an_interruption_counts_from_when_the_player_found_nothing() -> None:
    on = Stage()
    on.put(0, 1)
    assert [on.heard_and_taken(11.0) for _ in range(3)] == [ready(0), ready(1), None]
    assert on.events == [Rebuffering()]
    on.put(2, 3, 4, 5)
    assert on.buffer.take(20.0) == ready(2)
    assert on.events == [Rebuffering(), Resumed(9.0)]
    assert on.playout.rebuffer_s == 9.0


def test_the_rest_of_a_track_is_heard_even_if_it_is_less_than_the_start_mark() -> None:
    on = Stage()
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
    assert (on.buffer.cursor, on.buffer.buffer_s, on.playout.playing) == (2, 2.0, True)
    assert on.put(1) == [False]  # it was left behind
    on.playout.on_filled()
    assert not on.buffer.seek(50)
    assert (on.buffer.cursor, on.buffer.buffer_s, on.playout.fetching) == (50, 0.0, True)


# What is wished for.


def test_it_wishes_for_as_many_as_fill_the_window_twice() -> None:
    on = Stage()
    on.bandwidth.window = 15_000.0  # five seconds at 24 kbit/s
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(10)]
    assert on.playout.fetching
    on.give(0, 1, 2)
    assert on.wishes == [(LOW, number) for number in range(3, 13)]


def test_it_wishes_for_a_few_at_least_and_up_to_the_high_water_mark() -> None:
    on = Stage()
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(MOST)]
    on.give(*range(MOST))
    assert on.wishes == [(LOW, number) for number in range(MOST, 16)]
    assert not on.playout.fetching  # all up to the mark is on its way
    on.give(8, 9)
    assert len(on.wishes) == 6
    assert on.buffer.buffer_s == 10.0


def test_the_rendition_is_chosen_by_rate_and_buffer() -> None:
    on = Stage(rendition=None)
    on.bandwidth.rate_bytes_per_s = 1e6
    on.buffer.pump(10.0)
    assert on.wishes[0] == (HIGH, 0)  # by the rate that is remembered
    on.ladder.current = LOW
    on.give(*range(MOST), rendition=HIGH)
    assert on.buffer.buffer_s == MOST
    assert on.wishes[0][0] == MIDDLE  # one step up, by a buffer that is full enough


def test_a_rate_is_kept_up_while_the_buffer_is_low() -> None:
    on = Stage(rendition=MIDDLE)
    on.buffer.pump(10.0)
    assert on.bandwidth.floors == [FLOOR_SHARE * 48_000 / 8]
    on.give(*range(7), rendition=MIDDLE)
    assert on.buffer.is_low
    assert len(on.bandwidth.floors) == 1  # what stands is not said again
    on.give(7, rendition=MIDDLE)
    assert not on.buffer.is_low
    assert on.bandwidth.floors == [FLOOR_SHARE * 48_000 / 8, 0.0]


def test_before_a_rendition_is_chosen_the_first_is_reckoned_with() -> None:
    on = Stage(rendition=None)
    on.playout.high_water_s, on.playout.low_water_s, on.playout.fetching = 0.0, 0.5, False
    on.buffer.pump(10.0)
    assert on.ladder.current is None
    assert on.bandwidth.floors == [FLOOR_SHARE * 24_000 / 8]
    assert on.wishes == []


def test_the_time_in_which_something_is_wished_for_is_counted() -> None:
    on = Stage()
    on.buffer.pump(10.0)
    assert on.shared.stats.fetching_s == 0.0
    on.buffer.pump(12.0)
    assert on.shared.stats.fetching_s == 2.0
    on.give(*range(MOST), now=15.0)
    assert on.shared.stats.fetching_s == 5.0
    on.give(*range(MOST, 16), now=16.0)
    assert on.wishes == []
    on.buffer.pump(30.0)
    assert on.shared.stats.fetching_s == 6.0  # nothing is


# When to pump.


def test_a_player_that_finds_nothing_has_it_pumped_at_once_but_a_file_does_not() -> None:
    on, file = Stage(), Stage(realtime=False)
    assert on.buffer.take(10.0) is file.buffer.take(10.0) is None
    assert on.buffer.pump_at == -math.inf
    assert file.buffer.pump_at == math.inf
    on.buffer.pump(10.0)
    assert on.buffer.pump_at == math.inf


def test_taking_has_it_pumped_where_it_is_time_to_fetch_and_nothing_is_on_its_way() -> None:
    on = Stage()
    on.buffer.pump(10.0)
    on.give(*range(MOST))
    on.give(*range(MOST, 16))
    assert on.wishes == []
    for _ in range(8):
        on.heard_and_taken(10.0)
    assert on.buffer.buffer_s == 8.0
    assert on.buffer.pump_at == math.inf  # it rests
    on.heard_and_taken(10.0)
    on.heard_and_taken(10.0)
    assert on.buffer.pump_at == -math.inf
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


def test_what_is_kept_comes_with_the_next_pump_at_once() -> None:
    """A file that is all here would wait for ever else: nothing is on its way that could wake it."""
    on = Stage(realtime=False, kept=without_tables(MADE))
    on.buffer.pump(10.0)
    on.give()
    on.drain()
    on.buffer.pump(10.0)
    while on.buffer.take(10.0) is not None:
        pass
    assert on.buffer.cursor == 16
    assert on.wishes == []
    assert on.buffer.pump_at == -math.inf
    on.buffer.pump(10.0)
    assert on.buffer.pump_at == -math.inf
    on.drain()
    assert on.buffer.take(10.0) == ready(16)._replace(was_kept=True)


def test_a_kept_segment_is_taken_in_its_own_rendition_and_counts_as_kept() -> None:
    kept = whole(MADE)
    kept.better = {0: HIGH, 2: LOW}
    on = Stage(rendition=MIDDLE, kept=kept)
    on.buffer.pump(10.0)
    came = []
    while (event := on.scheduler.next_event()) is not None:
        on.buffer.put(event)
        came.append((event.segment, event.rendition))
    assert came[:4] == [(0, HIGH), (1, MIDDLE), (2, LOW), (3, MIDDLE)]
    assert on.ladder.current == MIDDLE
    stats = on.shared.stats
    assert (stats.fetched_bytes, stats.kept_bytes) == (0, sum(len(MADE.segments[r][s]) for s, r in came))


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


# What comes with an Open.


def test_tables_and_segments_that_come_with_an_open_are_taken() -> None:
    on = Stage(rendition=None)
    on.buffer.wish_inline("peer", [table(), segment(0), segment(1)])
    assert on.drain() == []
    assert on.buffer.buffer_s == 2.0
    assert on.ladder.current == LOW
    assert on.scheduler.wished == 0
    on.buffer.pump(10.0)
    assert on.wishes[0] == (LOW, 2)


def test_a_part_of_a_segment_is_kept_and_the_rest_is_wished_for() -> None:
    on = Stage(rendition=None)
    unit_bytes = unit_layout(len(MADE.segments[LOW][1]))[1]
    on.buffer.wish_inline("peer", [table(), segment(0), segment(1, size=unit_bytes)])
    assert on.drain() == []
    assert on.buffer.buffer_s == 1.0
    assert on.wishes == [(LOW, 1)]
    assert on.scheduler._objects[LOW, 1].givers == {"peer"}
    on.buffer.pump(10.0)
    assert on.wishes == [(LOW, number) for number in range(1, 1 + MOST)]
    missing, _ = on.scheduler.next_ranges("other", 1e6, 10.0)[0]
    assert (missing.segment, missing.first) == (1, 1)


def test_a_table_alone_is_taken_too() -> None:
    on = Stage()
    on.buffer.wish_inline("peer", [table()])
    on.buffer.pump(10.0)
    assert on.scheduler.next_ranges("peer", 1e6, 10.0)[0][0].segment == 0


def test_another_rendition_than_the_one_that_is_wished_for_is_left() -> None:
    on = Stage(fixed_kbps=48)
    on.buffer.wish_inline("peer", [table(), segment(0), table(0, MIDDLE), segment(0, MIDDLE)])
    on.buffer.on_sink(1.0, 10.0)
    on.drain()
    assert on.buffer.buffer_s == 1.0
    assert on.buffer.take(10.0) == ready(0, MIDDLE)


@pytest.mark.parametrize("first", [[], [segment(5), Chunk(LOW, 0, b"")]])
def test_what_is_empty_or_elsewhere_is_left(first: list[Chunk]) -> None:
    on = Stage(rendition=None)
    on.buffer.wish_inline("peer", [table(), Chunk(LOW, 0, b""), segment(5)])
    assert (on.drain(), on.buffer.buffer_s, on.wishes) == ([], 0.0, [])
    on.buffer.wish_inline("peer", [*first, table(), segment(0)])
    on.drain()
    assert on.buffer.buffer_s == 1.0


def test_the_table_of_where_it_begins_counts() -> None:
    on = Stage(rendition=None)
    on.buffer.seek(70)
    on.buffer.wish_inline("peer", [table(1), segment(70)])
    on.drain()
    assert (on.buffer.buffer_s, on.buffer.cursor) == (1.0, 70)


def test_nothing_is_wished_for_beyond_the_high_water_mark() -> None:
    on = Stage(rendition=None)
    on.put(*range(16))
    on.buffer.wish_inline("peer", [table(), segment(16)])
    assert (on.drain(), on.buffer.buffer_s, on.wishes) == ([], 16.0, [])


def test_what_is_decoded_only_to_begin_with_is_not_heard() -> None:
    """After a seek the sink is behind by what the first segment holds before the place."""
    on = Stage()
    on.put(0, 1)
    on.buffer.on_sink(-0.5, 10.0)
    on.buffer.update(10.0)
    on.put(2)
    assert on.buffer.take(10.0) == ready(0)
    assert (on.buffer.sink_ahead_s, on.buffer.sink_until) == (0.5, 10.5)


def test_a_seek_to_what_is_here_is_heard_at_once_and_one_elsewhere_at_the_start_mark() -> None:
    on = Stage()
    on.put(0, 1, 2, 3, 4, 5)
    on.buffer.update(10.0)
    assert on.playout.playing
    on.buffer.seek(4)
    assert on.playout.playing, "two segments are here, of which the mark asks for more"
    on.buffer.seek(5)
    assert not on.playout.playing
    on.buffer.seek(2)
    assert not on.playout.playing, "it was not playing"
