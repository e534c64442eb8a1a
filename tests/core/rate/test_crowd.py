"""Whether others fill the queue, by literal rounds."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.crowd import YIELDED_ROUNDS, Crowd

TARGET_S = 0.03
FLOOR = 10_000


def crowded() -> Crowd:
    """Meet a queue that stays 0.2 s over the target through all rounds in which we yield."""
    crowd = Crowd()
    for number in range(YIELDED_ROUNDS + 1):
        assert not crowd.is_there, f"after {number} rounds"
        crowd.on_round(0.23, TARGET_S, FLOOR, FLOOR)
    assert crowd.is_there
    return crowd


def test_a_queue_that_stays_though_we_yield_is_of_others():
    crowded()


def test_a_queue_that_drains_is_ours():
    """The law takes two fifths out of it in each round."""
    crowd = Crowd()
    for number in range(12):
        crowd.on_round(TARGET_S + 5.0 * 0.61**number, TARGET_S, FLOOR, FLOOR)
        assert not crowd.is_there


def test_what_is_hardly_over_the_target_is_no_ones_queue():
    crowd = Crowd()
    for _ in range(20):
        crowd.on_round(2 * TARGET_S, TARGET_S, FLOOR, FLOOR)
        assert not crowd.is_there


def test_others_are_gone_with_their_queue():
    crowd = crowded()
    crowd.on_round(0.06, TARGET_S, FLOOR, FLOOR)
    assert not crowd.is_there


@pytest.mark.parametrize(
    ("queue_s", "came", "is_there"),
    [
        (0.25, 9_100, True),
        (0.25, 9_000, True),
        (0.25, 8_900, False),  # the link gives less than playback needs
        (0.42, 10_000, True),
        (0.44, 10_000, False),  # the queue grows by what we keep up
    ],
)
def test_what_playback_needs_is_kept_up_while_the_link_gives_it(queue_s, came, is_there):
    crowd = crowded()
    crowd.on_round(queue_s, TARGET_S, came, FLOOR)
    assert crowd.is_there == is_there


EXACT_S = 2**-5  # a target whose sums with quarters of a second are exact


def test_half_of_the_queue_is_what_others_must_have_left_at_least():
    crowd = Crowd()
    for excess_s in (0.25, 0.25, 0.25, 0.125):
        crowd.on_round(EXACT_S + excess_s, EXACT_S, FLOOR, FLOOR)
        assert not crowd.is_there
    for number in range(YIELDED_ROUNDS + 1):  # and what is left is watched anew
        assert not crowd.is_there, f"after {number} rounds"
        crowd.on_round(EXACT_S + 0.125, EXACT_S, FLOOR, FLOOR)
    assert crowd.is_there
    crowd.on_round(EXACT_S + 0.25, EXACT_S, FLOOR, FLOOR)
    assert crowd.is_there, "twice as long is not more"
    crowd.on_round(EXACT_S + 0.251, EXACT_S, FLOOR, FLOOR)
    assert not crowd.is_there
