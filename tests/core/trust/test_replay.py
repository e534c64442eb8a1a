"""The nonces that a server remembers: no replay passes, and no flood shuts others out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.trust.replay import NONCES_REMEMBERED, WINDOW_FUTURE_MS, Origin, ReplayGuard
from lightpeer.errors import SealError

NOW = 1_700_000_000_000
HERE = Origin("20.0.0.1", "20.0")
ELSEWHERE = Origin("30.0.0.1", "30.0")


def refusal(action, *args):
    with pytest.raises(SealError) as caught:
        action(*args)
    return caught.value.reason


def receive(guard, number, ahead_ms, origin, *, now=NOW):
    """Have a call come in, sealed at a time ahead of our clock; tell whether it was taken."""
    try:
        guard.check_fresh(now + ahead_ms, now, origin)
    except SealError:
        return False
    guard.remember(b"%d" % number, now + ahead_ms, now, origin)
    return True


def test_the_guard_forgets_what_would_be_stale():
    guard = ReplayGuard()
    for i in range(100):
        guard.remember(b"%d" % i, NOW + i * 60_000, NOW + i * 60_000, HERE)
    assert len(guard._seen) == len(guard._by_time) == 10


def test_a_flood_narrows_the_window_and_lets_no_replay_through():
    guard = ReplayGuard(capacity=3)
    for i in range(5):
        guard.check_fresh(NOW + i, NOW + i, HERE)
        guard.remember(b"%d" % i, NOW + i, NOW + i, HERE)
    assert len(guard._seen) == 3
    for i in (0, 1):
        assert refusal(guard.check_fresh, NOW + i, NOW + 9, HERE) == "stale"
    for i in (2, 3, 4):
        guard.check_fresh(NOW + i, NOW + 9, HERE)
        assert refusal(guard.remember, b"%d" % i, NOW + i, NOW, HERE) == "replayed"


def test_a_flood_of_times_ahead_does_not_make_the_present_stale():
    guard = ReplayGuard(capacity=100)
    taken = 0
    for i in range(500):
        each = Origin(f"{i}.0.0.1", f"{i}.0")
        is_taken = receive(guard, i, 59_000 + i, each)
        taken += is_taken
        if not is_taken:
            guard.remember(b"%d" % i, NOW, NOW, each)
    assert taken == 50
    guard.check_fresh(NOW + 1, NOW + 1, HERE)


def test_clocks_ahead_are_taken_by_a_server_that_has_much_to_do():
    """Whatever was sealed at the present, by however many, leaves room for them."""
    guard = ReplayGuard()
    for i in range(2 * NONCES_REMEMBERED):
        assert receive(guard, i, 0, HERE, now=NOW + i)
    assert receive(guard, -1, WINDOW_FUTURE_MS, HERE, now=NOW + i)


@pytest.mark.parametrize("hosts", [1, 1000])
def test_who_fills_the_memory_with_times_ahead_leaves_room_for_others(hosts):
    """All calls come from one address, or from many that are one person's."""
    guard = ReplayGuard()
    flood = [Origin(f"20.0.0.{host}", "20.0") for host in range(hosts)]
    taken = sum(receive(guard, i, WINDOW_FUTURE_MS, flood[i % hosts]) for i in range(NONCES_REMEMBERED))
    assert taken == (NONCES_REMEMBERED // 18 + 1 if hosts == 1 else NONCES_REMEMBERED // 4)
    assert all(receive(guard, -i, 30_000, ELSEWHERE) for i in range(1, 100))
    assert receive(guard, -100, 30_000, HERE) == (hosts == 1), "its neighbour has its own share"


def test_what_was_ahead_is_of_the_present_a_minute_later():
    guard = ReplayGuard(capacity=200)
    for i in range(100):
        receive(guard, i, WINDOW_FUTURE_MS - i % 2, HERE)
    later = NOW + WINDOW_FUTURE_MS - 1
    assert 0 < guard._networks[HERE.network] == guard._groups[HERE.group] < 20
    assert not receive(guard, 100, 1000, HERE)
    assert receive(guard, 100, 1000, HERE, now=later)
    assert 0 < guard._groups[HERE.group] < 10
    assert receive(guard, 101, 1000, ELSEWHERE, now=later + 2000)
    assert (guard._networks, guard._groups) == ({ELSEWHERE.network: 1}, {ELSEWHERE.group: 1})


def test_a_guard_without_room_lets_no_replay_through():
    guard = ReplayGuard(capacity=0)
    guard.remember(b"a", NOW, NOW, HERE)
    assert refusal(guard.check_fresh, NOW, NOW, HERE) == "stale"


def test_what_was_sealed_before_a_server_started_may_have_been_seen():
    guard = ReplayGuard(since_ms=NOW)
    assert refusal(guard.check_fresh, NOW - 1, NOW, HERE) == "stale"
    guard.check_fresh(NOW, NOW, HERE)


def test_a_clock_set_back_lets_no_replay_through():
    guard = ReplayGuard()
    guard.remember(b"a", NOW, NOW, HERE)
    guard.remember(b"b", NOW + 900_000, NOW + 900_000, HERE)  # by now the first is forgotten
    assert refusal(guard.check_fresh, NOW, NOW, HERE) == "stale"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-3, 3)), max_size=60), st.integers(0, 5))
def test_no_order_of_events_lets_a_replay_through(steps, capacity):
    guard, passed = ReplayGuard(capacity), set()
    now = NOW
    for key, ahead in steps:
        now += 100_000 * (ahead % 2)
        time_ms = NOW + key * 60_000
        origin = Origin(str(ahead), "")
        try:
            guard.check_fresh(time_ms, now + 100_000 * ahead, origin)
            guard.remember(b"%d" % key, time_ms, now + 100_000 * ahead, origin)
        except SealError:
            continue
        assert key not in passed
        passed.add(key)
        assert len(guard._by_time) <= capacity
