from __future__ import annotations

from lightpeer.core.allowance import Allowance


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    allowance = Allowance(per_s=0.5, burst=3)
    assert [allowance.take("a", 100) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take("a", 101.9)
    assert allowance.take("a", 102)
    assert not allowance.take("a", 102)
    assert [allowance.take("a", 1000) for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_costs_nothing_and_a_dear_thing_costs_more() -> None:
    allowance = Allowance(per_s=1, burst=4)
    assert allowance.take("a", 0, 3)
    assert not allowance.take("a", 0, 2)
    assert allowance.take("a", 0, 1)


def test_keys_are_apart() -> None:
    allowance = Allowance(per_s=1, burst=1)
    assert allowance.take("a", 0)
    assert allowance.take("b", 0)
    assert not allowance.take("a", 0.5)


def test_a_full_table_forgets_who_has_refilled_and_then_who_has_nearly() -> None:
    allowance = Allowance(per_s=1, burst=2, max_keys=3)
    for key, tokens, now in [("idle", 1, 0), ("spent", 2, 9), ("half", 1, 9.5), ("new", 2, 9.5)]:
        assert allowance.take(key, now, tokens)
    assert len(allowance) == 3  # "idle" is gone
    assert allowance.take("newer", 9.5)
    assert len(allowance) == 3  # "half" is gone
    assert not allowance.take("spent", 9.5, 2)
    assert not allowance.take("new", 9.5)


def test_a_flood_of_keys_does_not_refill_one_that_is_spent() -> None:
    allowance = Allowance(per_s=0.001, burst=2, max_keys=10)
    assert allowance.take("flooder", 0, 2)
    for i in range(1000):
        allowance.take(i, 0)
    assert not allowance.take("flooder", 0)
    assert len(allowance) == 10
