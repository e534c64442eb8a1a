"""One call that a server answers."""

from __future__ import annotations

import h2.events
import pytest

from lightpeer.core.rpc.frame_gate import ErrorCode
from lightpeer.core.rpc.server_call import METADATA_ITEM_BYTES
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.rpc.stream import STREAM_BYTES
from lightpeer.errors import StateMisuseError
from tests.core.rpc.h2peer import READS_GZIP, REQUEST, accept, call_of, response


def test_initial_metadata_goes_ahead_and_only_once():
    server, peer = accept()
    call = call_of(peer)
    call.send_initial_metadata([(b"k", b"v")])
    assert response(peer)[0][0][b"k"] == b"v"
    with pytest.raises(StateMisuseError):
        call.send_initial_metadata()
    call.send(b"a")
    call.finish()
    call.send(b"after the end: nothing")
    assert response(peer)[1] == b"\0\0\0\0\1a"
    other = call_of(peer, 3)
    peer.reset(3, ErrorCode.CANCEL)
    other.send_initial_metadata()
    other.finish()
    assert server.active_calls == 0
    assert response(peer, 3) == ([], b"", [])


def test_replies_are_compressed_where_the_client_reads_that():
    _, peer = accept()
    gzip, plain = (
        call_of(peer, number, headers=headers) for number, headers in ((1, READS_GZIP), (3, REQUEST))
    )
    for call in (gzip, plain):
        call.set_gzip(on=True)
        call.send(bytes(1000))
        call.send(bytes(100), compress=False)
        call.finish()
        with pytest.raises(StateMisuseError):
            call.set_gzip(on=True)
    (headers,), data, _ = response(peer, 1)
    assert headers[b"grpc-encoding"] == b"gzip"
    assert data[0] == 1
    assert len(data) < 200
    assert data.endswith(b"\0\0\0\0\x64" + bytes(100))
    (headers,), data, _ = response(peer, 3)
    assert b"grpc-encoding" not in headers
    assert data == b"\0\0\0\3\xe8" + bytes(1000) + b"\0\0\0\0\x64" + bytes(100)


def test_what_is_held_for_a_client_is_all_that_waits_for_it():
    server, peer = accept()
    assert server.held_bytes < 100  # of a greeting
    headers = (*REQUEST, *((b"k%d" % n, b"v") for n in range(10)))
    call = call_of(peer, headers=headers)
    least = STREAM_BYTES + 10 * METADATA_ITEM_BYTES
    assert least < server.held_bytes < least + 200
    peer.message(1, bytes(5000))
    assert least + 5000 < server.held_bytes < least + 5300
    call.take()
    call.send(bytes(100_000))
    peer.exchange()  # 65535 of it go out
    assert least + 34_000 < server.held_bytes < least + 35_000
    call.finish()
    peer.h2.increment_flow_control_window(100_000)
    peer.h2.increment_flow_control_window(100_000, 1)
    peer.exchange()
    assert server.held_bytes == 0


def test_the_first_status_is_the_calls():
    _, peer = accept()
    call = call_of(peer, end=True)
    call.finish(StatusCode.NOT_FOUND, "gone", [(b"k", b"v")])
    call.finish(StatusCode.OK)
    assert call.status is StatusCode.NOT_FOUND
    (trailers,) = response(peer)[0]
    assert trailers[b"grpc-message"] == b"gone"
    assert trailers[b"k"] == b"v"
    assert peer.of(h2.events.StreamEnded)
