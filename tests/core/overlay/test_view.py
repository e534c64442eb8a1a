"""The view: who is asked, who is named, who is taken in, and who gives way."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.overlay.view import CAPACITY, ENOUGH, FEW, GROUP_SHARE, Introduction, View
from lightpeer.core.trust.identity import PeerId
from lightpeer.errors import UsageError

OWN = PeerId(bytes(20))


def peer(n: int) -> PeerId:
    return PeerId(n.to_bytes(20, "big"))


@dataclass(frozen=True)
class Pointer:
    """A record as light as a view allows."""

    peer_id: PeerId
    expires_s: int = 10_000
    network: str | None = None


def pointer(n: int, network: str | None = None) -> Pointer:
    return Pointer(peer(n), network=network)


def filled(count: int, **kwargs) -> View[Pointer]:
    """A view to which peers 1 to count introduced themselves, in that order."""
    view = View(OWN, **kwargs)
    for n in range(1, count + 1):
        view.introduce(pointer(n))
    return view


def numbers(view: View[Pointer]) -> list[int]:
    return [int.from_bytes(record.peer_id, "big") for record in view.records]


@pytest.fixture
def entropy():
    return random.Random(7).randbytes


@pytest.mark.parametrize("enough", [0, 5])
def test_a_view_has_enough_within_its_bound(enough):
    with pytest.raises(UsageError):
        View(OWN, capacity=4, enough=enough)


# Whom we introduce ourselves to.


def test_a_lonely_server_has_nobody_to_go_to():
    assert View(OWN).next_introduction() is None


def test_the_oldest_neighbour_is_asked_then_whom_it_named():
    view = filled(ENOUGH)
    introduction = view.next_introduction()
    assert introduction == Introduction(pointer(1), wants_name=True)
    view.on_answer(introduction, pointer(77))
    assert numbers(view) == list(range(2, ENOUGH + 1))  # neither the asked nor the named is a neighbour
    introduction = view.next_introduction()
    assert introduction == Introduction(pointer(77), wants_name=False)
    view.on_answer(introduction, pointer(78))  # unasked for
    assert view.next_introduction() == Introduction(pointer(2), wants_name=True)


def test_without_an_answer_or_a_name_the_next_oldest_is_asked():
    view = filled(ENOUGH)
    view.next_introduction()
    introduction = view.next_introduction()
    assert introduction == Introduction(pointer(2), wants_name=True)
    view.on_answer(introduction, None)
    assert view.next_introduction() == Introduction(pointer(3), wants_name=True)


def test_we_do_not_go_to_ourselves():
    view = filled(ENOUGH)
    view.on_answer(view.next_introduction(), Pointer(OWN))
    assert view.next_introduction() == Introduction(pointer(2), wants_name=True)


def test_while_neighbours_are_few_one_that_answered_stays():
    view = filled(FEW)
    view.on_answer(view.next_introduction(), None)
    assert numbers(view) == [*range(2, FEW + 1), 1]
    view.introduce(pointer(50))
    view.on_answer(view.next_introduction(), None)
    assert numbers(view) == [*range(3, FEW + 1), 1, 50]


# Who introduces itself to us.


def test_who_comes_is_the_youngest_and_a_full_view_lets_its_oldest_go():
    view = filled(CAPACITY)
    view.introduce(pointer(99))
    assert numbers(view) == [*range(2, CAPACITY + 1), 99]
    view.introduce(pointer(2))
    assert numbers(view) == [*range(2, CAPACITY + 1), 99]  # coming again keeps nobody longer
    view.introduce(Pointer(OWN))
    assert OWN not in view


def test_a_newer_record_takes_the_place_of_the_older():
    view = filled(3)
    newer = Pointer(peer(1), expires_s=20_000)
    view.introduce(newer)
    assert view.get(peer(1)) == newer
    assert len(view) == 3


def test_the_oldest_is_named_and_leaves_if_there_are_enough():
    view = filled(ENOUGH)
    assert view.name_for(peer(999)) == pointer(1)
    assert view.name_for(peer(999)) == pointer(2)
    assert numbers(view) == list(range(2, ENOUGH + 1))


def test_neighbours_are_named_nobody_and_nor_is_anybody_when_there_is_none():
    view = filled(ENOUGH)
    assert view.name_for(peer(5)) is None
    assert len(view) == ENOUGH
    assert View(OWN).name_for(peer(1)) is None


def test_asking_for_names_does_not_empty_a_view():
    view = filled(CAPACITY)
    for _ in range(1000):
        view.name_for(peer(999))
    assert len(view) == ENOUGH - 1


def test_a_network_has_its_share_of_a_filled_view():
    view = View(OWN, group_of=lambda record: record.network)
    for n in range(1, 100):
        view.introduce(pointer(n, "10.1"))
    assert ENOUGH // 2 - 1 <= len(view) <= ENOUGH // 2  # while they are few, who they are matters less
    for n in range(101, 121):
        view.introduce(pointer(n, f"10.{n}"))
    for n in range(201, 300):
        view.introduce(pointer(n, "10.2"))
    assert sum(n > 200 for n in numbers(view)) == CAPACITY // GROUP_SHARE
    assert numbers(view)[-1] == 299


def test_neighbours_who_moved_into_one_network_make_room_in_it():
    view = View(OWN, group_of=lambda record: record.network)
    for n in range(1, 25):
        view.introduce(pointer(n, f"10.{n}"))
    for n in range(1, 10):
        view.introduce(pointer(n, "10.99"))
    for n in range(50, 60):
        view.introduce(pointer(n, "10.99"))
    assert [n for n in numbers(view) if view.get(peer(n)).network == "10.99"] == [58, 59]


def test_networks_without_a_bound_are_taken_as_they_come():
    view = View(OWN, group_of=lambda record: record.network)
    for n in range(1, 100):
        view.introduce(pointer(n))
    assert len(view) == CAPACITY


# Whom we met, and who goes.


def test_who_was_met_fills_a_view_and_displaces_nobody():
    view = filled(ENOUGH - 1)
    assert view.add(pointer(50))
    assert not view.add(pointer(51))
    assert view.add(Pointer(peer(50), expires_s=20_000))
    assert view.get(peer(50)).expires_s == 20_000
    assert not filled(1).add(Pointer(OWN))
    assert peer(50) in view
    assert len(view) == ENOUGH


def test_neighbours_go_by_removal_and_by_expiry():
    view = filled(3)
    view.remove(peer(1))
    view.remove(peer(9))
    assert numbers(view) == [2, 3]
    view.introduce(Pointer(peer(4), expires_s=2000))
    view.expire(1999.9)
    assert len(view) == 3
    view.expire(2000.0)
    assert numbers(view) == [2, 3]


def test_neighbours_are_picked_at_random_and_evenly(entropy):
    view = filled(8)
    assert len({r.peer_id for r in view.neighbours(99, entropy)}) == 8
    counts = [0] * 9
    for _ in range(4000):
        for record in view.neighbours(2, entropy):
            counts[record.peer_id[-1]] += 1
    assert all(900 < count < 1100 for count in counts[1:])


@given(st.integers(0, 2**32), st.integers(2, 30))
def test_everybody_stays_known_and_every_view_within_its_bound(seed, count):
    """From a ring on, in any order of turns; nobody points at itself."""
    rng = random.Random(seed)
    views = {peer(n): View(peer(n), capacity=12, enough=9) for n in range(count)}
    for n in range(count):
        views[peer(n)].add(pointer((n + 1) % count))
    for _ in range(20 * count):
        own = peer(rng.randrange(count))
        introduction = views[own].next_introduction()
        if introduction is None:
            continue
        other = views[introduction.record.peer_id]
        named = other.name_for(own) if introduction.wants_name else None
        other.introduce(Pointer(own))
        views[own].on_answer(introduction, named)
    assert all(len(view) <= 12 and own not in view for own, view in views.items())
    assert {r.peer_id for view in views.values() for r in view.records} == set(views)
