"""For how long what comes may wait."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from lightpeer.core.rate.rests import MOST_BYTES, SLACK_BYTES, rest_s
from lightpeer.core.udp.datagram import MAX_PAYLOAD

NOW = 10.0


def rests(
    *,
    to_next_pull: float = 20_000.0,
    bytes_per_s: float = 50_000.0,
    units_to_loss: int | None = None,
    probe_at: float | None = 100.0,
    **of_the_receiver: object,
) -> float:
    """Return how long what comes may wait, with these figures and else nothing in doubt."""
    flow = SimpleNamespace(
        bytes_to_next_pull=lambda: to_next_pull,
        soonest_s=lambda size_bytes: size_bytes / bytes_per_s,
    )
    receiver = SimpleNamespace(
        **{"is_at_end": False, "probes_unanswered": 0} | of_the_receiver,
        gauge=SimpleNamespace(units_to_loss=units_to_loss),
        next_deadline=lambda: probe_at,
    )
    return rest_s(flow, receiver, NOW)  # type: ignore[arg-type]


def test_until_the_unit_may_have_come_that_makes_the_next_pull_due():
    assert rests() == pytest.approx((20_000.0 + SLACK_BYTES) / 50_000)
    assert rests(to_next_pull=1e6) == pytest.approx(MOST_BYTES / 50_000)


def test_no_longer_than_half_of_the_time_until_a_probe():
    assert rests(probe_at=NOW + 0.1) == pytest.approx(0.05)
    assert rests(probe_at=NOW - 0.1) == 0.0


def test_behind_a_gap_until_it_may_be_a_loss():
    assert rests(units_to_loss=2) == pytest.approx((2 * MAX_PAYLOAD + SLACK_BYTES) / 50_000)
    assert rests(units_to_loss=2, to_next_pull=1500.0) == pytest.approx((1500.0 + SLACK_BYTES) / 50_000)
    assert rests(units_to_loss=1) == 0.0


def test_not_where_the_next_unit_may_be_the_one():
    assert rests(to_next_pull=MAX_PAYLOAD) == 0.0
    assert rests(to_next_pull=MAX_PAYLOAD + 1) > 0.0


@pytest.mark.parametrize(
    "doubt",
    [{"bytes_per_s": math.inf}, {"probe_at": None}, {"is_at_end": True}, {"probes_unanswered": 1}],
)
def test_not_in_doubt(doubt: dict[str, object]):
    assert rests(**doubt) == 0.0  # type: ignore[arg-type]
