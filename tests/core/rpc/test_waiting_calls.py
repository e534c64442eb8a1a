"""Calls that wait for a stream."""

from __future__ import annotations

import h2.events
import h2.settings

from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.rpc.waiting_calls import WaitingCalls
from tests.core.rpc.h2peer import PATH, connect

MAX_STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
ONE = CallTerms(expects_one=True)


def test_calls_above_the_servers_limit_wait_their_turn():
    client, peer = connect(settings={MAX_STREAMS: 2})
    calls = [client.start(PATH, 0.0, ONE) for _ in range(4)]
    assert len(peer.of(h2.events.RequestReceived)) == 2
    peer.reply(1, b"a")
    assert len(peer.of(h2.events.RequestReceived)) == 3
    calls[1].cancel()
    assert len(peer.of(h2.events.RequestReceived)) == 4
    peer.reply(5, b"b")
    peer.reply(7, b"c")
    assert [call.take() for call in calls] == [b"a", None, b"b", b"c"]


def test_our_own_limit_on_streams_counts_too_and_the_queue_has_an_end():
    client, peer = connect(concurrent_calls=1, queued_calls=1)
    first, second, third = (
        client.start(PATH, 0.0, ONE),
        client.start(PATH, 0.0, ONE),
        client.start(PATH, 0.0, ONE),
    )
    assert third.status.code is StatusCode.RESOURCE_EXHAUSTED
    peer.exchange()
    peer.reply(1, b"a")
    assert first.take() == b"a"
    assert second.stream_id == 3


def test_streams_are_not_opened_faster_than_the_transport_takes_them():
    client, peer = connect(concurrent_calls=5)
    for _ in range(20):
        client.start(PATH, 0.0, ONE).cancel()
    assert len(peer.of(h2.events.RequestReceived)) == 5


def test_a_queue_is_bounded_and_calls_may_leave_it_from_within():
    client, _ = connect()
    first, second, third = (client.start(PATH, 0.0) for _ in range(3))
    waiting = WaitingCalls(2)
    assert not waiting
    assert [waiting.put(call) for call in (first, second, third)] == [True, True, False]
    waiting.remove(third)
    for call in waiting:
        waiting.remove(call)
    assert not waiting
    assert waiting.put(third)
    assert waiting.take() is third


def test_streams_opened_since_the_last_output_count_though_they_have_ended():
    waiting = WaitingCalls(2)
    assert waiting.has_room(1, 2)
    assert not waiting.has_room(2, 2)
    waiting.on_opened()
    waiting.on_opened()
    assert not waiting.has_room(0, 2)
    waiting.on_output()
    assert waiting.has_room(0, 2)
