"""Stored playlists: names, and bounds."""

from __future__ import annotations

import pytest

from lightpeer.core.content.playlist import Entry
from lightpeer.core.mpd.playlists import MAX_PLAYLISTS, MAX_TRACKS, Playlist, Playlists, check_new, without
from lightpeer.errors import CommandError

A, B, C = Entry("loud:a"), Entry("loud:b"), Entry("loud:c")


def kept(**lists: list[Entry]) -> Playlists:
    playlists = Playlists()
    for name, entries in lists.items():
        playlists.put(name, entries, 1.0)
    return playlists


def fault(run) -> tuple[int, str]:
    with pytest.raises(CommandError) as refusal:
        run()
    return int(refusal.value.code), str(refusal.value)


def test_lists_are_kept_by_name():
    playlists = kept(zoo=[A], art=[B, C])
    assert playlists.names == ["art", "zoo"]
    assert playlists.get("art") == Playlist((B, C), 1.0)
    playlists.put("art", [A], 2.0)
    assert playlists.get("art") == Playlist((A,), 2.0)
    playlists.remove("art")
    assert ("art" in playlists, "zoo" in playlists) == (False, True)


def test_a_list_may_get_another_name():
    playlists = kept(a=[A], b=[B])
    playlists.rename("a", "c", 3.0)
    assert (playlists.names, playlists.get("c")) == (["b", "c"], Playlist((A,), 3.0))
    assert fault(lambda: playlists.rename("c", "b", 4.0)) == (56, "Playlist already exists")
    assert fault(lambda: playlists.rename("c", "x/y", 4.0))[0] == 2
    assert fault(lambda: playlists.rename("a", "d", 4.0)) == (50, "No such playlist")
    assert playlists.names == ["b", "c"]


def test_what_is_not_here_is_refused():
    playlists = Playlists()
    assert fault(lambda: playlists.get("a")) == (50, "No such playlist")
    assert fault(lambda: playlists.remove("a")) == (50, "No such playlist")
    check_new(playlists, "a")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\nb", "a\0", "x" * 201, "é" * 101, "\udcff"])
def test_a_name_that_no_file_can_have_is_refused(name):
    code, message = fault(lambda: Playlists().put(name, [A], 1.0))
    assert (code, message.startswith("playlist name is invalid")) == (2, True)


def test_the_longest_name():
    playlists = Playlists()
    playlists.put("é" * 100, [A], 1.0)
    assert playlists.names == ["é" * 100]


def test_lists_are_bounded():
    playlists = kept(**{f"l{number}": [A] for number in range(MAX_PLAYLISTS)})
    assert fault(lambda: playlists.put("more", [], 1.0))[0] == 51
    playlists.put("l0", [A, B], 1.0)


def test_tracks_are_bounded_over_all_lists():
    playlists = kept(a=[A] * (MAX_TRACKS - 1), b=[B])
    code, message = fault(lambda: playlists.put("b", [A, B], 1.0))
    assert (code, "remove some first" in message) == (51, True)
    playlists.put("a", [A], 1.0)
    playlists.put("b", [A, B], 1.0)
    assert playlists.get("b").entries == (A, B)


def test_some_are_left_out():
    assert without((A, B, C), range(1, 2)) == [A, C]
    assert without((A, B, C), range(1, 3)) == [A]
    assert without((A, B, C), range(2, 2)) == [A, B, C]
