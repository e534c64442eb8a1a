"""The sources of a track with literal times: dropped, looked for and told of, whatever they send.

Most sources here are told how silent they are and what is due; all else is real.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from lightpeer.core.segments import source_set as module
from lightpeer.core.segments.asking import QUIET_S
from lightpeer.core.segments.events import (
    EndCall,
    Event,
    Silence,
    SourceClosed,
    SourceLost,
    StartCall,
    TransportChanged,
    WantSources,
)
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.hold_ups import NEAR_S, URGENT_S
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.segments.shared import Beside, Fault
from lightpeer.core.segments.silence import LONG_S
from lightpeer.core.segments.source import Source
from lightpeer.core.segments.source_set import MOST_SOURCES, SILENT_S, SourceSet
from lightpeer.core.sources.dead_zone import AFTERMATH_S, DEAD_ZONE_S, GRACE_S
from lightpeer.core.sources.source_search import (
    LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_WITHOUT_S,
    REST_S,
)
from lightpeer.core.udp.datagram import Data, Unit, build_data
from lightpeer.core.udp.opening import Chunk
from tests.core.segments.scripted import (
    MADE,
    TERMS,
    Scripted,
    asked,
    hand,
    names,
    new_shared,
    peer_id,
    wish,
)
from tests.core.udp.link import KEYS, STREAM_ID, Came

AHEAD_S = 20.0  # plenty
GONE = Fault("it is gone")
LIE = Fault("false bytes", is_lie=True)


class Stage:
    """The sources of one track, and what they tell."""

    def __init__(self, who: str = "", now: float = 0.0) -> None:
        self.shared = new_shared()
        self.sources = SourceSet(self.shared)
        for name in who:
            self.join(name, now)

    def join(self, name: str, now: float = 0.0) -> Source:
        return self.sources.add(PeerState(peer_id(name), name), now)

    @property
    def all(self) -> Sequence[Source]:
        return tuple(self.sources._sources)

    def check(self, now: float, ahead_s: float = AHEAD_S) -> None:
        self.sources.handle_timeout(now, ahead_s, realtime=True)

    def deadline(self, now: float, ahead_s: float = AHEAD_S) -> float:
        return self.sources.next_deadline(now, ahead_s)

    def told(self) -> list[Event]:
        events = [
            WantSources(sorted(e.exclude)) if isinstance(e, WantSources) else e for e in self.shared.events
        ]
        self.shared.events.clear()
        return events

    def looks(self) -> list[list[bytes]]:
        """Return who is left out of each look that was begun since, in order; end it."""
        looks = [event.exclude for event in self.told() if isinstance(event, WantSources)]
        for _ in looks:
            self.sources.search.on_looked(0.0, have_any=len(self.sources) > 0, was_answered=False)
        return looks


def ids(who: str) -> list[bytes]:
    return [peer_id(name) for name in who]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Source", Scripted)


pytestmark = pytest.mark.usefixtures("scripted")


# Coming.


def test_the_first_source_begins_and_others_are_looked_for_at_once():
    stage = Stage()
    assert stage.sources.transport == "-"
    stage.shared.stats.fetching_s = 7.0
    stage.sources.search.begin(100.0)
    source = stage.join("a", 100.0)
    assert (len(stage.sources), stage.shared.stats.sources) == (1, 1)
    assert (source.fetching_before_s, source.heard_at) == (7.0, 100.0)
    assert stage.deadline(100.0) == 100.0
    stage.check(100.0)
    assert source.checks == [(100.0, Beside())]
    assert names(stage.sources.asking.selection.asked) == "a"
    assert stage.told() == [WantSources(ids("a"))]
    assert stage.deadline(100.0) == math.inf, "a look is under way"
    stage.join("b", 101.0)
    assert stage.deadline(101.0) == 101.0, "it is to be seen to"
    assert stage.shared.stats.sources == 2
    stage.sources.drop(source, GONE, 102.0)
    stage.join("c", 103.0)
    assert stage.shared.stats.sources == 2, "at most at a time"


def test_a_source_starts_by_udp_or_grpc_unless_it_is_gone_meanwhile(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "Source", Source)
    stage = Stage()
    first, second, third = (stage.join(name) for name in "abc")
    stage.sources.start(first, TERMS, 0.0)
    assert (stage.sources.transport, stage.shared.stats.transports) == ("udp", {"udp"})
    stage.sources.start(second, None, 0.0)
    assert (second.on_grpc, stage.sources.transport) == (True, "udp")
    assert stage.shared.stats.transports == {"udp", "grpc"}
    assert stage.told() == [StartCall(second, 1)], "the first goes on by UDP: no change"
    stage.sources.drop(third, GONE, 0.0)
    stage.told()
    stage.sources.start(third, None, 0.0)
    assert stage.told() == []


def test_where_udp_alone_is_wanted_a_source_without_it_is_lost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "Source", Source)
    stage = Stage()
    stage.shared.transport = "udp"
    source = stage.join("a")
    stage.sources.start(source, None, 0.0)
    assert stage.told() == [SourceClosed(source, 0, 0.0), SourceLost("a", "UDP does not pass")]
    assert stage.shared.stats.transports == set()


def test_a_change_of_transport_is_told_once_where_it_is_one_of_all():
    stage = Stage("ab")
    first, second = stage.all
    stage.check(0.0)
    assert stage.told() == [], "the first is no change"
    first.transport.on_grpc = True
    stage.check(1.0)
    assert stage.told() == [], "the other goes on"
    assert stage.sources.transport == "udp"
    second.transport.on_grpc = True
    for events in ([TransportChanged("grpc", "b")], []):
        stage.check(2.0)
        assert stage.told() == events
    first.transport.on_grpc = False
    stage.check(3.0)
    assert stage.told() == [TransportChanged("udp", "a")]
    assert stage.shared.stats.transports == {"udp", "grpc"}


# Going.


def test_at_the_end_all_are_closed_and_it_is_told_what_they_gave():
    stage = Stage()
    stage.shared.stats.fetching_s = 3.0
    first, second = stage.join("a"), stage.join("b")
    first.delivered_bytes = 5000
    stage.shared.stats.fetching_s = 10.0
    assert not stage.sources.is_closed
    stage.sources.close()
    assert stage.sources.is_closed
    assert first.is_closed
    assert second.is_closed
    assert stage.told() == [SourceClosed(first, 5000, 7.0), SourceClosed(second, 0, 7.0)]


def test_none_is_closed_again_by_what_comes_after_the_end():
    stage = Stage("ab")
    first, second = stage.all
    stage.sources.close()
    stage.told()
    first.expired = True
    stage.sources.reopen(100.0, is_low=False)
    stage.sources.drop(second, GONE, 100.0)
    assert stage.told() == []


def test_one_that_ends_is_told_of_and_another_is_looked_for():
    stage = Stage("ab")
    first, second = stage.all
    stage.check(0.0)
    wish(stage.shared, 1)
    hand(stage.shared, first, 0.0)
    first.delivered_bytes, first.has_delivered = 700, True
    stage.sources.drop(first, GONE, 10.0)
    assert stage.told() == [SourceClosed(first, 700, 0.0), SourceLost("a", "it is gone")]
    assert stage.shared.scheduler.queue.first_holder() is None, "others may be asked for it"
    assert first not in stage.sources.asking.selection.asked
    assert stage.deadline(10.0) == 10.0
    stage.sources.drop(first, GONE, 10.0)
    assert stage.told() == []
    stage.check(10.0)
    assert stage.looks() == [ids("b")], "it was useful: it may be taken again"
    stage.sources.drop(second, GONE, 10.0 + LOOK_AGAIN_S)
    stage.check(10.0 + LOOK_AGAIN_S)
    assert stage.looks() == [ids("b")], "it was of no use: it rests"


def test_one_that_lied_is_told_of_with_its_reason_and_never_taken_again():
    stage = Stage("ab")
    first = stage.all[0]
    first.delivered_bytes, first.has_delivered = 700, True
    stage.sources.drop(first, LIE, 10.0)
    assert stage.told() == [
        SourceClosed(first, 0, 0.0, "false bytes"),  # what it gave is nothing to praise
        SourceLost("a", "false bytes"),
    ]
    stage.check(1000.0)
    assert stage.looks() == [ids("ab")]


def test_a_stream_that_has_ended_is_opened_anew():
    stage = Stage("ab")
    first, second = stage.all
    stage.check(0.0)
    stage.told()
    first.expired = first.transport.on_grpc = True
    stage.sources.reopen(100.0, is_low=False)
    assert names(stage.all) == "ab", "nothing is wanted"
    wish(stage.shared, 1)
    stage.sources.reopen(100.0, is_low=True)
    assert names(stage.all) == "ab", "what comes by gRPC is needed now"
    stage.sources.reopen(100.0, is_low=False)
    assert names(stage.all) == "b"
    assert stage.told() == [SourceClosed(first, 0, 0.0)], "nobody is told that it is lost"
    assert stage.deadline(100.0) == 100.0
    stage.check(100.0)
    assert stage.looks() == [ids("b")], "the peer is not left out"
    second.expired = True
    stage.sources.reopen(101.0, is_low=True)
    assert stage.all == ()


def test_a_seek_stops_what_is_being_sent():
    stage = Stage("ab")
    wish(stage.shared, 9)
    for source in stage.all:
        source.udp.ask(0.0)
        assert source.udp.flow.gauge.outstanding_bytes > 0
    stage.sources.seek()
    assert [source.udp.flow.gauge.outstanding_bytes for source in stage.all] == [0, 0]
    assert stage.shared.scheduler.queue.first_holder() is None


# What comes.


def data(pull_no: int, unit: int, came_at: float) -> Came:
    payload = MADE.segments[0][0][1200 * unit : 1200 * (unit + 1)]
    return Came(build_data(Data(STREAM_ID, pull_no, 0.0, Unit(0, 0, unit), payload), KEYS), came_at)


def test_what_comes_by_udp_is_a_sign_of_the_network():
    stage = Stage("ab")
    first, second = stage.all
    wish(stage.shared, 1)
    first.udp.ask(0.0)
    stage.sources.dead_zone.on_due(0.0)
    assert stage.sources.receive(first, [data(1, 0, 99.9), data(1, 1, 100.0)], 100.0)
    assert (first.heard_at, first.has_delivered, first.arrivals) == (100.0, True, [])
    assert first.is_timer_due, "a measure has begun"
    assert stage.sources.dead_zone.is_in_grace(99.9 + GRACE_S - 0.1)
    assert not stage.sources.dead_zone.is_in_grace(99.9 + GRACE_S), "since the first"
    assert stage.sources.dead_zone.silent_at == 100.0 + DEAD_ZONE_S
    assert stage.sources.receive(first, [data(1, 2, 101.0)], 101.0)
    assert stage.sources.dead_zone.silent_at == 101.0 + DEAD_ZONE_S
    assert not stage.sources.receive(second, [Came(b"?" * 60, 109.0)], 109.0)
    assert stage.sources.dead_zone.silent_at == 101.0 + DEAD_ZONE_S
    stage.sources.drop(first, GONE, 109.0)
    assert not stage.sources.receive(first, [data(1, 3, 110.0)], 110.0)


@pytest.mark.parametrize("on_grpc", [True, False])
def test_a_source_is_seen_to_at_once_where_udp_passes_beside_its_call(on_grpc: bool):
    stage = Stage("a")
    (source,) = stage.all
    stage.check(0.0)
    wish(stage.shared, 1)
    source.udp.ask(0.0)
    source.transport.on_grpc = on_grpc
    stage.sources.receive(source, [Came(b"?" * 60, 1.0)], 1.0)
    assert stage.deadline(1.0) > 1.0
    stage.sources.receive(source, [data(1, 0, 1.0)], 1.0)
    assert (stage.deadline(1.0) == 1.0) == on_grpc
    stage.check(1.0)
    assert stage.deadline(1.0) > 1.0


def test_a_source_at_fault_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("ab")
    first, second = stage.all

    def fail(source: Scripted, *_: object) -> bool:
        source.fault = LIE
        return True

    monkeypatch.setattr(Scripted, "receive", fail)
    monkeypatch.setattr(Scripted, "handle_timeout", fail)
    assert stage.sources.receive(first, [], 5.0)
    assert names(stage.all) == "b"
    stage.check(6.0)
    assert stage.all == ()
    assert second.is_closed


def test_answers_on_a_call_are_taken():
    stage = Stage("a")
    (source,) = stage.all
    wish(stage.shared, 9)
    source.call.start()
    stage.sources.asking.ask_call(source, 1.0)
    assert asked(stage.shared) == ["a"]
    stage.sources.receive_chunk(source, Chunk(0, 0, MADE.segments[0][0]), 0.0, 2.0)
    assert (source.heard_at, source.delivered_bytes) == (2.0, len(MADE.segments[0][0]))
    assert stage.sources.dead_zone.silent_at == 2.0 + DEAD_ZONE_S
    assert stage.shared.scheduler.has_event
    stage.told()
    stage.sources.receive_chunk(source, Chunk(0, 7, b"?"), 0.0, 3.0)
    reason = "a segment that was not asked for"
    assert stage.told() == [EndCall(source), SourceClosed(source, 0, 0.0, reason), SourceLost("a", reason)]
    stage.sources.receive_chunk(source, Chunk(0, 1, MADE.segments[0][1]), 0.0, 4.0)
    assert stage.told() == []
    assert asked(stage.shared) == []


@pytest.mark.parametrize(
    ("is_weather", "others_deliver", "is_lost"),
    [(True, False, False), (True, True, True), (False, False, True)],
)
def test_a_call_that_failed_costs_the_source_where_it_is_to_blame(
    is_weather: bool, others_deliver: bool, is_lost: bool
):
    stage = Stage("ab")
    first, second = stage.all
    second.heard_at = 10.0 if others_deliver else 0.0
    first.call.start()
    stage.check(10.0)
    stage.sources.on_call_failed(first, 2, GONE, 10.0, is_weather=False)
    assert first in stage.all, "that one is over"
    assert stage.deadline(10.0) > 10.0
    stage.sources.on_call_failed(first, 1, GONE, 10.0, is_weather=is_weather)
    assert (first not in stage.all) == is_lost
    assert not first.call.is_open
    assert stage.deadline(10.0) == 10.0, "it is to be seen to"


# What the others show.


@pytest.mark.parametrize(
    ("after_s", "quiet_s", "expected"),
    [
        (0.1, 0.1, False),
        (AFTERMATH_S - 0.1, 0.1, False),
        (AFTERMATH_S, 0.1, True),
        (AFTERMATH_S, PATIENCE_S, False),
    ],
)
def test_others_show_that_the_network_is_there_but_not_soon_after_a_dead_zone(
    after_s: float, quiet_s: float, expected: bool
):
    stage = Stage("ab")
    first, second = stage.all
    stage.sources.dead_zone.on_heard(100.0)
    now = 100.0 + after_s
    first.heard_at, second.heard_at = now, now - quiet_s
    stage.check(now)
    assert first.checks[-1][1].deliver == expected
    assert second.checks[-1][1].deliver == (after_s >= AFTERMATH_S)


@pytest.mark.parametrize(
    ("on_grpc", "has_delivered", "ago_s", "passes"),
    [
        (False, True, QUIET_S - 0.1, True),
        (False, True, QUIET_S, False),
        (True, True, 0.0, False),
        (False, False, 0.0, False),
    ],
)
def test_udp_passes_beside_a_source_where_another_was_just_heard_over_it(
    on_grpc: bool, has_delivered: bool, ago_s: float, passes: bool
):
    stage = Stage("ab")
    first, second = stage.all
    first.transport.on_grpc, first.has_delivered, first.heard_at = on_grpc, has_delivered, 10.0 - ago_s
    stage.check(10.0)
    assert second.checks[-1][1].udp_passes == passes
    assert not first.checks[-1][1].udp_passes


# Time.


def test_what_is_asked_for_is_watched_as_soon_as_it_may_be_late():
    stage = Stage("a")
    (source,) = stage.all
    stage.check(9.0)
    stage.sources.dead_zone.silent_at = math.inf
    source.due = 77.0
    assert stage.deadline(10.0) == 77.0, "nothing is wished for"
    wish(stage.shared, 2)
    assert stage.deadline(10.0) == 77.0, "nothing is asked for"
    hand(stage.shared, source, 10.0)
    due = stage.shared.scheduler.queue.next_due()
    assert due > 10.0 + 1.0
    assert stage.deadline(10.0, 8.0) == due
    assert stage.deadline(due + 1.0, 8.0) == pytest.approx(due + 1.0 + 8.0 - URGENT_S)
    stage.check(due + 0.5, URGENT_S)
    assert stage.deadline(due + 1.0, URGENT_S) == pytest.approx(due + 1.5), "it was seen to just now"
    source.due = due + 0.25
    assert stage.deadline(due + 1.0, URGENT_S) == due + 0.25


def test_with_a_second_source_it_is_watched_sooner():
    stage = Stage("ab")
    for source in stage.all:
        source.due = 77.0
    stage.check(9.0)
    stage.sources.dead_zone.silent_at = math.inf
    wish(stage.shared, 2)
    assert stage.deadline(10.0) == 10.0 + AHEAD_S - NEAR_S
    assert stage.deadline(10.0, NEAR_S) == 10.0
    stage.check(9.8)
    assert stage.deadline(10.0, NEAR_S) == pytest.approx(9.8 + QUIET_S / 2), "it was, just now"


def test_patience_grows_with_the_round_trip():
    stage = Stage("a")
    for srtt_s, patience_s in ((None, PATIENCE_S), (0.1, PATIENCE_S), (PATIENCE_S, 4 * PATIENCE_S)):
        stage.shared.bandwidth.srtt_s = srtt_s
        stage.check(0.0)
        assert stage.shared.scheduler.queue.patience_s == patience_s


# Looking for more.


def test_a_silence_is_told_of_also_where_some_were_asked_anew():
    stage = Stage("ab", 10.0)
    stage.check(10.0)
    wish(stage.shared, 1)
    assert stage.deadline(11.0) == 10.0 + LONG_S
    stage.check(10.0 + LONG_S)
    assert Silence(10.0) in stage.told()
    stage.join("c", 20.0)
    assert stage.told() == [Silence(None)]


@pytest.mark.parametrize(("silences", "looks"), [((SILENT_S, SILENT_S), 1), ((SILENT_S, SILENT_S - 0.1), 0)])
def test_where_none_delivers_others_are_looked_for(silences: tuple[float, float], looks: int):
    stage = Stage("ab")
    stage.sources.search.begin(0.0)
    stage.check(0.0)
    stage.looks()
    for source, silence_s in zip(stage.all, silences, strict=True):
        source.silence_s = silence_s
    stage.check(100.0)
    assert stage.looks() == [], "without a wish silence is no wonder"
    wish(stage.shared, 1)
    stage.check(100.0)
    assert len(stage.looks()) == looks


def test_where_none_delivers_the_next_look_is_not_as_far_as_where_some_do():
    stage = Stage("a")
    stage.sources.search.begin(0.0)
    stage.check(0.0)
    stage.looks()
    stage.sources.search._again_s = MAX_LOOK_AGAIN_S
    wish(stage.shared, 1)
    stage.all[0].silence_s = SILENT_S
    stage.check(9.0)
    assert stage.sources.search.due == MAX_LOOK_AGAIN_WITHOUT_S


def test_further_ones_are_opened_where_one_is_there_or_a_look_is_due_or_they_are_of_use():
    stage = Stage("a")
    assert stage.sources.wants_more(5.0), "one may fall silent"
    stage.join("b")
    stage.check(5.0)
    assert not stage.sources.wants_more(5.0)
    stage.sources.search.begin(6.0)
    assert not stage.sources.wants_more(5.9)
    assert stage.sources.wants_more(6.0)
    stage.check(6.0)
    assert not stage.sources.wants_more(6.0)
    stage.all[0].silence_s = QUIET_S
    assert stage.sources.wants_more(6.0)


# A source that holds up the track.


def held_up(who: str = "ab", heard_at: float = 100.0) -> Stage:
    """Have a first source hold what is late at 100, while all others were heard."""
    stage = Stage(who)
    stage.sources.search.begin(0.0)
    stage.check(0.0)
    stage.looks()
    wish(stage.shared, 1)
    hand(stage.shared, stage.all[0], 0.0)
    for source in stage.all[1:]:
        source.heard_at = heard_at
    return stage


@pytest.mark.parametrize(("heard_s", "is_dropped"), [(PATIENCE_S, False), (PATIENCE_S - 0.1, True)])
def test_one_that_holds_up_the_track_is_dropped_where_another_does_better(heard_s: float, is_dropped: bool):
    stage = held_up(heard_at=100.0 - heard_s)
    first = stage.all[0]
    stage.sources.dead_zone.silent_at = 102.0
    stage.check(100.0, URGENT_S + 0.1)
    assert stage.told() == [], "there is time"
    stage.check(100.0, URGENT_S)
    assert (first not in stage.all) == is_dropped
    if not is_dropped:
        return
    lost = SourceLost("a", "it holds up the track")
    assert stage.told() == [SourceClosed(first, 0, 0.0), lost, WantSources(ids("ab"))]
    assert stage.shared.scheduler.queue.first_holder() is None
    stage.sources.search.on_looked(100.0, have_any=True, was_answered=False)
    for now, left_out in ((100.0 + 2 * REST_S - 0.1, "ab"), (100.0 + 2 * REST_S, "b")):
        stage.sources.search.begin(now)
        stage.check(now)
        assert stage.looks() == [ids(left_out)], "twice as long as one that is lost"


def test_one_that_trickles_and_holds_up_the_track_rests_too():
    """What it has delivered before does not bring it back at once."""
    stage = held_up()
    first = stage.all[0]
    first.has_delivered = True
    stage.check(100.0, URGENT_S)
    assert first not in stage.all
    stage.looks()
    stage.sources.search.on_looked(100.0, have_any=True, was_answered=False)
    for now, left_out in ((100.0 + REST_S - 0.1, "ab"), (100.0 + REST_S, "b")):
        stage.sources.search.begin(now)
        stage.check(now)
        assert stage.looks() == [ids(left_out)]
        stage.sources.search.on_looked(now, have_any=True, was_answered=False)


def test_after_a_dead_zone_nobody_is_to_blame_for_a_while():
    stage = held_up(heard_at=100.0 + GRACE_S)
    stage.sources.dead_zone.on_heard(100.0)
    first = stage.all[0]
    stage.check(100.0 + GRACE_S - 0.1, 0.0)
    assert first in stage.all
    stage.check(100.0 + GRACE_S, 0.0)
    assert first not in stage.all


@pytest.mark.parametrize(("count", "looks"), [(2, 1), (MOST_SOURCES - 1, 1), (MOST_SOURCES, 0)])
def test_where_none_does_better_another_is_looked_for_up_to_a_number(count: int, looks: int):
    stage = held_up("abcdefgh"[:count], heard_at=0.0)
    stage.check(100.0, URGENT_S)
    assert len(stage.sources) == count
    assert len(stage.looks()) == looks


def test_what_is_needed_next_is_asked_of_a_second_source():
    stage = held_up()
    stage.all[0].silence_s = QUIET_S
    stage.shared.out.clear()
    stage.check(1.0, NEAR_S)
    assert asked(stage.shared) == ["b"]
    assert stage.shared.scheduler.queue.first_holder() is None


def test_the_network_is_there_where_a_peer_opens_the_track():
    stage = Stage("a")
    stage.sources.dead_zone.on_due(0.0)
    stage.join("b", 50.0)
    assert stage.sources.dead_zone.is_in_grace(50.0)
