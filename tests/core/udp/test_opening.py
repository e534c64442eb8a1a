"""The client's side of an Open: what it asks, and what an answer must be to be worth anything."""

from __future__ import annotations

import pytest

from lightpeer.core.content.manifest import (
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.trust.identity import Identity
from lightpeer.core.udp.datagram import derive_keys
from lightpeer.core.udp.opening import MAX_INLINE_CHUNKS, Chunk, Opened, Opening
from lightpeer.errors import BadMessageError, VerificationError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

MANIFEST = build_manifest(
    Description(
        title="Tide",
        artist="The Pier",
        album="",
        duration_samples=48_000,
        gain_q8_db=0,
        segment_count=1,
    ),
    renditions=[(24_000, b"OggS", [build_table([b"segment"])])],
)
TRACK_ID = track_id_of(MANIFEST)
TRACK = parse_manifest_untrusted(MANIFEST, TRACK_ID)
CLIENT, SERVER = Identity(bytes([1]) * 32), Identity(bytes([2]) * 32)
SECRET, SERVER_SECRET = bytes([3]) * 32, bytes([4]) * 32
SERVER_KEY = Identity(SERVER_SECRET).public_key


def accept(reply, opening=None, track=None):
    return (opening or Opening(SECRET)).accept_untrusted(
        reply, track_id=TRACK_ID, client=CLIENT.peer_id, server=SERVER.peer_id, track=track
    )


def reply(**changes):
    fields = {"manifest": MANIFEST, "ephemeral_key": SERVER_KEY, "udp_port": 4000, "stream_id": 7}
    return pb.OpenReply(**{**fields, "path_token": 9, **changes})


def chunk(rendition=0, segment=0, data=b"data"):
    return pb.Chunk(rendition=rendition, segment=segment, data=data)


def test_it_asks_for_what_is_wanted_with_a_key_for_the_stream():
    request = Opening(SECRET).request(
        TRACK_ID, first_segment=3, bitrate_kbps=48, inline_bytes=11_000, manifest_known=True
    )
    assert request == pb.OpenRequest(
        track_id=TRACK_ID,
        ephemeral_key=Identity(SECRET).public_key,
        first_segment=3,
        bitrate_kbps=48,
        inline_bytes=11_000,
        manifest_known=True,
    )
    assert not Opening(None).request(TRACK_ID).ephemeral_key


def test_both_ends_derive_the_same_keys():
    opened = accept(reply(chunks=[chunk(0, 0, b"inline")]))
    shared = Identity(SERVER_SECRET).shared_secret_untrusted(Identity(SECRET).public_key)
    keys = derive_keys(shared, track_id=TRACK_ID, client=CLIENT.peer_id, server=SERVER.peer_id, stream_id=7)
    assert opened == Opened(TRACK, opened.udp, (Chunk(0, 0, b"inline"),), MANIFEST, len(TRACK.renditions))
    assert opened.udp == (4000, 7, 9, keys)


def test_without_a_key_or_a_port_there_is_no_udp():
    assert accept(reply(), Opening(None)).udp is None
    assert accept(reply(udp_port=0, ephemeral_key=b"nonsense")).udp is None


def test_a_manifest_that_is_known_is_not_read_again():
    assert accept(reply(manifest=b""), track=TRACK).track is TRACK


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": b""},
        {"manifest": MANIFEST + b"\x00"},
        {"udp_port": 0x10000},
        {"ephemeral_key": b""},
        {"ephemeral_key": b"\x02" + b"\xff" * 32},
        {"chunks": [chunk(rendition=1)]},
        {"chunks": [chunk()] * (MAX_INLINE_CHUNKS + 1)},
    ],
)
def test_an_answer_that_is_not_sound_is_refused(changes):
    with pytest.raises((BadMessageError, VerificationError)):
        accept(reply(**changes))


def test_as_many_chunks_as_may_come_are_taken():
    assert len(accept(reply(chunks=[chunk()] * MAX_INLINE_CHUNKS)).chunks) == MAX_INLINE_CHUNKS


@pytest.mark.parametrize(("said", "present"), [(0, len(TRACK.renditions)), (1, 1)])
def test_a_peer_may_say_how_many_renditions_it_has(said, present):
    assert accept(reply(present=said)).present == present


def test_a_peer_cannot_have_more_renditions_than_there_are():
    with pytest.raises(BadMessageError, match="more renditions than the track has"):
        accept(reply(present=len(TRACK.renditions) + 1))
