"""Packet trains on literal times: what they tell, and when another may follow."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.rate.trains import TRAIN_BYTES, PacketTrain, Trains


def test_a_train_tells_its_rate_from_the_fourth_unit_on():
    train = PacketTrain(5 * 1000)
    rates = [train.add(1000, 2.0 + 0.125 * number) for number in range(5)]
    assert rates == [None, None, None, 8000, 8000]
    assert train.is_over


def test_a_train_of_which_one_is_lost_tells_nearly_its_rate():
    train = PacketTrain(5 * 1000, 1.5)
    assert train.pulled_at == 1.5
    rates = [train.add(1000, 2.0 + 0.125 * number) for number in (0, 1, 3, 4)]
    assert rates == [None, None, None, 6000]
    assert not train.is_over


def test_what_comes_at_one_moment_tells_no_rate():
    train = PacketTrain(5 * 1000)
    assert [train.add(1000, 2.0 + 1e-6 * number) for number in range(5)] == [None] * 5


def test_the_last_of_a_train_may_be_shorter():
    train = PacketTrain(4500)
    for _ in range(4):
        train.add(1000, 2.0)
    assert train.is_over


def test_a_start_up_is_one_train_and_no_other_is_due_before_it_is_over():
    trains = Trains(4000)
    assert trains.under_way is not None
    assert trains.under_way.pulled_at is None
    assert (trains.next_at, trains.is_due) == (math.inf, False)
    rates = [trains.add(1000, 0.2, 1.0 + 0.125 * number) for number in range(4)]
    assert rates == [None, None, None, 8000]
    assert trains.under_way is None
    assert trains.next_at == pytest.approx(1.375 + 0.2)


def test_a_newcomer_begins_without_one():
    trains = Trains(0)
    assert trains.under_way is None
    assert trains.next_at == 0.0


def test_a_train_tells_of_more_than_was_known_or_nothing():
    trains = Trains(4000, 8000.0)
    assert [trains.add(1000, 0.2, 1.0 + 0.125 * number) for number in range(4)] == [None] * 4
    trains.send(7999.0, 0.2, 2.0)
    assert [trains.add(1000, 0.2, 3.0 + 0.125 * number) for number in range(4)][-1] == 8000


def test_a_train_that_is_sent_is_followed_by_another_if_it_is_lost():
    trains = Trains(0)
    trains.is_due = True
    trains.send(5000.0, 0.2, 2.0)
    assert not trains.is_due
    assert trains.under_way is not None
    assert trains.under_way.pulled_at == 2.0
    assert trains.next_at == pytest.approx(2.6)
    for number in range(4):
        trains.add(TRAIN_BYTES // 5, 0.2, 2.2 + 0.01 * number)
        assert not trains.under_way.is_over
    trains.add(TRAIN_BYTES // 5, 0.2, 2.24)
    assert trains.under_way is None
    assert trains.next_at == pytest.approx(2.44)


def test_a_train_is_put_off_and_never_brought_forward():
    trains = Trains(0)
    trains.put_off(3.0)
    trains.put_off(2.0)
    assert trains.next_at == 3.0
