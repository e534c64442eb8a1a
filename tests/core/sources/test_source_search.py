"""When further sources are looked for, and who is left out."""

from __future__ import annotations

import math

from lightpeer.core.sources.source_search import (
    GONE_LOOKS,
    GONE_S,
    LEAST_AGAIN_S,
    LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_S,
    MAX_LOOK_AGAIN_WITHOUT_S,
    MAX_REST_WITHOUT_S,
    REMEMBERED,
    REST_S,
    Supply,
)
from lightpeer.core.trust.identity import PeerId


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(20, "big"))


def looked(
    supply: Supply,
    now: float,
    *,
    found: int = 0,
    have_any: bool = True,
    was_answered: bool = False,
    present: list[PeerId] | None = None,
) -> set[PeerId]:
    excluded = supply.on_look([peer(99)] if present is None else present, now)
    for _ in range(found):
        supply.on_found()
    supply.on_looked(now, have_any=have_any, was_answered=was_answered)
    return set(excluded) - {peer(99)}


def test_one_look_at_a_time_and_none_without_need():
    supply = Supply()
    assert supply.due == math.inf
    supply.begin(5.0)
    assert supply.due == 5.0
    assert set(supply.on_look([peer(1), None], 5.0)) == {peer(1)}
    assert supply.due == math.inf
    supply.on_looked(6.0, have_any=True, was_answered=True)
    assert supply.due == math.inf


def test_a_look_that_took_long_was_most_of_the_wait():
    supply = Supply()
    supply.on_look([], 10.0)
    supply.on_looked(12.0, have_any=False, was_answered=False)
    assert supply.due == 13.0
    supply.on_look([], 13.0)
    supply.on_looked(43.0, have_any=False, was_answered=False)
    assert supply.due == 43.0 + LEAST_AGAIN_S


def test_without_any_source_it_looks_again_soon_and_then_less_often():
    supply, now, gaps = Supply(), 10.0, []
    for _ in range(6):
        looked(supply, now, have_any=False)
        gaps.append(supply.due - now)
        now = supply.due
    assert gaps == [3.0, 6.0, 12.0, *[MAX_LOOK_AGAIN_WITHOUT_S] * 3]
    looked(supply, now, found=1)
    supply.on_lost(peer(1), now + 100.0, lied=False, was_useful=True)
    assert supply.due == now + 100.0
    looked(supply, now + 100.0, have_any=False)
    assert supply.due == now + 100.0 + LOOK_AGAIN_S


def test_that_nobody_has_the_track_is_believed_after_a_minute_of_such_answers():
    supply = Supply()
    times = [0.0, 20.0, 40.0, GONE_S]
    assert len(times) == GONE_LOOKS
    for now in times:
        assert not supply.is_pointless(now)
        looked(supply, now, have_any=False, was_answered=True)
    assert supply.is_pointless(GONE_S)
    looked(supply, 70.0, have_any=False, was_answered=False)
    assert not supply.is_pointless(1e9), "there is no network: nobody answers anything"
    for now in range(100, 100 + GONE_LOOKS - 1):
        looked(supply, float(now), have_any=False, was_answered=True)
    assert not supply.is_pointless(1e9), "it counts from the first again"


def test_it_is_not_believed_sooner_nor_where_there_is_a_source():
    supply = Supply()
    for now in range(GONE_LOOKS):
        looked(supply, float(now), have_any=False, was_answered=True)
    assert not supply.is_pointless(GONE_S - 0.1)
    assert supply.is_pointless(GONE_S)
    looked(supply, GONE_S, have_any=True, was_answered=True)
    assert not supply.is_pointless(1e9)


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
    supply.on_lost(peer(3), 1e9, lied=True, was_useful=True)
    assert not supply.only_liars


def test_a_peer_that_was_of_no_use_rests_each_time_for_longer():
    supply = Supply()
    supply.on_lost(peer(1), 0.0, lied=False, was_useful=False)
    assert looked(supply, REST_S - 0.1) == {peer(1)}
    assert looked(supply, REST_S) == set()
    supply.rest(peer(1), 100.0)
    assert looked(supply, 100.0 + 2 * REST_S - 0.1) == {peer(1)}
    assert looked(supply, 100.0 + 2 * REST_S) == set()


def test_once_it_has_served_its_rests_begin_anew():
    supply = Supply()
    for now in (0.0, 100.0):
        supply.on_lost(peer(1), now, lied=False, was_useful=False)
    supply.on_lost(peer(1), 200.0, lied=False, was_useful=True)
    assert looked(supply, 200.0) == set()
    supply.on_lost(peer(1), 300.0, lied=False, was_useful=False)
    assert looked(supply, 300.0 + REST_S) == set()


def test_the_only_source_does_not_rest_for_long():
    supply = Supply()
    for now in (0.0, 100.0, 200.0, 300.0):
        supply.on_lost(peer(1), now, lied=False, was_useful=False)
    alone_s = 300.0 + MAX_REST_WITHOUT_S
    assert looked(supply, alone_s - 0.1, present=[]) == {peer(1)}
    assert looked(supply, alone_s, present=[]) == set()
    assert looked(supply, alone_s) == {peer(1)}, "beside another one it does"


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


def test_where_none_delivers_the_spacing_is_short():
    supply = Supply()
    for number in range(8):
        looked(supply, 100.0 * number)
    supply.hurry(none_delivers=True)
    assert supply.due == 700.0 + MAX_LOOK_AGAIN_WITHOUT_S


def test_its_memory_is_bounded():
    supply = Supply()
    for number in range(3 * REMEMBERED):
        supply.on_lost(peer(number), 0.0, lied=number % 2 == 0, was_useful=False)
    assert len(looked(supply, 1.0)) <= 2 * REMEMBERED
    assert peer(3 * REMEMBERED - 1) in looked(supply, 1.0)


def test_whom_it_heard_of_last_is_remembered():
    supply = Supply()
    for number in [*range(REMEMBERED), 0]:
        supply.on_lost(peer(number), 0.0, lied=True, was_useful=False)
    assert len(looked(supply, 1e9)) == REMEMBERED
    supply.on_lost(peer(REMEMBERED), 0.0, lied=True, was_useful=False)
    assert looked(supply, 1e9) == {peer(0), *(peer(number) for number in range(2, REMEMBERED + 1))}


def test_whether_the_next_look_is_due_since_one_began() -> None:
    supply = Supply()
    supply.begin(0.0)
    supply.on_look([], 0.0)
    assert not supply.is_hurried(99.0)
    supply.on_lost(None, 1.0, lied=False, was_useful=True)
    assert not supply.is_hurried(LOOK_AGAIN_S - 0.1)
    assert supply.is_hurried(LOOK_AGAIN_S)
    assert supply.due == math.inf, "it is under way"
