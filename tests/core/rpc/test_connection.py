"""What both halves share, through the client half where only one is needed."""

from __future__ import annotations

import h2.events
import h2.exceptions
import h2.settings
import pytest

from lightpeer.core.rpc.client import ClientConnection, StatusCode
from lightpeer.core.rpc.connection import OUTPUT_BYTES, ConnectionState
from lightpeer.core.rpc.frame_gate import ErrorCode, encode_goaway, encode_ping
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import ServerConnection
from tests.core.rpc.h2peer import OK, RESPONSE, H2Peer

PATH = "/pkg.Service/Method"
PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
REQUEST = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", PATH.encode()),
    (b":authority", b"h"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)


def connect(*, settings=None, **limits) -> tuple[ClientConnection, H2Peer]:
    client = ClientConnection("host:1", Limits(**limits), 0.0)
    return client, H2Peer(client, settings=settings)


def bytes_sent(peer: H2Peer, stream_id: int) -> int:
    return sum(len(event.data) for event in peer.of(h2.events.DataReceived) if event.stream_id == stream_id)


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
        ours.start(PATH, 0.0, deadline=12.0)
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


def test_a_consumer_that_takes_nothing_holds_no_more_than_the_window():
    client, peer = connect(stream_window_bytes=65_536)
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    sent = 0
    while peer.h2.local_flow_control_window(1) >= 1005:
        peer.message(1, bytes(1000))
        sent += 1
    assert sent == 65_536 // 1005
    assert call.buffered_bytes == sent * 1005
    with pytest.raises(h2.exceptions.FlowControlError):
        peer.message(1, bytes(1000))
    for _ in range(sent):
        assert call.take() == bytes(1000)
    peer.exchange()
    assert call.buffered_bytes == 0
    assert peer.h2.local_flow_control_window(1) > 65_536 // 2


def test_a_slow_consumer_does_not_starve_another_call():
    client, peer = connect(stream_window_bytes=65_536, concurrent_calls=2)
    slow, quick = client.start(PATH, 0.0), client.start(PATH, 0.0)
    peer.exchange()
    for stream_id in (1, 3):
        peer.headers(stream_id, RESPONSE)
    peer.message(1, bytes(65_000))
    for _ in range(20):
        peer.message(3, bytes(60_000))
        assert quick.take() == bytes(60_000)
    assert slow.take() == bytes(65_000)


def test_a_message_larger_than_the_window_comes_through():
    client, peer = connect(stream_window_bytes=65_536)
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.data(1, b"\0\0\x10\0\0")
    for _ in range(64):
        peer.data(1, bytes(16_384))
    assert call.take() == bytes(1_048_576)


def test_the_window_of_calls_that_have_gone_is_returned_to_the_connection():
    client, peer = connect(stream_window_bytes=65_536, concurrent_calls=2)
    for at in range(50):
        stream_id = 2 * at + 1
        call = client.start(PATH, 0.0)
        peer.exchange()
        peer.headers(stream_id, RESPONSE)
        peer.message(stream_id, bytes(30_000))
        if at % 3 == 0:
            call.cancel()
            peer.exchange()
        else:
            peer.headers(stream_id, OK, end=True)
            if at % 4:
                assert call.take() == bytes(30_000)
    assert peer.h2.outbound_flow_control_window >= 65_536 // 2


def test_data_that_crosses_a_cancel_is_returned_to_the_connection_too():
    client, peer = connect(stream_window_bytes=65_536, concurrent_calls=2)
    for at in range(50):
        stream_id = 2 * at + 1
        client.start(PATH, 0.0)
        peer.exchange()
        peer.h2.send_headers(stream_id, [(b":status", b"404")])  # ends the call at once,
        peer.h2.send_data(stream_id, bytes(16_000))  # and this is then for nobody
        peer.exchange()
    assert peer.h2.outbound_flow_control_window >= 65_536 // 2


def test_taking_after_the_connection_has_closed_is_harmless():
    client, peer = connect(stream_window_bytes=65_536)
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, bytes(30_000), bytes(30_000))
    peer.headers(1, OK, end=True)
    client.close()
    assert [call.take(), call.take(), call.take()] == [bytes(30_000), bytes(30_000), None]


# --- sending: windows and turns -------------------------------------------------------------------


def test_data_waits_for_the_streams_window():
    client, peer = connect(settings={WINDOW: 1000}, send_buffer_bytes=500)
    call = client.start(PATH, 0.0)
    assert call.can_send
    call.send(bytes(1995))
    assert not call.can_send
    assert bytes_sent(peer, 1) == 1000
    assert not call.can_send
    client.next_event()
    peer.h2.increment_flow_control_window(600, 1)
    assert bytes_sent(peer, 1) == 1600
    assert call.can_send
    assert peer.events_of_ours() == [call]
    call.end()
    assert not peer.of(h2.events.StreamEnded)
    peer.h2.increment_flow_control_window(600, 1)
    assert bytes_sent(peer, 1) == 2000
    assert peer.of(h2.events.StreamEnded)


def test_the_more_streams_are_open_the_less_each_may_have_queued():
    client, _ = connect(send_buffer_bytes=1000, connection_send_bytes=1200)
    first = client.start(PATH, 0.0)
    first.send(bytes(695))
    assert first.can_send
    second = client.start(PATH, 0.0)
    assert second.can_send
    assert not first.can_send
    second.cancel()
    assert first.can_send


def test_data_waits_for_the_connections_window_and_streams_take_turns():
    client, peer = connect(settings={WINDOW: 1_000_000})
    for _ in range(2):
        client.start(PATH, 0.0).send(bytes(200_000), end=True)
    assert bytes_sent(peer, 1) + bytes_sent(peer, 3) == 65_535
    assert abs(bytes_sent(peer, 1) - bytes_sent(peer, 3)) <= 16_384
    peer.h2.increment_flow_control_window(1_000_000)
    assert bytes_sent(peer, 1) == bytes_sent(peer, 3) == 200_005


def test_a_window_made_smaller_and_larger_by_settings_is_followed():
    client, peer = connect(settings={WINDOW: 1000})
    client.start(PATH, 0.0).send(bytes(5000))
    assert bytes_sent(peer, 1) == 1000
    peer.h2.update_settings({WINDOW: 500})
    peer.exchange()
    peer.h2.increment_flow_control_window(400, 1)
    assert bytes_sent(peer, 1) == 1000
    peer.h2.update_settings({WINDOW: 50_000})
    assert bytes_sent(peer, 1) == 5005
    peer.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    peer.exchange()


def test_one_output_is_bounded_though_the_windows_are_wide():
    client, peer = connect(settings={WINDOW: 10_000_000})
    peer.h2.increment_flow_control_window(10_000_000)
    call = client.start(PATH, 0.0)
    peer.exchange()
    call.send(bytes(1_000_000))
    assert OUTPUT_BYTES <= len(client.data_to_send()) <= OUTPUT_BYTES + 20_000


def test_small_messages_share_frames():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    for _ in range(100):
        call.send(bytes(95))
    call.end()
    assert [len(event.data) for event in peer.of(h2.events.DataReceived)] == [10_000]


def test_what_is_sent_before_there_is_a_stream_waits_for_it():
    client, peer = connect(concurrent_calls=1)
    first, second = client.start(PATH, 0.0), client.start(PATH, 0.0)
    second.send(b"early", end=True)
    assert bytes_sent(peer, 1) == 0
    first.cancel()
    assert bytes_sent(peer, 3) == 10


def test_a_message_that_is_refused_ends_its_call_alone():
    client, peer = connect(receive_message_bytes=10)
    refused, other = client.start(PATH, 0.0), client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.data(1, b"\0\xff\xff\xff\xff")
    assert refused.status.code is StatusCode.RESOURCE_EXHAUSTED
    assert other.status is None
    assert client.is_open


def test_an_end_after_everything_has_gone_is_sent_alone():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    call.send(b"last")
    assert not peer.of(h2.events.StreamEnded)
    call.end()
    assert len(peer.of(h2.events.StreamEnded)) == 1
    assert bytes_sent(peer, 1) == 9


def test_a_window_update_for_a_stream_that_is_gone_is_ignored():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.h2.increment_flow_control_window(1000, 1)
    data = peer.h2.data_to_send()
    call.cancel()
    client.receive(data, 0.0)
    client._on_window_updated(h2.events.WindowUpdated(stream_id=1))
    client._on_stream_ended(h2.events.StreamEnded(stream_id=1))
    assert client.is_open


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
    calls = [client.start(PATH, 0.0, deadline=deadline) for deadline in (2.0, 1.0, 3.0)]
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
    call = client.start(PATH, 0.0, deadline=5.0)
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


def test_settings_that_nobody_knows_are_not_kept():
    client, _ = connect()
    client.receive(b"\0\0\6\4\0\0\0\0\0" + b"\0\x63" + b"\0\0\0\5", 0.0)
    assert client.is_open
    assert 99 not in client._h2.remote_settings


def test_metadata_above_the_limit_ends_its_call_alone():
    client, peer = connect(header_list_bytes=1000)
    calls = [client.start(PATH, 0.0) for _ in range(2)]
    peer.exchange()
    peer.headers(1, (*RESPONSE, (b"k", bytes(900).replace(b"\0", b"v"))))
    assert calls[0].status.code is StatusCode.RESOURCE_EXHAUSTED
    assert calls[1].status is None
    assert client.is_open


def test_what_comes_for_a_deaf_stream_is_dropped_and_its_window_returned():
    client, peer = connect(stream_window_bytes=65_535)
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    call.is_deaf = True
    for _ in range(10):
        peer.message(1, bytes(30_000))
    assert not call.has_message
    assert call.buffered_bytes == 0


def test_frames_are_counted_as_they_begin():
    client, _ = connect()
    before = client.work_received
    client.receive(PING + PING[:12], 0.0)
    assert client.work_received == before + 2
