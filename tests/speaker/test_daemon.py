"""A speaker as a whole: found, queued, played, and told of."""

from __future__ import annotations

from lightpeer.client.client import open_client
from lightpeer.speaker.daemon import open_speaker
from lightpeer.speaker.places import Places
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import settings
from tests.playback.music import Recorder, pcm_of
from tests.speaker.stage import ARCADE, RAIN, Stage, perform

R, A = RAIN.track, ARCADE.track


def test_what_is_searched_is_played_to_its_end(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        found = await line.ask('search any "copper rain"')
        assert found[0] == f"file: {R.uri}"
        assert f"Title: {R.title}" in found
        assert await line.ask(f"add {R.uri}") == await line.ask("play") == []
        assert (await line.fields("status"))["state"] == "play"
        await line.until(state="stop")
        (sink,) = on.sinks
        assert sink.pcm == pcm_of(RAIN)

    perform(tmp_path, act)


def test_a_folder_of_a_search_is_added_by_one_line(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", 'add "Search/copper"', "play", "command_list_end")
        assert (await line.fields("currentsong"))["Title"] == R.title
        assert await line.ask("lsinfo Search") == ["directory: Search/copper"]

    perform(tmp_path, act)


def test_a_track_is_named_once_it_is_opened(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask(f"addid {A.uri}")
        assert "Title" not in await line.fields("playlistinfo")
        await line.ask("play")
        while "Title" not in (song := await line.fields("currentsong")):
            await line.ask("idle playlist player")
        assert (song["Title"], song["Artist"]) == (A.title, A.artist)

    perform(tmp_path, act)


def test_all_clients_learn_what_one_changes(tmp_path):
    async def act(on: Stage) -> None:
        one, other = await on.connect(), await on.connect("10.0.9.3")
        for command, subsystem in (
            (f"add {R.uri}", "playlist"),
            ("setvol 30", "mixer"),
            ("repeat 1", "options"),
            ("disableoutput 0", "output"),
            ("save mine", "stored_playlist"),
        ):
            await other.stream.send_all(f"idle {subsystem}\n".encode())
            await one.ask(command)
            assert [await other.line(), await other.line()] == [f"changed: {subsystem}", "OK"]

    perform(tmp_path, act)


def test_programs_of_this_machine_have_a_socket(tmp_path):
    path = tmp_path / "mpd"

    async def main(net: SimInternet) -> None:
        home = net.host("10.0.9.1")
        places = Places(("", 6600), path)
        async with (
            open_client(settings(tmp_path), home) as client,
            open_speaker(client, Recorder, home, places) as daemon,
        ):
            assert daemon.address[1] == 6600
            assert path.is_socket()
        assert not path.exists()

    simulate(main)
