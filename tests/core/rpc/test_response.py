"""What a response says, written and read."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.response import (
    NO_STATUS,
    encode_response,
    encode_trailers,
    head_refusal,
    only_status,
    trailers_status,
)
from lightpeer.core.rpc.status import CallStatus, StatusCode

GRPC = {b":status": b"200", b"content-type": b"application/grpc"}


def test_a_client_takes_what_a_server_writes():
    head = dict(encode_response([(b"k", b"v")], gzip=False))
    assert head == {**GRPC, b"grpc-accept-encoding": b"identity,gzip", b"k": b"v"}
    assert head_refusal(head) is None
    assert dict(encode_response((), gzip=True))[b"grpc-encoding"] == b"gzip"


@pytest.mark.parametrize("details", ["", "nö"])
@pytest.mark.parametrize("is_only", [True, False])
def test_trailers_carry_the_status(details, is_only):
    status = CallStatus(StatusCode.NOT_FOUND, details)
    trailers = dict(encode_trailers(status, [(b"k", b"v")], is_only=is_only))
    assert trailers.pop(b"k") == b"v"
    assert (b"grpc-message" in trailers) is bool(details)
    assert (trailers.get(b":status") == b"200") is is_only
    read = only_status if is_only else trailers_status
    assert read(trailers, (("k", "v"),)) == (StatusCode.NOT_FOUND, details, (("k", "v"),), True, None)


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({b":status": b"404", b"content-type": b"text/html"}, StatusCode.UNIMPLEMENTED),
        ({b":status": b"200", b"content-type": b"text/html"}, StatusCode.UNKNOWN),
        ({b":status": b"200"}, StatusCode.UNKNOWN),
        ({b":status": b"2000"}, StatusCode.UNKNOWN),
        ({b":status": b"abc"}, StatusCode.UNKNOWN),
        ({}, StatusCode.UNKNOWN),
    ],
)
def test_what_is_not_grpc_is_mapped_from_http(own, code):
    refusal = head_refusal(own)
    assert refusal is not None
    assert refusal.code is code
    assert "does not speak gRPC" in refusal.details
    assert only_status(own, ()) == refusal


def test_a_response_without_a_status_is_unknown():
    assert only_status(GRPC, ()) is NO_STATUS
    assert trailers_status({b"x": b"1"}, ()) is NO_STATUS
    assert NO_STATUS.code is StatusCode.UNKNOWN
