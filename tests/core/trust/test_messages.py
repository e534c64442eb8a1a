"""Bodies become messages, or are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lightpeer
from lightpeer.core.addresses import MAX_HOST_CHARS
from lightpeer.core.trust.bounds import (
    MAX_HITS,
    MAX_MANIFEST_BYTES,
    MAX_PEERS,
    MAX_PULL_RANGES,
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    MAX_RENDITIONS,
    MAX_SEGMENT_BYTES,
    MAX_TEXT_CHARS,
)
from lightpeer.core.trust.messages import (
    _SHAPES,
    MAX_REPLY_BYTES,
    parse_body_untrusted,
    parse_message_untrusted,
)
from lightpeer.core.trust.records import MAX_ENDPOINTS
from lightpeer.core.udp.opening import MAX_INLINE_CHUNKS
from lightpeer.errors import BadMessageError
from lightpeer.pb.grpc.health.v1 import health_pb2
from lightpeer.pb.grpc.reflection.v1 import reflection_pb2
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


RECORD = bytes(MAX_RECORD_BYTES)
CHUNKS = [pb.Chunk(rendition=7, segment=0xFFFFFF, data=bytes(512))] * MAX_INLINE_CHUNKS
LARGEST_OPEN = pb.OpenReply(
    manifest=bytes(MAX_MANIFEST_BYTES),
    ephemeral_key=bytes(33),
    udp_port=65535,
    stream_id=1,
    path_token=1,
    chunks=CHUNKS,
)
LARGEST_HIT = pb.Hit(
    track_id=bytes(32),
    title="\U0001f3b5" * MAX_TEXT_CHARS,
    artist="\U0001f3b5" * MAX_TEXT_CHARS,
    album="\U0001f3b5" * MAX_TEXT_CHARS,
    duration_ms=0xFFFFFFFF,
    bitrates_kbps=[0xFFFFFFFF] * MAX_RENDITIONS,
    holders=range(MAX_PEERS),
    track_number=0xFFFFFFFF,
    disc_number=0xFFFFFFFF,
    disc_tracks=0xFFFFFFFF,
    album_artist="\U0001f3b5" * MAX_TEXT_CHARS,
    year=0xFFFFFFFF,
)
OPEN = pb.OpenRequest(
    track_id=bytes(32),
    ephemeral_key=bytes(33),
    first_segment=0xFFFFFFFF,
    bitrate_kbps=0xFFFFFFFF,
    inline_bytes=0xFFFFFFFF,
    manifest_known=True,
)
LARGEST = [
    pb.PeerRecord(endpoints=["h" * 100] * MAX_ENDPOINTS, roles=1, sequence=1 << 40, expires_s=1 << 40),
    pb.ExchangeRequest(records=[RECORD] * MAX_RECORDS, want=MAX_RECORDS),
    pb.ExchangeReply(records=[RECORD] * MAX_RECORDS, observed="h" * MAX_HOST_CHARS + ":65535"),
    pb.Announcement(record=RECORD),
    pb.AnnounceReply(again_s=0xFFFFFFFF),
    pb.SearchRequest(
        query="\U0001f3b5" * MAX_TEXT_CHARS,
        limit=MAX_HITS,
        hops=16,
        query_id=bytes(8),
        open=OPEN,
        walkers=64,
        records=MAX_PEERS,
    ),
    pb.SearchReply(hits=[LARGEST_HIT] * MAX_HITS, peers=[RECORD] * MAX_PEERS, open=LARGEST_OPEN),
    OPEN,
    LARGEST_OPEN,
    pb.PullRequest(
        track_id=bytes(32),
        ranges=[pb.Range(rendition=7, first=0xFFFFFFFF, count=0xFFFFFFFF)] * MAX_PULL_RANGES,
    ),
    pb.Chunk(rendition=7, segment=0xFFFFFF, data=bytes(MAX_SEGMENT_BYTES)),
    pb.Manifest(
        title="\U0001f3b5" * MAX_TEXT_CHARS,
        duration_samples=1 << 40,
        gain_q8_db=-32768,
        renditions=[pb.Rendition(bitrate_bps=1 << 30, header=bytes(8000), table_hashes=bytes(8000))]
        * MAX_RENDITIONS,
        segment_count=65536,
    ),
    health_pb2.HealthCheckRequest(service="a.B"),
    reflection_pb2.ServerReflectionRequest(host="h", file_containing_symbol="a.B"),
    reflection_pb2.ServerReflectionRequest(
        file_containing_extension=reflection_pb2.ExtensionRequest(containing_type="a.B", extension_number=1)
    ),
]


@pytest.mark.parametrize("largest", LARGEST, ids=lambda m: m.DESCRIPTOR.name)
def test_the_largest_sound_message_of_a_kind_is_taken(largest):
    assert parse_message_untrusted(type(largest), largest.SerializeToString()) == largest


def test_the_largest_reply_fits_a_connection():
    sealed_bytes = max(message.ByteSize() for message in LARGEST) + 91
    assert sealed_bytes <= MAX_REPLY_BYTES <= 1 << 20


def test_the_protocol_says_so():
    text = (Path(lightpeer.__file__).parents[1] / "proto" / "README.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    told = {name: (int(n), int(m)) for names, n, m in rows for name in re.findall(r"\w+", names)}
    known = {name.rpartition(".")[2]: shape[:2] for name, shape in _SHAPES.items() if "loudp2p" in name}
    assert told == known


def test_the_table_knows_of_each_message_and_list_within_another():
    """Or what comes in one that it does not know would not be counted."""
    kinds = [message.DESCRIPTOR for message in LARGEST]
    assert {kind.full_name for kind in kinds} == _SHAPES.keys()
    shapes = [(kind, _SHAPES[kind.full_name]) for kind in kinds]
    while shapes:
        kind, shape = shapes.pop()
        messages = {field.number: field.message_type for field in kind.fields if field.message_type}
        assert messages.keys() == shape.messages.keys(), kind.full_name
        shapes += [(inner, shape.messages[number]) for number, inner in messages.items()]
        lists = {f.number for f in kind.fields if f.default_value == [] and f.cpp_type == f.CPPTYPE_UINT32}
        assert set(shape.packed) == lists, kind.full_name


MANY = 300_000
EMPTY = {
    "hits": b"\x0a\x00" * MANY,
    "peers": b"\x12\x00" * MANY,
    "chunks": pb.SearchReply(open=pb.OpenReply(chunks=[pb.Chunk()] * (MANY // 2))).SerializeToString(),
    "parts of one message": b"\x1a\x02\x32\x00" * (MANY // 2),
    "packed numbers": pb.SearchReply(hits=[pb.Hit(holders=[0] * 6000)] * 10).SerializeToString(),
    "numbers": pb.SearchReply(hits=[pb.Hit.FromString(b"\x38\x00" * 3000)] * 10).SerializeToString(),
    "what nobody knows": b"\x70\x00" * MANY,
}


def refused_unparsed(data: bytes) -> str:
    """Why it is refused; nothing of it was parsed."""

    class Unparsed:
        DESCRIPTOR = pb.SearchReply.DESCRIPTOR

        @staticmethod
        def FromString(data):
            raise AssertionError("it was parsed")

    with pytest.raises(BadMessageError) as caught:
        parse_message_untrusted(Unparsed, data)
    assert caught.value.__cause__ is None, "refused before"
    return str(caught.value)


@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
def test_few_bytes_that_become_much_memory(data):
    assert refused_unparsed(data) == "a SearchReply with more fields than one may have"


def test_what_is_larger_than_a_sound_one():
    hit = pb.Hit(title="a" * 10_000)
    assert "within another" in refused_unparsed(pb.SearchReply(hits=[hit]).SerializeToString())
    assert "larger" in refused_unparsed(bytes(MAX_REPLY_BYTES))


def test_groups():
    """Those within groups recurse in pure Python (CVE-2025-4565); no message of ours ever had one."""
    assert "cannot be parsed" in refused_unparsed(b"\x73" * 1000 + b"\x74" * 1000)


def test_what_ends_within_a_field():
    ends = (b"\x72\x05ab", b"\x79abc", b"\x7dab", b"\x70\x80", b"\x0a\x05\x12\x00", b"\x0a\x02\x12\x05abcde")
    assert all("cannot be parsed" in refused_unparsed(data) for data in ends)
    assert "cannot be parsed" in refused_unparsed(b"\x70" + b"\xff" * 10 + b"\x00"), "a number of 11 bytes"


def test_fields_of_all_forms_that_nobody_knows():
    later = b"\x70\xff\xff\xff\xff\x0f" + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x82\x01\x01a"
    assert parse_message_untrusted(pb.AnnounceReply, b"\x08\x07" + later).again_s == 7
