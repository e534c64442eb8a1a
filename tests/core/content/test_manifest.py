"""Manifests and segment tables: what does not lead back to the track id is refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content import manifest
from lightpeer.core.content.manifest import (
    Description,
    Rendition,
    build_manifest,
    build_table,
    content_digest,
    greatest_within,
    kbps_of,
    parse_manifest_untrusted,
    parse_table_untrusted,
    rendition_asked,
    table_bytes,
    table_of,
    table_segment,
    track_id_of,
)
from lightpeer.errors import BadMessageError, VerificationError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.core.hostile import is_refused, refuses_all, variants

SEGMENTS = [b"segment %d" % number for number in range(66)]
TABLES = [build_table(SEGMENTS[:64]), build_table(SEGMENTS[64:])]
FIELDS = {
    "title": "Tide",
    "artist": "The Pier",
    "album": "",
    "duration_samples": 65 * 48_000 + 10,
    "gain_q8_db": -300,
    "segment_count": 66,
    "renditions": [(48_000, b"OggS48", TABLES), (24_000, b"OggS24", TABLES)],
}


def built(**changes):
    fields = {**FIELDS, **changes}
    renditions = fields.pop("renditions")
    return build_manifest(Description(**fields), renditions)


def parse(data):
    """Parse a manifest under its own track id."""
    return parse_manifest_untrusted(data, track_id_of(data))


def message(**changes):
    """The bytes of a manifest that no honest builder makes."""
    fields = pb.Manifest.FromString(built())
    for name, value in changes.items():
        if name == "renditions":
            del fields.renditions[:]
            fields.renditions.extend(value)
        else:
            setattr(fields, name, value)
    return fields.SerializeToString()


def rendition(bitrate_bps=24_000, header=b"h", tables=2):
    return pb.Rendition(bitrate_bps=bitrate_bps, header=header, table_hashes=bytes(16 * tables))


TRACK = parse(built())


def test_a_manifest_comes_back():
    assert (TRACK.title, TRACK.artist, TRACK.album) == ("Tide", "The Pier", "")
    assert TRACK.duration_s == pytest.approx(65.0002, abs=1e-4)
    assert TRACK.gain_q8_db == -300
    assert TRACK.segment_count == 66
    assert TRACK.uri.startswith("loud:")
    assert [r.bitrate_bps for r in TRACK.renditions] == [24_000, 48_000]
    assert TRACK.renditions[0].header == b"OggS24"
    assert TRACK.renditions[1].table_digests == tuple(map(content_digest, TABLES))
    assert TRACK.track_id == hashlib.sha256(built()).digest()


def test_digests_are_blake2b_of_16_bytes():
    assert content_digest(b"abc") == hashlib.blake2b(b"abc", digest_size=16).digest()


def test_long_titles_are_cut():
    assert len(parse(built(title="x" * 1000)).title) == 512


def test_nothing_but_the_manifest_passes():
    refuses_all(lambda d: parse_manifest_untrusted(d, TRACK.track_id), built())


def test_a_damaged_manifest_under_its_own_id_is_sound_or_refused():
    for variant in variants(built(renditions=[(24_000, b"h", TABLES)])):
        assert is_refused(parse, variant) or sound(parse(variant))


@given(st.binary(max_size=80))
def test_random_bytes_under_their_own_id(data):
    assert is_refused(parse, data) or sound(parse(data))


def sound(track):
    tables = -(-track.segment_count // 64)
    return (
        1 <= track.segment_count <= manifest.MAX_SEGMENTS
        and all(len(r.table_digests) == tables for r in track.renditions)
        and -32768 <= track.gain_q8_db <= 32767
        and track.duration_s <= track.segment_count + 1
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"renditions": []}, "number of renditions"),
        ({"renditions": [rendition()] * 9}, "number of renditions"),
        ({"title": "x" * 513}, "too long"),
        ({"artist": "x" * 513}, "too long"),
        ({"album": "x" * 513}, "too long"),
        ({"segment_count": 0}, "do not fit its length"),
        ({"segment_count": 64}, "do not fit its length"),
        ({"segment_count": 129}, "do not fit its length"),
        ({"segment_count": 65_537, "renditions": [rendition(tables=1025)]}, "do not fit its length"),
        ({"renditions": [rendition(), rendition(30_000, tables=1)]}, "do not fit its length"),
        ({"renditions": [pb.Rendition(table_hashes=bytes(31))]}, "impossible size"),
        ({"renditions": [rendition(header=bytes(65_537))]}, "impossible size"),
        ({"duration_samples": 67 * 48_000 + 1}, "duration"),
        ({"renditions": [rendition(48_000), rendition(24_000)]}, "rising bitrate"),
        ({"renditions": [rendition(0), rendition(24_000)]}, "rising bitrate"),
    ],
)
def test_manifests_that_cannot_be(changes, why):
    with pytest.raises(BadMessageError, match=why):
        parse(message(**changes))


def test_a_manifest_that_is_too_large():
    with pytest.raises(BadMessageError, match="larger"):
        parse(bytes(128 * 1024 + 1))


def test_a_manifest_of_another_track():
    with pytest.raises(VerificationError):
        parse_manifest_untrusted(built(title="Ebb"), TRACK.track_id)


def test_gain_is_kept_to_what_a_decoder_takes():
    assert parse(message(gain_q8_db=1 << 30)).gain_q8_db == 32767
    assert parse(message(gain_q8_db=-(1 << 30))).gain_q8_db == -32768


def test_tables():
    table = parse_table_untrusted(TABLES[0], TRACK, 0, 0)
    assert table.sizes[:2] == (9, 9)
    assert len(table.digests) == 64
    last = parse_table_untrusted(TABLES[1], TRACK, 1, 1)
    last.check_untrusted(65, SEGMENTS[65])
    assert [table_bytes(TRACK, number) for number in (0, 1)] == [64 * 18, 2 * 18]
    assert [table_of(segment) for segment in (0, 63, 64)] == [0, 0, 1]
    assert table_segment(1) == 0xFF0001


def test_nothing_but_the_table_passes():
    refuses_all(lambda d: parse_table_untrusted(d, TRACK, 0, 1), TABLES[1])


@pytest.mark.parametrize(
    ("table", "why"),
    [(TABLES[1] + TABLES[1], "size"), (b"", "size"), (bytes(36), "empty segment")],
)
def test_tables_that_cannot_be(table, why):
    track = parse(built(renditions=[(24_000, b"", [TABLES[0], table])]))
    with pytest.raises(BadMessageError, match=why):
        parse_table_untrusted(table, track, 0, 1)


def sized_table(*sizes: int) -> bytes:
    return b"".join(size.to_bytes(2, "big") + bytes(16) for size in sizes)


def taken(table: bytes, bitrate_bps: int) -> bool:
    """Whether a table is taken for one of a rendition with this bitrate."""
    track = parse(
        built(
            duration_samples=48_000, segment_count=len(table) // 18, renditions=[(bitrate_bps, b"", [table])]
        )
    )
    return not is_refused(lambda data: parse_table_untrusted(data, track, 0, 0), table)


def test_a_table_is_held_against_its_bitrate():
    """24 kbit/s are 3000 bytes a second: twice that in the mean, four times in any second."""
    assert taken(sized_table(*[6000] * 64), 24_000)
    assert not taken(sized_table(*[6000] * 63, 6001), 24_000)
    assert taken(sized_table(12_000, *[3000] * 3), 24_000)
    assert not taken(sized_table(12_001, *[1] * 63), 24_000)
    assert not taken(sized_table(*[65_535] * 64), 24_000), "padded to 524 kbit/s"
    assert taken(sized_table(6000), 24_000)
    assert not taken(sized_table(6001), 24_000)


@given(st.lists(st.lists(st.integers(1, 65_535), min_size=1, max_size=64), min_size=1, max_size=3))
def test_the_least_bitrate_is_the_least_that_is_taken(lists):
    tables = [sized_table(*sizes) for sizes in lists]
    least_bps = manifest.least_bitrate_bps(tables)
    assert all(taken(table, least_bps) for table in tables)
    assert not all(taken(table, least_bps - 1) for table in tables)


def test_segments_of_other_bytes():
    table = parse_table_untrusted(TABLES[1], TRACK, 0, 1)
    for wrong in (SEGMENTS[65], b"", SEGMENTS[64] + b"\0"):
        with pytest.raises(VerificationError):
            table.check_untrusted(64, wrong)
    lying = manifest.SegmentTable((5,), (content_digest(b"four"),))
    with pytest.raises(VerificationError):
        lying.check_untrusted(0, b"four")


@pytest.mark.parametrize(
    ("limit", "number"), [(0, 0), (23_999, 0), (24_000, 0), (48_000, 1), (95_999, 1), (1e9, 2)]
)
def test_the_greatest_within_a_limit(limit, number):
    assert greatest_within((24_000, 48_000, 96_000), limit) == number


def test_what_is_asked_for_is_what_is_shown():
    """The bitrates of what comes as Opus are no round numbers, and both ends must mean the same rendition."""
    bitrates_bps = (24_000, 48_400, 96_600)
    assert [Rendition(bitrate_bps, b"", ()).bitrate_kbps for bitrate_bps in bitrates_bps] == [24, 48, 97]
    for number, bitrate_bps in enumerate(bitrates_bps):
        assert rendition_asked(bitrates_bps, kbps_of(bitrate_bps)) == number
        assert rendition_asked(bitrates_bps, kbps_of(bitrate_bps) - 1) == max(0, number - 1)
