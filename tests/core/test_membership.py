"""Cyclon's view: who is asked, what is swapped, and who stays."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.identity import PeerId
from lightpeer.core.membership import CAPACITY, SHUFFLE_LENGTH, View
from lightpeer.errors import UsageError

OWN = PeerId(bytes(20))


def peer(n: int) -> PeerId:
    return PeerId(n.to_bytes(20, "big"))


@dataclass(frozen=True)
class Pointer:
    """A record as light as a view allows."""

    peer_id: PeerId
    sequence: int
    expires_s: int = 10_000


def pointer(n: int, sequence: int | None = None) -> Pointer:
    return Pointer(peer(n), 1000 + n if sequence is None else sequence)


def filled(count: int, **kwargs) -> View[Pointer]:
    """A view of peers 1 to count, the lowest the oldest."""
    view = View(OWN, **kwargs)
    for n in range(1, count + 1):
        assert view.add(pointer(n))
    return view


def numbers(records) -> list[int]:
    return sorted(int.from_bytes(record.peer_id, "big") for record in records)


@pytest.fixture
def entropy():
    return random.Random(7).randbytes


@pytest.mark.parametrize("shuffle_length", [0, 5])
def test_a_shuffle_is_no_longer_than_the_view(shuffle_length):
    with pytest.raises(UsageError):
        View(OWN, 4, shuffle_length)


def test_a_full_view_takes_in_nobody_else_and_we_are_not_our_neighbour():
    view = filled(CAPACITY)
    assert len(view) == CAPACITY
    assert not view.add(pointer(CAPACITY + 1))
    assert not filled(1).add(Pointer(OWN, 1))
    assert peer(1) in view
    assert view.get(peer(1)) == pointer(1)


def test_only_a_newer_record_replaces():
    view = filled(3)
    assert view.add(pointer(2, 5000))
    assert view.add(pointer(2, 4000))
    assert view.get(peer(2)) == pointer(2, 5000)
    assert len(view) == 3


def test_neighbours_go_by_removal_and_by_expiry():
    view = filled(3)
    view.remove(peer(1))
    view.remove(peer(9))
    assert numbers(view.records) == [2, 3]
    view.add(Pointer(peer(4), 1004, expires_s=2000))
    view.expire(1999.9)
    assert len(view) == 3
    view.expire(2000.0)
    assert numbers(view.records) == [2, 3]


def test_neighbours_are_picked_at_random_and_evenly(entropy):
    view = filled(8)
    assert numbers(view.neighbours(99, entropy)) == list(range(1, 9))
    counts = [0] * 9
    for _ in range(4000):
        for n in numbers(view.neighbours(2, entropy)):
            counts[n] += 1
    assert all(900 < count < 1100 for count in counts[1:])


def test_a_lonely_server_shuffles_with_nobody(entropy):
    assert View(OWN).start_shuffle(entropy) is None


def test_the_oldest_is_asked_and_leaves_its_place(entropy):
    view = filled(CAPACITY)
    view.add(pointer(1, 9999))
    shuffle = view.start_shuffle(entropy)
    assert shuffle.partner == peer(2)
    assert shuffle.contact == pointer(2)
    assert len(shuffle.sent) == SHUFFLE_LENGTH - 1
    assert peer(2) not in view
    assert len(view) == CAPACITY - 1


def test_what_comes_back_takes_the_free_place_and_those_of_what_was_sent(entropy):
    view = filled(6, capacity=6, shuffle_length=3)
    shuffle = view.start_shuffle(entropy)
    kept = {2, 3, 4, 5, 6} - set(numbers(shuffle.sent))
    view.finish_shuffle(shuffle, [pointer(11), pointer(12), pointer(13), pointer(14)])
    assert numbers(view.records) == sorted(kept | {11, 12, 13})


def test_what_is_known_or_our_own_displaces_nobody_but_renews(entropy):
    view = filled(6, capacity=6, shuffle_length=3)
    shuffle = view.start_shuffle(entropy)
    view.finish_shuffle(shuffle, [Pointer(OWN, 9), pointer(3, 7000), pointer(4, 5)])
    assert numbers(view.records) == [2, 3, 4, 5, 6]
    assert view.get(peer(3)) == pointer(3, 7000)
    assert view.get(peer(4)) == pointer(4)


def test_records_beyond_what_was_given_find_no_place(entropy):
    view = filled(6, capacity=6, shuffle_length=3)
    shuffle = view.answer(peer(99), entropy)
    for record in shuffle.sent:
        view.remove(record.peer_id)  # gone in the meantime, and their places taken
    for n in (21, 22, 23):
        view.add(pointer(n))
    before = numbers(view.records)
    view.finish_shuffle(shuffle, [pointer(31)])
    assert numbers(view.records) == before


def test_the_answer_never_names_the_one_who_asks(entropy):
    view = filled(4)
    for _ in range(20):
        shuffle = view.answer(peer(2), entropy)
        assert numbers(shuffle.sent) == [1, 3, 4]
        assert shuffle.contact is None


def test_a_partner_that_is_gone_stays_out(entropy):
    view = filled(4)
    shuffle = view.start_shuffle(entropy)
    view.add(pointer(1))  # somebody still names it
    view.fail_shuffle(shuffle)
    assert numbers(view.records) == [2, 3, 4]


@given(st.integers(0, 2**32), st.integers(3, 40))
def test_shuffles_among_many_keep_every_view_in_bounds(seed, count):
    """Nobody is lost to the network, no view outgrows its bound or points at its owner."""
    entropy = random.Random(seed).randbytes
    views = {peer(n): View(peer(n), 6, 3) for n in range(count)}
    for n in range(count):
        views[peer(n)].add(pointer((n + 1) % count, 0))
    for now in range(1, 12):
        for own, view in views.items():
            shuffle = view.start_shuffle(entropy)
            if shuffle is None:
                continue
            other = views[shuffle.partner]
            back = other.answer(own, entropy)
            other.finish_shuffle(back, [Pointer(own, now), *shuffle.sent])
            view.finish_shuffle(shuffle, back.sent)
    assert all(len(view) <= 6 and own not in view for own, view in views.items())
    assert {r.peer_id for view in views.values() for r in view.records} == set(views)
