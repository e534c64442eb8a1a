"""What a request says, written and read."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.request import encode_request, read_request_untrusted, request_head
from lightpeer.core.rpc.status import StatusCode
from lightpeer.version import VERSION
from tests.core.rpc.h2peer import GRPC, METHOD, PATH, READS_GZIP, REQUEST

MOST_BYTES = 16 * 1024


@pytest.mark.parametrize(("timeout_s", "gzip"), [(None, False), (1.5, True)])
def test_a_server_reads_what_a_client_writes(timeout_s, gzip):
    head = request_head("https", "music.example:443")
    written = encode_request(head, PATH, timeout_s=timeout_s, gzip=gzip, metadata=[(b"k", b"v")])
    assert written[:4] == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"music.example:443"),
        (b":path", PATH.encode()),
    ]
    assert (b"te", b"trailers") in written
    assert (b"user-agent", b"lightpeer/" + VERSION.encode()) in written
    request = read_request_untrusted(written, MOST_BYTES)
    assert request == (PATH, (("user-agent", f"lightpeer/{VERSION}"), ("k", "v")), timeout_s, *request[3:])
    assert request.encoding == (b"gzip" if gzip else b"identity")
    assert request.reads_gzip
    assert request.http_refusal is request.refusal is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (((b":method", b"GET"), *METHOD[1:], *GRPC), b"405"),
        ((*METHOD, (b"content-type", b"text/html")), b"415"),
        (METHOD, b"415"),
        (REQUEST, None),
        ((*REQUEST, (b"k-bin", b"!")), None),
    ],
)
def test_what_is_not_grpc_is_refused_in_http(headers, status):
    assert read_request_untrusted(headers, MOST_BYTES).http_refusal == status


@pytest.mark.parametrize(
    ("header", "code", "text"),
    [
        ((b"grpc-timeout", b"soon"), StatusCode.INTERNAL, "grpc-timeout"),
        ((b"k-bin", b"!"), StatusCode.INTERNAL, "base64"),
        ((b"grpc-encoding", b"snappy"), StatusCode.UNIMPLEMENTED, "encoding"),
        ((b"k", b"v" * MOST_BYTES), StatusCode.RESOURCE_EXHAUSTED, "limit"),
    ],
)
def test_what_cannot_be_followed_says_why(header, code, text):
    request = read_request_untrusted([*REQUEST, header], MOST_BYTES)
    assert request.refusal is not None
    assert request.refusal.code is code
    assert text in request.refusal.details
    assert request.path in {PATH, ""}
    assert request.timeout_s is None


def test_a_client_that_reads_gzip_says_so():
    assert read_request_untrusted(READS_GZIP, MOST_BYTES).reads_gzip
    assert not read_request_untrusted(REQUEST, MOST_BYTES).reads_gzip
