"""One source: how UDP and calls take turns, what comes, and what makes it useless."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.events import EndCall, MovePort, Reconnect, StartCall
from lightpeer.core.segments.scheduler import SegmentReady, SourceLied
from lightpeer.core.segments.shared import Beside, Fault
from lightpeer.core.segments.source import Source
from lightpeer.core.sources.call_watch import HUNG_FIRST_S
from lightpeer.core.sources.transport import RETURN_UNITS, UDP_RETRY_S
from lightpeer.core.sources.udp_watch import FALLBACK_AFTER_S, MOVE_AFTER_S, STREAM_ENDS_S
from lightpeer.core.udp.datagram import MAX_PAYLOAD, PathToken, Unit, UnitRange, build_path
from lightpeer.core.udp.opening import UdpTerms
from lightpeer.core.udp.unasked import MOST_BREACHES, MOVES
from tests.core.segments.one_source import (
    ALONE,
    MADE,
    TABLE,
    TERMS,
    OneSource,
    chunk_of,
    datagram,
    payload_of,
    units_of,
)
from tests.core.udp.link import KEYS, STREAM_ID, Came

FAULT = Fault("its call has failed")


@pytest.fixture
def on() -> OneSource:
    return OneSource()


def on_call(*segments: int, wishes_table: bool = False) -> OneSource:
    """A source that was called at 11 s and asked for the first of these segments, or for their table."""
    on = OneSource().start()
    if wishes_table:
        on.scheduler.wish(0, segments[0])
    else:
        on.wish(*segments)
    on.ask(10.0)
    on.source.handle_timeout(11.0, ALONE)
    on.events()
    on.asked()
    assert len(on.source.ask_call(11.0)) == 1
    return on


# Beginning and ending.


def test_a_source_begins_on_udp_where_both_sides_can(on: OneSource) -> None:
    assert (on.source.heard_at, on.source.has_delivered, on.source.delivered_bytes) == (10.0, False, 0)
    on.start(now=12.0)
    on.wish(0)
    on.ask(12.0)
    on.source.handle_timeout(12.0 + FALLBACK_AFTER_S - 0.1, ALONE)
    assert (on.source.on_grpc, on.source.fault, on.events()) == (False, None, [])


def test_while_its_socket_opens_it_is_not_found_to_have_no_udp(on: OneSource) -> None:
    assert on.source.next_deadline() == math.inf
    on.source.handle_timeout(100.0, ALONE)
    assert (on.source.on_grpc, on.source.fault, on.events()) == (False, None, [])
    assert not on.source.receive([])


def test_it_knows_how_long_the_session_had_been_fetching_when_it_joined(on: OneSource) -> None:
    on.stats.fetching_s = 7.0
    assert Source(on.shared, on.peer, 20.0).fetching_before_s == 7.0


@pytest.mark.parametrize(
    ("wanted", "terms", "called_at", "fault"),
    [
        ("auto", TERMS, 11.0, None),
        ("auto", None, 10.0, None),
        ("grpc", None, 10.0, None),
        ("udp", TERMS, None, None),
        ("udp", None, None, Fault("UDP does not pass")),
    ],
)
def test_what_it_begins_with_is_what_there_is_and_is_wanted(
    wanted: str, terms: UdpTerms | None, called_at: float | None, fault: Fault | None
) -> None:
    on = OneSource(wanted).start(terms)
    on.wish(0)
    if terms is not None:
        on.ask(10.0)
    assert on.source.fault == fault
    calls: list[object] = []
    for now in (10.0, 11.0, 20.0):
        on.source.handle_timeout(now, ALONE)
        calls += [(now, event) for event in on.events()]
    assert calls == ([] if called_at is None else [(called_at, StartCall(on.source, 1))])


def test_a_source_that_is_closed_leaves_nothing() -> None:
    on = on_call(0)
    on.source.udp.probe(12.0)
    on.source.close()
    assert on.source.is_closed
    assert on.events() == [EndCall(on.source)]
    assert on.scheduler.queue.first_holder() is None
    assert (on.bandwidth.outstanding_bytes, on.bandwidth.window_bytes()) == (0, 0.0)


def test_a_closed_source_holds_nothing_that_it_was_asked_for_by_udp(on: OneSource) -> None:
    on.start().wish(0)
    on.ask(10.0)
    assert on.scheduler.queue.first_holder() is on.source
    on.source.close()
    assert on.scheduler.queue.first_holder() is None
    assert on.events() == []


def test_a_seek_stops_what_is_sent(on: OneSource) -> None:
    on.source.forget()  # before there is a stream
    on.start().wish(0)
    on.ask(10.0)
    assert on.source.silent_s(16.0) == 6.0
    on.source.forget()
    assert on.source.silent_s(16.0) == 0.0
    assert on.scheduler.queue.first_holder() is None


def test_a_stream_expires_where_nothing_came_for_long(on: OneSource) -> None:
    on.start()
    at = 10.0 + STREAM_ENDS_S
    assert [on.source.has_expired(now) for now in (at - 0.1, at)] == [False, True]


# UDP.


def test_a_source_that_is_tried_or_shares_the_link_is_limited() -> None:
    on = OneSource(tcp_bytes_per_s=40_000.0).start()
    on.source.limit(beside=1, share_bytes_per_s=30_000.0)
    assert on.source.udp.flow.window_bytes() == MAX_PAYLOAD
    assert on.source.transport.path.share_bytes_per_s == 30_000.0
    on.source.limit(beside=0, share_bytes_per_s=50_000.0)
    assert on.source.udp.flow.window_bytes() > MAX_PAYLOAD
    assert on.source.transport.path.share_bytes_per_s == 40_000.0, "TCP got no more of it"


def test_where_nothing_is_known_of_tcp_a_share_of_the_link_is_expected(on: OneSource) -> None:
    on.source.limit(beside=0, share_bytes_per_s=9e9)
    assert on.source.transport.path.share_bytes_per_s == 9e9


def test_what_comes_is_counted_at_the_time_when_it_came(on: OneSource) -> None:
    on.start().wish(0)
    asked = units_of(on.ask(10.0))
    assert on.source.receive([datagram(unit, no, 10.25 + i / 100) for i, (no, unit) in enumerate(asked)])
    came = [(len(payload_of(unit)), 10.25 + i / 100) for i, (_, unit) in enumerate(asked)]
    assert on.source.arrivals == came
    assert (on.source.heard_at, on.source.has_delivered) == (came[-1][1], True)
    assert on.source.delivered_bytes == sum(size for size, _ in came) == len(MADE.segments[0][0])
    assert on.scheduler.next_event() == SegmentReady(0, 0, MADE.segments[0][0])
    assert on.scheduler.wasted_bytes == 0
    assert not on.source.has_expired(10.0 + STREAM_ENDS_S), "the transport was told"
    assert not on.source.is_timer_due


def test_what_was_not_asked_for_is_left_alone(on: OneSource) -> None:
    on.start().wish(0)
    ((no, unit), *_) = units_of(on.ask(10.0))
    assert on.source.receive([datagram(unit._replace(segment=5), no, 10.5)])
    assert on.stats.duplicate_units == 1
    assert (on.source.arrivals, on.source.delivered_bytes, on.source.heard_at) == ([], 0, 10.0)
    assert on.scheduler.wasted_bytes == 0
    assert on.source.fault is None


def test_what_is_lost_is_counted_and_asked_for_again(on: OneSource) -> None:
    told: list[int] = []
    on.start().wish(*range(4))
    on.source.transport.on_lost = told.append
    lost = units_of(on.ask(10.0))[0][1]
    on.answer(10.5, but=[lost])
    assert (told, on.stats.retransmitted_units, on.source.udp.lost_units) == ([1], 1, 0)
    assert lost in [unit for _, unit in units_of(on.ask(10.5))]
    on.answer(11.0)
    assert (told, on.stats.retransmitted_units) == ([1], 1)
    ready = [on.scheduler.next_event() for _ in range(4)]
    assert SegmentReady(0, 0, MADE.segments[0][0]) in ready


def test_datagrams_that_do_not_verify_are_nobodys(on: OneSource) -> None:
    on.start()
    assert not on.source.receive([Came(b"junk", 10.0)] * 2)
    assert on.source.fault is None


def test_while_probes_are_unanswered_the_deadline_may_be_another_with_all_that_comes(on: OneSource) -> None:
    on.start().wish(0)
    on.ask(10.0)
    on.source.receive([Came(build_path(PathToken(STREAM_ID, 1, 99), KEYS), 10.1)])
    assert not on.source.is_timer_due
    assert on.asked()[0].path_token == 99, "the token was shown"
    on.source.handle_timeout(10.9, ALONE)
    on.source.receive([Came(b"junk", 10.95)])
    assert on.source.is_timer_due


def test_a_source_that_alone_can_have_sent_what_was_not_asked_for_lies(on: OneSource) -> None:
    on.start().wish(0)
    ((no, _), *_) = units_of(on.ask(10.0))
    foreign = datagram(Unit(0, 50, 0), no, 10.5)
    on.source.receive([foreign] * MOST_BREACHES)
    assert on.source.fault is None
    on.source.receive([foreign])
    assert on.source.fault == Fault("it sends what was not asked for", is_lie=True)


def test_a_flooded_port_is_left_at_once_and_a_flood_that_follows_ends_the_source(on: OneSource) -> None:
    on.start().wish(0)
    on.ask(10.0)
    on.answer(10.5)
    flood = [Came(bytes(2048), 11.0)] * 3
    for _ in range(MOVES):
        on.source.receive(flood)
        assert on.events() == [MovePort(on.source, is_flooded=True)]
        on.source.receive(flood)
        assert on.events() == [], "it is being left"
        on.source.udp.on_moved(11.0, is_flooded=True)
        assert on.source.fault is None
    assert on.source.has_delivered
    on.source.receive(flood)
    assert on.source.fault == Fault("more comes from its address than was asked for"), "it is no liar"
    assert (on.source.has_delivered, on.source.delivered_bytes) == (False, 0), "so that it rests"


# Time.


def test_deadlines_are_those_of_the_receiver_while_udp_may_pass_and_of_the_transport(on: OneSource) -> None:
    on.start()
    assert on.source.next_deadline() == math.inf
    on.wish(*range(20))
    on.ask(10.0)
    receiver = on.source.udp.receiver
    assert receiver is not None
    assert on.source.next_deadline() == receiver.next_deadline() == pytest.approx(10.3)
    on.source.handle_timeout(10.5, ALONE)
    assert receiver.probes_unanswered == 1
    assert on.source.next_deadline() == on.source.transport.next_deadline() == 11.0
    on.source.transport.uses_udp = False
    on.source.transport.next_deadline = lambda: 30.0
    assert on.source.next_deadline() == 30.0
    on.source.handle_timeout(20.0, ALONE)
    assert receiver.probes_unanswered == 1


def test_the_choice_is_made_by_the_latest_round_trip_and_signs_of_life() -> None:
    on = OneSource(rtt_s=None).start()
    path = on.source.transport.path
    on.source.handle_timeout(10.0, ALONE)
    assert (path.rtt_s, path.is_alive, path.passes_for_others) == (0.0, True, False)
    on.peer.rtt_s, on.peer.is_alive, on.peer.heard_at = 0.2, False, 3.5
    on.source.handle_timeout(10.0, Beside(udp_passes=True))
    assert (path.rtt_s, path.is_alive, path.passes_for_others) == (0.2, False, True)
    assert path.heard_at == -math.inf, "there is no call"
    on.bandwidth.srtt_s = 0.7
    on.source.call.start()
    on.source.handle_timeout(10.0, ALONE)
    assert (path.rtt_s, path.heard_at, path.passes_for_others) == (0.7, 3.5, False)


def test_a_silence_of_udp_that_had_passed_is_met_by_another_port_then_by_another_connection(
    on: OneSource,
) -> None:
    on.start().wish(*range(20))
    asked = units_of(on.ask(10.0))
    on.source.receive([datagram(unit, no, 10.25) for no, unit in asked[:2]])
    on.source.handle_timeout(10.25 + MOVE_AFTER_S - 0.1, ALONE)
    assert on.events() == []
    on.source.handle_timeout(10.25 + MOVE_AFTER_S, ALONE)
    assert on.events() == [MovePort(on.source)]
    for now in (12.0, 13.0, 14.0, 15.0):
        on.source.handle_timeout(now, ALONE)
    assert on.events() == [StartCall(on.source, 1, renews=True)]


# gRPC.


def test_falling_back_leaves_what_was_asked_to_a_call(on: OneSource) -> None:
    on.start().wish(0)
    on.ask(10.0)
    outstanding_bytes = on.bandwidth.outstanding_bytes
    on.source.handle_timeout(11.0, ALONE)
    assert on.events() == [StartCall(on.source, 1)], "UDP never passed: the network is no other"
    assert on.source.on_grpc
    assert on.bandwidth.outstanding_bytes == outstanding_bytes, "what the network holds counts when it comes"
    assert on.scheduler.queue.first_holder() is None
    assert on.source.ask_call(11.0) == [(0, 0)]
    assert on.scheduler.queue.first_holder() is on.source


def test_what_is_asked_for_on_a_call_is_not_left_to_others_as_what_udp_had() -> None:
    on = OneSource().start()
    on.wish(0)
    on.ask(10.0)
    on.source.handle_timeout(10.0 + FALLBACK_AFTER_S, ALONE)
    assert on.source.on_grpc
    on.source.forget()
    assert not on.source.udp.is_through


def test_a_call_brings_what_was_asked_for(on: OneSource) -> None:
    on = on_call(0, wishes_table=True)
    on.source.receive_chunk(chunk_of(TABLE), 0.1, 11.5)
    assert on.source.ask_call(11.5) == [(0, 0)]
    on.source.receive_chunk(chunk_of(0), 0.1, 12.0)
    sizes = [len(MADE.tables[0][0]), len(MADE.segments[0][0])]
    assert on.source.arrivals == [(sizes[0], 11.5), (sizes[1], 12.0)]
    assert (on.source.heard_at, on.source.has_delivered) == (12.0, True)
    assert on.source.delivered_bytes == sum(sizes)
    assert on.scheduler.next_event() == SegmentReady(0, 0, MADE.segments[0][0])
    assert on.source.ask_call(12.0) == [], "nothing is wished for"
    assert (on.source.fault, on.events()) == (None, [])


def test_what_is_false_is_a_lie(on: OneSource) -> None:
    on = on_call(0)
    on.source.receive_chunk(chunk_of(0)._replace(data=b"false"), 0.1, 11.5)
    lie = on.scheduler.next_event()
    assert isinstance(lie, SourceLied)
    assert lie.source is on.source


def test_an_answer_to_another_question_is_a_lie(on: OneSource) -> None:
    on = on_call(0)
    on.source.receive_chunk(chunk_of(5), 0.1, 11.5)
    assert on.source.fault == Fault("a segment that was not asked for", is_lie=True)
    assert (on.source.delivered_bytes, on.source.arrivals) == (0, [])


def test_the_transport_is_told_when_something_is_due_and_what_came_of_it() -> None:
    on = on_call(0, 1, 2)
    told: list[object] = []
    on.source.transport.on_call = told.append
    on.source.transport.on_chunk = lambda *given, is_more_due: told.append((*given, is_more_due))
    on.source.ask_call(11.0)
    assert told == [], "no more may be asked for"
    on.source.receive_chunk(chunk_of(0), 0.25, 11.5)
    on.source.ask_call(11.5)
    on.source.receive_chunk(chunk_of(1), 0.75, 12.0)
    assert told == [(11.5, 0.25, False), 11.5, (12.0, 0.75, True)]


def test_what_comes_by_a_call_is_measured_from_when_something_was_due() -> None:
    on = on_call(0, 1, 2)
    told: list[object] = []
    on.bandwidth.on_streamed = lambda *given: told.append(given)
    on.source.receive_chunk(chunk_of(0), 0.1, 12.0)
    on.source.ask_call(12.0)
    on.source.receive_chunk(chunk_of(1), 0.1, 13.0)
    on.source.receive_chunk(chunk_of(2), 0.1, 14.0)
    on.wish(3)
    on.source.ask_call(100.0)
    on.source.receive_chunk(chunk_of(3), 0.1, 101.0)
    times = [(11.0, 12.0), (12.0, 13.0), (12.0, 14.0), (100.0, 101.0)]
    assert told == [(len(MADE.segments[0][k]), *at) for k, at in enumerate(times)]


def test_a_unit_by_udp_before_the_call_gave_anything_ends_the_call() -> None:
    on = on_call(0)
    on.answer(11.5)
    assert on.source.is_timer_due
    assert not on.asked(), "nothing was tried"
    on.source.handle_timeout(11.5, ALONE)
    assert on.events() == [EndCall(on.source)]
    assert not on.source.on_grpc
    assert on.scheduler.queue.first_holder() is None
    assert on.source.ask_call(11.5) == []


def test_while_a_call_gives_udp_is_probed_and_comes_back_once_enough_units_pass() -> None:
    on = on_call(0, 1, 2)
    on.source.receive_chunk(chunk_of(0), 0.1, 11.5)
    on.source.ask_call(11.5)
    retry_at = on.peer.heard_at = 11.0 + UDP_RETRY_S
    on.source.handle_timeout(retry_at - 0.1, ALONE)
    assert on.asked() == []
    on.source.handle_timeout(retry_at, ALONE)
    (probe,) = on.asked()
    assert probe.ranges == (UnitRange(0, TABLE, 0, 1),)
    on.answer(retry_at + 0.2)
    (trial,) = on.asked()
    assert trial.ranges == tuple(UnitRange(0, segment, 0, 1) for segment in range(RETURN_UNITS))
    assert on.source.is_timer_due
    on.source.handle_timeout(retry_at + 0.2, ALONE)
    assert on.source.on_grpc
    on.answer(retry_at + 0.4)
    on.source.handle_timeout(retry_at + 0.4, ALONE)
    assert on.events() == [EndCall(on.source)]
    assert not on.source.on_grpc


@pytest.mark.parametrize("others_deliver", [False, True])
def test_where_the_connection_hangs_a_call_is_made_over_another_once(others_deliver: bool) -> None:
    on = on_call(0)
    hung_at = 11.0 + HUNG_FIRST_S
    on.source.handle_timeout(hung_at, ALONE)
    assert on.events() == [Reconnect(on.source, 1)]
    on.source.on_reconnected(1)
    assert on.events() == [EndCall(on.source), StartCall(on.source, 2)]
    assert on.source.ask_call(hung_at) == [(0, 0)]
    on.source.handle_timeout(hung_at + 2 * HUNG_FIRST_S, Beside(deliver=others_deliver))
    assert on.events() == [EndCall(on.source)]
    assert on.scheduler.queue.first_holder() is None
    assert on.source.fault == (Fault("it sends nothing") if others_deliver else None)
    assert on.source.on_grpc == others_deliver, "UDP goes on where there is nobody to blame"


def test_a_call_that_came_to_life_meanwhile_goes_on() -> None:
    on = on_call(0)
    on.source.handle_timeout(15.0, ALONE)
    on.source.receive_chunk(chunk_of(0), 4.0, 15.5)
    on.events()
    on.source.on_reconnected(1)
    assert on.events() == []


@pytest.mark.parametrize("is_another_begun", [False, True])
def test_a_connection_that_is_made_too_late_changes_nothing(is_another_begun: bool) -> None:
    on = on_call(0)
    on.source.handle_timeout(15.0, ALONE)
    on.source.call.end()
    if is_another_begun:
        on.source.call.start()
    on.events()
    on.source.on_reconnected(1)
    assert on.events() == []


@pytest.mark.parametrize(
    ("is_weather", "is_gone", "now", "is_kept"),
    [
        (True, False, 13.0, True),
        (False, False, 13.0, False),
        (True, True, 13.0, False),
        (True, False, 10.0 + STREAM_ENDS_S, False),
    ],
)
def test_a_call_that_fails_is_the_networks_fault_or_the_sources(
    is_weather: bool, is_gone: bool, now: float, is_kept: bool
) -> None:
    on = on_call(0)
    on.peer.is_gone = is_gone
    on.source.on_call_failed(FAULT, now, is_weather=is_weather)
    assert on.source.fault == (None if is_kept else FAULT)
    assert on.events() == [EndCall(on.source)]
    assert on.scheduler.queue.first_holder() is None
    if is_kept:
        on.source.handle_timeout(now, ALONE)
        assert not on.source.on_grpc
        assert on.events() == []


def test_without_a_stream_a_call_that_fails_is_the_end(on: OneSource) -> None:
    on.start(None)
    on.source.handle_timeout(10.0, ALONE)
    on.source.on_call_failed(FAULT, 10.5, is_weather=True)
    assert on.source.fault == FAULT
