"""When a search is tried with other words, which of the tracks count then, and how many there are."""

from __future__ import annotations

import pytest
import trio

from lightpeer.client.forgiving import Forgiven, find_prepared
from lightpeer.client.models import Found, Hit
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.bounds import MAX_HITS


def hit(title: str, artist: str = "Somebody", album: str = "", album_artist: str = "") -> Hit:
    track_id = title.encode().ljust(32)
    uri = format_uri(track_id)
    return Hit(track_id, uri, title, artist, album, 60.0, [24], [], album_artist=album_artist)


class Client:
    """Finds some hits for some queries, and notes what it is asked, and how many are wanted."""

    def __init__(self, **hits: list[Hit]) -> None:
        self.hits = {query.replace("_", " "): found for query, found in hits.items()}
        self.asked: list[tuple[str, int]] = []

    async def find(self, query: str, limit: int) -> Found:
        self.asked.append((query, limit))
        found = self.hits.get(query, [])
        return Found(found[:limit], len(found))

    def forgiving(self, query: str, limit: int = 5) -> Forgiven:
        return trio.run(find_prepared, self, query, limit, 0.0, pytest.fail)


def test_what_is_found_is_not_forgiven():
    client = Client(coppar=[hit("Coppar"), hit("Coppar Rain")])
    assert client.forgiving("coppar", 1) == Forgiven(Found([hit("Coppar")], 2))
    assert client.asked == [("coppar", 1)]


@pytest.mark.parametrize("query", ["artist:coppar", 'album:"coppar" rain', format_uri(bytes(32))])
def test_fields_and_ids_say_exactly_what_is_wanted(query):
    client = Client(cop=[hit("Copper")])
    assert client.forgiving(query) == Forgiven(Found([], 0))
    assert client.asked == [(query, 5)]


def test_where_nothing_is_found_other_words_are_tried_and_all_that_they_find_is_looked_through():
    client = Client(cop=[hit("Copy"), hit("Cope"), hit("Copper Rain")])
    assert client.forgiving("coppar", 1) == Forgiven(Found([hit("Copper Rain")], 1), "copper")
    assert client.asked == [("coppar", 1), ("cop", MAX_HITS)]


@pytest.mark.parametrize(
    "found",
    [hit("Rain", "Copper"), hit("Rain", album="Copper"), hit("Rain", album_artist="Copper"), hit("Copper")],
)
def test_the_word_may_be_of_any_part_of_a_track(found):
    assert Client(cop=[found]).forgiving("coppar").meant == "copper"


def test_the_next_words_are_tried_where_the_first_find_only_others():
    client = Client(cop_ri=[hit("Cop Ride")], copper=[hit("Copper Rain")])
    assert client.forgiving("copper riin") == Forgiven(Found([hit("Copper Rain")], 1), "copper rain")
    assert [query for query, _ in client.asked] == ["copper riin", "cop ri", "riin", "copper"]


def test_of_two_words_that_may_be_meant_the_first_is_and_only_its_tracks_count():
    tracks = [hit("Copper One"), hit("Coppor One"), hit("Copper Two"), hit("Copper Three")]
    forgiven = Client(cop=tracks).forgiving("coppar", 2)
    assert forgiven.meant == "copper"
    assert [found.title for found in forgiven.found.hits] == ["Copper One", "Copper Two"]
    assert forgiven.found.matches == 3, "those that count, however many are wanted"


def test_where_nothing_is_near_nothing_is_found():
    client = Client(cop=[hit("Copy")], si=[hit("Sister")])
    assert client.forgiving("silence") == Forgiven(Found([], 0))
    assert [query for query, _ in client.asked] == ["silence", "sil", "si"]


def test_short_words_have_no_mistakes():
    client = Client()
    client.forgiving("rai")
    assert client.asked == [("rai", 5)]
