"""What a server's words mean for their calls."""

from __future__ import annotations

import h2.events
import pytest

from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.status import StatusCode
from tests.core.rpc.h2peer import PATH, RESPONSE, connect

ONE = CallTerms(expects_one=True)


@pytest.mark.parametrize(("accepted", "compresses"), [(b"identity", False), (b"deflate, gzip", True)])
def test_a_server_that_does_not_read_gzip_is_sent_none_once_that_is_known(accepted, compresses):
    client, peer = connect()
    client.start(PATH, 0.0, ONE)
    peer.exchange()
    trailers = (*RESPONSE, (b"grpc-accept-encoding", accepted), (b"grpc-status", b"12"))
    peer.headers(1, trailers, end=True)
    call = client.start(PATH, 0.0, CallTerms(gzip=True))
    assert call.gzip is compresses


def test_a_reply_in_an_encoding_that_was_not_offered_is_internal():
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    peer.headers(1, (*RESPONSE, (b"grpc-encoding", b"snappy")))
    peer.message(1, b"reply", gzip=True)
    assert call.status.code is StatusCode.INTERNAL


def test_trailers_only_gives_status_text_and_metadata():
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    trailers = ((b"grpc-status", b"5"), (b"grpc-message", b"no%20such%21"), (b"k", b"v"))
    peer.headers(1, (*RESPONSE, *trailers), end=True)
    assert call.status[:3] == (StatusCode.NOT_FOUND, "no such!", (("k", "v"),))


@pytest.mark.parametrize(
    ("headers", "end", "code"),
    [
        (((b":status", b"404"), (b"content-type", b"text/html")), False, StatusCode.UNIMPLEMENTED),
        (((b":status", b"503"),), True, StatusCode.UNAVAILABLE),
        (((b":status", b"503"), (b"grpc-status", b"8")), True, StatusCode.RESOURCE_EXHAUSTED),
        (((b":status", b"200"), (b"content-type", b"text/html")), False, StatusCode.UNKNOWN),
        (((b":status", b"200"),), True, StatusCode.UNKNOWN),
        (((b":status", b"2000"),), True, StatusCode.UNKNOWN),
        ((*RESPONSE, (b"k-bin", b"!")), False, StatusCode.INTERNAL),
        ((*RESPONSE, (b"grpc-status", b"0")), True, StatusCode.INTERNAL),
    ],
)
def test_a_first_answer_that_is_no_grpc_answer_ends_the_call(headers, end, code):
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    peer.headers(1, headers, end=end)
    assert call.status.code is code
    assert client.active_calls == 0


@pytest.mark.parametrize(
    ("trailers", "code"),
    [
        (((b"x", b"1"),), StatusCode.UNKNOWN),
        (((b"grpc-status", b"99"),), StatusCode.UNKNOWN),
        (((b"grpc-status", b"0"), (b"k-bin", b"!")), StatusCode.INTERNAL),
        (((b"grpc-status", b"7"),), StatusCode.PERMISSION_DENIED),
    ],
)
def test_trailers_decide_the_status(trailers, code):
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    peer.reply(1, b"reply", trailers=trailers)
    assert call.status.code is code
    assert call.initial_metadata == ()


@pytest.mark.parametrize("second", [b"\0\0\0\0\1b", b"\0\0\0\0\5part"])
def test_more_than_the_one_message_is_internal_at_once(second):
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"a")
    assert call.status is None
    peer.data(1, second)
    assert call.status.code is StatusCode.INTERNAL


def test_an_end_without_trailers_is_unknown():
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    peer.headers(1, RESPONSE)
    peer.message(1, b"reply", end=True)
    assert call.status.code is StatusCode.UNKNOWN


def test_what_comes_for_calls_that_are_gone_changes_nothing():
    client, peer = connect()
    call = client.start(PATH, 0.0, ONE)
    peer.exchange()
    client._reader.on_headers(h2.events.ResponseReceived(stream_id=9))
    client._reader.on_headers(h2.events.TrailersReceived(stream_id=9))
    client._on_stream_reset(h2.events.StreamReset(stream_id=9))
    assert call.status is None
