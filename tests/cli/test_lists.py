"""Favourites and history: what is shown, added and removed, on a simulated network where one is needed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightpeer.cli import lists
from lightpeer.cli.choosing import Chosen
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.core.content.playlist import Entry, parse_playlist_untrusted
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import NothingFoundError, UsageError, leaves_of
from lightpeer.state import lists as state
from lightpeer.state.lists import FAVOURITES, HISTORY, SHOWN, Favourites, KeptList
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings

ENTRIES = [Entry(format_uri(bytes([n]) * 32), f"Song {n}", 60 + n) for n in range(4)]
TRACKS = [made_track(3, title=title, artist="Band", album="Disc", seed=n) for n, title in enumerate("AB")]
NOTHING = {
    "command": "favourite",
    "items": [],
    "album": None,
    "artist": None,
    "all": False,
    "pick": False,
    "favourites": False,
    "remove": False,
    "m3u": False,
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[dict]]:
    """Returns a function that runs the command, and returns the results that were printed."""

    def run(**given: object) -> list[dict]:
        printed = io.StringIO()
        arguments = SimpleNamespace(**(NOTHING | given))
        try:
            status = lists.run(arguments, Settings(state_dir=tmp_path), Output(json=True, stream=printed))
        except ExceptionGroup as group:
            raise next(leaves_of(group)) from group
        assert status == 0
        return [json.loads(line) for line in printed.getvalue().splitlines()]

    return run


def add(folder: Path, monkeypatch: pytest.MonkeyPatch, *items: str, takes_all: bool = False) -> list[Entry]:
    """Add to the favourites, and return them."""

    async def main(net: SimInternet) -> None:
        monkeypatch.setattr(lists, "SystemNetwork", lambda: net.host("10.0.9.1"))
        async with serving(net.host("10.0.0.1"), TRACKS) as server:
            chosen = settings(folder, server)
            favourites = Favourites(chosen.state_dir)
            assert (
                await lists._add(Chosen(list(items), takes_all), chosen, favourites, Output(quiet=True)) == 0
            )

    simulate(main)
    return KeptList(settings(folder).state_dir, FAVOURITES).load()


def test_a_list_is_shown_and_becomes_the_list_shown_last(run, tmp_path) -> None:
    KeptList(tmp_path, FAVOURITES).save(ENTRIES[:2])
    told = run()
    assert [(one["uri"], one["label"], one["duration_s"]) for one in told] == ENTRIES[:2]
    assert KeptList(tmp_path, SHOWN).load() == ENTRIES[:2]


@pytest.mark.parametrize("command", ["favourite", "history"])
def test_an_empty_list_is_nothing_found(run, tmp_path, command: str) -> None:
    with pytest.raises(NothingFoundError, match="the list is empty"):
        run(command=command)
    assert KeptList(tmp_path, SHOWN).load() == []


def test_as_a_playlist_it_can_be_read_again_and_the_numbers_stay(run, tmp_path) -> None:
    KeptList(tmp_path, SHOWN).save(ENTRIES[2:])
    KeptList(tmp_path, FAVOURITES).save(ENTRIES[:2])
    printed = io.StringIO()
    arguments = SimpleNamespace(**(NOTHING | {"m3u": True}))
    lists.run(arguments, Settings(state_dir=tmp_path), Output(stream=printed))
    assert list(parse_playlist_untrusted(printed.getvalue().encode()).entries) == ENTRIES[:2]
    assert KeptList(tmp_path, SHOWN).load() == ENTRIES[2:]


def test_the_history_is_the_latest_first_and_each_once(run, tmp_path) -> None:
    KeptList(tmp_path, HISTORY).save([ENTRIES[n] for n in (0, 1, 0, 2, 1)])
    assert [one["label"] for one in run(command="history")] == ["Song 1", "Song 2", "Song 0"]


def test_removing_takes_numbers_and_ids_and_counts(run, tmp_path) -> None:
    KeptList(tmp_path, FAVOURITES).save(ENTRIES)
    KeptList(tmp_path, SHOWN).save(ENTRIES)
    assert run(items=["2-3", ENTRIES[0].uri, format_uri(b"z" * 32)], remove=True) == [
        {"event": "removed", "tracks": 3}
    ]
    assert KeptList(tmp_path, FAVOURITES).load() == ENTRIES[3:]
    with pytest.raises(UsageError, match="no words"):
        run(items=["copper"], remove=True)
    assert KeptList(tmp_path, FAVOURITES).load() == ENTRIES[3:]


def test_what_was_shown_is_added_without_the_network_each_once(run, tmp_path) -> None:
    KeptList(tmp_path, FAVOURITES).save(ENTRIES[:1])
    KeptList(tmp_path, SHOWN).save(ENTRIES)
    assert [one["label"] for one in run(items=["1-3"])] == ["Song 0", "Song 1", "Song 2"]
    assert KeptList(tmp_path, FAVOURITES).load() == ENTRIES[:3]


def test_there_may_be_only_so_many(run, tmp_path, monkeypatch) -> None:
    KeptList(tmp_path, SHOWN).save(ENTRIES)
    monkeypatch.setattr(state, "MOST_KEPT", 2)
    with pytest.raises(UsageError, match="there may be 2 favourites"):
        run(items=["1-3"])
    assert KeptList(tmp_path, FAVOURITES).load() == []
    run(items=["1-2"])
    assert KeptList(tmp_path, FAVOURITES).load() == ENTRIES[:2]


def test_words_add_the_best_hit_and_an_album_all_of_it(tmp_path, monkeypatch) -> None:
    (first,) = add(tmp_path / "one", monkeypatch, "band A")
    assert (first.uri, first.duration_s) == (TRACKS[0].track.uri, 3)
    both = add(tmp_path / "all", monkeypatch, 'album:"Disc"', takes_all=True)
    assert {entry.uri for entry in both} == {made.track.uri for made in TRACKS}


def test_an_id_is_added_with_its_title_or_alone_where_nobody_has_it(tmp_path, monkeypatch) -> None:
    nobody_has = format_uri(b"z" * 32)
    known, unknown = add(tmp_path, monkeypatch, TRACKS[1].track.uri, nobody_has)
    assert (known.uri, known.duration_s) == (TRACKS[1].track.uri, 3)
    assert "B" in known.label
    assert unknown == Entry(nobody_has)
