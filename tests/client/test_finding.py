"""Searches with fields, and with a wrong letter, on a simulated network."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import Client, open_client
from lightpeer.client.forgiving import find_prepared
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
        forgiven = await find_prepared(client, query, 10, 0.0, pytest.fail)
        assert ([hit.title for hit in forgiven.found.hits], forgiven.meant) == ([title], meant)
        assert server.shelf.searches - before == searches

    with_client(tmp_path, act)


@pytest.mark.parametrize("query", ["nothing like it", "artist:wesnoht", "loud:zzz"])
def test_what_is_not_there_stays_not_found(tmp_path, query):
    async def act(client: Client, _server: Serving) -> None:
        forgiven = await find_prepared(client, query, 10, 0.0, pytest.fail)
        assert (forgiven.found.hits, forgiven.meant) == ([], None)
        assert trio.current_time() < 60

    with_client(tmp_path, act)


SOON = made_track(3, title="Copper Rain", seed=90)


@pytest.mark.parametrize(
    ("wait_s", "ready_s", "told", "found", "searches"),
    [
        (15.0, 4.0, [1], ["Copper Rain"], 4),  # at 0, 1, 3 and 7 seconds
        (15.0, 0.5, [1], ["Copper Rain"], 2),
        (2.0, 9.0, [1], [], 3 + 2),  # and two for what may have been meant
        (0.0, 9.0, [], [], 1 + 2),
    ],
)
def test_what_a_peer_is_making_is_waited_for(tmp_path, wait_s, ready_s, told, found, searches):
    async def act(client: Client, server: Serving) -> None:
        async def make() -> None:
            await trio.sleep(ready_s)
            server.shelf.import_waiting()

        server.shelf.waiting.append(SOON)
        heard: list[int] = []
        before, began = server.shelf.searches, trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(make)
            forgiven = await find_prepared(client, "copper", 5, wait_s, heard.append)
            nursery.cancel_scope.cancel()
        assert [hit.title for hit in forgiven.found.hits] == found
        assert (heard, server.shelf.searches - before) == (told, searches)
        assert forgiven.found.preparing == (0 if found else 1)
        assert trio.current_time() - began < wait_s + 3.0

    with_client(tmp_path, act)


def test_who_says_that_it_makes_everything_hides_no_mistake(tmp_path):
    async def act(client: Client, server: Serving) -> None:
        server.shelf.waiting.append(made_track(3, title="Wesnoht", seed=92))
        forgiven = await find_prepared(client, "wesnoht", 5, 0.0, pytest.fail)
        assert ([hit.title for hit in forgiven.found.hits], forgiven.meant) == (
            ["Return to Wesnoth"],
            "wesnoth",
        )

    with_client(tmp_path, act)


def test_what_is_there_is_not_waited_with(tmp_path):
    async def act(client: Client, server: Serving) -> None:
        server.shelf.waiting += [SOON, made_track(3, title="Rain, soon", seed=91)]
        forgiven = await find_prepared(client, "rain", 50, 60.0, pytest.fail)
        assert (len(forgiven.found.hits), forgiven.found.preparing) == (12, 2)
        assert trio.current_time() < 10.0

    with_client(tmp_path, act)


def test_what_is_made_in_vain_is_given_up(tmp_path):
    """A file that cannot be imported is prepared no more."""

    async def act(client: Client, server: Serving) -> None:
        async def skip(_count: int = 0) -> None:
            await trio.sleep(5.0)
            server.shelf.waiting.clear()

        server.shelf.waiting.append(SOON)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(skip)
            forgiven = await find_prepared(client, "copper", 5, float("inf"), lambda _count: None)
        assert (forgiven.found.hits, forgiven.found.preparing) == ([], 0)

    with_client(tmp_path, act)
