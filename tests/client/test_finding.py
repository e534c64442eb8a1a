"""Searches with fields, and with a wrong letter, on a simulated network."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import Client, open_client
from lightpeer.client.forgiving import find_forgiving
from lightpeer.core.content.album import AlbumPlace
from lightpeer.errors import NothingFoundError
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import Serving, made_track, serving, settings

TRACKS = [
    made_track(3, title="Return to Wesnoth", artist="The Band", album="Battles", seed=1),
    made_track(3, title="Battles", artist="Return", album="Others", seed=2),
    made_track(3, title="Third", artist="Guest", place=AlbumPlace(album_artist="The Band"), seed=3),
    *(made_track(3, title=f"Filler {n} Rain", artist="Rain Man", seed=10 + n) for n in range(12)),
]


def with_client(folder: Path, act: object) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), TRACKS) as server,
            open_client(settings(folder, server), net.host("10.0.9.1")) as client,
        ):
            await act(client, server)

    simulate(main)


async def titles(client: Client, query: str, limit: int = 50) -> set[str]:
    return {hit.title for hit in (await client.find(query, limit)).hits}


def test_fields_narrow_what_words_find(tmp_path):
    async def act(client: Client, _server: Serving) -> None:
        assert await titles(client, "battles") == {"Return to Wesnoth", "Battles"}
        assert await titles(client, "title:battles") == {"Battles"}
        assert await titles(client, "album:battles return") == {"Return to Wesnoth"}
        assert await titles(client, 'artist:"the band"') == {"Return to Wesnoth", "Third"}
        assert await titles(client, "artist:return album:battles") == set()

    with_client(tmp_path, act)


def test_a_limit_is_of_what_is_left_and_the_rest_is_counted(tmp_path):
    async def act(client: Client, _server: Serving) -> None:
        found = await client.find("rain", 10)
        assert (len(found.hits), found.matches) == (10, 12)
        found = await client.find('artist:"rain man"', 5)
        assert (len(found.hits), found.matches) == (5, 12)

    with_client(tmp_path, act)


def test_a_track_is_opened_by_fields(tmp_path):
    async def act(client: Client, _server: Serving) -> None:
        _, opened = await client.open_query("artist:return battles")
        assert opened.track.title == "Battles"
        with pytest.raises(NothingFoundError, match="artist:nobody"):
            await client.open_query("artist:nobody battles")

    with_client(tmp_path, act)


@pytest.mark.parametrize(
    ("query", "meant", "title", "searches"),
    [
        ("retrun to wesnoth", "return to wesnoth", "Return to Wesnoth", 2),
        ("rteurn to wesnoth", "return to wesnoth", "Return to Wesnoth", 4),
        ("return to ewsnoth", "return to wesnoth", "Return to Wesnoth", 3),
        ("wesnoht", "wesnoth", "Return to Wesnoth", 2),
        ("wesnoth", None, "Return to Wesnoth", 1),
    ],
)
def test_one_wrong_letter_is_forgiven(tmp_path, query, meant, title, searches):
    async def act(client: Client, server: Serving) -> None:
        before = server.shelf.searches
        forgiven = await find_forgiving(client, query, 10)
        assert ([hit.title for hit in forgiven.found.hits], forgiven.meant) == ([title], meant)
        assert server.shelf.searches - before == searches

    with_client(tmp_path, act)


@pytest.mark.parametrize("query", ["nothing like it", "artist:wesnoht", "loud:zzz"])
def test_what_is_not_there_stays_not_found(tmp_path, query):
    async def act(client: Client, _server: Serving) -> None:
        forgiven = await find_forgiving(client, query, 10)
        assert (forgiven.found.hits, forgiven.meant) == ([], None)
        assert trio.current_time() < 60

    with_client(tmp_path, act)
