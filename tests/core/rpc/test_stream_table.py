"""The open streams of a connection, and what comes for them."""

from __future__ import annotations

import h2.events

from lightpeer.core.rpc.status import StatusCode
from tests.core.rpc.h2peer import PATH, RESPONSE, bytes_sent, connect


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


def test_a_window_update_for_a_stream_that_is_gone_is_ignored():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.h2.increment_flow_control_window(1000, 1)
    data = peer.h2.data_to_send()
    call.cancel()
    client.receive(data, 0.0)
    client.table.on_window_updated(h2.events.WindowUpdated(stream_id=1))
    client._on_stream_ended(h2.events.StreamEnded(stream_id=1))
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


def test_a_stream_that_changes_twice_comes_up_once():
    client, peer = connect()
    call, other = client.start(PATH, 0.0), client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"one", b"two")
    peer.headers(3, RESPONSE)
    assert [client.table.next_changed() for _ in range(3)] == [call, other, None]
    peer.message(1, b"three")
    assert client.table.next_changed() is call
