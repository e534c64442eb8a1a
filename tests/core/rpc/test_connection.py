"""What both halves share, through the client half where only one is needed."""

from __future__ import annotations

import h2.events
import h2.exceptions
import h2.settings
import pytest

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.connection import ConnectionState
from lightpeer.core.rpc.frame_gate import ErrorCode, encode_goaway, encode_ping
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import ServerConnection
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import Unreached
from tests.core.rpc.h2peer import PATH, REQUEST, RESPONSE, H2Peer, connect
from tests.fuzz import wire

PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


# --- the connection itself ------------------------------------------------------------------------


def test_it_tells_whether_there_is_something_to_send_without_giving_it():
    client, peer = connect()
    peer.exchange()
    assert not client.has_output
    call = client.start(PATH, 0.0)
    assert client.has_output  # the headers
    peer.exchange()
    assert not client.has_output
    call.send(b"a message")
    assert client.has_output
    peer.exchange()
    assert not client.has_output
    client.receive(b"", 0.0)
    assert client.has_output  # its end


def test_what_waits_for_a_stream_wants_to_be_asked_for():
    client, peer = connect(concurrent_calls=1)
    peer.exchange()
    client.start(PATH, 0.0)
    client.start(PATH, 0.0).send(b"later", end=True)
    while client.data_to_send():
        pass
    assert client.has_output


@pytest.mark.parametrize("half", ["client", "server"])
def test_silence_while_a_call_is_open_leads_to_a_ping_and_then_to_the_end(half):
    limits = Limits(keepalive_s=10.0, keepalive_timeout_s=5.0, idle_s=1000.0)
    ours = ClientConnection("host:1", limits, 0.0) if half == "client" else ServerConnection(limits, 0.0)
    assert not ours.is_greeted
    peer = H2Peer(ours)
    assert ours.is_greeted
    if half == "client":
        ours.start(PATH, 0.0, CallTerms(deadline=12.0))
    peer.exchange()
    if half == "server":
        peer.headers(1, REQUEST)
    peer.events_of_ours()
    assert ours.next_deadline() == 10.0
    ours.handle_timeout(10.0)
    assert ours.data_to_send().endswith(encode_ping(b"lightpee"))
    ours.handle_timeout(13.0)
    if half == "client":  # its call has ended, and an idle connection is left in peace
        assert ours.next_deadline() is None
    else:
        ours.handle_timeout(15.0)
        assert not ours.is_open
        assert "silent" in ours.why_closed


def test_silence_without_calls_is_no_sign():
    server = ServerConnection(Limits(keepalive_s=10.0, handshake_s=100.0), 0.0)
    assert server.next_deadline() == 100.0
    server.handle_timeout(100.0)
    assert server.why_closed == "the client did not begin"


# --- receiving: credit follows the consumer -------------------------------------------------------


# --- sending: windows and turns -------------------------------------------------------------------


# --- the connection's end -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", ErrorCode.FRAME_SIZE_ERROR),
        ((b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (b"\0\0\x01\x00\0\0\0\0\0x", ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_bytes_that_break_the_protocol_close_the_connection_with_its_code(data, code):
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    client.receive(data, 1.0)
    client.receive(b"more", 1.0)
    assert not client.is_open
    assert not client.takes_calls
    assert client.why_closed
    assert call.status.code is StatusCode.UNAVAILABLE
    assert peer.events_of_ours() == [call]
    assert peer.of(h2.events.ConnectionTerminated)[0].error_code == code


def test_a_goaway_is_not_the_end():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    client.receive(encode_goaway(1, 0), 0.0)
    assert client.is_open
    peer.reply(1, b"reply")
    assert call.take() == b"reply"


def test_the_end_of_the_transport_is_the_end():
    client, _ = connect()
    client.receive(b"", 0.0)
    assert not client.is_open
    assert client.next_deadline() is None


def test_what_is_due_happens_once():
    client, peer = connect()
    calls = [client.start(PATH, 0.0, CallTerms(deadline=deadline)) for deadline in (2.0, 1.0, 3.0)]
    peer.exchange()
    assert client.next_deadline() == 1.0
    client.handle_timeout(2.0)
    assert [call.is_finished for call in calls] == [True, True, False]
    assert peer.events_of_ours() == [calls[1], calls[0]]
    assert client.next_deadline() == 3.0


# --- both ends ------------------------------------------------------------------------------------


def test_close_says_goaway_once_and_ends_calls():
    server = ServerConnection(Limits(), 0.0)
    peer = H2Peer(server)
    peer.headers(1, REQUEST)
    (call,) = peer.events_of_ours()
    server.close(ErrorCode.NO_ERROR, "enough")
    server.close()
    peer.exchange()
    assert call.is_cancelled
    assert server.state is ConnectionState.CLOSED
    assert server.why_closed == "enough"
    (goaway,) = peer.of(h2.events.ConnectionTerminated)
    assert goaway.last_stream_id == 1
    assert goaway.error_code == ErrorCode.NO_ERROR


def test_a_client_and_a_server_of_ours_understand_each_other():
    client, server = ClientConnection("h:1", Limits(), 0.0), ServerConnection(Limits(), 0.0)
    call = client.start(PATH, 0.0, CallTerms(deadline=5.0))
    call.send(b"ping", end=True)

    def carry() -> None:
        while (up := client.data_to_send()) or (down := server.data_to_send()):
            if up:
                server.receive(up, 0.0)
            else:
                client.receive(down, 0.0)

    carry()
    served = server.next_event()
    assert served.path == PATH
    assert served.deadline == 5.0
    assert served.take() == b"ping"
    served.send(b"pong")
    served.finish(StatusCode.OK, "fine")
    carry()
    served.finish(StatusCode.INTERNAL, "only the first counts")
    assert call.take() == b"pong"
    assert call.status[:2] == (StatusCode.OK, "fine")
    assert server.active_calls == client.active_calls == 0


def test_metadata_above_the_limit_ends_its_call_alone():
    client, peer = connect(header_list_bytes=1000)
    calls = [client.start(PATH, 0.0) for _ in range(2)]
    peer.exchange()
    peer.headers(1, (*RESPONSE, (b"k", bytes(900).replace(b"\0", b"v"))))
    assert calls[0].status.code is StatusCode.RESOURCE_EXHAUSTED
    assert calls[1].status is None
    assert client.is_open


@pytest.mark.parametrize(
    ("before", "data", "why"),
    [
        (b"", b"", Unreached.CLOSED),
        (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", Unreached.FOREIGN),
        (wire.frame(4), b"", None),
        (wire.frame(4), wire.frame(4, b"x"), None),
    ],
)
def test_why_there_was_no_greeting_is_told(before, data, why):
    client = ClientConnection("host:1", Limits(), 0.0)
    calls = [client.start("/a/B", 0.0) for _ in range(2)]
    client.receive(before, 0.0) if before else None
    client.receive(data, 1.0)
    assert not client.is_open
    assert client.unreached is why
    assert {call.status.to_error().unreached for call in calls} == {why}
    assert client.start("/a/B", 2.0).status.unreached is why


def test_a_connection_that_does_not_answer_a_ping_is_silent():
    client = ClientConnection("host:1", Limits(keepalive_s=10, keepalive_timeout_s=5), 0.0)
    client.start("/a/B", 0.0)
    while client.is_open:
        client.handle_timeout(client.next_deadline())
    assert client.unreached is Unreached.SILENT
