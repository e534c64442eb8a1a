from __future__ import annotations

import h2.events
import pytest

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import StateMisuseError
from tests.core.rpc.h2peer import RESPONSE, H2Peer

PATH = "/pkg.Service/Method"


def start(**limits):
    client = ClientConnection("host:1", Limits(**limits), 0.0)
    peer = H2Peer(client)
    return client.start(PATH, 0.0), peer


def test_nothing_can_be_sent_after_the_end():
    call, _ = start()
    call.send(b"last", end=True)
    with pytest.raises(StateMisuseError):
        call.send(b"one more")
    call.cancel()
    call.send(b"a call that is over takes anything")
    call.end()


def test_the_end_can_come_alone_and_once():
    call, peer = start()
    call.send(b"last")
    call.end()
    call.end()
    assert len(peer.of(h2.events.StreamEnded)) == 1


def test_a_writer_may_go_on_until_the_buffer_is_full():
    call, peer = start(send_buffer_bytes=100)
    call.send(bytes(94))
    assert call.can_send
    assert call.buffered_bytes == 99
    call.send(b"")
    assert not call.can_send
    peer.exchange()
    assert call.can_send


def test_a_message_above_the_sending_limit_ends_the_call_unsent():
    call, peer = start(send_message_bytes=10)
    call.send(bytes(11))
    assert call.status.code is StatusCode.RESOURCE_EXHAUSTED
    assert call.buffered_bytes == 0
    peer.exchange()


def test_messages_are_taken_in_order_and_then_none():
    call, peer = start()
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"a", b"", b"c")
    assert call.has_message
    assert [call.take() for _ in range(4)] == [b"a", b"", b"c", None]
    assert not call.has_message


def test_a_message_that_does_not_inflate_ends_the_call():
    call, peer = start()
    peer.exchange()
    peer.headers(1, (*RESPONSE, (b"grpc-encoding", b"gzip")))
    peer.data(1, b"\1\0\0\0\1x")
    assert call.take() is None
    assert call.status.code is StatusCode.INTERNAL


def test_discard_lets_go_of_both_directions():
    call, peer = start()
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"here")
    call.send(b"there")
    call.discard()
    assert call.buffered_bytes == 0
    assert not call.has_message


def test_gzip_is_marked_and_smaller():
    call, peer = start()
    call.gzip = True
    call.send(bytes(10_000))
    assert call.buffered_bytes < 100
    peer.exchange()
