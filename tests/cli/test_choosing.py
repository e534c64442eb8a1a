"""From arguments to what a command works on, before the network is used; and from queries to hits."""

from __future__ import annotations

import io
import json
from functools import partial
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.cli.choosing import Chosen, chosen
from lightpeer.cli.hits import all_tracks, found_of, hits_of
from lightpeer.client.models import Found, Hit
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.core.content.playlist import Entry
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import NothingFoundError, UsageError
from lightpeer.state.lists import FAVOURITES, SHOWN, KeptList

URIS = [format_uri(bytes([n]) * 32) for n in range(4)]
NOTHING = {"items": [], "album": None, "artist": None, "all": False, "pick": False, "favourites": False}


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path)


@pytest.fixture
def choose(settings):
    def choose(*items, **more):
        arguments = SimpleNamespace(**(NOTHING | {"items": list(items)} | more))
        return chosen(arguments, settings, Output(stream=io.StringIO()))

    return choose


def test_words_ids_and_numbers(choose, settings):
    KeptList(settings.state_dir, SHOWN).save(map(Entry, URIS))
    assert choose("copper", "rain") == Chosen(["copper rain"], takes_all=False)
    with pytest.raises(UsageError, match="3-2 names no track: give the smaller number first"):
        choose("3-2")
    assert choose("2-3", URIS[0], "rain") == Chosen([*URIS[1:3], URIS[0], "rain"], takes_all=False)


def test_an_album_or_an_artist_narrows_the_words_and_wants_all(choose):
    assert choose(album="Die Flut") == Chosen(['album:"Die Flut"'], takes_all=True)
    assert choose("rain", album="A", artist="B") == Chosen(['album:"A" artist:"B" rain'], takes_all=True)
    assert choose(URIS[0], artist="B") == Chosen([URIS[0], 'artist:"B"'], takes_all=True)
    assert choose("rain", all=True) == Chosen(["rain"], takes_all=True)


def test_favourites_come_last(choose, settings):
    with pytest.raises(UsageError, match="there are no favourites yet"):
        choose(favourites=True)
    KeptList(settings.state_dir, FAVOURITES).save(map(Entry, URIS[:2]))
    assert choose("rain", favourites=True).items == ["rain", *URIS[:2]]


def test_a_playlist_that_is_none(choose, tmp_path, capsys):
    path = tmp_path / "x.m3u8"
    with pytest.raises(UsageError, match=r"cannot read the playlist .*No such file"):
        choose(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is a playlist that is not UTF-8"):
        choose(str(path))
    path.write_text("/music/a.mp3\n")
    with pytest.raises(UsageError, match="has no loud: ids"):
        choose(str(path))
    path.write_text(f"/music/a.mp3\n{URIS[0]}\n")
    assert choose(str(path)).items == URIS[:1]
    assert capsys.readouterr().err.endswith("x.m3u8: 1 entries that are no loud: ids are left out\n")


def hit(number, title="Copper Rain", album="", track=0):
    return Hit(bytes([number]) * 32, URIS[number], title, "Somebody", album, 60.0, [24], [], track)


class FakeClient:
    """Finds some hits for some queries; notes what it is asked."""

    def __init__(self, *, preparing=0, wait_s=0.0, **hits):
        self.hits = hits
        self.preparing = preparing
        self.settings = SimpleNamespace(first_contact_wait_s=wait_s)
        self.asked = []

    async def find(self, query, _limit):
        self.asked.append(query)
        found = self.hits.get(query.replace(" ", "_"), [])
        return Found(found, len(found), self.preparing)


def test_all_hits_stand_in_the_place_of_their_query():
    client = FakeClient(rain=[hit(1), hit(2)])
    assert trio.run(all_tracks, client, [URIS[0], "rain", URIS[3]], Output(quiet=True)) == URIS


def test_an_album_is_in_its_order_and_other_hits_as_they_were_found():
    both = [hit(1, album="A", track=2), hit(2, album="A", track=1)]
    client = FakeClient(**{'album:"A"': both}, rain=both)
    assert trio.run(hits_of, client, 'album:"A"', Output()) == both[::-1]
    assert trio.run(hits_of, client, "rain", Output()) == both


def test_what_was_meant_is_said(capsys):
    client = FakeClient(cop=[hit(1)])
    found = trio.run(found_of, client, "coppar", 1, Output())
    assert found.hits == [hit(1)]
    assert client.asked == ["coppar", "cop"]
    assert capsys.readouterr().err == "lightpeer: nothing found for 'coppar': this is 'copper'\n"
    with pytest.raises(NothingFoundError, match="nothing found for 'silence': try fewer or other words"):
        trio.run(found_of, client, "silence", 1, Output())
    assert client.asked[2:] == ["silence", "sil", "si"]


@pytest.mark.parametrize(
    ("preparing", "hits", "said"),
    [
        (1, [hit(1)], "1 more is being prepared there: search again in a moment"),
        (3, [hit(1)], "3 more are being prepared there: search again in a moment"),
        (2, [], "2 are being prepared there: search again in a moment"),
        (0, [hit(1)], None),
    ],
)
def test_what_is_being_prepared_is_said_on_stderr_and_as_an_event(preparing, hits, said, capsys):
    for is_json in (False, True):
        printed = io.StringIO()
        client = FakeClient(preparing=preparing, wait_s=60.0, rain=hits)
        search = partial(found_of, client, "rain", 9, Output(json=is_json, stream=printed), waits=False)
        if hits:
            assert trio.run(search).hits == hits
        else:
            with pytest.raises(NothingFoundError, match="nothing found for 'rain' yet: search again in a"):
                trio.run(search)
        assert client.asked == (["rain"] if hits else ["rain", "ra"]), "there is no wait"
        told = [json.loads(line) for line in printed.getvalue().splitlines()]
        assert told == ([{"event": "preparing", "tracks": preparing}] if is_json and said else [])
        assert capsys.readouterr().err == ("" if is_json or not said else f"lightpeer: {said}\n")


def test_what_is_being_prepared_is_waited_for_where_there_is_nothing_else(capsys):
    async def search():
        client = FakeClient(preparing=2, wait_s=15.0)
        with pytest.raises(NothingFoundError, match="nothing found for 'rain' yet: search again"):
            await found_of(client, "rain", 9, Output())
        assert client.asked == ["rain"] * 6 + ["ra"], "and then what may have been meant"
        client.hits["rain"] = [hit(1)]
        assert (await found_of(client, "rain", 9, Output())).hits == [hit(1)]

    trio.run(search, clock=trio.testing.MockClock(autojump_threshold=0))
    assert capsys.readouterr().err.splitlines() == [
        "lightpeer: 2 are being prepared there: waiting",
        "lightpeer: 2 more are being prepared there: search again in a moment",
    ]
