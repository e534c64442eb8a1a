"""From the arguments of a call to what a call is made of."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.rpc.framing import Compression
from lightpeer.errors import UsageError
from lightpeer.rpc.call import CallOptions
from lightpeer.rpc.method import Method
from tests.rpc.service import run, serving

CHANNEL = object()
OPTIONS = CallOptions("/t/Echo", str.encode, bytes.decode, headers=[])


def call(*arguments, options=OPTIONS, **named):
    """Make a call of a kind that returns what it is made of."""
    return Method(CHANNEL, lambda *given: given, options)(*arguments, **named)


def test_a_call_without_arguments_is_as_its_method():
    assert call() == (CHANNEL, OPTIONS, None)


def test_arguments_stand_where_grpcio_has_them():
    channel, options, request = call(b"x", 5, (("k", "v"),), None, True, Compression.Gzip)
    assert (channel, request) == (CHANNEL, b"x")
    assert options == OPTIONS._replace(timeout_s=5, headers=[(b"k", b"v")], wait_for_ready=True, gzip=True)


def test_the_options_of_one_call_are_not_those_of_the_next():
    made = []
    method = Method(CHANNEL, lambda *given: made.append(given[1]), OPTIONS)
    method(timeout=5, wait_for_ready=True, metadata=(("k", "v"),))
    method()
    assert made[1] == OPTIONS


@pytest.mark.parametrize("timeout", [None, 0, -1, 0.5, math.inf])
def test_a_timeout_is_any_number_of_seconds_or_none(timeout):
    assert call(timeout=timeout)[1].timeout_s == timeout


def test_what_is_no_number_of_seconds_is_refused():
    with pytest.raises(UsageError, match="a timeout is a number of seconds, or None"):
        call(timeout=math.nan)


@pytest.mark.parametrize("credentials", [object(), False, ""])
def test_credentials_are_refused_whatever_they_are(credentials):
    with pytest.raises(UsageError, match="give what they would add as metadata="):
        call(credentials=credentials)


@pytest.mark.parametrize("of_channel", [False, True])
@pytest.mark.parametrize(
    ("given", "is_gzip"), [(None, None), (Compression.NoCompression, False), (Compression.Gzip, True)]
)
def test_the_compression_of_a_call_goes_before_that_of_its_channel(of_channel, given, is_gzip):
    options = call(options=OPTIONS._replace(gzip=of_channel), compression=given)[1]
    assert options.gzip == (of_channel if is_gzip is None else is_gzip)


def test_a_compression_that_few_peers_read_is_refused():
    with pytest.raises(UsageError, match=r"is not supported: use Compression\.Gzip"):
        call(compression="deflate")


def test_metadata_is_encoded_as_it_goes_out():
    assert call(metadata=(("key", "v"), ("at-bin", b"\0\1")))[1].headers == [
        (b"key", b"v"),
        (b"at-bin", b"AAE"),
    ]
    with pytest.raises(UsageError):
        call(metadata=(("Key", "v"),))


@pytest.mark.parametrize("wait", [None, False, 0])
def test_a_call_waits_for_a_server_only_where_that_is_said(wait):
    assert call(wait_for_ready=wait)[1].wait_for_ready is False


def test_grpcios_name_for_many_requests_is_known():
    assert call(request_iterator=[b"a"])[2] == [b"a"]
    assert call(b"one", request_iterator=())[2] == ()
    assert call(b"one")[2] == b"one"


def test_what_was_asked_for_reaches_a_server():
    async def main():
        async with serving() as f:
            echo = f.channel.unary_unary("/t/Echo")
            made = echo(bytes(5000), 5, (("k", "v"),), None, True, Compression.Gzip)
            assert made.time_remaining() == 5
            assert await made == bytes(5000)
            assert await made.trailing_metadata() == (("k", "v"),)
            assert await f.channel.stream_unary("/t/Sum")(request_iterator=[b"abc"]) == b"3"

    run(main)
