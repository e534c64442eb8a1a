from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.addresses import PRIVATE_SCOPE
from lightpeer.core.overlay.peer_entry import (
    BACKOFF_S,
    CLOCK_ERROR_S,
    DEAD_AFTER_FAILURES,
    HALF_LIFE_S,
    KEEP_TOLD_S,
    KEEP_TRIED_S,
    MAX_BACKOFF_S,
    NOT_BEFORE_S,
    PeerEntry,
    pack_entry,
    record_time,
    unpack_entries_untrusted,
)
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.errors import BadMessageError

NOW = 1_750_000_000.0
RECORD = parse_record_untrusted(
    build_record(Identity(b"\x07" * 32), [("8.8.1.1", 1)], 1, 1, int(NOW) + 86_400), NOW
)


def entry(**kwargs) -> PeerEntry:
    return PeerEntry(RECORD, "source", updated_s=NOW, **kwargs)


def test_what_nobody_tried_has_a_sixteenth() -> None:
    assert entry().score(NOW) == 0.0625
    assert entry().group == "8.8"


def test_a_name_may_lead_home_only_by_the_word_of_somebody_at_home() -> None:
    at_home = Identity(b"\x08" * 32).peer_id.hex()
    assert PeerEntry(RECORD, at_home).scope == PRIVATE_SCOPE
    for far in ("8.8", "2001:0db8"):
        assert PeerEntry(RECORD, far).scope == 0


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"successes": 3.0}, {"successes": 1.0}),
        ({"successes": 3.0}, {"successes": 3.0, "failures": 1.0}),
        ({}, {"failures": 1.0}),
        ({"rtt_s": 0.1}, {"rtt_s": 0.3}),
        ({"goodput_bytes_per_s": 5e4}, {"goodput_bytes_per_s": 5e3}),
        ({"verified_bytes": 1e5}, {"verified_bytes": 1e4}),
        ({}, {"misbehaviour": 1.0}),
    ],
)
def test_each_of_the_five_counts_in_the_score(better, worse) -> None:
    assert entry(**better).score(NOW) > entry(**worse).score(NOW)


def test_counts_fade_by_half_in_a_day() -> None:
    peer = entry()
    for _ in range(4):
        peer.fail(NOW)
    peer.succeed(NOW + HALF_LIFE_S, 0.1)
    assert (peer.failures, peer.successes) == (2, 1)
    later = NOW + 20 * HALF_LIFE_S
    assert peer.score(later) == pytest.approx(entry(rtt_s=0.1).score(NOW), rel=1e-3)


def test_a_clock_that_jumps_back_does_not_unfade() -> None:
    peer = entry(successes=1.0)
    assert peer.fade(NOW - 1e6) == 1
    peer.succeed(NOW - 1e6, None)
    assert peer.updated_s == NOW
    assert peer.successes == 2


def test_what_was_noted_by_a_clock_years_ahead_is_forgotten_once_it_is_right() -> None:
    ahead = NOW + 5 * 365 * 86_400
    peer = entry(misbehaviour=3.0)
    peer.updated_s = ahead
    assert peer.is_banned(ahead)
    assert peer.is_banned(NOT_BEFORE_S - 1), "this clock is not set"
    assert not peer.is_banned(NOW)
    peer.succeed(NOW, None)
    assert (peer.misbehaviour, peer.successes, peer.updated_s) == (0, 1, NOW)


def test_round_trip_and_goodput_are_smoothed() -> None:
    peer = entry()
    peer.succeed(NOW, 0.4)
    peer.succeed(NOW, None)
    peer.succeed(NOW, 0.8)
    peer.deliver(80_000, 10.0, NOW)
    peer.deliver(160_000, 10.0, NOW)
    assert (peer.rtt_s, peer.goodput_bytes_per_s) == (0.5, 10000)


def test_what_was_delivered_fades_and_little_of_it_tells_no_rate() -> None:
    peer = entry()
    peer.deliver(1000, 0.001, NOW)
    peer.deliver(100_000, 0.0, NOW)
    assert (peer.verified_bytes, peer.goodput_bytes_per_s) == (101_000, None)
    peer.deliver(1000, 1.0, NOW + HALF_LIFE_S)
    assert peer.verified_bytes == 51_500


def test_failures_in_a_row_wait_twice_as_long_each_time_up_to_an_hour() -> None:
    peer = entry()
    assert not peer.waits(NOW)
    for n in range(12):
        peer.fail(NOW)
        wait = min(MAX_BACKOFF_S, BACKOFF_S * 2**n)
        assert peer.waits(NOW + wait - 0.1)
        assert not peer.waits(NOW + wait)
    assert not peer.waits(NOW - 1)
    peer.succeed(NOW, None)
    assert not peer.waits(NOW)


def test_three_misdeeds_in_a_day_ban_until_they_fade() -> None:
    peer = entry(misbehaviour=3.0)
    assert peer.is_banned(NOW)
    assert not peer.is_banned(NOW + HALF_LIFE_S)


def test_a_new_entry_dies_by_expiry_or_failures_and_a_tried_one_after_a_month() -> None:
    assert not entry().is_dead(NOW)
    assert entry().is_dead(RECORD.expires_s)
    assert entry(failures_in_row=DEAD_AFTER_FAILURES).is_dead(NOW)
    tried = entry(tried=True, failures_in_row=99, last_success_s=NOW)
    assert not tried.is_dead(NOW + KEEP_TRIED_S)
    assert tried.is_dead(NOW + KEEP_TRIED_S + 1)


def test_who_was_told_of_is_a_last_resort_for_a_day_after_its_record() -> None:
    ended = RECORD.expires_s
    assert [entry().is_last_resort(ended + after) for after in (-1, 0, KEEP_TOLD_S - 1, KEEP_TOLD_S)] == [
        False,
        True,
        True,
        False,
    ]
    assert not entry(tried=True).is_last_resort(ended)
    assert not entry(failures_in_row=DEAD_AFTER_FAILURES).is_last_resort(ended)


@given(
    st.lists(
        st.builds(
            entry,
            tried=st.booleans(),
            successes=st.floats(0, 1e6),
            failures_in_row=st.integers(0, 1000),
            rtt_s=st.none() | st.floats(0, 10),
            goodput_bytes_per_s=st.none() | st.floats(0, 1e6),
            verified_bytes=st.floats(0, 1e12),
            listened=st.floats(0, 1e12),
            skipped=st.floats(0, 1e12),
        ),
        max_size=4,
    )
)
def test_entries_are_restored_as_they_were(entries) -> None:
    assert list(unpack_entries_untrusted(b"".join(map(pack_entry, entries)))) == entries


def test_a_packed_entry_cut_short_or_with_impossible_numbers_is_refused() -> None:
    whole = pack_entry(entry())
    for size in range(1, len(whole)):
        with pytest.raises(BadMessageError):
            list(unpack_entries_untrusted(whole[:size]))
    for bad in (float("nan"), float("inf"), -2.0):
        with pytest.raises(BadMessageError):
            list(unpack_entries_untrusted(whole[:-8] + struct.pack(">d", bad)))
    for number in range(12):
        at = len(whole) - 8 * (12 - number)
        packed = whole[:at] + struct.pack(">d", -1.0) + whole[at + 8 :]
        if number in {7, 8}:  # round trip time and goodput, which may be unknown
            assert list(unpack_entries_untrusted(packed))
        else:  # a success less than none divided by zero
            with pytest.raises(BadMessageError, match="impossible"):
                list(unpack_entries_untrusted(packed))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_one_error(data) -> None:
    if data:
        with pytest.raises(BadMessageError):
            list(unpack_entries_untrusted(data))


@pytest.mark.parametrize(
    ("own_s", "peer_s", "judged_at"),
    [
        (NOW, NOW + 600, NOW + 600),
        (NOW, NOW - 600, NOW - 600),
        (NOW, NOW + 3 * CLOCK_ERROR_S, NOW + CLOCK_ERROR_S),
        (NOW, NOW - 3 * CLOCK_ERROR_S, NOW - CLOCK_ERROR_S),
        (NOT_BEFORE_S - 1, NOW, NOW),  # ours was never set
    ],
)
def test_records_are_judged_by_the_peers_clock_within_a_day_of_ours(own_s, peer_s, judged_at) -> None:
    assert record_time(own_s, peer_s) == judged_at
