"""What a policy sees of a track, and what it may do."""

from __future__ import annotations

import pytest

from lightpeer.core.plan.view import EARLY_BYTES, greatest_below
from tests.core.plan.seen import HIGH, LOW, MIDDLE, SIZES_BYTES, of, seen


def test_what_is_ahead_is_what_is_heard_before_and_all_up_to_the_first_gap() -> None:
    view = seen(of(LOW, 10, 15) | of(LOW, 20, 30), {15: LOW}, count=100, cursor=10, before_s=1.5)
    assert view.end == 16
    assert view.ahead_s == 7.5
    assert view.left == 84


def test_a_segment_has_its_bitrate_in_bytes() -> None:
    assert [seen().size_bytes(rendition) for rendition in range(3)] == list(SIZES_BYTES)


@pytest.mark.parametrize(
    ("limit", "room_bytes", "may"), [(1, 6_000.0, True), (0, 6_000.0, False), (1, 5_999.0, False)]
)
def test_a_track_goes_on_where_it_is_wanted_and_there_is_room(
    limit: int, room_bytes: float, may: bool
) -> None:
    assert seen(limit=limit, room_bytes=room_bytes).may_extend(MIDDLE) is may


def test_of_all_that_is_fetched_a_share_may_be_replaced() -> None:
    view = seen({0: MIDDLE}, fetched_bytes=10_000_000)
    most_bytes = 0.1 * (10_000_000 + 12_000)
    view.wasted_bytes = int(most_bytes - 6_000)
    assert view.may_waste(0, HIGH)
    view.wasted_bytes += 1
    assert not view.may_waste(0, HIGH)


def test_at_the_beginning_some_counts_as_fetched_but_no_more_than_the_track_has() -> None:
    long, short = seen({0: LOW}, count=10_000), seen({0: LOW}, count=2)
    assert long.may_waste(0, HIGH)
    long.wasted_bytes = int(0.1 * EARLY_BYTES)
    assert not long.may_waste(0, HIGH)
    assert short.may_waste(0, HIGH) is (3_000 <= 0.1 * 36_000)
    short.wasted_bytes = 1_000
    assert not short.may_waste(0, HIGH)


@pytest.mark.parametrize(
    ("rate", "best", "greatest"),
    [
        (0.0, HIGH, LOW),
        (5_999.0, HIGH, LOW),
        (6_000.0, HIGH, MIDDLE),
        (1e9, HIGH, HIGH),
        (1e9, MIDDLE, MIDDLE),
    ],
)
def test_a_rate_carries_a_rendition_that_the_listener_wants(rate: float, best: int, greatest: int) -> None:
    assert greatest_below(seen(best=best), rate) == greatest
