"""Which way a source's data comes, on literal times."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.sources.call_watch import (
    CALL_AGAIN_S,
    HUNG_AFTER_S,
    HUNG_FIRST_S,
    HUNG_SILENCES,
    MAX_CALL_AGAIN_S,
    MOST_DOUBT,
)
from lightpeer.core.sources.path_state import HASTE, ROUND_TRIPS
from lightpeer.core.sources.transport import RETURN_UNITS, UDP_RETRY_S, Action, Transport
from lightpeer.core.sources.udp_watch import (
    BESIDE_OTHERS,
    FALLBACK_AFTER_S,
    GIVE_UP_AFTER_S,
    GIVE_UP_PROBES,
    GIVES_WAY_S,
    MOVE_AFTER_S,
    STREAM_ENDS_S,
    TRICKLE_S,
)
from lightpeer.core.udp.datagram import MAX_PAYLOAD
from tests.core.sources.test_udp_watch import Stream

LEAST_BYTES_PER_S = 3000.0
NOTHING, MOVE, FALL_BACK, RETURN = Action.NOTHING, Action.MOVE, Action.FALL_BACK, Action.RETURN
PROBE, RECONNECT, END_CALL = Action.PROBE, Action.RECONNECT, Action.END_CALL


def udp(**more: object) -> tuple[Transport, Stream]:
    stream = Stream()
    return Transport(stream, LEAST_BYTES_PER_S, 0.0, **more), stream


def unit(transport: Transport, stream: Stream, now: float, size: int = MAX_PAYLOAD) -> None:
    stream.arrived += 1
    stream.last_heard_at = now
    stream.probes_unanswered = 0
    transport.on_units([(size, now)])


def passing(until: float = 3.0, **more: object) -> tuple[Transport, Stream]:
    """A stream that is seen to pass, something outstanding."""
    transport, stream = udp(**more)
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    for number in range(int(until * 10) + 1):
        unit(transport, stream, number / 10)
    assert transport.decide(until) is NOTHING
    return transport, stream


def on_grpc(now: float = 20.0, *, gives: bool = True, **more: object) -> tuple[Transport, Stream]:
    """A stream whose UDP has ceased a while ago; data comes by the call."""
    transport, stream = passing(**more)
    stream.probes_unanswered = GIVE_UP_PROBES
    assert transport.decide(now) is MOVE
    assert transport.decide(now) is FALL_BACK
    if gives:
        transport.on_call(now)
        transport.on_chunk(now, 0.0, is_more_due=False)
    return transport, stream


# From UDP to gRPC.


def test_without_a_stream_there_is_only_the_call():
    transport = Transport(None, LEAST_BYTES_PER_S, 5.0)
    assert transport.next_deadline() <= 5.0
    assert transport.silent_s(9.0) == 0.0
    assert not transport.has_expired(1e9)
    assert transport.decide(5.0) is FALL_BACK
    assert transport.on_grpc
    assert transport.decide(5.0) is NOTHING
    assert transport.next_deadline() == math.inf


def test_while_nothing_was_asked_for_nothing_is_due():
    transport, _ = udp()
    assert transport.next_deadline() == math.inf
    assert transport.decide(100.0) is NOTHING


@pytest.mark.parametrize(("rtt_s", "limit_s"), [(0.0, FALLBACK_AFTER_S), (0.1, 1.0), (0.9, 2.7)])
def test_the_first_data_must_come_in_time(rtt_s, limit_s):
    transport, stream = udp()
    transport.path.rtt_s = rtt_s
    stream.first_pull_at, stream.gauge.outstanding_bytes = 2.0, MAX_PAYLOAD
    assert transport.next_deadline() == pytest.approx(2.0 + limit_s)
    assert transport.decide(2.0 + limit_s - 0.01) is NOTHING
    assert transport.decide(2.0 + limit_s) is FALL_BACK


def test_where_udp_passes_for_others_the_first_data_has_longer():
    transport, stream = udp()
    transport.path.passes_for_others = True
    stream.first_pull_at, stream.gauge.outstanding_bytes = 2.0, MAX_PAYLOAD
    assert transport.next_deadline() == 2.0 + BESIDE_OTHERS * FALLBACK_AFTER_S


def test_where_a_person_wants_udp_alone_it_is_never_left():
    transport, stream = udp(may_call=False)
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    assert transport.next_deadline() == math.inf
    assert transport.decide(100.0) is NOTHING


@pytest.mark.parametrize(
    ("is_alive", "rtt_s", "move_s", "give_up_s"),
    [
        (True, 0.1, MOVE_AFTER_S, GIVE_UP_AFTER_S),
        (False, 0.1, HASTE * MOVE_AFTER_S, HASTE * GIVE_UP_AFTER_S),
        (True, 1.2, ROUND_TRIPS * 1.2 / 2, ROUND_TRIPS * 1.2),
    ],
)
def test_a_silence_is_met_with_another_socket_and_then_with_grpc(is_alive, rtt_s, move_s, give_up_s):
    transport, stream = passing(3.0)
    transport.path.is_alive, transport.path.rtt_s = is_alive, rtt_s
    assert transport.next_deadline() == pytest.approx(3.0 + move_s)
    assert transport.decide(3.0 + move_s - 0.01) is NOTHING
    assert transport.decide(3.0 + move_s) is MOVE
    assert transport.decide(3.0 + move_s) is NOTHING, "once"
    assert transport.next_deadline() == math.inf, "the probes tell first"
    stream.probes_unanswered = GIVE_UP_PROBES - 1
    assert transport.decide(3.0 + give_up_s) is NOTHING
    stream.probes_unanswered = GIVE_UP_PROBES
    assert transport.next_deadline() == pytest.approx(3.0 + give_up_s)
    assert transport.decide(3.0 + give_up_s - 0.01) is NOTHING
    assert transport.silent_s(3.0 + give_up_s) == pytest.approx(give_up_s)
    assert transport.decide(3.0 + give_up_s) is FALL_BACK


def test_while_nothing_is_outstanding_silence_says_nothing():
    transport, stream = passing()
    stream.gauge.outstanding_bytes, stream.probes_unanswered = 0, GIVE_UP_PROBES
    assert transport.next_deadline() == math.inf
    assert transport.decide(1000.0) is NOTHING


def test_what_is_policed_is_left():
    transport, _ = passing(3.0)
    transport.on_lost(200)
    assert transport.decide(3.0) is NOTHING, "that is what the end of a dead zone looks like"
    transport.on_lost(12)
    assert transport.next_deadline() <= 3.0
    assert transport.decide(3.0) is FALL_BACK


def test_a_trickle_from_the_start_is_no_use():
    transport, stream = udp()
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    unit(transport, stream, 0.2)
    unit(transport, stream, 1.3)
    assert transport.next_deadline() == 0.2 + TRICKLE_S
    assert transport.decide(0.2 + TRICKLE_S - 0.01) is NOTHING
    assert transport.decide(0.2 + TRICKLE_S) is FALL_BACK


@pytest.mark.parametrize("since", [0.0, 5000.0])
def test_half_of_the_least_rendition_is_no_trickle(since):
    transport, stream = udp()
    stream.first_pull_at, stream.gauge.outstanding_bytes = since, MAX_PAYLOAD
    for number in range(5):
        unit(transport, stream, since + 0.2 + 0.5 * number)
    assert transport.decide(since + 2.2) is NOTHING
    assert transport.next_deadline() == pytest.approx(since + 2.2 + MOVE_AFTER_S)


def test_half_of_its_share_of_a_thin_link_is_no_trickle():
    """Where several sources are asked, and the link gives less than they could."""
    transport, stream = udp()
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    transport.path.share_bytes_per_s = 600
    unit(transport, stream, 0.2)
    unit(transport, stream, 1.3)
    assert transport.decide(0.2 + TRICKLE_S) is NOTHING


def test_little_that_was_wanted_is_no_trickle():
    transport, stream = udp()
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    unit(transport, stream, 0.2, size=100)
    stream.gauge.outstanding_bytes = 0
    assert transport.decide(0.2 + TRICKLE_S) is NOTHING
    assert transport.next_deadline() == math.inf


# From gRPC to UDP.


def test_udp_is_tried_again_while_something_is_due():
    transport, _ = on_grpc(20.0)
    assert not transport.uses_udp
    assert transport.next_deadline() == math.inf, "the radio may sleep"
    transport.on_call(30.0)
    assert transport.next_deadline() == 30.0 + HUNG_AFTER_S
    transport.on_chunk(34.9, 0.0, is_more_due=True)
    assert transport.next_deadline() == 20.0 + UDP_RETRY_S
    assert transport.decide(20.0 + UDP_RETRY_S - 0.1) is NOTHING
    assert transport.decide(20.0 + UDP_RETRY_S) is PROBE
    assert transport.decide(20.0 + UDP_RETRY_S) is NOTHING
    transport.on_chunk(49.9, 0.0, is_more_due=True)
    assert transport.decide(20.0 + 2 * UDP_RETRY_S) is PROBE


def test_it_is_trusted_again_once_several_units_passed():
    transport, stream = on_grpc(20.0)
    transport.on_call(35.0)
    assert transport.decide(35.0) is PROBE
    assert not transport.take_trial()
    unit(transport, stream, 35.2)
    assert transport.take_trial(), "after the first, as many as show it"
    assert not transport.take_trial()
    for number in range(2, RETURN_UNITS):
        unit(transport, stream, 35.2 + number / 10)
        assert transport.decide(36.0) is NOTHING
    unit(transport, stream, 36.0)
    assert transport.decide(36.0) is RETURN
    assert not transport.on_grpc
    assert transport.decide(36.0) is NOTHING


def test_units_of_an_earlier_trial_do_not_count():
    transport, stream = on_grpc(20.0)
    transport.on_call(35.0)
    assert transport.decide(35.0) is PROBE
    for number in range(RETURN_UNITS - 1):
        unit(transport, stream, 35.1 + number / 10)
    transport.on_chunk(50.0, 0.0, is_more_due=True)
    assert transport.decide(50.0) is PROBE
    unit(transport, stream, 50.1)
    assert transport.decide(50.1) is NOTHING


def test_a_short_track_has_fewer_to_try_with():
    transport, stream = on_grpc(20.0, units=2)
    transport.on_call(35.0)
    transport.decide(35.0)
    unit(transport, stream, 35.1)
    assert transport.decide(35.1) is NOTHING
    unit(transport, stream, 35.2)
    assert transport.decide(35.2) is RETURN


def test_where_the_call_has_given_nothing_one_unit_is_enough():
    """A dead zone ends, and what the radio network held comes."""
    transport, stream = on_grpc(10.0, gives=False)
    assert transport.uses_udp
    unit(transport, stream, 11.0)
    assert transport.decide(11.0) is RETURN


def test_it_may_be_judged_anew_after_a_return():
    transport, stream = on_grpc(10.0, gives=False)
    unit(transport, stream, 11.0)
    transport.decide(11.0)
    unit(transport, stream, 11.1)
    assert transport.decide(11.1 + MOVE_AFTER_S) is MOVE
    assert transport.decide(11.1 + TRICKLE_S) is FALL_BACK, "it was a trickle"


# A stream that is over.


def test_a_stream_that_was_silent_for_ten_minutes_is_over():
    transport, stream = passing(3.0)
    stream.gauge.outstanding_bytes = 0
    assert not transport.has_expired(3.0 + STREAM_ENDS_S - 0.1)
    assert transport.has_expired(3.0 + STREAM_ENDS_S)


def test_on_grpc_it_is_thought_of_when_udp_is_due_again_and_not_probed_for():
    transport, _ = on_grpc(590.0)
    assert not transport.has_expired(590.0 + UDP_RETRY_S - 0.1)
    assert transport.has_expired(590.0 + UDP_RETRY_S)
    transport.on_call(606.0)
    transport.on_chunk(606.0, 0.0, is_more_due=True)
    assert transport.decide(606.0) is NOTHING


def rested(seconds: float, **more: object) -> tuple[Transport, Stream, float]:
    """A stream that was left alone for so long, and brings nothing of what is asked for since."""
    transport, stream = passing(3.0, **more)
    stream.last_heard_at = 3.0 + seconds  # asked, with nothing outstanding
    now = stream.last_heard_at + GIVE_UP_AFTER_S
    stream.probes_unanswered = GIVE_UP_PROBES
    return transport, stream, now


def test_a_stream_that_is_silent_after_a_rest_is_opened_anew_when_udp_is_due_again():
    """A full server has ended it; it is not probed for."""
    transport, stream, now = rested(GIVES_WAY_S)
    assert transport.decide(now) is MOVE
    assert transport.decide(now) is FALL_BACK
    at = now + UDP_RETRY_S
    transport.on_call(at)
    transport.on_chunk(at, 0.0, is_more_due=True)
    assert [transport.has_expired(when) for when in (at - 0.1, at)] == [False, True]
    assert transport.decide(at) is NOTHING
    unit(transport, stream, at)
    assert not transport.has_expired(at), "it was only late"


def test_after_a_short_rest_it_is_probed_for():
    transport, _, now = rested(GIVES_WAY_S - 0.1)
    assert transport.decide(now) is MOVE
    assert transport.decide(now) is FALL_BACK
    at = now + UDP_RETRY_S
    transport.on_call(at)
    transport.on_chunk(at, 0.0, is_more_due=True)
    assert not transport.has_expired(at)
    assert transport.decide(at) is PROBE


def test_where_a_person_wants_udp_alone_a_silent_stream_is_opened_anew_at_once():
    transport, _, now = rested(GIVES_WAY_S, may_call=False)
    assert not transport.has_expired(now - 0.1)
    assert transport.has_expired(now)


# A connection that hangs.


def test_an_answer_that_does_not_come_is_met_with_another_connection():
    transport, _ = on_grpc(20.0)
    transport.on_call(21.0)
    transport.on_call(22.0)
    assert transport.silent_s(22.0) == 1.0
    assert transport.next_deadline() == 21.0 + HUNG_AFTER_S
    assert transport.decide(21.0 + HUNG_AFTER_S - 0.01) is NOTHING
    assert transport.decide(21.0 + HUNG_AFTER_S) is RECONNECT
    assert transport.is_hung
    assert transport.decide(30.0) is NOTHING
    transport.on_chunk(30.0, 0.0, is_more_due=False)
    assert not transport.is_hung, "it came after all"


def test_bytes_of_an_answer_are_progress():
    transport, _ = on_grpc(20.0)
    transport.on_call(21.0)
    transport.path.heard_at = 25.0
    assert transport.decide(25.0 + HUNG_AFTER_S - 0.01) is NOTHING
    assert transport.silent_s(26.0) == 1.0
    assert transport.decide(25.0 + HUNG_AFTER_S) is RECONNECT


def test_the_patience_grows_with_the_round_trip_and_with_how_long_answers_let_wait():
    transport, _ = on_grpc(20.0)
    transport.path.rtt_s = 1.0
    transport.on_call(21.0)
    assert transport.next_deadline() == 21.0 + ROUND_TRIPS * 1.0
    transport.on_chunk(23.0, 1.8, is_more_due=True)
    assert transport.next_deadline() == 23.0 + HUNG_SILENCES * 1.8
    for number in range(1, 20):
        transport.on_chunk(23.0 + number / 10, 0.0, is_more_due=True)
    assert transport.next_deadline() == pytest.approx(24.9 + ROUND_TRIPS * 1.0), "of late"


def test_a_silence_in_which_nothing_was_due_does_not_count():
    transport, _ = on_grpc(20.0)
    transport.on_call(40.0)
    transport.on_chunk(40.2, 19.0, is_more_due=True)
    assert transport._call.hung_at() == pytest.approx(40.2 + HUNG_AFTER_S)
    transport.on_chunk(40.3, 19.0, is_more_due=False)
    transport.on_chunk(60.0, 19.0, is_more_due=False)
    transport.on_call(60.0)
    assert transport._call.hung_at() == pytest.approx(60.0 + HUNG_AFTER_S)


def test_before_the_first_answer_it_is_longer():
    transport, _ = on_grpc(20.0, gives=False)
    transport.on_call(20.0)
    assert transport.next_deadline() == 20.0 + HUNG_FIRST_S
    assert transport.decide(20.0 + HUNG_FIRST_S) is RECONNECT


def test_where_the_new_connection_hangs_too_the_call_has_failed():
    transport, _ = on_grpc(20.0)
    transport.on_call(21.0)
    assert transport.decide(22.5) is RECONNECT
    transport.on_reconnected()
    assert not transport.is_hung
    transport.on_call(22.6)
    assert transport.decide(22.6 + 2 * HUNG_AFTER_S - 0.01) is NOTHING, "twice as patient now"
    assert transport.decide(22.6 + 2 * HUNG_AFTER_S) is END_CALL
    assert transport.decide(60.0) is NOTHING


def test_the_patience_doubles_with_each_connection_and_comes_back_with_answers():
    transport, _ = on_grpc(20.0)
    now, patience = 21.0, []
    for _ in range(5):
        transport.on_call(now)
        patience.append(transport._call.hung_at() - now)
        now = transport._call.hung_at()
        assert transport.decide(now) is RECONNECT
        transport.on_chunk(now, 0.0, is_more_due=False)
    assert patience == pytest.approx([1.5, 2.7, 4.86, 8.748, MOST_DOUBT * 0.9 * 1.5])
    for _ in range(30):
        transport.on_chunk(now, 0.0, is_more_due=False)
    transport.on_call(now)
    assert transport._call.hung_at() == pytest.approx(now + HUNG_AFTER_S)


# Nothing passes at all.


def test_a_call_that_fails_gives_way_to_udp_and_is_made_again_less_and_less_often():
    transport, stream = passing(3.0)
    stream.probes_unanswered, now = GIVE_UP_PROBES, 6.0
    assert transport.decide(now) is MOVE
    waits = []
    for _ in range(5):
        assert transport.decide(now) is FALL_BACK
        assert transport.on_call_failed(now)
        assert transport.decide(now) is RETURN
        waits.append(transport.next_deadline() - now)
        assert transport.decide(transport.next_deadline() - 0.01) is NOTHING
        now = transport.next_deadline()
    assert waits == [CALL_AGAIN_S, 4.0, 8.0, MAX_CALL_AGAIN_S, MAX_CALL_AGAIN_S]
    unit(transport, stream, now)
    stream.probes_unanswered = GIVE_UP_PROBES
    transport.decide(now + 3.0)
    assert transport.decide(now + 3.0) is FALL_BACK
    transport.on_call_failed(now + 3.0)
    assert transport.decide(now + 3.0) is RETURN
    assert transport.next_deadline() == now + 3.0 + CALL_AGAIN_S, "it had passed in between"


def test_a_call_that_gave_something_begins_the_waits_anew():
    transport, _ = on_grpc(20.0)
    for now in (21.0, 30.0):
        assert transport.on_call_failed(now)
        assert transport.decide(now) is RETURN
        assert transport.decide(now + CALL_AGAIN_S - 0.1) is NOTHING
        assert transport.decide(now + CALL_AGAIN_S) is FALL_BACK
        transport.on_call(now + CALL_AGAIN_S)
        transport.on_chunk(now + CALL_AGAIN_S, 0.0, is_more_due=False)


def test_without_a_stream_or_with_one_that_is_over_a_call_that_fails_is_the_end():
    transport = Transport(None, LEAST_BYTES_PER_S, 0.0)
    transport.decide(0.0)
    assert not transport.on_call_failed(1.0)
    transport, _ = on_grpc(20.0)
    assert transport.on_call_failed(3.0 + STREAM_ENDS_S - 0.1)
    assert not transport.on_call_failed(3.0 + STREAM_ENDS_S)


# Several units in one wake-up.


def test_units_that_come_together_pass_as_those_that_come_one_by_one():
    transport, stream = on_grpc(20.0)
    transport.on_call(35.0)
    assert transport.decide(35.0) is PROBE
    stream.arrived += 2
    transport.on_units([(MAX_PAYLOAD, 35.2), (MAX_PAYLOAD, 35.3)])
    assert transport.take_trial(), "though the first did not come alone"
    assert not transport.take_trial()
    stream.arrived += RETURN_UNITS - 3
    transport.on_units([(MAX_PAYLOAD, 36.0)] * (RETURN_UNITS - 3))
    assert transport.decide(36.0) is NOTHING
    transport.on_units([(MAX_PAYLOAD, 36.1)])
    assert transport.decide(36.1) is RETURN
    assert transport.uses_udp


def test_a_late_answer_of_a_call_that_was_left_does_not_make_udp_idle():
    transport, _ = passing()
    transport.on_chunk(4.0, 0.0, is_more_due=False)
    assert transport.uses_udp
