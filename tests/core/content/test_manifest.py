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
    kbps_of,
    parse_manifest_untrusted,
    parse_table_untrusted,
    rendition_asked,
    served_tables,
    table_bytes,
    table_of,
    table_segment,
    track_id_of,
)
from lightpeer.errors import BadMessageError, VerificationError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.core.hostile import is_refused, refuses_all, variants
from tests.long_track import six_hours

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
    digests = {len(r.table_digests) for r in track.renditions}
    return (
        1 <= track.segment_count <= manifest.MAX_SEGMENTS
        and (digests == {tables} or (digests == {1} and tables > 64))
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
        ({"renditions": [rendition(tables=1)]}, "do not fit its length"),
        ({"segment_count": 4096, "renditions": [rendition(tables=1)]}, "do not fit its length"),
        ({"segment_count": 4097, "renditions": [rendition(tables=0)]}, "do not fit its length"),
        (
            {"segment_count": 4097, "renditions": [rendition(tables=1), rendition(30_000, tables=65)]},
            "do not fit its length",
        ),
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


@pytest.mark.parametrize(("kbps", "number"), [(0, 0), (23, 0), (24, 0), (48, 1), (95, 1), (1_000_000, 2)])
def test_the_greatest_within_what_is_asked(kbps, number):
    assert rendition_asked((24_000, 48_000, 96_000), kbps) == number


def test_what_is_asked_for_is_what_is_shown():
    """The bitrates of what comes as Opus are no round numbers, and both ends must mean the same rendition."""
    bitrates_bps = (24_000, 48_400, 96_600)
    assert [Rendition(bitrate_bps, b"", ()).bitrate_kbps for bitrate_bps in bitrates_bps] == [24, 48, 97]
    for number, bitrate_bps in enumerate(bitrates_bps):
        assert rendition_asked(bitrates_bps, kbps_of(bitrate_bps)) == number
        assert rendition_asked(bitrates_bps, kbps_of(bitrate_bps) - 1) == max(0, number - 1)


# Tracks with more than 64 tables.


def test_up_to_64_tables_are_listed_and_more_have_a_root() -> None:
    tables = [build_table([b"%d" % number]) for number in range(65)]
    listed = build_manifest(Description(**NAMES, segment_count=4096), [(24_000, b"", tables[:64])])
    assert parse(listed).renditions[0].table_digests == tuple(map(content_digest, tables[:64]))
    assert parse(listed).table_path_bytes == 0
    assert served_tables(tables[:64]) == tables[:64]
    rooted = build_manifest(Description(**NAMES, segment_count=4097), [(24_000, b"", tables)])
    assert len(parse(rooted).renditions[0].table_digests) == 1
    assert parse(rooted).table_path_bytes == 7 * 16
    assert [len(table) for table in served_tables(tables)] == [18 + 7 * 16] * 65


NAMES = {"title": "", "artist": "", "album": "", "duration_samples": 48_000, "gain_q8_db": 0}


def test_a_track_of_six_hours_has_a_small_manifest_and_tables_that_prove_themselves() -> None:
    made = six_hours()
    track = made.track
    assert len(made.manifest) < 800, "most of it are headers; a list of all digests would have 16 kB"
    assert (track.segment_count, track.table_count) == (21_600, 338)
    assert [table_bytes(track, number) for number in (0, 337)] == [64 * 18 + 144, 32 * 18 + 144]
    for number in (0, 1, 168, 337):
        for rendition_no in range(3):
            table = parse_table_untrusted(made.tables[rendition_no][number], track, rendition_no, number)
            segment = made.segment(rendition_no, 64 * number + 31)
            table.check_untrusted(64 * number + 31, segment)
        for other in (0, 1, 168, 337):
            if other != number:
                assert is_refused(
                    lambda d, n=other: parse_table_untrusted(d, track, 0, n), made.tables[0][number]
                )


def test_nothing_but_the_table_with_its_path_passes() -> None:
    made = six_hours()
    refuses_all(lambda d: parse_table_untrusted(d, made.track, 0, 337), made.tables[0][337])
    assert is_refused(lambda d: parse_table_untrusted(d, made.track, 0, 0), made.tables[1][0])


def test_long_tracks_of_older_imports_list_all_their_tables() -> None:
    """Their ids stay what they are, and their tables come without paths."""
    tables = [build_table([b"%d" % number] * 64) for number in range(65)]
    hashes = b"".join(map(content_digest, tables))
    old = [pb.Rendition(bitrate_bps=24_000, header=b"h", table_hashes=hashes)]
    track = parse(message(segment_count=65 * 64, renditions=old))
    assert table_bytes(track, 64) == 64 * 18
    assert parse_table_untrusted(tables[64], track, 0, 64).sizes[0] == 2
    refuses_all(lambda d: parse_table_untrusted(d, track, 0, 64), tables[64])
