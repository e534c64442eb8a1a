from __future__ import annotations

import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.connection import ConnectionState
from lightpeer.core.rpc.frame_gate import LAST_STREAM_ID, ErrorCode, encode_goaway
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from tests.core.rpc.h2peer import OK, PATH, RESPONSE, H2Peer, connect
from tests.fuzz import wire

MAX_STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS


def unary(
    client: ClientConnection, request: bytes = b"request", *, deadline: float | None = None, now: float = 0.0
):
    call = client.start(PATH, now, CallTerms(deadline=deadline, expects_one=True))
    call.send(request, end=True)
    return call


def test_a_connection_that_is_not_used_closes_by_itself():
    client = ClientConnection("host:1", Limits(), 0.0, idle_s=10.0)
    peer = H2Peer(client)
    assert client.next_deadline() == 10.0
    call = unary(client)
    peer.exchange()
    client.handle_timeout(10.0)
    assert client.is_open, "it is in use"
    peer.now = 15.0
    peer.headers(1, RESPONSE)
    call.cancel()
    assert client.next_deadline() == 25.0
    client.handle_timeout(24.9)
    assert client.takes_calls
    client.handle_timeout(25.0)
    assert not client.is_open
    assert client.was_left
    assert client.why_closed == "the connection was not used"


# --- calls that end well ------------------------------------------------------------------------


def test_a_unary_call_says_what_the_specification_asks_and_gives_the_reply():
    client, peer = connect()
    call = client.start(PATH, 0.0, CallTerms(deadline=5.0, headers=[(b"k", b"v")], expects_one=True))
    call.send(b"request", end=True)
    (request,) = peer.of(h2.events.RequestReceived)
    headers = dict(request.headers)
    assert list(headers)[:4] == [b":method", b":scheme", b":authority", b":path"]
    assert headers[b":method"] == b"POST"
    assert headers[b":scheme"] == b"http"
    assert headers[b":authority"] == b"host:1"
    assert headers[b":path"] == PATH.encode()
    assert headers[b"te"] == b"trailers"
    assert headers[b"content-type"] == b"application/grpc"
    assert headers[b"grpc-timeout"] == b"5S"
    assert headers[b"grpc-accept-encoding"] == b"identity,gzip"
    assert headers[b"k"] == b"v"
    (data,) = peer.of(h2.events.DataReceived)
    assert data.data == b"\0\0\0\0\7request"
    assert data.stream_ended

    peer.headers(1, (*RESPONSE, (b"x", b"1")))
    assert peer.events_of_ours() == [call]
    assert call.initial_metadata == (("x", "1"),)
    peer.message(1, b"reply")
    assert call.status is None
    peer.headers(1, (*OK, (b"y-bin", b"AA")), end=True)
    assert peer.events_of_ours() == [call]
    assert call.status.code is StatusCode.OK
    assert call.status.trailing_metadata == (("y-bin", b"\0"),)
    assert call.take() == b"reply"
    assert call.take() is None
    assert client.active_calls == 0
    assert not peer.of(h2.events.StreamReset)


def test_how_a_reply_comes_is_seen_for_each_call_anew():
    client, peer = connect()
    before = client.burst
    unary(client, now=5.0)
    peer.exchange()
    peer.now = 5.25
    peer.headers(1, RESPONSE)
    peer.h2.send_data(1, bytes(2000))
    peer.exchange()
    assert client.burst is not before
    assert client.burst.rtt_s == 0.25


def test_many_messages_go_both_ways_on_one_call():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    call.send(b"one")
    call.send(b"two")
    assert b"".join(event.data for event in peer.of(h2.events.DataReceived)) == b"\0\0\0\0\3one\0\0\0\0\3two"
    peer.headers(1, RESPONSE)
    peer.message(1, b"a", b"b")
    assert [call.take(), call.take(), call.take()] == [b"a", b"b", None]
    call.end()
    call.end()
    assert len(peer.of(h2.events.StreamEnded)) == 1
    peer.headers(1, OK, end=True)
    assert call.status.code is StatusCode.OK


def test_a_gzipped_reply_is_inflated_within_the_limit():
    client, peer = connect(receive_message_bytes=1000)
    call, bomb = unary(client), unary(client)
    peer.exchange()
    for stream_id, size in ((1, 1000), (3, 1001)):
        peer.headers(stream_id, (*RESPONSE, (b"grpc-encoding", b"gzip")))
        peer.message(stream_id, bytes(size), gzip=True)
        peer.headers(stream_id, OK, end=True)
    assert call.take() == bytes(1000)
    assert bomb.status.code is StatusCode.OK
    assert bomb.take() is None
    assert bomb.status.code is StatusCode.RESOURCE_EXHAUSTED


def test_requests_are_gzipped_if_asked_and_one_may_be_sent_as_it_is():
    client, peer = connect()
    call = client.start(PATH, 0.0, CallTerms(gzip=True))
    call.send(bytes(1000))
    call.send(b"plain", compress=False, end=True)
    (request,) = peer.of(h2.events.RequestReceived)
    assert dict(request.headers)[b"grpc-encoding"] == b"gzip"
    data = b"".join(event.data for event in peer.of(h2.events.DataReceived))
    assert data[0] == 1
    assert len(data) < 100
    assert data.endswith(b"\0\0\0\0\5plain")


# --- calls that end otherwise -------------------------------------------------------------------


def test_messages_before_an_error_can_still_be_taken():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.reply(1, b"a", b"b", trailers=((b"grpc-status", b"15"),))
    assert call.status.code is StatusCode.DATA_LOSS
    assert [call.take(), call.take(), call.take()] == [b"a", b"b", None]


def test_ok_without_the_one_message_or_inside_one_is_internal():
    client, peer = connect()
    none, cut, none_wanted = unary(client), client.start(PATH, 0.0), client.start(PATH, 0.0)
    peer.exchange()
    peer.reply(1)
    peer.headers(3, RESPONSE)
    peer.data(3, b"\0\0\0\0\5cut")
    peer.headers(3, OK, end=True)
    peer.reply(5)
    assert none.status.code is StatusCode.INTERNAL
    assert cut.status.code is StatusCode.INTERNAL
    assert none_wanted.status.code is StatusCode.OK


@pytest.mark.parametrize(
    ("code", "status", "was_processed"),
    [
        (ErrorCode.REFUSED_STREAM, StatusCode.UNAVAILABLE, False),
        (ErrorCode.CANCEL, StatusCode.CANCELLED, True),
        (ErrorCode.ENHANCE_YOUR_CALM, StatusCode.RESOURCE_EXHAUSTED, True),
        (ErrorCode.INTERNAL_ERROR, StatusCode.INTERNAL, True),
    ],
)
def test_a_reset_stream_ends_its_call(code, status, was_processed):
    client, peer = connect()
    call, other = unary(client), unary(client)
    peer.exchange()
    peer.reset(1, code)
    assert call.status.code is status
    assert call.status.was_processed is was_processed
    assert other.status is None


def test_a_message_above_the_limit_ends_the_call_and_resets_the_stream():
    client, peer = connect(receive_message_bytes=10, send_message_bytes=10)
    call = unary(client)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"12345678901")
    assert call.status.code is StatusCode.RESOURCE_EXHAUSTED
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.CANCEL
    too_big = unary(client, b"12345678901")
    assert too_big.status.code is StatusCode.RESOURCE_EXHAUSTED


def test_a_status_before_the_requests_have_ended_resets_the_stream_without_error():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.reply(1)
    assert call.status.code is StatusCode.OK
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.NO_ERROR
    call.send(b"too late, and no error")


def test_cancel_resets_the_stream_and_frees_everything():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    call.send(b"x" * 1_000_000)
    peer.exchange()
    assert call.buffered_bytes > 900_000
    call.cancel()
    call.cancel("twice is once")
    assert call.status.code is StatusCode.CANCELLED
    assert call.status.details == "the call was cancelled here"
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.CANCEL
    assert call.buffered_bytes == 0
    assert client.active_calls == 0


def test_what_was_in_flight_for_a_cancelled_call_is_ignored():
    client, peer = connect()
    call = unary(client)
    peer.exchange()
    peer.h2.send_headers(1, list(RESPONSE))
    peer.h2.send_data(1, b"\0\0\0\0\1x")
    peer.h2.send_headers(1, list(OK), end_stream=True)
    data = peer.h2.data_to_send()
    call.cancel()
    client.receive(data, 0.0)
    assert client.state is ConnectionState.OPEN
    assert call.status.code is StatusCode.CANCELLED


def late_data(stream_id: int, total_bytes: int) -> bytes:
    """Frames of DATA, as a server sends that does not look at RST_STREAM."""
    return b"".join(
        wire.frame(0, bytes(min(10_000, total_bytes - sent)), stream_id=stream_id)
        for sent in range(0, total_bytes, 10_000)
    )


def test_what_comes_for_ended_calls_is_no_more_than_was_in_flight():
    """h2 fills the connection's window up for it for ever: a metered link would pay for what nobody sees."""
    client, peer = connect(stream_window_bytes=100_000)
    calls = [unary(client) for _ in range(3)]
    peer.exchange()
    for call in calls[:2]:
        call.cancel()
    peer.exchange()
    client.receive(late_data(1, 100_000) + late_data(3, 100_000), 0.0)
    assert client.is_open, "what two windows let out"
    client.receive(late_data(3, 1), 0.0)
    assert not client.is_open
    assert client.why_closed == "the server goes on sending in calls that have ended"
    assert client.error_code == ErrorCode.ENHANCE_YOUR_CALM
    assert calls[2].status.code is StatusCode.UNAVAILABLE


def test_nothing_more_comes_for_a_call_that_the_server_has_ended():
    client, peer = connect()
    unary(client)
    peer.exchange()
    peer.reply(1, b"reply")
    client.receive(late_data(1, 1), 0.0)
    assert not client.is_open


def test_events_after_the_end_of_a_call_in_the_same_bytes_are_ignored():
    client, peer = connect()
    call = unary(client)
    peer.exchange()
    peer.h2.send_headers(1, [(b":status", b"200"), (b"content-type", b"text/plain")])
    peer.h2.send_data(1, b"not grpc")
    peer.h2.send_headers(1, list(OK), end_stream=True)
    other = unary(client)
    peer.exchange()
    assert call.status.code is StatusCode.UNKNOWN
    peer.reply(3, b"reply")
    assert other.status.code is StatusCode.OK


# --- deadlines ----------------------------------------------------------------------------------


def test_a_deadline_ends_its_call_and_resets_the_stream():
    client, peer = connect()
    call, patient = unary(client, deadline=5.0), unary(client, deadline=9.0)
    peer.exchange()
    assert client.next_deadline() == 5.0
    client.handle_timeout(4.9)
    assert call.status is None
    client.handle_timeout(5.0)
    assert call.status.code is StatusCode.DEADLINE_EXCEEDED
    assert patient.status is None
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.CANCEL
    assert client.next_deadline() == 9.0


def test_a_deadline_that_has_passed_keeps_the_call_off_the_wire():
    client, peer = connect()
    call = unary(client, deadline=5.0, now=5.0)
    assert call.status.code is StatusCode.DEADLINE_EXCEEDED
    assert not peer.of(h2.events.RequestReceived)


def test_a_deadline_also_ends_a_call_that_waits_for_a_stream():
    client, _ = connect(settings={MAX_STREAMS: 1})
    unary(client)
    waiting = unary(client, deadline=5.0)
    client.handle_timeout(5.0)
    assert waiting.status.code is StatusCode.DEADLINE_EXCEEDED
    assert not client._waiting


# --- limits on streams --------------------------------------------------------------------------


def test_a_connection_whose_stream_ids_are_used_up_drains(monkeypatch):
    client, _ = connect()
    monkeypatch.setattr(client._h2, "get_next_available_stream_id", lambda: LAST_STREAM_ID)
    unary(client)
    assert not client.takes_calls
    assert client.is_open


# --- the connection -----------------------------------------------------------------------------


def test_goaway_lets_what_was_taken_finish_and_gives_the_rest_back():
    client, peer = connect(settings={MAX_STREAMS: 2})
    taken, refused, waiting = unary(client), unary(client), unary(client)
    peer.exchange()
    client.receive(encode_goaway(1, 0), 0.0)
    assert not client.takes_calls
    for call in (refused, waiting):
        assert call.status.code is StatusCode.UNAVAILABLE
        assert call.status.was_processed is False
    late = unary(client)
    assert late.status.code is StatusCode.UNAVAILABLE
    assert late.status.was_processed is False
    peer.reply(1, b"reply")
    assert taken.take() == b"reply"
    assert client.state is ConnectionState.CLOSED


def test_a_first_goaway_that_allows_every_stream_refuses_none_that_is_on_its_way():
    client, peer = connect(settings={MAX_STREAMS: 2})
    first, second, waiting = unary(client), unary(client), unary(client)
    peer.exchange()
    client.receive(encode_goaway(LAST_STREAM_ID, 0), 0.0)
    assert not client.takes_calls
    assert waiting.status.was_processed is False
    client.receive(encode_goaway(3, 0), 0.0)
    peer.reply(1, b"a")
    peer.reply(3, b"b")
    assert [first.take(), second.take()] == [b"a", b"b"]
    assert client.state is ConnectionState.CLOSED


@pytest.mark.parametrize(("text", "too_much"), [(b"too_many_pings", True), (b"", False)])
def test_a_server_may_say_that_it_is_pinged_too_much(text, too_much):
    client, _ = connect()
    goaway = encode_goaway(0, ErrorCode.ENHANCE_YOUR_CALM)
    client.receive(bytes((0, 0, 8 + len(text))) + goaway[3:] + text, 0.0)
    assert client.pings_too_much is too_much


def test_the_end_of_the_transport_ends_every_call():
    client, peer = connect(settings={MAX_STREAMS: 1})
    running, waiting = unary(client), unary(client)
    peer.exchange()
    client.receive(b"", 0.0)
    client.receive(b"later", 0.0)
    assert running.status.code is StatusCode.UNAVAILABLE
    assert running.status.was_processed
    assert waiting.status.code is StatusCode.UNAVAILABLE
    assert not waiting.status.was_processed
    assert client.next_deadline() is None
    assert peer.events_of_ours() == [running, waiting]


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100), b"SSH-2.0-OpenSSH_9.2p1\r\n" * 9]
)
def test_something_that_is_not_http2_ends_every_call(data):
    client = ClientConnection("host:1", Limits(), 0.0)
    call = unary(client)
    client.receive(data, 0.0)
    assert call.status.code is StatusCode.UNAVAILABLE
    assert client.state is ConnectionState.CLOSED
    assert client.data_to_send()


def test_a_flood_closes_the_connection_and_says_why():
    client, _ = connect()
    call = unary(client)
    client.receive(b"\0\0\x08\x06\0\0\0\0\0" + bytes(8), 0.0)
    client.receive((b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)) * 10_001, 0.0)
    assert call.status.code is StatusCode.UNAVAILABLE
    assert client.data_to_send().endswith(encode_goaway(0, ErrorCode.ENHANCE_YOUR_CALM))
    client.close()
    assert not client.data_to_send()


def test_cancel_all_cancels_what_runs_and_what_waits():
    client, peer = connect(settings={MAX_STREAMS: 1})
    running, waiting = unary(client), unary(client)
    peer.exchange()
    client.cancel_all("closing")
    assert [call.status[:2] for call in (running, waiting)] == [(StatusCode.CANCELLED, "closing")] * 2
    assert len(peer.of(h2.events.StreamReset)) == 1


# --- keepalive ----------------------------------------------------------------------------------


def test_keepalive_pings_only_while_calls_are_open_and_silence_ends_them():
    client, peer = connect(keepalive_s=10.0, keepalive_timeout_s=5.0)
    assert client.next_deadline() is None
    client.handle_timeout(100.0)
    call = unary(client, now=100.0)
    peer.exchange()
    peer.events.clear()
    client.receive(b"\0\0\0\x04\x01\0\0\0\0", 103.0)
    assert client.next_deadline() == 113.0
    client.handle_timeout(112.9)
    assert not client.data_to_send()
    client.handle_timeout(113.0)
    peer.now = 114.0
    assert peer.of(h2.events.PingReceived)
    assert client.next_deadline() == 124.0
    client.handle_timeout(124.0)
    assert client.data_to_send()
    assert client.next_deadline() == 129.0
    client.handle_timeout(129.0)
    assert call.status.code is StatusCode.UNAVAILABLE
    assert "silent" in call.status.details
    assert client.state is ConnectionState.CLOSED
    client.handle_timeout(200.0)


def test_an_earlier_deadline_comes_before_the_keepalive():
    client, _ = connect(keepalive_s=10.0)
    unary(client, deadline=3.0)
    assert client.next_deadline() == 3.0


# --- anything -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 6), st.binary(max_size=40)),
        max_size=20,
    )
)
def test_any_frames_give_a_status_or_nothing(frames):
    client, peer = connect()
    calls = [unary(client), client.start(PATH, 0.0), unary(client)]
    peer.exchange()
    for kind, flags, stream_id, payload in frames:
        header = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
        client.receive(header + payload, 1.0)
        client.data_to_send()
    client.receive(b"", 2.0)
    client.data_to_send()
    for call in calls:
        assert isinstance(call.status.code, StatusCode)
        while call.take() is not None:
            pass


def test_a_connection_that_drains_finishes_what_runs_and_takes_no_more():
    client, peer = connect(concurrent_calls=1)
    running = client.start(PATH, 0.0)
    waiting = client.start(PATH, 0.0)
    client.drain("enough")
    client.drain("enough")
    assert waiting.status.code is StatusCode.CANCELLED
    assert client.start(PATH, 0.0).status.code is StatusCode.UNAVAILABLE
    assert client.is_open
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.headers(1, OK, end=True)
    peer.exchange()
    assert running.status.code is StatusCode.OK
    assert not client.is_open


def test_a_connection_without_calls_drains_at_once():
    client, _ = connect()
    client.drain("enough")
    assert not client.is_open
    assert client.has_output, "the GOAWAY"


def test_metadata_above_what_the_server_takes_ends_its_call_alone_and_here():
    client, peer = connect(settings={h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 1000})
    call = client.start(PATH, 0.0, CallTerms(headers=[(b"k", b"v" * 1000)]))
    assert call.status.code is StatusCode.RESOURCE_EXHAUSTED
    unary(client)
    peer.exchange()
    assert [event.stream_id for event in peer.of(h2.events.RequestReceived)] == [1]


def test_a_connection_that_was_left_finishes_what_runs_and_says_so():
    client, peer = connect()
    running = client.start(PATH, 0.0)
    assert not client.was_left
    client.leave()
    assert client.was_left
    assert client.start(PATH, 0.0).status.code is StatusCode.UNAVAILABLE
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.headers(1, OK, end=True)
    peer.exchange()
    assert running.status.code is StatusCode.OK
    assert not client.is_open
