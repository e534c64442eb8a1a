"""When further sources are looked for, and who is left out."""

from __future__ import annotations

import math

from lightpeer.core.identity import PeerId
from lightpeer.core.supply import LOOK_AGAIN_S, MAX_LOOK_AGAIN_S, REMEMBERED, REST_S, Supply


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(20, "big"))


def looked(supply: Supply, now: float, *, found: int = 0, have_any: bool = True) -> set[PeerId]:
    excluded = supply.on_look([], now)
    for _ in range(found):
        supply.on_found()
    supply.on_looked(now, have_any=have_any)
    return set(excluded)


def test_one_look_at_a_time_and_none_without_need():
    supply = Supply()
    assert supply.due == math.inf
    supply.begin(5.0)
    assert supply.due == 5.0
    assert set(supply.on_look([peer(1), None], 5.0)) == {peer(1)}
    assert supply.due == math.inf
    supply.on_looked(6.0, have_any=True)
    assert supply.due == math.inf


def test_without_any_source_it_looks_again_soon():
    supply = Supply()
    looked(supply, 10.0, have_any=False)
    assert supply.due == 10.0 + LOOK_AGAIN_S


def test_a_loss_is_made_good_but_not_in_a_storm():
    supply = Supply()
    supply.on_lost(peer(1), 100.0, lied=False, was_useful=True)
    assert supply.due == 100.0
    looked(supply, 100.0)
    supply.on_lost(peer(2), 100.5, lied=False, was_useful=True)
    assert supply.due == 100.0 + LOOK_AGAIN_S


def test_a_liar_is_never_taken_again():
    supply = Supply()
    assert not supply.only_liars
    supply.on_lost(peer(1), 0.0, lied=True, was_useful=True)
    assert supply.only_liars
    assert looked(supply, 1e9) == {peer(1)}
    supply.on_lost(peer(2), 1e9, lied=False, was_useful=True)
    assert not supply.only_liars


def test_who_was_of_no_use_rests_each_time_for_longer():
    supply = Supply()
    supply.on_lost(peer(1), 0.0, lied=False, was_useful=False)
    assert looked(supply, REST_S - 0.1) == {peer(1)}
    assert looked(supply, REST_S) == set()
    supply.rest(peer(1), 100.0)
    assert looked(supply, 100.0 + 2 * REST_S - 0.1) == {peer(1)}
    assert looked(supply, 100.0 + 2 * REST_S) == set()


def test_hurry_respects_a_spacing_that_grows_while_nobody_is_found():
    supply = Supply()
    now, gaps = 0.0, []
    for _ in range(7):
        looked(supply, now)
        supply.hurry()
        gaps.append(supply.due - now)
        now = supply.due
    assert gaps == [6.0, 12.0, 24.0, 48.0, *[MAX_LOOK_AGAIN_S] * 3]
    looked(supply, now, found=1)
    supply.hurry()
    assert supply.due == now + LOOK_AGAIN_S
    supply.hurry()
    assert supply.due == now + LOOK_AGAIN_S


def test_its_memory_is_bounded():
    supply = Supply()
    for number in range(3 * REMEMBERED):
        supply.on_lost(peer(number), 0.0, lied=number % 2 == 0, was_useful=False)
    assert len(looked(supply, 1.0)) <= 2 * REMEMBERED
    assert peer(3 * REMEMBERED - 1) in looked(supply, 1.0)
