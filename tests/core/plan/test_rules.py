"""The rules to compare with: what each goes by."""

from __future__ import annotations

import pytest

from lightpeer.core.plan.rules import BolaE, BufferMap, Fixed, RobustMpc, Throughput
from lightpeer.core.plan.view import Plan, Want
from tests.core.plan.seen import FAST, HIGH, LOW, MIDDLE, of, seen, steady

RULES = [lambda: Fixed(MIDDLE), Throughput, BufferMap, BolaE, RobustMpc]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_goes_on_at_the_end_as_far_as_it_may(rule: type[Plan]) -> None:
    plan = rule()
    wanted = plan.decide(seen(of(LOW, 0, 5), rate=FAST))
    assert isinstance(wanted, Want)
    assert wanted.segment == 5
    assert plan.decide(seen(of(LOW, 0, 5), rate=FAST, room_bytes=0.0)) is None
    assert plan.decide(seen(of(LOW, 0, 5), rate=FAST, count=5)) is None


@pytest.mark.parametrize("rate", [0.0, 3_100.0, FAST])
@pytest.mark.parametrize("rendition", [LOW, HIGH])
def test_a_fixed_one_is_taken_over_any_link(rate: float, rendition: int) -> None:
    assert Fixed(rendition).decide(seen(rate=rate)) == Want(rendition, 0)


class TestThroughput:
    def test_it_begins_with_what_the_link_carries(self) -> None:
        assert Throughput().decide(seen()) == Want(LOW, 0)
        assert Throughput().decide(seen(rate=7_000.0)) == Want(LOW, 0)
        assert Throughput().decide(seen(rate=10_000.0)) == Want(MIDDLE, 0)
        assert Throughput().decide(seen(rate=FAST)) == Want(HIGH, 0)

    def test_it_goes_up_by_steps_with_a_filled_buffer(self) -> None:
        rule = Throughput()
        rule.decide(seen(rate=4_000.0))
        assert rule.decide(seen(of(LOW, 0, 5), rate=FAST)) == Want(LOW, 5)
        assert rule.decide(seen(of(LOW, 0, 20), rate=FAST)) == Want(MIDDLE, 20)
        assert rule.decide(seen(of(LOW, 0, 20), rate=FAST)) == Want(HIGH, 20)

    def test_it_goes_down_at_once_with_a_low_one(self) -> None:
        rule = Throughput()
        rule.decide(seen(rate=FAST))
        assert rule.decide(seen(of(HIGH, 0, 20), rate=4_000.0)) == Want(HIGH, 20)
        assert rule.decide(seen(of(HIGH, 0, 2), rate=4_000.0)) == Want(LOW, 2)


@pytest.mark.parametrize(
    ("ahead", "rendition"), [(0, LOW), (20, LOW), (75, MIDDLE), (100, MIDDLE), (130, HIGH), (500, HIGH)]
)
def test_a_buffer_map_goes_by_the_buffer_alone(ahead: int, rendition: int) -> None:
    for rate in (0.0, 1_000.0, FAST):
        assert BufferMap().decide(seen(of(LOW, 0, ahead), rate=rate)) == Want(rendition, ahead)


class TestBola:
    def test_the_more_is_ahead_the_better(self) -> None:
        chosen = [BolaE().decide(seen(of(LOW, 0, ahead), rate=FAST)) for ahead in range(80)]
        renditions = [wanted.rendition for wanted in chosen if isinstance(wanted, Want)]
        assert len(renditions) == 80
        assert renditions == sorted(renditions)
        assert renditions[0] < renditions[-1] == HIGH

    def test_a_link_that_is_slow_bounds_it_while_little_is_ahead(self) -> None:
        assert BolaE().decide(seen(of(LOW, 0, 55), rate=FAST)) == Want(HIGH, 55)
        assert BolaE().decide(seen(of(LOW, 0, 55), rate=50.0)) == Want(LOW, 55)
        assert BolaE().decide(seen(of(LOW, 0, 70), rate=50.0)) == Want(HIGH, 70)

    def test_with_one_rendition_there_is_no_choice(self) -> None:
        assert BolaE().decide(seen(of(LOW, 0, 5), rate=FAST, best=LOW)) == Want(LOW, 5)


class TestMpc:
    def test_it_begins_with_the_lowest_and_takes_what_the_link_carries(self) -> None:
        rule = RobustMpc()
        assert rule.decide(seen()) == Want(LOW, 0)
        assert rule.decide(seen(of(LOW, 0, 20), rate=FAST)) == Want(HIGH, 20)

    def test_silence_is_worse_than_a_low_rendition(self) -> None:
        assert RobustMpc().decide(seen(rate=4_000.0)) == Want(LOW, 0)

    def test_after_forecasts_that_were_wrong_it_is_careful(self) -> None:
        sure, unsure = RobustMpc(), RobustMpc()
        for rate in (14_000.0,) * 4:
            sure.decide(seen(of(LOW, 0, 2), rate=rate, limit=0))
        for rate in (14_000.0, 2_000.0, 14_000.0, 2_000.0):
            unsure.decide(seen(of(LOW, 0, 2), rate=rate, limit=0))
        view = seen(of(LOW, 0, 2), rate=14_000.0)
        careless, careful = sure.decide(view), unsure.decide(view)
        assert isinstance(careless, Want)
        assert isinstance(careful, Want)
        assert careful.rendition < careless.rendition

    def test_it_looks_no_further_than_the_track_goes(self) -> None:
        rule = RobustMpc()
        assert rule.decide(seen(of(LOW, 0, 9), rate=FAST)) == Want(HIGH, 9)
        assert rule.decide(seen(of(LOW, 0, 9), rate=FAST, count=10)) == Want(HIGH, 9)

    def test_what_it_did_not_get_to_fetch_is_no_change(self) -> None:
        rule = RobustMpc()
        rule.decide(seen(of(LOW, 0, 20), rate=FAST, limit=0))
        assert rule._last == LOW


def test_a_history_that_is_only_remembered_counts_too() -> None:
    view = seen()
    view.rates = steady(0.0)
    view.rates.remembered_bytes_per_s = FAST
    assert Throughput().decide(view) == Want(HIGH, 0)
