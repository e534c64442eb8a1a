"""What a player waits for, as it is told and shown, and when it gives up."""

from __future__ import annotations

from collections import deque

import pytest
import trio
import trio.testing

from lightpeer.errors import (
    AudioError,
    NoPeerError,
)
from lightpeer.playback.events import Rebuffering, Resumed
from tests.playback.steps import PIECE_S, FakeDeck, FakeSession, Stage


def test_a_later_silence_is_given_up_where_that_was_asked_for(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NoPeerError("no network")] * 99)
        with pytest.raises(NoPeerError, match=r"^no sound for 60 s, given up: no network$"):
            await on.player.play(["one", "two"])
        assert trio.current_time() == 1.5 + 60.0
        assert on.kinds() == ["opening", "playing", "ended", "waiting"]

    run(main, give_up_s=60.0)


def test_a_pause_costs_no_patience(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NoPeerError("no network")] * 999)

        async def pause() -> None:
            await trio.sleep(30.0)
            on.player.toggle_pause()
            await trio.sleep(1000.0)
            on.player.toggle_pause()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pause)
            with pytest.raises(NoPeerError):
                await on.player.play(["one", "two"])
        assert trio.current_time() == 1030.0 + 60.0

    run(main, give_up_s=60.0)


def test_what_does_not_come_is_told_of_and_shown(run):
    async def main(on: Stage) -> None:
        def fall_silent() -> None:
            (session,) = FakeSession.made
            session.silent_since = trio.current_time() - 4.0
            session.callbacks.on_silence()
            assert (on.player.status.awaited, on.player.status.awaited_s) == ("network", 4.0)
            session.callbacks.on_silence()
            session.callbacks.on_event(Rebuffering())

        def come_again() -> None:
            (session,) = FakeSession.made
            session.silent_since = None
            session.callbacks.on_silence()
            session.callbacks.on_event(Resumed(2.0))
            assert on.player.status.awaited == "network", "until it is heard"

        FakeDeck.script["one"] = [10, fall_silent, come_again, 2]
        await on.player.play(["one"])
        assert on.kinds() == ["opening", "playing", "waiting", "rebuffering", "resumed", "ended"]
        assert on.told("waiting") == [{"since_s": 4.0, "reason": "nothing comes from the network"}]
        assert on.told("resumed") == [{"after_s": 4.0}]

    run(main, {})


def test_into_a_file_nothing_is_left_once_the_network_is_silent(run):
    async def main(on: Stage) -> None:
        on.sink.realtime = False

        def fall_silent() -> None:
            (session,) = FakeSession.made
            session.silent_since = trio.current_time()
            session.callbacks.on_silence()
            assert on.player._engine.weather._waits.silent_since == trio.current_time()

        FakeDeck.script["one"] = [1, fall_silent, 1]
        await on.player.play(["one"])

    run(main, {})


def test_a_sound_device_that_goes_is_waited_for(run):
    async def main(on: Stage) -> None:
        on.sink.may_return = True
        on.sink.failures = deque([AudioError("unplugged")])
        on.sink.open_failures = deque([None, AudioError("none there"), AudioError("none there"), None])
        await on.player.play(["one"])
        assert on.told("waiting") == [
            {"since_s": 0.0, "reason": "unplugged", "next_try_s": 1.0},
            {"since_s": 1.0, "reason": "none there", "next_try_s": 2.0},
        ]
        assert on.told("resumed") == [{"after_s": 7.0 + PIECE_S}]
        assert on.kinds()[-1] == "ended"
        assert on.sink.pieces == 3, "none is left out"

    run(main)


def test_a_sound_device_that_stays_away_is_given_up(run):
    async def main(on: Stage) -> None:
        on.sink.may_return = True
        on.sink.failures = deque([AudioError("unplugged")] * 99)
        with pytest.raises(AudioError, match=r"^no sound for 20 s, given up: unplugged$"):
            await on.player.play(["one"])

    run(main, give_up_s=20.0)
