"""Bodies become messages, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.messages import parse_body_untrusted
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.core.hostile import is_refused, variants

KINDS = [
    pb.ExchangeRequest,
    pb.SearchRequest,
    pb.SearchReply,
    pb.OpenRequest,
    pb.OpenReply,
    pb.PullRequest,
    pb.Chunk,
]


def test_a_message_comes_back():
    request = pb.SearchRequest(query="höhle", limit=5, query_id=b"12345678")
    assert parse_body_untrusted(pb.SearchRequest, request.SerializeToString()) == request
    assert parse_body_untrusted(pb.SearchRequest, b"") == pb.SearchRequest()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x00", b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_is_no_message(kind, data):
    with pytest.raises(BadMessageError, match="cannot be parsed"):
        parse_body_untrusted(kind, data)


def test_text_that_is_no_text():
    with pytest.raises(BadMessageError):
        parse_body_untrusted(pb.SearchRequest, b"\x0a\x01\xff")


def test_a_seal_within_the_body():
    sealed = pb.Chunk(data=b"x", seal=pb.Seal(signature=b"s")).SerializeToString()
    with pytest.raises(BadMessageError, match="seal"):
        parse_body_untrusted(pb.Chunk, sealed)


@given(st.binary(max_size=60), st.sampled_from(KINDS))
def test_whatever_the_bytes(data, kind):
    is_refused(lambda d: parse_body_untrusted(kind, d), data)


def test_damaged_messages():
    whole = pb.SearchReply(
        hits=[pb.Hit(track_id=b"t" * 32, title="ö", bitrates_kbps=[24, 48], holders=[0])], peers=[b"r"]
    ).SerializeToString()
    for variant in variants(whole):
        is_refused(lambda d: parse_body_untrusted(pb.SearchReply, d), variant)
