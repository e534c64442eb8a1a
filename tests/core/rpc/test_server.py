"""The server half without a transport."""

from __future__ import annotations

import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.frame_gate import (
    FLOOD_BUDGET,
    LAST_STREAM_ID,
    REFUSED_CALL_COST,
    RESET_COST,
    ErrorCode,
    encode_goaway,
    encode_ping,
)
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import (
    FIELDS_PER_UNIT,
    LINGER_S,
    ServerConnection,
)
from lightpeer.core.rpc.status import StatusCode
from tests.core.rpc.h2peer import GRPC, METHOD, PATH, REQUEST, H2Peer, accept, call_of, response

PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)


def ping_ack(opaque: bytes) -> bytes:
    return b"\0\0\x08\x06\1\0\0\0\0" + opaque


def forget_the_limit(server: ServerConnection, peer: H2Peer) -> None:
    """Have both h2s let 100 calls through, whatever the limit is."""
    for settings in (peer.h2.remote_settings, server._h2.local_settings):
        settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        settings.acknowledge()


def test_a_call_comes_up_with_what_the_client_said_and_is_answered():
    _, peer = accept()
    headers = (*REQUEST, (b"grpc-timeout", b"5S"), (b"k", b"v"), (b"b-bin", b"AA"))
    call = call_of(peer, headers=headers)
    assert call.context is None
    assert call.path == PATH
    assert call.metadata == (("k", "v"), ("b-bin", b"\0"))
    assert call.deadline == 5.0
    peer.message(1, b"ping", end=True)
    assert peer.events_of_ours() == [call]
    assert call.take() == b"ping"
    assert call.is_remote_ended
    call.send(b"pong")
    call.finish(StatusCode.OK, "", [(b"x", b"1")])
    first, data, last = response(peer)
    assert first[0][b":status"] == b"200"
    assert first[0][b"content-type"] == b"application/grpc"
    assert first[0][b"grpc-accept-encoding"] == b"identity,gzip"
    assert data == b"\0\0\0\0\4pong"
    assert last == [{b"grpc-status": b"0", b"x": b"1"}]
    assert not peer.of(h2.events.StreamReset)
    assert peer.events_of_ours() == [call]
    assert call.is_finished
    assert not call.is_cancelled


def test_an_error_without_messages_is_trailers_only():
    _, peer = accept()
    call_of(peer, end=True).finish(StatusCode.NOT_FOUND, "nö")
    first, data, last = response(peer)
    assert first == [
        {
            b":status": b"200",
            b"content-type": b"application/grpc",
            b"grpc-status": b"5",
            b"grpc-message": b"n%C3%B6",
        },
    ]
    assert not data
    assert not last


def test_an_end_before_the_clients_resets_the_stream_without_error():
    _, peer = accept()
    call_of(peer).finish(StatusCode.OK)
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.NO_ERROR


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (((b":method", b"GET"), *METHOD[1:], *GRPC), b"405"),
        ((*METHOD, (b"content-type", b"text/html")), b"415"),
        (METHOD, b"415"),
    ],
)
def test_what_is_not_grpc_is_answered_in_http(headers, status):
    server, peer = accept()
    peer.headers(1, headers, end=True)
    assert response(peer)[0] == [{b":status": status}]
    assert [call.context for call in peer.events_of_ours() if not call.is_finished] == []
    assert server.active_calls == 0


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ((b"grpc-timeout", b"soon"), b"13"),
        ((b"k-bin", b"!"), b"13"),
        ((b"grpc-encoding", b"snappy"), b"12"),
    ],
)
def test_a_request_that_cannot_be_followed_never_comes_up(header, code):
    server, peer = accept()
    peer.headers(1, (*REQUEST, header), end=True)
    (first,) = response(peer)[0]
    assert first[b"grpc-status"] == code
    if code == b"12":
        assert first[b"grpc-accept-encoding"] == b"identity,gzip"
    assert all(call.is_finished for call in peer.events_of_ours())
    assert server.active_calls == 0


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\0\xff\xff\xff\xff", b"8"), (b"\7\0\0\0\0", b"13"), (b"\1\0\0\0\1x", b"13")],
)
def test_a_request_message_that_cannot_be_taken_ends_the_call(data, code):
    _, peer = accept()
    call = call_of(peer)
    peer.data(1, data)
    assert call.is_cancelled
    assert response(peer)[0][0][b"grpc-status"] == code


def test_a_request_that_does_not_inflate_ends_the_call_when_it_is_taken():
    _, peer = accept()
    call = call_of(peer, headers=(*REQUEST, (b"grpc-encoding", b"gzip")))
    peer.data(1, b"\1\0\0\0\1x", end=True)
    assert call.take() is None
    assert call.is_cancelled
    assert response(peer)[0][0][b"grpc-status"] == b"13"


def test_an_end_inside_a_message_ends_the_call():
    _, peer = accept()
    call = call_of(peer)
    peer.data(1, b"\0\0\0\0\5cut", end=True)
    assert call.is_cancelled
    assert response(peer)[0][0][b"grpc-status"] == b"13"


def test_a_client_that_cancels_is_noticed_once():
    server, peer = accept()
    call = call_of(peer)
    peer.reset(1, ErrorCode.CANCEL)
    assert peer.events_of_ours() == [call]
    assert call.is_cancelled
    assert server.active_calls == 0
    server._on_stream_reset(h2.events.StreamReset(stream_id=1))
    assert not peer.events_of_ours()


def test_frames_that_make_h2_reset_streams_end_the_connection_in_time():
    server, peer = accept()
    resets = 0
    while server.is_open:
        stream_id = 2 * resets + 1
        peer.headers(stream_id, REQUEST)
        grown = b"\0\0\4\x08\0" + stream_id.to_bytes(4, "big") + b"\x7f\xff\xff\xff"
        server.receive(grown, 0.0)  # its window is larger than one may be
        resets += 1
        assert resets <= FLOOD_BUDGET / RESET_COST
    assert server.error_code == ErrorCode.ENHANCE_YOUR_CALM


def test_a_deadline_ends_the_call_on_this_side_too():
    server, peer = accept()
    call = call_of(peer, headers=(*REQUEST, (b"grpc-timeout", b"5S")))
    call.send(b"queued")
    assert server.next_deadline() == 5.0
    server.handle_timeout(5.0)
    assert peer.events_of_ours() == [call]
    assert call.is_cancelled
    assert response(peer)[2] == [{b"grpc-status": b"4", b"grpc-message": b"the call's deadline has passed"}]


def test_a_client_that_never_reads_its_answer_is_let_go():
    server, peer = accept()
    call = call_of(peer, end=True)
    call.send(bytes(100_000))
    call.finish()
    peer.exchange()
    server.handle_timeout(LINGER_S)
    assert server.active_calls == 1
    server.handle_timeout(2 * LINGER_S)
    assert server.active_calls == 0
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.CANCEL


def test_a_client_that_reads_its_answer_slowly_gets_all_of_it():
    server, peer = accept(keepalive_s=1e9, idle_s=1e9)
    call = call_of(peer, end=True)
    call.send(bytes(500_000))
    call.finish()
    for k in range(1, 100):
        peer.exchange()
        server.handle_timeout(k * LINGER_S)
        if not server.active_calls:
            break
        peer.h2.increment_flow_control_window(10_000)
        peer.h2.increment_flow_control_window(10_000, 1)
    assert sum(len(event.data) for event in peer.of(h2.events.DataReceived)) == 500_005
    assert not peer.of(h2.events.StreamReset)


def test_fields_are_work_also_of_calls_beyond_the_limit_and_of_trailers():
    server, peer = accept(concurrent_calls=1)
    forget_the_limit(server, peer)
    many = [*REQUEST, *[(b"a", b"b")] * 100]
    call_of(peer)
    before = server.work_received
    peer.headers(3, many)
    peer.headers(1, [(b"a", b"b")] * 100, end=True)
    assert server.work_received > before + 200 / FIELDS_PER_UNIT


@pytest.mark.parametrize(
    "refused",
    [
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/grpc"), (b"grpc-encoding", b"snappy")],
        [(b"content-type", b"application/grpc"), (b"grpc-timeout", b"soon")],
    ],
)
def test_a_call_that_is_refused_never_comes_up_whatever_it_sends(refused):
    server, peer = accept()
    peer.h2.send_headers(1, [*METHOD, *refused])
    peer.h2.send_data(1, b"\0\0\0\0\2hi" * 10)
    server.receive(peer.h2.data_to_send(), 0.0)
    assert server.next_event() is None
    peer.exchange()
    assert server.active_calls == 0
    assert server.next_event().is_finished


def test_calls_above_the_limit_are_refused():
    server, peer = accept(concurrent_calls=2)
    assert peer.h2.remote_settings.max_concurrent_streams == 2
    forget_the_limit(server, peer)
    for stream_id in (1, 3, 5):
        peer.headers(stream_id, REQUEST)
    assert len(peer.events_of_ours()) == 2
    (reset,) = peer.of(h2.events.StreamReset)
    assert (reset.stream_id, reset.error_code) == (5, ErrorCode.REFUSED_STREAM)


def test_a_drain_takes_the_calls_that_are_on_their_way_and_closes_after_the_last():
    server, peer = accept()
    other = call_of(peer)
    peer.exchange()
    server.drain(1.0)
    server.drain(1.0)
    assert server.data_to_send() == encode_goaway(LAST_STREAM_ID, 0) + encode_ping(b"draining")
    call = call_of(peer, 3)
    assert server.takes_calls
    server.receive(ping_ack(b"another!"), 1.0)
    assert server.takes_calls
    server.receive(ping_ack(b"draining"), 1.0)
    server.receive(ping_ack(b"draining"), 1.0)
    assert server.data_to_send() == encode_goaway(3, 0)
    peer.headers(5, REQUEST)
    assert not peer.events_of_ours()
    assert peer.of(h2.events.StreamReset)[0].error_code == ErrorCode.REFUSED_STREAM
    other.finish()
    peer.exchange()
    assert server.is_open
    call.send(b"done")
    call.finish()
    assert response(peer, 3)[1] == b"\0\0\0\0\4done"
    assert server.why_closed == "the connection was drained"


def test_a_drain_does_not_wait_for_ever_for_its_answer():
    server, _ = accept(keepalive_timeout_s=7.0)
    server.drain(1.0)
    server.data_to_send()
    assert server.next_deadline() == 8.0
    server.handle_timeout(7.9)
    assert server.is_open
    server.handle_timeout(8.0)
    assert not server.is_open
    assert server.data_to_send() == encode_goaway(0, 0)


def test_a_drain_before_the_client_has_begun_closes_at_once():
    server = ServerConnection(Limits(), 0.0)
    server.drain(0.0)
    assert not server.is_open
    assert server.data_to_send().endswith(encode_goaway(0, 0))


def test_a_client_that_goes_away_may_finish():
    server, peer = accept()
    call = call_of(peer)
    server.receive(encode_goaway(0, 0), 0.0)
    assert server.is_open
    assert not server.takes_calls
    call.finish()
    peer.exchange()
    assert not server.is_open


def test_the_end_of_the_connection_cancels_its_calls():
    server, peer = accept()
    call = call_of(peer)
    server.receive(b"", 0.0)
    assert call.is_cancelled
    assert peer.events_of_ours() == [call]


def test_a_client_has_to_begin_in_time():
    server = ServerConnection(Limits(handshake_s=10.0), 0.0)
    assert server.next_deadline() == 10.0
    server.handle_timeout(9.9)
    assert server.is_open
    server.handle_timeout(10.0)
    assert server.why_closed == "the client did not begin"
    assert server.next_deadline() is None


def test_an_idle_client_is_let_go_and_a_busy_one_is_not():
    server, peer = accept(idle_s=100.0, keepalive_s=1000.0)
    peer.now = 1.0
    call = call_of(peer, headers=(*REQUEST, (b"grpc-timeout", b"500S")), end=True)
    assert server.next_deadline() == 501.0
    peer.now = 50.0
    server.receive(PING, 50.0)
    call.finish()
    peer.exchange()
    assert server.next_deadline() == 150.0
    server.handle_timeout(150.0)
    server.receive(ping_ack(b"draining"), 150.0)
    assert server.why_closed == "the client was idle"


def test_idleness_and_keepalive_go_by_what_comes_first():
    server, peer = accept(idle_s=100.0, keepalive_s=10.0, keepalive_timeout_s=5.0)
    assert server.next_deadline() == 100.0
    call = call_of(peer)
    assert server.next_deadline() == 10.0
    server.handle_timeout(10.0)
    assert server.data_to_send().endswith(encode_ping(b"lightpee"))
    assert server.next_deadline() == 15.0
    server.handle_timeout(15.0)
    assert call.is_cancelled
    assert "silent" in server.why_closed


def test_a_connection_past_its_age_is_drained_and_past_the_grace_closed():
    server, peer = accept(connection_age_s=50.0, connection_age_grace_s=30.0, keepalive_s=1000.0)
    call = call_of(peer)
    peer.exchange()
    assert server.next_deadline() == 50.0
    server.handle_timeout(50.0)
    assert server.data_to_send() == encode_goaway(LAST_STREAM_ID, 0) + encode_ping(b"draining")
    server.receive(ping_ack(b"draining"), 51.0)
    assert server.data_to_send() == encode_goaway(1, 0)
    assert server.next_deadline() == 80.0
    server.handle_timeout(80.0)
    assert call.is_cancelled
    assert "past its age" in server.why_closed


frames_of_any_kind = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 6), st.binary(max_size=40)),
    max_size=20,
)


@given(frames_of_any_kind, st.booleans())
def test_any_frames_end_in_order(frames, is_greeted):
    server, peer = accept()
    if is_greeted:
        peer.headers(1, REQUEST)
    else:
        server = ServerConnection(Limits(), 0.0)
    for kind, flags, stream_id, payload in frames:
        header = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
        server.receive(header + payload, 1.0)
        server.data_to_send()
    server.receive(b"", 2.0)
    server.data_to_send()
    while (call := server.next_event()) is not None:
        assert call.is_finished


def test_only_a_call_whose_seal_was_opened_is_work():
    server, peer = accept()
    call = call_of(peer)
    assert (server.is_at_work, server.idle_since_s) == (False, 0.0)
    call.is_proved = True
    assert server.is_at_work
    server.handle_timeout(7.0)
    call.finish()
    peer.exchange()
    assert (server.is_at_work, server.idle_since_s) == (False, 7.0)
    other = call_of(peer, 3)
    server.handle_timeout(9.0)
    other.finish()
    peer.exchange()
    assert server.idle_since_s == 7.0


def test_calls_that_are_turned_away_end_the_connection_in_time():
    server, peer = accept()
    turned_away = 0
    while server.is_open:
        peer.headers(2 * turned_away + 1, REQUEST)
        for call in peer.events_of_ours():
            if call.status is None and not call.is_finished:
                server.turn_away(call, StatusCode.UNIMPLEMENTED, "no")
                turned_away += 1
        assert turned_away <= FLOOD_BUDGET / REFUSED_CALL_COST
    assert server.error_code == ErrorCode.ENHANCE_YOUR_CALM


def test_a_request_above_the_limit_on_metadata_never_comes_up():
    server, peer = accept(header_list_bytes=300)
    peer.headers(1, (*REQUEST, (b"k", b"v" * 300)), end=True)
    (first,) = response(peer)[0]
    assert first[b"grpc-status"] == b"8"
    assert all(call.is_finished for call in peer.events_of_ours())
    assert server.active_calls == 0
