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
    MAX_SOURCES,
    REMEMBERED,
    REST_S,
    SourceSearch,
)
from lightpeer.core.trust.identity import PeerId


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(20, "big"))


def looked(
    search: SourceSearch,
    now: float,
    *,
    found: int = 0,
    have_any: bool = True,
    was_answered: bool = False,
    present: list[PeerId] | None = None,
) -> set[PeerId]:
    excluded = search.on_look([peer(99)] if present is None else present, now)
    for _ in range(found):
        search.on_found(1)
    search.on_looked(now, have_any=have_any, was_answered=was_answered)
    return set(excluded) - {peer(99)}


def test_one_look_at_a_time_and_none_without_need():
    search = SourceSearch()
    assert search.due == math.inf
    search.begin(5.0)
    assert search.due == 5.0
    assert set(search.on_look([peer(1), None], 5.0)) == {peer(1)}
    assert search.due == math.inf
    search.on_looked(6.0, have_any=True, was_answered=True)
    assert search.due == math.inf


def test_a_look_that_took_long_was_most_of_the_wait():
    search = SourceSearch()
    search.on_look([], 10.0)
    search.on_looked(12.0, have_any=False, was_answered=False)
    assert search.due == 13.0
    search.on_look([], 13.0)
    search.on_looked(43.0, have_any=False, was_answered=False)
    assert search.due == 43.0 + LEAST_AGAIN_S


def test_without_any_source_it_looks_again_soon_and_then_less_often():
    search, now, gaps = SourceSearch(), 10.0, []
    for _ in range(6):
        looked(search, now, have_any=False)
        gaps.append(search.due - now)
        now = search.due
    assert gaps == [3.0, 6.0, *[MAX_LOOK_AGAIN_WITHOUT_S] * 4]
    looked(search, now, found=1)
    search.on_lost(peer(1), now + 100.0, lied=False, was_useful=True)
    assert search.due == now + 100.0
    looked(search, now + 100.0, have_any=False)
    assert search.due == now + 100.0 + LOOK_AGAIN_S


def test_that_nobody_has_the_track_is_believed_after_a_minute_of_such_answers():
    search = SourceSearch()
    times = [0.0, 20.0, 40.0, GONE_S]
    assert len(times) == GONE_LOOKS
    for now in times:
        assert search.failure(now) is None
        looked(search, now, have_any=False, was_answered=True)
    assert search.failure(GONE_S) == "no peer sends this track any more"
    looked(search, 70.0, have_any=False, was_answered=False)
    assert search.failure(1e9) is None, "there is no network: nobody answers anything"
    for now in range(100, 100 + GONE_LOOKS - 1):
        looked(search, float(now), have_any=False, was_answered=True)
    assert search.failure(1e9) is None, "it counts from the first again"


def test_it_is_not_believed_sooner_nor_where_there_is_a_source():
    search = SourceSearch()
    for now in range(GONE_LOOKS):
        looked(search, float(now), have_any=False, was_answered=True)
    assert search.failure(GONE_S - 0.1) is None
    assert search.failure(GONE_S) == "no peer sends this track any more"
    looked(search, GONE_S, have_any=True, was_answered=True)
    assert search.failure(1e9) is None


def test_a_loss_is_made_good_but_not_in_a_storm():
    search = SourceSearch()
    search.on_lost(peer(1), 100.0, lied=False, was_useful=True)
    assert search.due == 100.0
    looked(search, 100.0)
    search.on_lost(peer(2), 100.5, lied=False, was_useful=True)
    assert search.due == 100.0 + LOOK_AGAIN_S


def test_a_liar_is_never_taken_again():
    search = SourceSearch()
    assert search.failure(0.0) is None
    search.on_lost(peer(1), 0.0, lied=True, was_useful=True)
    assert (search.failure(0.0) or "").startswith("every peer")
    assert looked(search, 1e9) == {peer(1)}
    search.on_lost(peer(2), 1e9, lied=False, was_useful=True)
    assert search.failure(0.0) is None
    search.on_lost(peer(3), 1e9, lied=True, was_useful=True)
    assert search.failure(0.0) is None


def test_where_all_have_lied_the_track_is_given_up_though_one_was_lost_before():
    search = SourceSearch()
    search.on_lost(peer(1), 0.0, lied=False, was_useful=True)
    search.on_lost(peer(2), 1.0, lied=True, was_useful=True)
    assert search.failure(1.0) is None, "the first may come back"
    search.on_lost(peer(1), 2.0, lied=True, was_useful=True)
    assert (search.failure(2.0) or "").startswith("every peer")


def test_of_the_honest_as_many_are_remembered_as_of_the_liars():
    search = SourceSearch()
    for number in range(2 * REMEMBERED):
        search.on_lost(peer(number), 0.0, lied=False, was_useful=True)
    assert len(search._honest) == REMEMBERED


def test_a_peer_that_was_of_no_use_rests_each_time_for_longer():
    search = SourceSearch()
    search.on_lost(peer(1), 0.0, lied=False, was_useful=False)
    assert looked(search, REST_S - 0.1) == {peer(1)}
    assert looked(search, REST_S) == set()
    search.rest(peer(1), 100.0)
    assert looked(search, 100.0 + 2 * REST_S - 0.1) == {peer(1)}
    assert looked(search, 100.0 + 2 * REST_S) == set()


def test_once_it_has_served_its_rests_begin_anew():
    search = SourceSearch()
    for now in (0.0, 100.0):
        search.on_lost(peer(1), now, lied=False, was_useful=False)
    search.on_lost(peer(1), 200.0, lied=False, was_useful=True)
    assert looked(search, 200.0) == set()
    search.on_lost(peer(1), 300.0, lied=False, was_useful=False)
    assert looked(search, 300.0 + REST_S) == set()


def test_the_only_source_does_not_rest_for_long():
    search = SourceSearch()
    for now in (0.0, 100.0, 200.0, 300.0):
        search.on_lost(peer(1), now, lied=False, was_useful=False)
    alone_s = 300.0 + MAX_REST_WITHOUT_S
    assert looked(search, alone_s - 0.1, present=[]) == {peer(1)}
    assert looked(search, alone_s, present=[]) == set()
    assert looked(search, alone_s) == {peer(1)}, "beside another one it does"


def test_hurry_respects_a_spacing_that_grows_while_nobody_is_found():
    search = SourceSearch()
    now, gaps = 0.0, []
    for _ in range(7):
        looked(search, now)
        search.hurry()
        gaps.append(search.due - now)
        now = search.due
    assert gaps == [6.0, 12.0, 24.0, 48.0, *[MAX_LOOK_AGAIN_S] * 3]
    looked(search, now, found=1)
    search.hurry()
    assert search.due == now + LOOK_AGAIN_S
    search.hurry()
    assert search.due == now + LOOK_AGAIN_S


def test_where_none_delivers_the_spacing_is_short():
    search = SourceSearch()
    for number in range(8):
        looked(search, 100.0 * number)
    search.hurry(none_delivers=True)
    assert search.due == 700.0 + MAX_LOOK_AGAIN_WITHOUT_S


def test_its_memory_is_bounded():
    search = SourceSearch()
    for number in range(3 * REMEMBERED):
        search.on_lost(peer(number), 0.0, lied=number % 2 == 0, was_useful=False)
    assert len(looked(search, 1.0)) <= 2 * REMEMBERED
    assert peer(3 * REMEMBERED - 1) in looked(search, 1.0)


def test_whom_it_heard_of_last_is_remembered():
    search = SourceSearch()
    for number in [*range(REMEMBERED), 0]:
        search.on_lost(peer(number), 0.0, lied=True, was_useful=False)
    assert len(looked(search, 1e9)) == REMEMBERED
    search.on_lost(peer(REMEMBERED), 0.0, lied=True, was_useful=False)
    assert looked(search, 1e9) == {peer(0), *(peer(number) for number in range(2, REMEMBERED + 1))}


def test_whether_the_next_look_is_due_since_one_began() -> None:
    search = SourceSearch()
    search.begin(0.0)
    search.on_look([], 0.0)
    assert not search.is_hurried(99.0)
    search.on_lost(None, 1.0, lied=False, was_useful=True)
    assert not search.is_hurried(LOOK_AGAIN_S - 0.1)
    assert search.is_hurried(LOOK_AGAIN_S)
    assert search.due == math.inf, "it is under way"


# One look.


def test_a_look_ends_once_there_are_enough_sources_and_takes_one_at_least() -> None:
    for present, enough in ((1, MAX_SOURCES), (MAX_SOURCES, MAX_SOURCES + 1), (6, 7)):
        search = SourceSearch()
        search.on_look([peer(number) for number in range(present)], 0.0)
        assert not search.on_found(enough - 1)
        assert search.on_found(enough)


def test_sources_that_have_not_named_themselves_count_each() -> None:
    search = SourceSearch()
    assert search.on_look([None] * MAX_SOURCES, 0.0) == []
    assert not search.on_found(MAX_SOURCES)


def test_a_look_gives_way_once_a_source_is_lost_and_the_next_look_is_due() -> None:
    search = SourceSearch()
    search.on_lost(peer(1), 0.0, lied=False, was_useful=True)
    search.on_look([], 10.0)
    search.hurry()
    assert search.is_hurried(99.0)
    assert not search.on_waited(99.0), "none was lost since it began"
    search.on_lost(peer(2), 11.0, lied=False, was_useful=True)
    assert not search.on_waited(10.0 + LOOK_AGAIN_S - 0.1), "it is not due yet"
    assert search.on_waited(10.0 + LOOK_AGAIN_S)
    search.on_looked(20.0, have_any=True, was_answered=False)
    assert search.due == 10.0 + LOOK_AGAIN_S, "the next one is due, though there are sources"
    search.on_look([peer(3)], 20.0)
    assert not search.on_waited(99.0), "another look"
    search.on_looked(30.0, have_any=True, was_answered=False)
    assert search.due == math.inf


def test_a_look_that_was_not_cut_is_the_last_while_there_is_a_source() -> None:
    search = SourceSearch()
    search.on_look([], 10.0)
    search.on_lost(peer(2), 11.0, lied=False, was_useful=True)
    assert not search.on_waited(11.0)
    search.on_looked(20.0, have_any=True, was_answered=False)
    assert search.due == math.inf


def test_a_stream_that_has_expired_is_looked_for_at_once() -> None:
    search = SourceSearch()
    search.on_expired(5.0)
    assert search.due == 5.0
    search.on_look([], 5.0)
    search.on_expired(6.0)
    assert search.due == math.inf, "a look is under way"
    assert search.on_waited(6.0)


# When something is wanted, and nobody has looked.


def test_what_is_wanted_begins_a_look_where_there_is_no_source():
    search = SourceSearch()
    search.on_wanted(10.0, have_any=True)
    assert search.due == math.inf
    search.on_wanted(11.0, have_any=False)
    search.on_wanted(12.0, have_any=False)
    assert search.due == 11.0
    search.on_look([], 12.0)
    search.on_wanted(13.0, have_any=False)
    assert search.due == math.inf, "it is under way"
    search.on_looked(14.0, have_any=True, was_answered=False)
    search.on_wanted(15.0, have_any=False)
    assert search.due == math.inf, "the loss of a source brings the next"


def test_while_what_is_kept_is_enough_nobody_is_looked_for_until_something_is_wanted():
    search = SourceSearch()
    search.is_needed = False
    search.begin(0.0)
    assert search.due == math.inf
    search.on_wanted(5.0, have_any=False)
    assert search.due == 5.0
