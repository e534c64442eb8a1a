"""Hits as a command has them: how many are asked for, what is said, and what programs read of each."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
import trio

from lightpeer.cli.hits import all_tracks, entry_of, found_of, hits_of, show
from lightpeer.client.models import Found, Hit
from lightpeer.console.output import Output
from lightpeer.core.content.playlist import Entry
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import NothingFoundError


def hit(number: int, **more: object) -> Hit:
    track_id = bytes([number]) * 32
    facts = {"title": "Copper Rain", "artist": "Somebody", "album": "", "duration_s": 61.5} | more
    return Hit(track_id, format_uri(track_id), bitrates_kbps=[24, 96], holders=["La", "Lb"], **facts)


class Client:
    """Finds some hits for any query but `silence`, and notes what it is asked."""

    settings = SimpleNamespace(first_contact_wait_s=15.0)

    def __init__(self, *hits: Hit) -> None:
        self.hits = list(hits)
        self.asked: list[tuple[str, int]] = []

    async def find(self, query: str, limit: int) -> Found:
        self.asked.append((query, limit))
        found = [] if query.startswith("si") else self.hits[:limit]
        return Found(found, len(found))


class Told:
    """An output, and the events that programs read of it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.output = Output(json=True, stream=self.stream)

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_a_query_is_asked_for_all_that_there_may_be_or_for_so_many():
    client = Client(hit(1), hit(2))
    assert trio.run(hits_of, client, "rain", Output()) == [hit(1), hit(2)]
    assert trio.run(found_of, client, "rain", 1, Output()) == Found([hit(1)], 1)
    assert client.asked == [("rain", MAX_HITS), ("rain", 1)]


@pytest.mark.parametrize(
    ("query", "is_in_order"),
    [("rain", False), ("title:rain", False), ("album:rain", True), ("artist:x rain", True)],
)
def test_what_is_asked_for_by_album_or_artist_is_in_the_order_of_albums(query, is_in_order):
    second, first = hit(1, album="A", track_number=2), hit(2, album="A", track_number=1)
    found = trio.run(hits_of, Client(second, first), query, Output())
    assert found == ([first, second] if is_in_order else [second, first])


def test_how_many_a_query_brings_is_told_and_ids_cost_no_search():
    told, client, uri = Told(), Client(hit(1), hit(2)), format_uri(bytes(32))
    uris = trio.run(all_tracks, client, [uri, "rain"], told.output)
    assert uris == [uri, hit(1).uri, hit(2).uri]
    assert told.events() == [{"event": "found", "query": "rain", "tracks": 2}]
    assert client.asked == [("rain", MAX_HITS)]
    assert trio.run(all_tracks, client, [], told.output) == []


def test_one_query_that_finds_nothing_ends_it_with_a_sentence():
    with pytest.raises(NothingFoundError, match=r"^nothing found for 'silence': try fewer or other words$"):
        trio.run(all_tracks, Client(hit(1)), ["rain", "silence"], Output(quiet=True))


def test_programs_read_all_that_is_known_of_a_hit_and_null_for_what_is_not():
    told = Told()
    full = hit(2, album="Disc", track_number=3, disc_number=1, disc_tracks=9, album_artist="All", year=1999)
    show([hit(1), full], told.output)
    plain, known = told.events()
    assert plain == {
        "event": "hit",
        "uri": hit(1).uri,
        "title": "Copper Rain",
        "artist": "Somebody",
        "album": "",
        "duration_s": 61.5,
        "bitrates_kbps": [24, 96],
        "holders": ["La", "Lb"],
        "track_number": None,
        "disc_number": None,
        "disc_tracks": None,
        "album_artist": "",
        "year": None,
    }
    assert [known[key] for key in ("track_number", "disc_number", "disc_tracks", "year")] == [3, 1, 9, 1999]
    assert (known["album"], known["album_artist"]) == ("Disc", "All")


def test_people_read_a_numbered_line_for_each():
    stream = io.StringIO()
    show([hit(1), hit(2, title="Other")], Output(stream=stream))
    first, second = stream.getvalue().splitlines()
    assert first.startswith("1  Copper Rain")
    assert first.endswith(hit(1).uri)
    assert second.startswith("2  Other")


def test_a_playlist_has_whole_seconds():
    assert entry_of(hit(1)) == Entry(hit(1).uri, "Somebody - Copper Rain", 62)
    assert entry_of(hit(1, artist="")).label == "Copper Rain"
