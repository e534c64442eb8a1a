"""The sources of a track with literal times: who is asked, dropped and looked for, whatever they send.

The sources here are told what to say of themselves; all else is real.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.scheduler import PATIENCE_S, Scheduler
from lightpeer.core.sources.probe import Probe
from lightpeer.core.sources.selection import Selection
from lightpeer.core.sources.source_search import (
    GONE_LOOKS,
    GONE_S,
    LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_WITHOUT_S,
    REST_S,
)
from lightpeer.core.udp.opening import Opened
from lightpeer.download import sources as module
from lightpeer.download.counts import SessionStats
from lightpeer.download.events import SessionEvent, SourceLost, TransportChanged
from lightpeer.download.sources import (
    AFTERMATH_S,
    DEAD_ZONE_S,
    LENIENT_AGAIN_S,
    MAX_SHARED,
    MAX_SOURCES,
    MOST_SOURCES,
    NEAR_S,
    QUIET_S,
    SILENT_S,
    URGENT_S,
    Sources,
)
from lightpeer.errors import NoPeerError, NothingFoundError
from tests.pair import made_track

MADE = made_track(60)


class FakeSource:
    """Says of itself what it was told to, and notes what is done to it."""

    def __init__(self, hub: Sources, peer: FakePeer) -> None:
        self.hub, self.peer = hub, peer
        self.on_grpc = self.has_delivered = False
        self.is_through = False
        self.delivered_bytes = 0
        self.retransmitted_units = self.duplicate_units = 0
        self.fetching_before_s = math.nan
        self.heard_at = trio.current_time()
        self.silence_s = 0.0
        self.outstanding_s = 0.0
        self.wants = False
        self.has_more = True
        self.expired = False
        self.due = math.inf
        self.log: list[object] = []
        self.terms: object = None

    async def start(self, terms: object) -> None:
        self.terms = terms

    def close(self) -> None:
        self.log.append("closed")

    def seek(self) -> None:
        self.log.append("seek")

    def hand_over(self) -> None:
        self.log.append("handed over")

    def silent_s(self, now: float) -> float:
        return self.silence_s + 0.0 * now

    def backlog_s(self) -> float:
        return self.outstanding_s

    def may_ask(self) -> bool:
        return self.wants

    def ask(self, now: float) -> int:
        self.hub.order.append(self.peer.name)
        self.log.append(("asked", now))
        return 1200 if self.has_more else 0

    def limit(self, *, beside: int, share_bytes_per_s: float) -> None:
        self.limited = beside, share_bytes_per_s

    def keep_rate(self) -> None:
        self.log.append("kept rate")

    def pay_back(self, size: float, now: float) -> None:
        self.log.append(("paid back", size, now))

    def has_expired(self, _now: float) -> bool:
        return self.expired

    def next_deadline(self) -> float:
        return self.due

    def check(self, now: float) -> None:
        self.log.append(("checked", now))

    async def flush(self) -> None:
        self.log.append("flushed")


class Stage:
    """The sources of one track, the session that they serve, and what they tell it."""

    def __init__(self) -> None:
        self.track = MADE.track
        self.scheduler = Scheduler(MADE.track)
        self.bandwidth = Bandwidth()
        self.playout = Playout(2.0, 4.0, 10.0, 30.0)
        self.ahead_s = 20.0
        self.pumped: list[float] = []
        self.timers = 0
        self.failed: list[str | None] = []
        self.events: list[SessionEvent] = []
        self.lies: list[tuple[object, str]] = []
        self.served: list[tuple[object, int, float]] = []
        self.spawned: list[tuple[Callable[..., Awaitable[None]], tuple[object, ...]]] = []
        self.stats = SessionStats()
        self.excluded: list[list[object]] = []
        self.found: Sequence[FakePeer] = ()
        self.search_error: Exception | None = None
        self.rx_bytes = 0
        self.sources = Sources(
            self,
            SimpleNamespace(counters=SimpleNamespace(rx_bytes=lambda: self.rx_bytes)),
            "auto",
            self.stats,
            self.find,
            on_event=self.events.append,
            on_lie=lambda *told: self.lies.append(told),
            on_served=lambda *told: self.served.append(told),
        )
        self.sources.order = []

    def pump(self, now: float) -> None:
        self.pumped.append(now)

    def on_timers(self) -> None:
        self.timers += 1

    def on_failed(self, reason: str | None) -> None:
        self.failed.append(reason)

    def start_soon(self, function: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self.spawned.append((function, arguments))

    async def find(self, exclude):
        self.excluded.append(list(exclude))
        for peer in self.found:
            yield peer, opened()
        if self.search_error is not None:
            raise self.search_error

    async def begin(self, *names: str) -> list[FakeSource]:
        """Have sources of these names."""
        first, *others = map(peer, names)
        await self.sources.start(self, first, opened())
        for other in others:
            await self.sources._add(other, opened())
        return list(self.sources._sources)

    async def look(self) -> None:
        """Do what was begun beside it."""
        while self.spawned:
            function, arguments = self.spawned.pop(0)
            await function(*arguments)

    def wish(self, count: int, *, have_table: bool = True) -> None:
        """Wish for the first segments."""
        for segment in range(count):
            self.scheduler.wish(0, segment)
        if have_table:
            self.scheduler.on_object("x", 0, table_segment(0), MADE.tables[0][0])

    def hand(self, source: FakeSource, now: float, size: float = 1e9) -> None:
        """Ask a source for all that is nobody's."""
        self.scheduler.next_ranges(source.peer, size, now)


@dataclass(frozen=True)
class FakePeer:
    name: str

    @property
    def peer_id(self) -> str:
        return f"id of {self.name}"


def peer(name: str) -> FakePeer:
    return FakePeer(name)


def opened() -> Opened:
    return Opened(MADE.track, "terms", ())


def heard(stage: Stage, now: float) -> None:
    stage.sources.on_heard(stage.sources._sources[0], 1200, now)


@pytest.fixture
def run(monkeypatch):
    """Run a function with a stage and a clock that is set by hand."""
    monkeypatch.setattr(module, "Source", FakeSource)

    def run_it(main: Callable[[Stage, trio.testing.MockClock], Awaitable[None]]) -> None:
        clock = trio.testing.MockClock()

        async def body() -> None:
            await main(Stage(), clock)

        trio.run(body, clock=clock)

    return run_it


def test_the_first_source_begins_and_others_are_looked_for_at_once(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        clock.jump(100.0)
        stage.stats.fetching_s = 7.0
        assert stage.sources.transport == "-"
        assert stage.sources.transport_wanted == "auto"
        (source,) = await stage.begin("a")
        assert (source.peer.name, source.terms, source.fetching_before_s) == ("a", "terms", 7.0)
        assert stage.failed == [None]
        assert stage.timers == 1
        assert stage.stats.sources == 1
        assert len(stage.sources) == 1
        assert stage.sources.next_deadline(100.0) == 100.0
        stage.sources.check(100.0)
        assert source.log == [("checked", 100.0)]
        await stage.look()
        assert stage.excluded == [["id of a"]]
        assert stage.sources.next_deadline(100.0) == math.inf
        await stage.sources._add(peer("b"), opened())
        assert stage.stats.sources == 2
        await stage.sources.flush()
        assert all("flushed" in source.log for source in stage.sources._sources)
        stage.sources.seek()
        assert all("seek" in source.log for source in stage.sources._sources)

    run(main)


def test_at_the_end_all_are_closed_and_what_they_gave_is_told(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        stage.stats.fetching_s = 3.0
        first, second = await stage.begin("a", "b")
        first.delivered_bytes = 5000
        stage.stats.fetching_s = 10.0
        stage.sources.close()
        assert first.log == second.log == ["closed"]
        assert stage.served == [(first.peer, 5000, 7.0)]
        await stage.sources._add(peer("c"), opened())
        assert len(stage.sources) == 2

    run(main)


def test_by_what_data_comes(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.on_transport(first, "udp")
        assert stage.sources.transport == "udp"
        assert stage.events == [], "the first is no change"
        timers = stage.timers
        first.on_grpc = True
        stage.sources.on_transport(first, "grpc")
        assert stage.sources.transport == "udp"
        assert stage.events == [], "the other goes on"
        assert stage.timers == timers + 1
        second.on_grpc = True
        stage.sources.on_transport(second, "grpc")
        assert stage.events == [TransportChanged("grpc", "b")]
        stage.sources.on_transport(second, "grpc")
        assert len(stage.events) == 1
        assert stage.stats.transports == {"udp", "grpc"}

    run(main)


def test_what_sources_count_is_added_up_once(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        first.retransmitted_units, first.duplicate_units = 3, 1
        second.retransmitted_units, second.duplicate_units = 10, 20
        for _ in range(2):
            stage.sources.count()
            assert (stage.stats.retransmitted_units, stage.stats.duplicate_units) == (13, 21)
        first.retransmitted_units = 4
        stage.sources.on_end(first, "so")
        assert stage.stats.retransmitted_units == 17, "of one that ends too"

    run(main)


# Asking.


def test_who_will_be_through_first_is_asked_first(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        slow, fast, idle = await stage.begin("slow", "fast", "idle")
        for source in (slow, fast, idle):
            stage.sources._selection.ask(source)
        slow.wants = fast.wants = True
        slow.outstanding_s, fast.outstanding_s = 2.0, 1.0
        stage.sources.ask(5.0)
        assert stage.sources.order == ["fast", "slow"]
        stage.sources.ask(5.0, but=[fast])
        assert stage.sources.order == ["fast", "slow", "slow"]

    run(main)


@pytest.mark.parametrize(("has_more", "is_over"), [(True, False), (False, True)])
def test_a_try_is_over_where_there_is_nothing_to_ask_for(run, has_more, is_over):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        selection = stage.sources._selection
        selection.ask(first)
        selection.ask(second)
        selection.probe = Probe([second], 1.0)
        second.wants, second.has_more = True, has_more
        stage.sources.ask(5.0)
        assert (selection.asked == [first]) == is_over

    run(main)


def test_there_is_work_when_something_is_wished_or_released(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        await stage.begin("a")
        for tell, timers in ((stage.sources.on_wished, 0), (stage.sources.on_released, 1)):
            work, before = stage.sources.work(), stage.timers
            assert stage.sources.work() is work, "while nothing is new"
            assert not work.is_set()
            tell()
            assert work.is_set()
            assert stage.timers == before + timers
            assert stage.sources.work() is not work

    run(main)


@pytest.mark.parametrize(("has_event", "wants", "is_pumped"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_data_makes_work_only_where_something_is_whole_or_more_can_be_asked(run, has_event, wants, is_pumped):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        stage.sources._selection.ask(source)
        source.wants = bool(wants)
        if has_event:
            stage.wish(1)
            stage.scheduler.on_object(source.peer, 0, 0, MADE.segments[0][0])
        await stage.sources.on_data(9.0)
        assert stage.pumped == [9.0] * is_pumped
        assert source.log == ["flushed"]

    run(main)


# Time.


def test_when_it_looks_again_while_something_is_wished(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        stage.sources.check(9.0)  # a look begins
        source.due = 77.0
        assert stage.sources.next_deadline(10.0) == 77.0, "nothing is wished"
        stage.wish(2)
        stage.ahead_s = 20.0
        assert stage.sources.next_deadline(10.0) == 77.0, "nothing is asked for"
        stage.hand(source, 10.0)
        due = stage.scheduler.next_due()
        assert due > 10.0 + 1.0
        stage.ahead_s = 8.0
        assert stage.sources.next_deadline(10.0) == due
        assert stage.sources.next_deadline(due + 1.0) == pytest.approx(due + 1.0 + 8.0 - URGENT_S)
        stage.ahead_s = URGENT_S
        stage.sources.check(due + 0.5)
        assert stage.sources.next_deadline(due + 1.0) == pytest.approx(due + 1.5), "it was seen to just now"
        source.due = due + 0.25
        assert stage.sources.next_deadline(due + 1.0) == due + 0.25

    run(main)


def test_with_a_second_source_it_looks_as_soon_as_the_first_may_be_late(run, monkeypatch):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        for source in await stage.begin("a", "b"):
            source.due = 77.0
        monkeypatch.setattr(Selection, "due", 77.0)
        stage.sources.check(9.0)
        stage.wish(2)
        stage.ahead_s = 20.0
        assert stage.sources.next_deadline(10.0) == 10.0 + 20.0 - NEAR_S
        stage.ahead_s = NEAR_S
        assert stage.sources.next_deadline(10.0) == 10.0
        stage.sources.check(9.8)
        assert stage.sources.next_deadline(10.0) == pytest.approx(9.8 + QUIET_S / 2), "it was, just now"

    run(main)


def test_patience_grows_with_the_round_trip(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        await stage.begin("a")
        for srtt_s, patience_s in ((None, PATIENCE_S), (0.1, PATIENCE_S), (PATIENCE_S, 4 * PATIENCE_S)):
            stage.bandwidth.srtt_s = srtt_s
            stage.sources.check(0.0)
            assert stage.scheduler.patience_s == patience_s

    run(main)


@pytest.mark.parametrize(("silences", "looks"), [((SILENT_S, SILENT_S), 1), ((SILENT_S, SILENT_S - 0.1), 0)])
def test_where_none_delivers_others_are_looked_for(run, silences, looks):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        sources = await stage.begin("a", "b")
        stage.sources.check(0.0)
        await stage.look()
        clock.jump(100.0)
        stage.sources.check(100.0)
        assert stage.spawned == [], "without a wish silence is no wonder"
        stage.wish(1)
        for source, silence_s in zip(sources, silences, strict=True):
            source.silence_s = silence_s
        stage.sources.check(100.0)
        assert len(stage.spawned) == looks

    run(main)


def test_where_none_delivers_the_next_look_is_not_as_far_as_where_some_do(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        stage.sources.check(0.0)
        await stage.look()
        stage.sources._supply._again_s = MAX_LOOK_AGAIN_S
        stage.wish(1)
        source.silence_s = SILENT_S
        stage.sources.check(10.0)
        assert stage.sources._supply.due == MAX_LOOK_AGAIN_WITHOUT_S

    run(main)


def test_one_that_is_quiet_is_replaced_at_once(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)
        assert stage.pumped == [0.0], "somebody is asked now"
        assert stage.sources._selection.asked == [first]
        first.silence_s = QUIET_S - 0.01
        stage.sources.check(0.1)
        assert stage.sources._selection.asked == [first]
        assert stage.pumped == [0.0]
        first.silence_s = QUIET_S
        stage.sources.check(0.2)
        assert stage.sources._selection.asked == [second]
        assert stage.pumped == [0.0, 0.2]
        second.silence_s = QUIET_S
        stage.sources.check(0.3)
        assert stage.sources._selection.asked == [second], "all are: another would do no better"

    run(main)


def test_where_a_round_trip_takes_long_quiet_is_longer(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)
        stage.bandwidth.srtt_s = 0.7
        first.silence_s = 2.0
        stage.sources.check(0.1)
        assert stage.sources._selection.asked == [first]
        first.silence_s = 2.2
        stage.sources.check(0.2)
        assert stage.sources._selection.asked == [second]

    run(main)


def test_several_that_are_asked_share_the_link(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second, third = await stage.begin("a", "b", "c")
        stage.bandwidth.on_streamed(60_000, 0.0, 1.0)
        stage.sources.check(0.0)
        assert first.limited == second.limited == (0, math.inf)
        assert stage.scheduler.share_bytes_per_s == 60_000.0
        stage.sources._selection.ask(second)
        stage.sources._selection.probe = Probe([second], 1.0)
        stage.sources.check(0.0)
        assert first.limited == third.limited == (0, 30_000.0)
        assert second.limited == (1, 30_000.0)
        assert stage.scheduler.share_bytes_per_s == 30_000.0

    run(main)


# A source that holds up the track.


async def held_up(stage: Stage, clock: trio.testing.MockClock, count: int = 2) -> list[FakeSource]:
    """Have a first source hold what is late, while all others are heard."""
    sources = await stage.begin(*"abcdefgh"[:count])
    stage.sources.check(0.0)
    await stage.look()
    stage.wish(1)
    stage.hand(sources[0], 0.0)
    stage.ahead_s = URGENT_S
    clock.jump(100.0)
    for source in sources[1:]:
        source.heard_at = 100.0
    return sources


@pytest.mark.parametrize(
    ("ahead_s", "heard_s", "is_dropped"),
    [
        (URGENT_S, 0.0, True),
        (URGENT_S + 0.1, 0.0, False),
        (0.0, PATIENCE_S, False),
        (0.0, PATIENCE_S - 0.1, True),
    ],
)
def test_who_holds_up_the_track_is_dropped_where_another_does_better(run, ahead_s, heard_s, is_dropped):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await held_up(stage, clock)
        stage.ahead_s = ahead_s
        second.heard_at = 100.0 - heard_s
        stage.sources.check(100.0)
        assert (first not in stage.sources._sources) == is_dropped
        if is_dropped:
            assert stage.events == [SourceLost("a", "it holds up the track")]
            assert stage.lies == []
            assert stage.scheduler.first_holder() is None or "closed" in first.log
            await stage.look()
            for now, left_out in ((100.0 + 2 * REST_S - 0.1, {"id of a"}), (100.0 + 2 * REST_S, set())):
                stage.sources._supply.begin(now)
                stage.sources.check(now)
                await stage.look()
                assert set(stage.excluded[-1]) == {"id of b"} | left_out, "twice as long as one that is lost"
        else:
            assert stage.events == []

    run(main)


@pytest.mark.parametrize(("count", "looks"), [(2, 1), (MOST_SOURCES - 1, 1), (MOST_SOURCES, 0)])
def test_where_none_does_better_another_is_looked_for_up_to_a_number(run, count, looks):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        for source in await held_up(stage, clock, count):
            source.heard_at = 0.0
        stage.sources.check(100.0)
        assert len(stage.sources) == count
        assert len(stage.spawned) == looks

    run(main)


def test_after_a_dead_zone_nobody_is_to_blame_for_a_while(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await held_up(stage, clock)
        heard(stage, 100.0)
        second.heard_at = 100.0
        stage.sources.check(100.0 + PATIENCE_S - 0.1)
        assert first in stage.sources._sources
        second.heard_at = 100.0 + PATIENCE_S
        stage.sources.check(100.0 + PATIENCE_S)
        assert first not in stage.sources._sources

    run(main)


@pytest.mark.parametrize(
    ("silence_s", "since_s", "is_lenient"),
    [
        (DEAD_ZONE_S, LENIENT_AGAIN_S, True),
        (DEAD_ZONE_S - 0.1, LENIENT_AGAIN_S + 10.0, False),
        (DEAD_ZONE_S, LENIENT_AGAIN_S - 0.1, False),
    ],
)
def test_a_silence_of_all_excuses_them_but_not_again_and_again(run, silence_s, since_s, is_lenient):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await held_up(stage, clock)
        heard(stage, 100.0)  # after a long silence
        again = 100.0 + PATIENCE_S + since_s
        for second_s in range(101, int(again)):
            if second_s <= again - silence_s:
                heard(stage, second_s)
        heard(stage, again - silence_s)
        heard(stage, again)
        second.heard_at = again
        stage.sources.check(again)
        assert (first in stage.sources._sources) == is_lenient

    run(main)


def test_a_silence_while_nobody_had_anything_to_send_is_none(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await held_up(stage, clock)
        clock.jump(50.0)  # 150
        stage.sources.on_wished()
        heard(stage, 151.0)
        second.heard_at = 151.0
        stage.sources.check(151.0)
        assert first not in stage.sources._sources

    run(main)


def test_a_further_wish_in_a_silence_does_not_end_it(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await held_up(stage, clock)
        stage.wish(2)
        stage.sources.on_wished()
        heard(stage, 101.0)
        second.heard_at = 101.0
        stage.sources.check(101.0)
        assert first in stage.sources._sources

    run(main)


@pytest.mark.parametrize(
    ("after_s", "quiet_s", "expected"),
    [
        (0.1, 0.1, False),
        (AFTERMATH_S - 0.1, 0.1, False),
        (AFTERMATH_S, 0.1, True),
        (AFTERMATH_S, PATIENCE_S, False),
    ],
)
def test_whether_others_show_that_the_network_is_there(run, after_s, quiet_s, expected):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        heard(stage, 100.0)  # the end of a dead zone
        now = 100.0 + after_s
        first.heard_at, second.heard_at = now, now - quiet_s
        assert stage.sources.do_others_deliver(first, now) == expected
        assert stage.sources.do_others_deliver(second, now) == (after_s >= AFTERMATH_S)

    run(main)


# What is needed next.


@pytest.mark.parametrize(
    ("ahead_s", "silence_s", "backlog_s", "is_shared"),
    [
        (NEAR_S, QUIET_S, 0.0, True),
        (NEAR_S + 0.1, QUIET_S, 0.0, False),
        (NEAR_S, QUIET_S - 0.1, NEAR_S, False),
        (NEAR_S, QUIET_S - 0.1, NEAR_S + 0.1, True),
    ],
)
def test_what_the_first_will_hardly_give_in_time_a_second_is_asked_for(
    run, ahead_s, silence_s, backlog_s, is_shared
):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources._selection.asked[:] = [first, second]
        stage.sources._selection._silent[:] = []
        stage.wish(1)
        stage.hand(first, 1.0)
        first.silence_s, first.outstanding_s = silence_s, backlog_s
        first.wants = second.wants = True
        stage.ahead_s = ahead_s
        stage.sources.check(1.0)
        assert (stage.scheduler.first_holder() is None) == is_shared
        assert stage.sources.order == ["b"] * is_shared
        assert (("asked", 1.0) in second.log) == is_shared

    run(main)


def test_for_a_file_nothing_is_late(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.playout.realtime = False
        stage.wish(1)
        stage.hand(first, 1.0)
        first.outstanding_s, stage.ahead_s = 100.0, 0.0
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is first.peer
        first.silence_s = second.silence_s = QUIET_S
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is first.peer, "the other is silent as well"
        second.silence_s = QUIET_S - 0.1
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is None

    run(main)


def test_who_is_asked_for_it_is_the_one_that_was_heard_last(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second, third = await stage.begin("a", "b", "c")
        stage.sources._selection.asked[:], stage.sources._selection._silent[:] = [first], [second, third]
        stage.wish(1)
        stage.hand(first, 1.0)
        stage.ahead_s, first.outstanding_s = 1.0, 9.0
        second.silence_s, third.silence_s = 0.5, 0.2
        stage.sources.check(1.0)
        assert stage.sources._selection.asked == [first, third]

    run(main)


def test_hardly_anything_is_asked_for_twice(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, _second = await stage.begin("a", "b")
        stage.wish(2)
        stage.hand(first, 1.0)
        stage.ahead_s, first.outstanding_s = 1.0, 9.0
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is None
        size = len(MADE.segments[0][0])
        assert stage.sources._shared_bytes == size
        stage.scheduler.on_object(first.peer, 0, 0, MADE.segments[0][0])
        stage.stats.fetched_bytes = math.floor(size / MAX_SHARED) - 1
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is first.peer
        stage.stats.fetched_bytes += 2
        stage.sources.check(1.0)
        assert stage.scheduler.first_holder() is None
        assert stage.sources._shared_bytes == size + len(MADE.segments[0][1])

    run(main)


@pytest.mark.parametrize(
    ("ahead_s", "realtime", "asked", "is_urgent"),
    [(2.9, True, 1, True), (NEAR_S, True, 1, False), (2.9, False, 1, False), (20.0, True, 2, True)],
)
def test_what_comes_is_taken_at_once_where_sound_may_wait_for_it(run, ahead_s, realtime, asked, is_urgent):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        sources = await stage.begin("a", "b")
        stage.sources._selection.asked[:] = sources[:asked]
        stage.ahead_s, stage.playout.realtime = ahead_s, realtime
        assert stage.sources.is_urgent == is_urgent

    run(main)


# Coming and going.


def test_a_stream_that_has_ended_is_opened_anew_when_something_is_wished(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)
        await stage.look()
        clock.jump(100.0)
        first.expired = True
        stage.sources.renew(100.0, is_low=False)
        assert len(stage.sources) == 2
        stage.wish(1)
        first.on_grpc = True
        stage.sources.renew(100.0, is_low=True)
        assert len(stage.sources) == 2, "what comes by gRPC is needed now"
        work, timers = stage.sources.work(), stage.timers
        stage.sources.renew(100.0, is_low=False)
        assert stage.sources._sources == [second]
        assert first.log[-1] == "closed"
        assert work.is_set()
        assert stage.timers == timers + 1
        assert stage.events == []
        assert stage.sources.next_deadline(100.0) == 100.0
        stage.sources.check(100.0)
        await stage.look()
        assert stage.excluded[-1] == ["id of b"], "the peer is not left out"
        first.expired, second.expired = False, True
        stage.sources.renew(101.0, is_low=True)
        assert stage.sources._sources == []

    run(main)


def test_who_ends_is_told_of_and_another_is_looked_for(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)
        await stage.look()
        clock.jump(10.0)
        first.delivered_bytes, first.has_delivered = 700, True
        work = stage.sources.work()
        stage.sources.on_end(first, "it is gone")
        assert stage.events == [SourceLost("a", "it is gone")]
        assert stage.served == [(first.peer, 700, 0.0)]
        assert stage.lies == []
        assert work.is_set()
        assert first not in stage.sources._selection.asked
        stage.sources.on_end(first, "once more")
        assert len(stage.events) == 1
        stage.sources.check(10.0)
        await stage.look()
        assert stage.excluded[-1] == ["id of b"], "it was useful: it may be taken again"
        clock.jump(LOOK_AGAIN_S)
        stage.sources.on_end(second, "it is gone too")
        stage.sources.check(10.0 + LOOK_AGAIN_S)
        await stage.look()
        assert stage.excluded[-1] == ["id of b"], "it was of no use: it rests"

    run(main)


def test_who_lied_is_told_of_with_its_reason_and_never_taken_again(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, _second = await stage.begin("a", "b")
        first.delivered_bytes, first.has_delivered = 700, True
        stage.sources.drop_liar(first.peer, "false bytes")
        stage.sources.drop_liar(first.peer, "false bytes")
        assert stage.lies == [(first.peer, "false bytes")]
        assert stage.served == [], "what it gave is nothing to praise"
        assert stage.events == [SourceLost("a", "false bytes")]
        clock.jump(1000.0)
        stage.sources.check(1000.0)
        await stage.look()
        assert set(stage.excluded[-1]) == {"id of a", "id of b"}

    run(main)


@pytest.mark.parametrize(("present", "taken"), [(1, MAX_SOURCES), (MAX_SOURCES, MAX_SOURCES + 1)])
def test_a_look_takes_so_many_and_at_least_one(run, monkeypatch, present, taken):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        monkeypatch.setattr(Selection, "wants_more", lambda _self, _now: True)
        await stage.begin(*"abcd"[:present])
        stage.found = [peer(name) for name in "uvwxyz"]
        stage.sources.check(0.0)
        timers = stage.timers
        await stage.look()
        names = [source.peer.name for source in stage.sources._sources]
        assert names == [*"abcd"[:present], *"uvwxyz"[: taken - present]]
        assert stage.timers > timers
        assert stage.sources._supply.due == math.inf
        stage.sources.on_end(stage.sources._sources[0], "gone")
        assert stage.sources._supply.due < math.inf, "the look is over"

    run(main)


def grown(stage: Stage) -> None:
    stage.sources._selection.asked = list(stage.sources._sources)


def quiet(stage: Stage) -> None:
    stage.sources._sources[0].silence_s = QUIET_S


def lost(stage: Stage) -> None:
    stage.sources.on_end(stage.sources._sources[0], "gone")


def in_a_hurry(stage: Stage) -> None:
    stage.sources._supply.begin(0.0)


@pytest.mark.parametrize("change", [grown, quiet, lost, in_a_hurry])
def test_after_one_more_source_a_look_waits_until_another_is_of_use(run, change):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        await stage.begin("a")
        stage.found = [peer(name) for name in "uv"]
        stage.sources.check(0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.look)
            for _ in range(2):
                await trio.testing.wait_all_tasks_blocked()
                assert [source.peer.name for source in stage.sources._sources] == ["a", "u"]
                stage.sources.check(0.0)
            change(stage)
            stage.sources.check(0.0)
            await trio.testing.wait_all_tasks_blocked()
            assert "v" in [source.peer.name for source in stage.sources._sources]
            nursery.cancel_scope.cancel()

    run(main)


def test_a_look_that_waits_gives_way_to_another_for_those_that_were_lost(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        await stage.begin("a")
        stage.found = [peer(name) for name in "uv"]
        stage.sources.check(0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.look)
            await trio.testing.wait_all_tasks_blocked()
            clock.jump(60.0)
            for source in list(stage.sources._sources):
                source.has_delivered = True
                stage.sources.on_end(source, "gone")
            stage.sources.check(60.0)
            await trio.testing.wait_all_tasks_blocked()
            assert len(stage.sources) == 0, "it would find nobody but those"
            assert stage.sources.next_deadline(60.0) == 60.0
            stage.sources.check(60.0)
            assert stage.spawned[-1][1] == ([],), "who is left out"
            nursery.cancel_scope.cancel()

    run(main)


def test_what_a_probe_put_into_the_queue_the_others_pay_back(run, monkeypatch):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)

        def probe(selection: Selection[FakeSource], _now: float, _rtt_s: float) -> bool:
            selection.asked.append(second)
            selection.probe = Probe([second], 1.0)
            return True

        monkeypatch.setattr(Selection, "update", probe)
        stage.sources.check(1.0)
        assert first.log.count("kept rate") == 1
        assert "kept rate" not in second.log
        monkeypatch.setattr(Selection, "update", lambda *_: False)
        stage.sources._selection._debt_bytes = 1200
        stage.sources.check(2.0)
        assert first.log.count("kept rate") == 1
        assert ("paid back", 1200.0, 2.0) in first.log
        before = len(first.log)
        stage.sources.check(3.0)
        assert first.log[before:] == [("checked", 3.0)], "once"

    run(main)


def test_who_is_not_asked_any_more_hands_over_what_it_began(run):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        stage.sources.check(0.0)
        first.is_through = True
        await stage.sources.on_data(1.0)
        assert stage.pumped == [0.0]
        second.is_through = True
        await stage.sources.on_data(2.0)
        assert stage.pumped == [0.0, 2.0]
        work = stage.sources.work()
        stage.sources.ask(2.0)
        assert "handed over" in second.log
        assert work.is_set(), "for who waits with a call"
        assert "handed over" not in first.log

    run(main)


@pytest.mark.parametrize(
    ("on_grpc", "has_delivered", "ago_s", "passes"),
    [
        (False, True, QUIET_S - 0.1, True),
        (False, True, QUIET_S, False),
        (True, True, 0.0, False),
        (False, False, 0.0, False),
    ],
)
def test_whether_udp_passes_beside_a_source(run, on_grpc, has_delivered, ago_s, passes):
    async def main(stage: Stage, _: trio.testing.MockClock) -> None:
        first, second = await stage.begin("a", "b")
        first.on_grpc, first.has_delivered, first.heard_at = on_grpc, has_delivered, 10.0 - ago_s
        assert stage.sources.does_udp_pass_beside(second, 10.0) == passes
        assert not stage.sources.does_udp_pass_beside(first, 10.0)

    run(main)


def test_after_a_look_in_vain_the_next_comes_later_until_one_finds_somebody(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        stage.search_error = NoPeerError("no network")
        stage.sources.on_end(source, "gone")
        spaces = []
        for _ in range(3):
            due = stage.sources.next_deadline(0.0)
            spaces.append(due - trio.current_time())
            clock.jump(max(0.0, due - trio.current_time()))
            stage.sources.check(trio.current_time())
            await stage.look()
        assert spaces[0] < spaces[1] < spaces[2]
        stage.search_error, stage.found = None, [peer("b")]
        clock.jump(stage.sources.next_deadline(0.0) - trio.current_time())
        stage.sources.check(trio.current_time())
        await stage.look()
        assert len(stage.sources) == 1
        assert stage.sources._supply._again_s == LOOK_AGAIN_S

    run(main)


def test_where_peers_answer_again_and_again_that_nobody_has_it_it_has_failed(run):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        source.has_delivered = True
        stage.sources.on_end(source, "gone")
        stage.search_error = NothingFoundError("nobody has it")
        told = [None]
        for _ in range(30):
            assert stage.failed == told
            clock.jump(max(0.0, stage.sources.next_deadline(0.0) - trio.current_time()))
            stage.sources.check(trio.current_time())
            await stage.look()
            if len(stage.excluded) >= GONE_LOOKS and trio.current_time() >= GONE_S + 1.0:
                told = [None, "no peer sends this track any more"]
                break
        assert stage.failed == told
        assert len(told) == 2
        await stage.sources._add(peer("b"), opened())
        assert stage.failed[-1] is None

    run(main)


@pytest.mark.parametrize("error", [NoPeerError("no network"), None])
def test_where_no_peer_answers_it_has_not_failed(run, error):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        (source,) = await stage.begin("a")
        stage.sources.on_end(source, "gone")
        stage.search_error = error
        for _ in range(30):
            clock.jump(max(0.0, stage.sources.next_deadline(0.0) - trio.current_time()))
            stage.sources.check(trio.current_time())
            await stage.look()
        assert trio.current_time() > 2 * GONE_S
        assert stage.failed == [None]

    run(main)


@pytest.mark.parametrize(("others", "is_told"), [((), True), (("b",), False)])
def test_where_all_that_offer_it_lie_a_person_is_told_what_to_do(run, others, is_told):
    async def main(stage: Stage, clock: trio.testing.MockClock) -> None:
        first, *_ = await stage.begin("a", *others)
        stage.sources.on_end(first, "false bytes", lied=True)
        stage.search_error = NothingFoundError("nobody else")
        clock.jump(LOOK_AGAIN_S)
        stage.sources.check(trio.current_time())
        await stage.look()
        text = "every peer that offers this track sent corrupt data: name other peers with --bootstrap"
        assert (text in stage.failed) == is_told

    run(main)
