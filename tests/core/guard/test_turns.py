"""When the connections of a server are read."""

from __future__ import annotations

import pytest

from lightpeer.core.guard.turns import (
    BURST_S,
    FIRST_READ_BYTES,
    LEAST_READ_BYTES,
    MOST_READ_BYTES,
    OWN_BURST,
    OWN_DEBT,
    OWN_PER_S,
    READ_WORK,
    TURN_WORK,
    Turn,
    Turns,
)

PER_S = 100.0


def spend(turn: Turn, work: float, now: float = 0.0) -> float:
    """Take a turn that costs so much in all; return how long it waits."""
    wait_s = turn.book(now)
    turn.charge(work - TURN_WORK, 1, now + wait_s)
    return wait_s


def spent(turns: Turns, network: str = "a") -> Turn:
    """Return the turn of a connection that has used its own allowance up, to the last bit."""
    turn = Turn(turns, network)
    assert spend(turn, OWN_BURST) == 0
    return turn


def empty(turns: Turns, network: str = "a", now: float = 0.0) -> None:
    """Use up what a network has, which then has to wait for a unit."""
    turns.networks.take(network, turns.networks.level(network, now), now)


def test_a_connection_spends_its_own_and_then_its_networks():
    turns = Turns(PER_S)
    turn = spent(turns)
    assert turns.networks.level("a", 0.0) == PER_S * BURST_S
    assert spend(turn, 10) == 0
    assert turns.networks.level("a", 0.0) == PER_S * BURST_S - 10


def test_a_network_that_has_spent_all_waits_and_the_others_do_not():
    turns = Turns(PER_S)
    turn = spent(turns)
    empty(turns)
    assert turn.book(0.0) == pytest.approx(1 / PER_S)
    assert spent(turns, "b").book(0.0) == 0


def test_those_of_a_network_wait_one_behind_the_other():
    turns = Turns(PER_S)
    crowd = [spent(turns) for _ in range(3)]
    for turn in crowd:
        turn.charge(OWN_DEBT, 1, 0.0)  # so that their own allowance is far off
    empty(turns)
    waits = [turn.book(0.0) for turn in crowd]
    assert waits == pytest.approx([(1 + n * READ_WORK) / PER_S for n in range(3)])


def test_what_was_booked_and_not_used_is_given_back():
    turns = Turns(PER_S)
    turn = spent(turns)
    spend(turn, READ_WORK / 2)
    assert turns.networks.level("a", 0.0) == PER_S * BURST_S - READ_WORK / 2


def test_an_own_allowance_that_is_sooner_is_waited_for():
    turns = Turns(PER_S)
    turn = spent(turns)
    empty(turns)
    turns.networks.take("a", 100 * PER_S, 0.0)
    assert turn.book(0.0) == pytest.approx(1 / OWN_PER_S)
    shared = turns.networks.level("a", 1 / OWN_PER_S)
    turn.charge(1000 - TURN_WORK, 1, 1 / OWN_PER_S)  # overdrawn: it is shut until a part of that is paid
    assert turns.networks.level("a", 1 / OWN_PER_S) == pytest.approx(shared - (999 - OWN_DEBT))
    assert turn.book(1 / OWN_PER_S) == pytest.approx((OWN_DEBT + 1) / OWN_PER_S)


def test_who_ends_leaves_its_debts_to_its_network_and_takes_back_what_it_booked():
    turns = Turns(PER_S)
    turn = Turn(turns, "a")
    spend(turn, OWN_BURST + 25)
    turn.leave(0.0)
    assert turns.networks.level("a", 0.0) == PER_S * BURST_S - 25
    turn.book(0.0)
    turn.leave(0.0)
    assert turns.networks.level("a", 0.0) == PER_S * BURST_S - 2 * 25


def test_an_idle_connection_beside_a_flood_has_its_own_again():
    turns = Turns(PER_S)
    turn = spent(turns)
    turns.networks.take("a", 1e9, 0.0)
    now = OWN_BURST / OWN_PER_S
    assert [spend(turn, OWN_BURST / 4, now) for _ in range(4)] == [0.0] * 4


def test_reads_grow_while_they_are_cheap_and_shrink_where_they_are_dear():
    turn = Turn(Turns(PER_S), "a")
    assert turn.read_bytes == FIRST_READ_BYTES
    turn.charge(1, FIRST_READ_BYTES - 1, 0.0)
    assert turn.read_bytes == FIRST_READ_BYTES
    for _ in range(10):
        turn.charge(1, turn.read_bytes, 0.0)
    assert turn.read_bytes == MOST_READ_BYTES
    turn.charge(16 * READ_WORK, MOST_READ_BYTES, 0.0)
    assert turn.read_bytes == max(MOST_READ_BYTES // 16, LEAST_READ_BYTES)
    turn.charge(READ_WORK * 1e6, 1000, 0.0)
    assert turn.read_bytes == LEAST_READ_BYTES
