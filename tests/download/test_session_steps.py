"""A session step by step, with literal times: what it buffers, wishes for, tells and counts.

The sources and the downlink's controller here note what they are told; all else is real.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from lightpeer.config import Settings
from lightpeer.core.content.manifest import table_segment
from lightpeer.core.sources.pull_ahead import MOST
from lightpeer.core.udp.datagram import unit_layout
from lightpeer.core.udp.opening import Chunk, Opened
from lightpeer.download import session as module
from lightpeer.download.events import Rebuffering, Resumed, SessionEvent, SourceLost
from lightpeer.download.session import FLOOR_SHARE, Session
from lightpeer.errors import StreamFailedError
from tests.pair import made_track

MADE = made_track(100, kbps=(24, 48, 96))
LOW, MIDDLE, HIGH = range(3)
MARKS = {"start_buffer_s": 2.0, "resume_buffer_s": 4.0, "low_water_s": 8.0, "high_water_s": 16.0}


class FakeSources:
    def __init__(self, session: Session, *given: object, **told: object) -> None:
        self.session, self.given, self.told = session, given, told
        self.log: list[object] = []
        self.transport = "udp"
        self.counted = 0
        self.deadline = math.inf
        self.wished = 0

    def __len__(self) -> int:
        return 3

    def count(self) -> None:
        self.counted += 1

    async def start(self, *given: object) -> None:
        self.log.append(("start", *given[1:]))

    def close(self) -> None:
        self.log.append("close")

    def seek(self) -> None:
        self.log.append("seek")

    def renew(self, now: float, *, is_low: bool) -> None:
        self.log.append(("renew", now, is_low))

    def ask(self, now: float) -> None:
        self.log.append(("ask", now))

    def on_wished(self) -> None:
        self.wished += 1

    async def flush(self) -> None:
        self.log.append("flush")

    def check(self, now: float) -> None:
        self.log.append(("check", now))

    def next_deadline(self, now: float) -> float:
        return self.deadline

    def drop_liar(self, peer: object, reason: str) -> None:
        self.log.append(("liar", peer, reason))


class FakeBandwidth:
    rate_bytes_per_s = 0.0
    window = 100.0

    def __init__(self) -> None:
        self.floors: list[float] = []

    def window_bytes(self) -> float:
        return self.window

    def keep_up(self, floor_bytes_per_s: float) -> None:
        self.floors.append(floor_bytes_per_s)


class Stage:
    def __init__(self, clock: trio.testing.MockClock, **more: object) -> None:
        self.clock = clock
        self.bandwidth = FakeBandwidth()
        self.events: list[SessionEvent] = []
        self.sink_s = 0.0
        chosen = {name: more.pop(name) for name in list(more) if name in Settings.__dataclass_fields__}
        self.settings = Settings(state_dir=Path("unused"), **MARKS, **chosen)
        self.session = Session(
            MADE.track,
            "network",
            self.settings,
            self.bandwidth,
            "find",
            on_event=self.events.append,
            on_lie="on_lie",
            on_served="on_served",
            sink_ahead_s=lambda: self.sink_s,
            **more,
        )

    @property
    def sources(self) -> FakeSources:
        return self.session._sources

    @property
    def wishes(self) -> list[tuple[int, int]]:
        """The segments that are on their way."""
        scheduler = self.session.scheduler
        keys = [*scheduler._objects, *scheduler._waiting]
        return sorted(key for key in keys if key[1] < table_segment(0))

    def give(self, *segments: int, rendition: int = LOW) -> None:
        """Have segments come that are wished for, and see to it."""
        scheduler = self.session.scheduler
        for number, table in enumerate(MADE.tables[rendition]):
            scheduler.on_object("peer", rendition, table_segment(number), table)
        for segment in segments:
            scheduler.on_object("peer", rendition, segment, MADE.segments[rendition][segment])
        self.session.pump(trio.current_time())


@pytest.fixture
def run(monkeypatch):
    """Run a function with a stage whose clock is at 10 s and is set by hand."""
    monkeypatch.setattr(module, "Sources", FakeSources)

    def run_it(main: Callable[[Stage], Awaitable[None]], **more: object) -> None:
        clock = trio.testing.MockClock()

        async def body() -> None:
            clock.jump(10.0)
            await main(Stage(clock, **more))

        trio.run(body, clock=clock)

    return run_it


def test_it_begins_with_what_was_wished_of_it(run):
    async def main(on: Stage) -> None:
        session = on.session
        assert on.sources.session is session
        assert on.sources.given == ("network", "grpc", session._stats, "find")
        assert on.sources.told["on_lie"] == "on_lie"
        assert on.sources.told["on_served"] == "on_served"
        on.sources.told["on_event"](SourceLost("a", "it is gone"))
        assert on.events == [SourceLost("a", "it is gone")]
        assert (session.track, session.bandwidth) == (MADE.track, on.bandwidth)
        playout = session.playout
        assert (playout.start_s, playout.resume_s, playout.low_water_s, playout.high_water_s) == (2, 4, 8, 16)
        assert not playout.realtime
        assert session.cursor == 7
        assert (session.buffer_s, session.complete) == (0.0, False)
        assert (session.source_count, session.transport) == (3, "udp")
        assert session.stats is session._stats
        assert on.sources.counted == 1
        assert session.ladder.current == MIDDLE

    run(main, transport="grpc", bitrate_kbps=50, realtime=False, first_segment=7)


def test_nobody_need_be_told(run):
    async def main(on: Stage) -> None:
        session = Session(MADE.track, "network", on.settings, on.bandwidth, "find")
        session.playout.playing = True
        session.pump(10.0)  # which interrupts
        session._sources.told["on_lie"]("peer", "reason")
        session._sources.told["on_served"]("peer", 1, 1.0)
        assert session.ahead_s == 0.0
        assert session.playout.realtime
        assert session.cursor == 0

    run(main)


def test_it_wishes_for_as_many_as_fill_the_window_twice(run):
    async def main(on: Stage) -> None:
        on.bandwidth.window = 15_000.0  # five seconds at 24 kbit/s
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        assert on.wishes == [(LOW, segment) for segment in range(10)]
        assert on.sources.wished == 10
        assert on.session.playout.fetching
        on.give(0, 1, 2)
        assert on.wishes == [(LOW, segment) for segment in range(3, 13)]

    run(main)


def test_it_wishes_for_a_few_at_least_and_up_to_the_high_water_mark(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        assert on.wishes == [(LOW, segment) for segment in range(MOST)]
        on.give(*range(MOST))
        assert on.wishes == [(LOW, segment) for segment in range(MOST, 16)]
        assert not on.session.playout.fetching, "all up to the mark is on its way"
        on.give(8, 9)
        assert len(on.wishes) == 6
        assert on.session.buffer_s == 10.0

    run(main)


def test_the_rendition_is_chosen_by_rate_and_buffer(run):
    async def main(on: Stage) -> None:
        on.bandwidth.rate_bytes_per_s = 1e6
        on.session.pump(10.0)
        assert on.wishes[0] == (HIGH, 0), "by the rate that is remembered"
        on.session.ladder.current = LOW
        on.give(*range(MOST), rendition=HIGH)
        assert on.session.buffer_s == MOST
        assert on.wishes[0][0] == MIDDLE, "one step up, by a buffer that is full enough"

    run(main)


def test_sound_runs_once_the_start_mark_is_reached_and_is_counted_as_it_is_taken(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        taken = []

        async def take() -> None:
            while len(taken) < 2:
                taken.append(await on.session.next_segment())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            assert on.session._timers.is_set(), "the sink may run dry"
            on.give(0)
            await trio.testing.wait_all_tasks_blocked()
            assert taken == []
            assert on.session.ahead_s == on.session.buffer_s == 1.0
            on.sink_s = 1.0  # it has as much as lacks
            assert on.session.ahead_s == 2.0
            on.give(1)
        assert [segment.data for segment in taken] == MADE.segments[LOW][:2]
        stats = on.session.stats
        assert stats.segments == 2
        assert stats.audio_bytes == stats.fetched_bytes == sum(map(len, MADE.segments[LOW][:2]))
        assert stats.bitrate_seconds == 2 * 24.0
        assert on.session.cursor == 2

    run(main)


def test_taking_has_more_wished_for_only_where_nothing_is_on_its_way(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give(*range(MOST))
        on.give(*range(MOST, 16))
        assert on.session.scheduler.wished == 0
        on.session._timers = trio.Event()
        for _ in range(8):
            await on.session.next_segment()
        assert on.session.buffer_s == 8.0
        assert not on.session._timers.is_set(), "it rests"
        await on.session.next_segment()
        await on.session.next_segment()
        assert on.session._timers.is_set()
        on.session.pump(11.0)
        assert on.session.scheduler.wished > 0
        on.session._timers = trio.Event()
        await on.session.next_segment()
        assert not on.session._timers.is_set(), "something is"

    run(main)


def test_an_interruption_and_its_end_are_told_once(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give(0, 1)
        for _ in range(2):
            await on.session.next_segment()
        on.session.pump(11.0)
        on.session.pump(12.0)
        assert on.events == [Rebuffering()]
        on.clock.jump(10.0)
        on.give(2, 3, 4)
        assert len(on.events) == 1
        on.give(5)
        on.give(6)
        assert on.events == [Rebuffering(), Resumed()]
        assert on.session.playout.rebuffer_s == 9.0

    run(main)


def test_an_interruption_counts_from_when_the_player_found_nothing(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give(0, 1)
        taken = []

        async def take() -> None:
            while len(taken) < 3:
                taken.append(await on.session.next_segment())

        async with trio.open_nursery() as nursery:
            on.clock.jump(1.0)
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            assert on.events == [Rebuffering()]
            on.clock.jump(9.0)
            on.give(2, 3, 4, 5)
        assert on.events == [Rebuffering(), Resumed()]
        assert on.session.playout.rebuffer_s == 9.0

    run(main)


def test_what_is_left_of_a_track_is_heard_even_if_it_is_less_than_the_start_mark(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        taken = []

        async def take() -> None:
            taken.append(await on.session.next_segment())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            on.give(99)
            await trio.testing.wait_all_tasks_blocked()
            assert [segment.segment for segment in taken] == [99]
            nursery.cancel_scope.cancel()

    run(main, first_segment=99)


def test_the_end_is_none_and_what_is_left_may_be_waited_for(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        waited = []

        async def wait() -> None:
            await on.session.wait_complete()
            waited.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            on.give(97, 98)
            await trio.testing.wait_all_tasks_blocked()
            assert not on.session.complete
            assert waited == []
            on.give(99)
            await trio.testing.wait_all_tasks_blocked()
            assert on.session.complete
            assert waited == [True]
        assert [(await on.session.next_segment()).segment for _ in range(3)] == [97, 98, 99]
        assert await on.session.next_segment() is None
        await on.session.wait_complete()

    run(main, first_segment=97)


def test_a_seek_to_what_is_there_keeps_it_and_another_begins_anew(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give(0, 1, 2, 3)
        await on.session.next_segment()
        on.session._timers = trio.Event()
        on.session.seek(2)
        assert on.session.cursor == 2
        assert not on.session.playout.playing
        assert on.sources.log.count("seek") == 0
        assert on.wishes
        assert on.session._timers.is_set()
        on.session._timers = trio.Event()
        on.session.seek(50)
        assert on.session.cursor == 50
        assert on.sources.log.count("seek") == 1
        assert on.wishes == []
        assert on.session._timers.is_set()
        assert on.session.playout.fetching

    run(main)


def test_what_is_waited_for_is_told_of_whatever_came_with_it(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.session.seek(5)
        taken = []

        async def take() -> None:
            taken.append(await on.session.next_segment())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            on.give(5, 6, 4)  # the last of which was left behind
        assert [segment.segment for segment in taken] == [5]

    run(main)


def test_a_failure_is_raised_until_somebody_can_go_on(run):
    async def main(on: Stage) -> None:
        on.session.on_failed(None)
        raised = []

        async def take() -> None:
            with pytest.raises(StreamFailedError, match=r"^nobody has it$"):
                await on.session.next_segment()
            raised.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            on.session.on_failed("nobody has it")
        assert raised
        with pytest.raises(StreamFailedError):
            await on.session.next_segment()
        on.session.on_failed(None)
        with trio.move_on_after(0) as scope:
            await on.session.next_segment()
        assert scope.cancelled_caught

    run(main)


def test_what_is_here_is_heard_whatever_has_failed(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give(0, 1)
        on.session.on_failed("nobody has it")
        assert (await on.session.next_segment()).segment == 0
        assert (await on.session.next_segment()).segment == 1
        with pytest.raises(StreamFailedError):
            await on.session.next_segment()

    run(main)


# Pumping.


def test_the_time_in_which_something_is_wished_for_is_counted(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        assert on.session.stats.fetching_s == 0.0
        on.session.pump(12.0)
        assert on.session.stats.fetching_s == 2.0
        on.clock.jump(5.0)
        on.give(*range(16))
        assert on.session.stats.fetching_s == 5.0
        assert on.wishes == [] or on.session.scheduler.wished
        on.session.scheduler.clear()
        on.session.pump(16.0)
        counted = on.session.stats.fetching_s
        on.session.pump(30.0)
        assert on.session.stats.fetching_s == counted, "nothing is"

    run(main)


def test_a_rate_is_kept_up_while_the_buffer_is_low(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(MIDDLE)
        on.session.pump(10.0)
        assert on.bandwidth.floors == [FLOOR_SHARE * 48_000 / 8]
        assert on.sources.log == [("renew", 10.0, True), ("ask", 10.0)]
        on.sources.log.clear()
        on.give(*range(7), rendition=MIDDLE)
        assert on.bandwidth.floors[-1] == FLOOR_SHARE * 48_000 / 8
        on.sources.log.clear()
        on.give(7, rendition=MIDDLE)
        assert on.session.buffer_s == 8.0
        assert on.bandwidth.floors[-1] == 0.0
        assert on.sources.log == [("renew", 10.0, False), ("ask", 10.0)]

    run(main)


def test_before_a_rendition_is_chosen_the_first_is_reckoned_with(run):
    async def main(on: Stage) -> None:
        on.session.playout.fetching = False
        on.session.playout.low_water_s = 0.5
        on.session.playout.high_water_s = 0.0  # so that nothing is fetched
        on.session.pump(10.0)
        assert on.session.ladder.current is None
        assert on.bandwidth.floors == [FLOOR_SHARE * 24_000 / 8]
        assert on.wishes == []

    run(main)


def test_who_lied_is_dropped_with_the_reason(run):
    async def main(on: Stage) -> None:
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        on.give()
        on.session.scheduler.on_object("liar", LOW, 0, b"false")
        on.session.pump(10.0)
        ((_, peer, reason),) = [told for told in on.sources.log if told[0] == "liar"]
        assert peer == "liar"
        assert "segment" in reason
        assert on.session.stats.fetched_bytes == 0

    run(main)


# What comes with an Open.


def inline(on: Stage, *chunks: Chunk) -> None:
    on.session._take_inline("peer", Opened(MADE.track, None, chunks))


def segment(number: int, rendition: int = LOW, size: int | None = None) -> Chunk:
    return Chunk(rendition, number, MADE.segments[rendition][number][:size])


def unit_bytes(number: int) -> int:
    """The size of the first unit of a segment."""
    return unit_layout(len(MADE.segments[LOW][number]))[1]


def table(number: int = 0, rendition: int = LOW) -> Chunk:
    return Chunk(rendition, table_segment(number), MADE.tables[rendition][number])


def test_tables_and_segments_that_come_with_an_open_are_taken(run):
    async def main(on: Stage) -> None:
        inline(on, table(), segment(0), segment(1))
        assert on.session.buffer_s == 2.0
        assert on.session.ladder.current == LOW
        assert on.session.scheduler.wished == 0
        on.session.pump(10.0)
        assert on.wishes[0] == (LOW, 2)

    run(main)


def test_a_part_of_a_segment_is_kept_and_the_rest_is_wished_for(run):
    async def main(on: Stage) -> None:
        inline(on, table(), segment(0), segment(1, size=unit_bytes(1)))
        assert on.session.buffer_s == 1.0
        assert on.wishes == [(LOW, 1)]
        on.session.pump(10.0)
        assert on.wishes == [(LOW, number) for number in range(1, 1 + MOST)]
        (missing, *_) = on.session.scheduler.next_ranges("other", 1e6, 10.0)
        assert missing[0].segment == 1
        assert missing[0].first == 1
        assert not on.sources.log or all(told[0] != "liar" for told in on.sources.log)

    run(main)


def test_a_table_alone_is_taken_too(run):
    async def main(on: Stage) -> None:
        inline(on, table())
        on.session.ladder.begin_with(LOW)
        on.session.pump(10.0)
        ranges = on.session.scheduler.next_ranges("peer", 1e6, 10.0)
        assert all(
            wanted.segment < table_segment(0) for wanted, _ in ranges if wanted.segment != table_segment(1)
        )
        assert ranges[0][0].segment == 0

    run(main)


def test_what_comes_of_another_rendition_than_the_one_that_is_wished_is_left(run):
    async def main(on: Stage) -> None:
        inline(on, table(), segment(0), table(rendition=MIDDLE), segment(0, MIDDLE))
        assert on.session.buffer_s == 1.0
        assert on.session._buffer.take().rendition == MIDDLE

    run(main, bitrate_kbps=48)


def test_nothing_is_taken_of_what_is_empty_or_elsewhere(run):
    async def main(on: Stage) -> None:
        inline(on, table(), Chunk(LOW, 0, b""), segment(5))
        assert on.session.buffer_s == 0.0
        assert on.wishes == []
        inline(on, segment(5), Chunk(LOW, 0, b""), table(), segment(0))
        assert on.session.buffer_s == 1.0

    run(main)


def test_the_table_of_where_it_begins_counts(run):
    async def main(on: Stage) -> None:
        inline(on, table(1), segment(70))
        assert on.session.buffer_s == 1.0
        assert on.session.cursor == 70

    run(main, first_segment=70)


# Running.


def test_it_runs_until_it_is_cancelled_and_then_closes_its_sources(run):
    async def main(on: Stage) -> None:
        opened = Opened(MADE.track, None, (table(), segment(0), segment(1, size=unit_bytes(1))))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.session.run, "peer", opened)
            await trio.testing.wait_all_tasks_blocked()
            assert on.session.buffer_s == 1.0
            assert on.session.scheduler._objects[LOW, 1].givers == {"peer"}
            assert on.sources.log[0] == ("start", "peer", opened)
            assert on.sources.log[1:] == [("renew", 10.0, True), ("ask", 10.0), "flush"]
            on.sources.log.clear()
            on.clock.jump(1.0)
            on.session.on_timers()
            await trio.testing.wait_all_tasks_blocked()
            assert on.sources.log == [("check", 11.0), ("renew", 11.0, True), ("ask", 11.0), "flush"]
            on.sources.log.clear()
            on.sources.deadline = 15.0
            on.session.on_timers()
            await trio.testing.wait_all_tasks_blocked()
            on.sources.log.clear()
            on.sources.deadline = math.inf
            on.clock.autojump_threshold = 0
            await trio.sleep_until(15.0)
            on.clock.autojump_threshold = math.inf
            await trio.testing.wait_all_tasks_blocked()
            assert on.sources.log[0] == ("check", 15.0)
            nursery.cancel_scope.cancel()
        assert on.sources.log[-1] == "close"

    run(main)


def test_it_looks_again_when_the_sink_will_run_dry(run):
    async def main(on: Stage) -> None:
        session = on.session
        on.sources.deadline = 100.0
        assert session._next_deadline(10.0) == 100.0, "nothing plays"
        session.playout.playing = True
        on.sink_s = 3.0
        assert session._next_deadline(10.0) == 13.0
        on.sink_s = 0.0
        session._pumped_at = 10.0
        assert session._next_deadline(10.0) == 10.01
        assert session._next_deadline(10.02) == 10.02
        on.sources.deadline = 10.001
        assert session._next_deadline(10.0) == 10.001
        on.sources.deadline = 100.0
        session.playout.realtime = False
        assert session._next_deadline(10.0) == 100.0
        session.playout.realtime = True
        session.ladder.begin_with(LOW)
        session.pump(10.0)
        session.playout.playing = True
        on.give(0)
        assert session._next_deadline(10.0) == 100.0, "there is more"

    run(main)
