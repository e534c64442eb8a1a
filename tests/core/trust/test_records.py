from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.trust.bounds import MAX_RECORD_BYTES, MAX_RECORDS
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import (
    MAX_AHEAD_S,
    MAX_LIFETIME_S,
    Role,
    build_record,
    check_scope_untrusted,
    parse_record_untrusted,
    restore_record_untrusted,
    told_record_untrusted,
    told_records_untrusted,
)
from lightpeer.core.trust.seals import seal_record
from lightpeer.errors import BadMessageError, SealError, UsageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

ME = Identity(b"\x07" * 32)
NOW = 1_750_000_000
PLACES = (("192.0.2.1", 47474), ("2001:db8::1", 1), ("music.example.org", 65535))


def test_a_record_says_what_its_subject_said() -> None:
    data = build_record(ME, PLACES, Role.SERVES, 5, NOW + 10)
    record = parse_record_untrusted(data, NOW)
    assert (record.peer_id, record.endpoints, record.sequence) == (ME.peer_id, PLACES, 5)
    assert (record.expires_s, record.data, record.serves) == (NOW + 10, data, True)
    assert restore_record_untrusted(data) == record
    assert not parse_record_untrusted(build_record(ME, PLACES, 2, 5, NOW + 10), NOW).serves


@pytest.mark.parametrize("ahead", [0, -1, MAX_LIFETIME_S + 1])
def test_an_expired_record_and_one_that_lives_too_long_are_refused(ahead) -> None:
    data = build_record(ME, PLACES, 1, 1, NOW + ahead)
    with pytest.raises(BadMessageError, match="expired"):
        parse_record_untrusted(data, NOW)


def test_a_changed_record_is_refused() -> None:
    data = bytearray(build_record(ME, PLACES, 1, 1, NOW + 10))
    data[3] ^= 1
    with pytest.raises(SealError):
        parse_record_untrusted(bytes(data), NOW)


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (pb.PeerRecord(expires_s=NOW + 1), "1 to 4"),
        (pb.PeerRecord(endpoints=["a:1"] * 5, expires_s=NOW + 1), "1 to 4"),
        (pb.PeerRecord(endpoints=["a"], expires_s=NOW + 1), "port"),
        (pb.PeerRecord(endpoints=["a:1"], expires_s=NOW + 1, seal=pb.Seal()), "seal"),
        (b"\xff", "parsed"),
    ],
)
def test_a_sealed_record_must_also_be_sound(body, match) -> None:
    data = seal_record(ME, body if isinstance(body, bytes) else body.SerializeToString())
    with pytest.raises(BadMessageError, match=match):
        parse_record_untrusted(data, NOW)


def test_a_record_is_bounded_in_size() -> None:
    long = ("a" * 60 + ".") * 3 + "example"
    with pytest.raises(UsageError, match="larger"):
        build_record(ME, [(long, 1), (long, 2), (long, 3)], 1, 1, NOW + 1)
    with pytest.raises(BadMessageError, match="larger"):
        parse_record_untrusted(bytes(MAX_RECORD_BYTES + 1), NOW)


@pytest.mark.parametrize("endpoints", [[], [("a", 1)] * 5, [("0.0.0.0", 1)], [("a", 0)]])
def test_no_record_is_made_that_nobody_would_take(endpoints) -> None:
    with pytest.raises(UsageError, match="cannot announce"):
        build_record(ME, endpoints, 1, 1, NOW + 1)


@pytest.mark.parametrize(
    ("source", "host", "fits"),
    [
        ("198.51.9.1", "93.184.1.1", True),
        ("93.184.1.1", "example.org", True),
        ("93.184.1.1", "192.168.1.1", False),
        ("93.184.1.1", "127.0.0.1", False),
        ("93.184.1.1", "::ffff:127.0.0.1", False),
        ("93.184.1.1", "a.localhost", False),
        ("93.184.1.1", "fd00::1", False),
        ("93.184.1.1", "100.64.0.9", False),
        ("100.64.0.7", "100.64.0.9", True),
        ("93.184.1.1", "fec0::1", False),
        ("93.184.1.1", "::127.0.0.1", False),
        ("93.184.1.1", "64:ff9b::192.168.1.1", False),
        ("93.184.1.1", "64:ff9b::127.0.0.1", False),
        ("93.184.1.1", "64:ff9b::5.6.7.8", True),
        ("93.184.1.1", "64:ff9b:1::5.6.7.8", False),
        ("93.184.1.1", "2002:c0a8:101::1", False),
        ("93.184.1.1", "2002:506:708::1", True),
        ("93.184.1.1", "::ffff:0:10.0.0.1", False),
        ("192.168.1.7", "64:ff9b::10.0.0.1", True),
        ("93.184.1.1", "2606:2800:220::1", True),
        ("192.168.1.7", "192.168.1.1", True),
        ("192.168.1.7", "::1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "192.168.1.1", True),
    ],
)
def test_a_record_names_no_narrower_network_than_it_came_from(source, host, fits) -> None:
    record = parse_record_untrusted(build_record(ME, [("example.org", 1), (host, 1)], 1, 1, NOW + 10), NOW)
    with nullcontext() if fits else pytest.raises(BadMessageError, match="means nothing"):
        check_scope_untrusted(record, source)


@pytest.mark.parametrize("data", [b"", b"\xff", pb.PeerRecord(endpoints=["a:1"]).SerializeToString()])
def test_what_was_stored_must_be_a_record(data) -> None:
    with pytest.raises(BadMessageError):
        restore_record_untrusted(data)


@given(st.binary(max_size=600))
def test_arbitrary_bytes_raise_one_error(data) -> None:
    for parse in (lambda: parse_record_untrusted(data, NOW), lambda: restore_record_untrusted(data)):
        with pytest.raises(BadMessageError):
            parse()


def test_a_record_from_the_future_is_refused() -> None:
    now = 1_000_000
    for ahead_s, sound in [(MAX_AHEAD_S, True), (MAX_AHEAD_S + 1, False)]:
        data = build_record(ME, PLACES, 1, now + ahead_s, now + 3600)
        if sound:
            assert parse_record_untrusted(data, now).sequence == now + ahead_s
        else:
            with pytest.raises(BadMessageError, match="future"):
                parse_record_untrusted(data, now)


def test_what_somebody_tells_must_be_the_subjects_and_mean_something_where_it_came_from() -> None:
    data = build_record(ME, [("10.0.0.1", 1)], 1, 1, NOW + 10)
    assert told_record_untrusted(data, NOW, "10.0.0.2").data == data
    with pytest.raises(BadMessageError, match="means nothing"):
        told_record_untrusted(data, NOW, "20.0.0.1")
    with pytest.raises(BadMessageError, match="expired"):
        told_record_untrusted(data, NOW + 10, "10.0.0.2")


def test_bad_records_are_left_out_and_told_of_and_so_is_what_is_too_much() -> None:
    good = build_record(ME, [("20.0.0.1", 1)], 1, 1, NOW + 10)
    home = build_record(ME, [("10.0.0.1", 1)], 1, 1, NOW + 10)
    bad: list[BadMessageError] = []
    sound = told_records_untrusted([b"x", good, home, good], NOW, "20.0.0.9", bad.append)
    assert [record.data for record in sound] == [good, good]
    assert len(bad) == 2
    assert len(told_records_untrusted([good] * 40, NOW, "20.0.0.9", bad.append)) == MAX_RECORDS
