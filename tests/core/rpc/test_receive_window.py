"""Flow-control credit follows the consumer."""

from __future__ import annotations

import h2.exceptions
import pytest

from tests.core.rpc.h2peer import OK, PATH, RESPONSE, connect


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


def test_taking_after_the_connection_has_closed_is_harmless():
    client, peer = connect(stream_window_bytes=65_536)
    call = client.start(PATH, 0.0)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, bytes(30_000), bytes(30_000))
    peer.headers(1, OK, end=True)
    client.close()
    assert [call.take(), call.take(), call.take()] == [bytes(30_000), bytes(30_000), None]
