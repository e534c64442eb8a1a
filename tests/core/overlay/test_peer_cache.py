from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.addresses import PRIVATE_SCOPE
from lightpeer.core.overlay.peer_cache import (
    DEFAULT_CAPACITY,
    ENOUGH_SHARE,
    GROUP_SHARE,
    SOURCE_SHARE,
    PeerCache,
    ordered,
)
from lightpeer.core.overlay.peer_entry import HALF_LIFE_S, KEEP_TOLD_S, KEEP_TRIED_S
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, PeerId
from lightpeer.core.trust.records import PeerRecord, build_record, parse_record_untrusted
from lightpeer.errors import BadMessageError, UsageError

NOW = 1_750_000_000.0
WEEK = 7 * 86_400
SOURCE_QUOTA = DEFAULT_CAPACITY // SOURCE_SHARE
GROUP_QUOTA = DEFAULT_CAPACITY // GROUP_SHARE


def peer_id(n: int) -> PeerId:
    return PeerId(n.to_bytes(20, "big"))


def record(n: int, host: str | None = None, *, sequence: int = 1, expires: float = WEEK) -> PeerRecord:
    """A record as if verified, in a /16 of its own unless a host is given."""
    host = host or f"{20 + n // 200 % 70}.{n % 200}.0.1"
    return PeerRecord(peer_id(n), ((host, 1000),), 1, sequence, int(NOW + expires), b"data")


def filled(n: int, *, sources: int = 8, tried: int = 0) -> PeerCache:
    """A cache of n good peers that several sources told us of, some of them tried."""
    cache = PeerCache()
    for i in range(n):
        assert cache.add(record(i), peer_id(1000 + i % sources), NOW)
        if i < tried:
            cache.on_success(peer_id(i), 0.1, NOW)
    return cache


def test_what_is_added_can_be_asked() -> None:
    cache = PeerCache()
    assert cache.add(record(1), peer_id(9), NOW)
    assert cache.best(5, NOW) == [record(1)]
    assert peer_id(1) in cache
    assert cache.get(peer_id(1)).record == record(1)


def test_a_name_may_lead_home_by_the_word_of_somebody_there() -> None:
    cache = PeerCache()
    cache.add(record(1, "nas.example"), peer_id(9), NOW, "192.168.0.7")
    cache.add(record(2, "nas.example"), peer_id(9), NOW, "9.8.7.6")
    assert [cache.scope(who) for who in (peer_id(1), peer_id(2), peer_id(3), None)] == [
        PRIVATE_SCOPE,
        0,
        0,
        0,
    ]


def test_we_are_not_among_our_peers() -> None:
    cache = PeerCache(own=peer_id(1))
    assert not cache.add(record(1), peer_id(9), NOW)


@pytest.mark.parametrize("capacity", [7, 5000])
def test_a_capacity_has_bounds(capacity) -> None:
    with pytest.raises(UsageError):
        PeerCache(capacity)


def test_only_a_newer_record_replaces_and_a_new_address_must_answer_again() -> None:
    cache = filled(1, tried=1)
    assert not cache.add(record(0, "9.9.9.9", sequence=1), peer_id(5), NOW)
    assert cache.add(record(0, sequence=2), peer_id(5), NOW)
    assert cache.get(peer_id(0)).tried
    assert cache.add(record(0, "9.9.9.9", sequence=3), peer_id(5), NOW)
    assert not cache.get(peer_id(0)).tried
    assert cache.get(peer_id(0)).successes == 1
    assert cache.best(1, NOW)[0].endpoints == (("9.9.9.9", 1000),)


def test_best_goes_by_score_and_puts_those_that_just_failed_last() -> None:
    cache = filled(4)
    cache.on_success(peer_id(2), 0.05, NOW)
    cache.on_delivery(peer_id(2), 900_000, 10.0, NOW)
    for _ in range(2):
        cache.on_success(peer_id(3), 0.05, NOW)
        cache.on_delivery(peer_id(3), 900_000, 10.0, NOW)
    cache.on_failure(peer_id(3), NOW)
    cache.on_misbehaviour(peer_id(0), NOW)
    assert [r.peer_id for r in cache.best(9, NOW)] == [peer_id(n) for n in (2, 1, 0, 3)]
    assert [r.peer_id for r in cache.best(2, NOW + 60)] == [peer_id(2), peer_id(3)]
    assert [e.record.peer_id for e in cache.entries(NOW)][:2] == [peer_id(2), peer_id(3)]
    assert cache.entries()[0].record.peer_id == peer_id(2)


def test_there_are_enough_while_so_many_can_be_asked() -> None:
    enough = DEFAULT_CAPACITY // ENOUGH_SHARE
    assert enough <= SOURCE_QUOTA  # what one source tells of will do
    assert not filled(enough - 1).has_enough(NOW)
    cache = filled(enough)
    assert cache.has_enough(NOW)
    cache.on_failure(peer_id(0), NOW)
    assert not cache.has_enough(NOW)
    assert cache.has_enough(NOW + 3600)
    assert not cache.has_enough(NOW + WEEK)


def test_who_misbehaves_three_times_is_not_asked_for_a_while() -> None:
    cache = filled(2)
    for _ in range(3):
        cache.on_misbehaviour(peer_id(0), NOW)
    assert [r.peer_id for r in cache.best(9, NOW)] == [peer_id(1)]
    assert len(cache.best(9, NOW + 86_400)) == 2


def test_news_of_a_peer_that_is_not_known_is_ignored() -> None:
    cache = PeerCache()
    cache.on_success(peer_id(1), 0.1, NOW)
    cache.on_failure(peer_id(1), NOW)
    cache.on_misbehaviour(peer_id(1), NOW)
    cache.on_delivery(peer_id(1), 1000, 1.0, NOW)
    cache.on_listened(peer_id(1), NOW)
    cache.on_skipped(peer_id(1), NOW)
    assert len(cache) == 0


def test_what_was_listened_to_and_skipped_is_weighed_and_fades() -> None:
    cache = filled(1)
    for _ in range(3):
        cache.on_skipped(peer_id(0), NOW)
    cache.on_listened(peer_id(0), NOW)
    entry = cache.get(peer_id(0))
    assert entry is not None
    assert entry.taste(NOW) == -2.0
    assert entry.taste(NOW + HALF_LIFE_S) == -1.0
    cache.on_listened(peer_id(0), NOW + HALF_LIFE_S)
    assert entry.taste(NOW + HALF_LIFE_S) == 0.0


def test_who_does_not_serve_is_remembered_and_not_asked() -> None:
    cache = filled(2)
    quits = replace(record(0, sequence=2), roles=0)
    assert cache.add(quits, peer_id(0), NOW)
    assert [r.peer_id for r in cache.best(9, NOW)] == [peer_id(1)]
    assert not cache.add(record(0), peer_id(5), NOW), "an older record does not count"
    assert cache.add(record(0, sequence=3), peer_id(5), NOW)
    assert len(cache.best(9, NOW)) == 2


def test_one_source_gets_no_more_than_its_quota() -> None:
    cache = PeerCache()
    kept = [cache.add(record(n), peer_id(999), NOW) for n in range(100)]
    assert sum(kept) == len(cache) == SOURCE_QUOTA


def test_many_ids_of_one_network_are_one_source_whatever_their_records_say() -> None:
    cache = PeerCache()
    for n in range(100):
        source = record(500 + n, f"{100 + n}.6.1.1", sequence=2 + n)  # it moves about
        cache.add(source, source.peer_id, NOW, f"66.6.{n}.1")
        cache.add(record(n), source.peer_id, NOW, f"66.6.{n}.1")
    assert sum(e.source == "66.6" for e in cache.entries(NOW)) == SOURCE_QUOTA
    assert len(cache) == SOURCE_QUOTA


def test_at_home_each_source_counts_for_itself() -> None:
    cache = PeerCache()
    for n in range(40):
        assert cache.add(record(n), peer_id(1000 + n % 4), NOW, f"192.168.1.{n % 4}") == (n < 32)


def test_one_network_gets_no_more_than_its_quota_in_either_table() -> None:
    cache = PeerCache()
    for n in range(100):
        cache.add(record(n, f"66.6.{n}.1"), peer_id(1000 + n), NOW)
    assert len(cache) == GROUP_QUOTA
    for n in range(200):
        cache.add(record(n, f"66.6.{n}.1"), peer_id(1000 + n), NOW)
        cache.on_success(peer_id(n), 0.1, NOW)
    assert sum(e.tried for e in cache.entries(NOW)) == GROUP_QUOTA
    assert len(cache) == 2 * GROUP_QUOTA


def test_peers_at_home_may_fill_a_table() -> None:
    cache = PeerCache()
    for n in range(100):
        cache.add(record(n, f"192.168.1.{n + 1}"), peer_id(1000 + n), NOW)
    assert len(cache) == DEFAULT_CAPACITY // 2


@pytest.mark.parametrize(("tried", "flood"), [(0, 500), (16, 500), (32, 10_000)])
def test_a_flood_from_one_source_leaves_the_good_entries(tried, flood) -> None:
    cache = filled(tried + 32, tried=tried)
    good = set(range(tried + 32))
    for n in range(flood):
        cache.add(record(10_000 + n, f"{100 + n % 90}.{n // 90 % 250}.1.1"), peer_id(999_999), NOW)
    stayed = sum(peer_id(n) in cache for n in good)
    assert stayed >= 0.75 * len(good)
    assert len(cache) <= DEFAULT_CAPACITY


def test_a_source_that_came_first_gives_way_to_others_until_all_have_the_same() -> None:
    cache = PeerCache()
    n = 0
    for source in range(8):
        for _ in range(20):
            cache.add(record(n), peer_id(1000 + source), NOW)
            n += 1
    shares = [e.source for e in cache.entries(NOW)]
    assert len(shares) == DEFAULT_CAPACITY // 2
    assert all(shares.count(source) in {3, 4, 5} for source in set(shares))
    assert len(set(shares)) == 8


def test_the_dead_make_room() -> None:
    cache = PeerCache(8)
    for n in range(4):
        cache.add(record(n, expires=10), peer_id(1000 + n), NOW)
    assert not cache.add(record(4), peer_id(2000), NOW)
    assert cache.best(9, NOW + 10 + KEEP_TOLD_S) == []
    assert cache.add(record(4), peer_id(2000), NOW + 11)
    assert len(cache) == 1


def test_whose_record_ended_lately_is_the_last_resort() -> None:
    cache = PeerCache(8)
    for n, expires in [(0, 10), (1, WEEK)]:
        cache.add(record(n, expires=expires), peer_id(1000 + n), NOW)
    cache.on_failure(peer_id(1), NOW + 10)
    assert cache.best(9, NOW + 10) == [record(1), record(0, expires=10)]
    assert not cache.has_enough(NOW + 10)
    assert cache.has_enough(NOW + 30)
    assert cache.best(9, NOW + 10 + KEEP_TOLD_S) == [record(1)]
    for _ in range(3):
        cache.on_failure(peer_id(0), NOW + 11)
    assert cache.best(9, NOW + 11) == [record(1)]


def test_a_tried_peer_outlives_its_record() -> None:
    cache = filled(1, tried=1)
    later = NOW + WEEK + 1
    assert len(cache.best(1, later)) == 1
    assert cache.best(1, NOW + KEEP_TRIED_S + WEEK) == []


def test_the_tried_are_bounded_and_the_worst_gives_way_to_a_better_one() -> None:
    cache = PeerCache()
    for n in range(32):
        cache.add(record(n), peer_id(1000 + n), NOW)
        cache.on_success(peer_id(n), 0.5, NOW)
    cache.on_failure(peer_id(7), NOW)
    cache.add(record(100), peer_id(3000), NOW)
    cache.add(record(101), peer_id(3001), NOW)
    cache.on_success(peer_id(100), 0.5, NOW)
    assert peer_id(7) not in cache
    assert cache.get(peer_id(100)).tried
    cache.on_success(peer_id(101), 2.0, NOW)
    assert not cache.get(peer_id(101)).tried
    assert sum(e.tried for e in cache.entries(NOW)) == 32


def test_the_cache_is_restored_from_its_bytes() -> None:
    cache = PeerCache()
    for n in range(1, 5):
        identity = Identity(n.to_bytes(32, "big"))
        data = build_record(identity, [(f"8.{n}.0.1", 1)], 1, n, int(NOW) + 10)
        cache.add(parse_record_untrusted(data, NOW), identity.peer_id, NOW)
        cache.on_success(identity.peer_id, n / 10, NOW)
        if n == 4:
            cache.on_failure(identity.peer_id, NOW)
    restored = PeerCache.from_bytes_untrusted(cache.to_bytes())
    assert restored.entries(NOW) == cache.entries(NOW)
    own = Identity((1).to_bytes(32, "big")).peer_id
    assert own not in PeerCache.from_bytes_untrusted(cache.to_bytes(), own=own)


def test_a_smaller_cache_takes_over_the_best() -> None:
    cache = PeerCache()
    data = [
        build_record(Identity(bytes([n]) * 32), [(f"8.{n}.0.1", 1)], 1, n, int(NOW) + 10)
        for n in range(1, 13)
    ]
    for n, one in enumerate(data):
        found = parse_record_untrusted(one, NOW)
        cache.add(found, found.peer_id, NOW)
        if n >= 6:
            cache.on_success(found.peer_id, n / 10, NOW)
    small = PeerCache.from_bytes_untrusted(cache.to_bytes(), 8)
    assert len(small) == 8
    assert sum(e.tried for e in small.entries(NOW)) == 6


@given(st.data())
def test_a_damaged_file_raises_one_error(data) -> None:
    whole = PeerCache().to_bytes()
    damaged = data.draw(
        st.binary(max_size=200)
        | st.integers(0, len(whole) - 1).map(lambda size: whole[:size])
        | st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)).map(
            lambda at: whole[: at[0]] + bytes([whole[at[0]] ^ at[1]]) + whole[at[0] + 1 :]
        )
    )
    with pytest.raises(BadMessageError):
        PeerCache.from_bytes_untrusted(damaged)


def test_a_true_checksum_over_nonsense_is_not_believed() -> None:
    body = PeerCache().to_bytes()[:-16] + b"\x00\x01nonsense"
    with pytest.raises(BadMessageError):
        PeerCache.from_bytes_untrusted(body + blake2b(body, digest_size=16).digest())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "success", "failure", "misbehaviour"]),
            st.integers(0, 60),
            st.integers(0, 5),
            st.integers(0, 10 * 86_400),
        ),
        max_size=150,
    )
)
def test_no_order_of_events_exceeds_a_bound(events) -> None:
    cache = PeerCache(16)
    for what, n, source, ahead in events:
        now = NOW + ahead
        match what:
            case "add":
                cache.add(
                    record(n, f"{30 + n % 5}.1.{n}.1", expires=86_400 * (1 + n % 7)),
                    peer_id(1000 + source),
                    now,
                )
            case "success":
                cache.on_success(peer_id(n), n / 50, now)
            case "failure":
                cache.on_failure(peer_id(n), now)
            case "misbehaviour":
                cache.on_misbehaviour(peer_id(n), now)
        entries = cache.entries(now)
        assert len(entries) <= 16
        assert all(0 <= e.score(now) <= 1 for e in entries)
        for tried in (True, False):
            groups = [e.group for e in entries if e.tried == tried]
            assert len(groups) <= 8
            assert all(groups.count(g) <= 2 for g in groups)


def test_contacts_are_ordered_by_the_peers_at_their_addresses() -> None:
    cache = PeerCache()
    for n in range(3):
        cache.add(record(n), peer_id(9), NOW)
    cache.on_success(peer_id(0), 0.01, NOW)
    cache.on_failure(peer_id(1), NOW)
    proven, failed, hearsay = (Contact(record(n).endpoints[0]) for n in range(3))
    untried = Contact(("9.9.9.9", 9))
    assert ordered([failed, untried, hearsay, proven], cache.entries(), NOW) == [
        proven,
        untried,
        hearsay,
        failed,
    ]
