"""The entries: ids that are never used twice, versions, places, and the bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.queue.entries import MAX_ENTRIES, Entries, Entry
from lightpeer.errors import UsageError


def filled(*items: str) -> Entries:
    entries = Entries()
    entries.insert(items or ("a", "b", "c", "d"))
    return entries


def test_items_are_put_at_the_end_or_before_a_place():
    entries = Entries()
    assert (len(entries), entries.version, list(entries)) == (0, 1, [])
    assert entries.insert(["a", "b"]) == [1, 2]
    assert entries.insert(["c"], 0) == [3]
    assert entries.insert(["d"], 2) == [4]
    assert list(entries) == [Entry(3, "c"), Entry(1, "a"), Entry(4, "d"), Entry(2, "b")]
    assert entries.ids == [3, 1, 4, 2]
    assert (entries.item(4), entries.place(4)) == ("d", 2)
    assert 4 in entries
    assert 5 not in entries


def test_ids_are_not_used_again():
    entries = filled()
    entries.remove({3, 4})
    assert entries.insert(["c"]) == [5]
    entries.remove(set(entries.ids))
    assert entries.insert(["a"]) == [6]


def test_removed_entries_leave_no_hole():
    entries = filled()
    entries.remove({1, 3})
    assert list(entries) == [Entry(2, "b"), Entry(4, "d")]


@pytest.mark.parametrize(
    ("moved", "to", "ids"),
    [({1}, 3, [2, 3, 4, 1]), ({4}, 0, [4, 1, 2, 3]), ({2, 4}, 1, [1, 2, 4, 3]), ({1}, 0, [1, 2, 3, 4])],
)
def test_entries_are_moved_in_their_order(moved, to, ids):
    entries = filled()
    entries.move(moved, to)
    assert entries.ids == ids


def test_some_are_rearranged_among_their_places():
    entries = filled()
    entries.rearrange({1, 3, 4}, lambda ids: ids[::-1])
    assert entries.ids == [4, 2, 3, 1]


def test_each_change_has_a_version_and_a_place_knows_its_last():
    entries = filled()
    assert entries.version == 2
    assert len(entries.changes(1)) == 4
    assert entries.changes(2) == []
    entries.move({2}, 2)
    assert entries.version == 3
    assert entries.changes(2) == [(1, Entry(3, "c")), (2, Entry(2, "b"))]
    entries.remove({1})
    assert entries.changes(3) == [(0, Entry(3, "c")), (1, Entry(2, "b")), (2, Entry(4, "d"))]
    entries.insert(["e"])
    assert entries.changes(4) == [(3, Entry(5, "e"))]
    entries.remove({5})
    assert (entries.version, entries.changes(5)) == (6, [])


def test_what_changes_nothing_has_no_version():
    entries = filled()
    entries.move({1}, 0)
    entries.remove(set())
    entries.insert([])
    entries.rearrange({2}, list)
    assert entries.version == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda entries: entries.item(9),
        lambda entries: entries.place(9),
        lambda entries: entries.remove({1, 9}),
        lambda entries: entries.move({1, 9}, 0),
        lambda entries: entries.rearrange({9}, list),
    ],
)
def test_an_entry_that_is_not_here_is_named_and_nothing_changes(wrong):
    entries = filled()
    with pytest.raises(UsageError, match="no entry 9: it may have been removed"):
        wrong(entries)
    assert (entries.ids, entries.version) == ([1, 2, 3, 4], 2)


@pytest.mark.parametrize(
    ("wrong", "last"),
    [
        (lambda entries: entries.insert(["e"], 5), 4),
        (lambda entries: entries.insert(["e"], -1), 4),
        (lambda entries: entries.move({1}, 4), 3),
        (lambda entries: entries.move({1}, -1), 3),
    ],
)
def test_a_place_that_is_not_here_is_refused(wrong, last):
    entries = filled()
    with pytest.raises(UsageError, match=f"give one from 0 to {last}$"):
        wrong(entries)
    assert entries.version == 2


def test_it_is_bounded():
    entries = Entries()
    entries.insert(["a"] * MAX_ENTRIES)
    with pytest.raises(UsageError, match="remove some first"):
        entries.insert(["b"])
    entries.remove({7})
    assert entries.insert(["b"]) == [MAX_ENTRIES + 1]


@given(st.data())
def test_whoever_reads_the_changes_alone_has_the_whole_queue(data):
    entries, mirror, seen = Entries(), [], 1
    for _ in range(data.draw(st.integers(1, 12))):
        some = data.draw(st.sets(st.sampled_from(entries.ids))) if len(entries) else set()
        match data.draw(st.sampled_from("amrs")):
            case "a":
                entries.insert(
                    data.draw(st.lists(st.just("x"), max_size=3)), data.draw(st.integers(0, len(entries)))
                )
            case "m":
                entries.move(some, data.draw(st.integers(0, len(entries) - len(some))))
            case "r":
                entries.remove(some)
            case "s":
                entries.rearrange(some, lambda ids: ids[::-1])
        if data.draw(st.booleans()):
            mirror = [*mirror, *[None] * len(entries)][: len(entries)]
            for place, entry in entries.changes(seen):
                mirror[place] = entry
            seen = entries.version
            assert mirror == list(entries)
