"""The player under commands, in whatever order they come."""

from __future__ import annotations

import pytest
import trio

from lightpeer.playback.sound import MIN_VOLUME_DB
from tests.speaker.stage import ARCADE, RAIN, Stage, perform

R, A = RAIN.track, ARCADE.track
QUEUE = [f"add {R.uri}", f"add {A.uri}"]


def test_commands_in_one_list_add_up(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", *QUEUE, "play 1", "pause 1", "command_list_end")
        status = await line.fields("status")
        assert (status["state"], status["song"]) == ("pause", "1")
        await trio.sleep(30.0)
        status = await line.fields("status")
        assert (status["state"], status["elapsed"]) == ("pause", "0.000")
        await line.ask("pause 0")
        await line.until(state="stop")

    perform(tmp_path, act)


def test_another_track_ends_a_pause(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", *QUEUE, "play", "command_list_end")
        await trio.sleep(4.0)
        await line.ask("pause 1")
        await trio.sleep(20.0)
        assert (await line.fields("status"))["state"] == "pause"
        await line.ask("next")
        status = await line.fields("status")
        assert (status["state"], status["song"]) == ("play", "1")
        await line.until(state="stop")

    perform(tmp_path, act)


def test_a_stop_keeps_the_place_and_play_at_once_goes_on(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", *QUEUE, "play", "command_list_end")
        await trio.sleep(4.0)
        before = float((await line.fields("status"))["elapsed"])
        assert before > 2
        await line.ask("command_list_begin", "stop", "play", "command_list_end")
        status = await line.fields("status")
        assert (status["state"], status["song"]) == ("play", "0")
        assert float(status["elapsed"]) == pytest.approx(before, abs=0.2)
        await trio.sleep(1.0)
        assert (await line.fields("status"))["state"] == "play"
        await line.ask("stop")
        assert (await line.fields("status"))["state"] == "stop"
        await trio.sleep(1.0)
        assert (await line.fields("status"))["state"] == "stop"

    perform(tmp_path, act)


def test_play_and_stop_in_one_list_are_nothing(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", *QUEUE, "play", "stop", "command_list_end")
        await trio.sleep(5.0)
        assert (await line.fields("status"))["state"] == "stop"
        assert on.server.shelf.opens == 0

    perform(tmp_path, act)


def test_going_through_the_queue(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        await line.ask("command_list_begin", *QUEUE, "play", "command_list_end")
        await line.ask("next")
        assert (await line.fields("status"))["song"] == "1"
        await line.ask("previous")
        assert (await line.fields("status"))["song"] == "0"
        await line.ask("seekcur 5")
        assert (await line.fields("status"))["elapsed"] == "5.000"
        await line.until(song="1")
        await line.ask("next")
        await line.until(state="stop")

    perform(tmp_path, act)


def test_the_volume_is_what_was_asked_for(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        assert (await line.fields("status"))["volume"] == "100"
        for percent in ("0", "1", "37", "100"):
            await line.ask(f"setvol {percent}")
            assert (await line.fields("getvol"))["volume"] == percent
        await line.ask("setvol 0")
        player = on.speaker.controls._player
        assert player.status.volume_db == MIN_VOLUME_DB
        await line.ask("setvol 50")
        assert player.status.volume_db == pytest.approx(-18.5, abs=0.05)

    perform(tmp_path, act)


def test_a_volume_of_the_settings_is_shown(tmp_path):
    async def act(on: Stage) -> None:
        assert (await (await on.connect()).fields("status"))["volume"] == "50"

    perform(tmp_path, act, volume_db=-18.5)


def test_tracks_are_made_equally_loud_or_not(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        for mode, shown in (("track", "track"), ("off", "off"), ("auto", "track")):
            await line.ask(f"replay_gain_mode {mode}")
            assert await line.fields("replay_gain_status") == {"replay_gain_mode": shown}
            assert on.speaker.controls._player.normalizes == (shown == "track")

    perform(tmp_path, act)


def test_what_cannot_be_played_is_told_until_somebody_has_seen_it(tmp_path):
    async def act(on: Stage) -> None:
        line = await on.connect()
        on.speaker.queue.add(["no such track"])
        await line.ask("play")
        status = await line.until(state="stop")
        assert "nothing found" in status["error"]
        await line.ask("clearerror")
        assert "error" not in await line.fields("status")
        await line.ask("command_list_begin", "play 0", *QUEUE, "command_list_end")
        status = await line.until(state="play", song="1")
        assert "nothing found" in status["error"]
        await line.ask("play 2")
        assert "error" not in await line.fields("status")

    perform(tmp_path, act)
