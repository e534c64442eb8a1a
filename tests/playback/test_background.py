"""The player in the background: its events wait for a reader, and what fails is raised once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.core.queue.entries import Entry
from lightpeer.core.queue.modes import Modes
from lightpeer.errors import NothingFoundError, StateMisuseError, UsageError
from lightpeer.playback.background import MAX_EVENTS, BackgroundPlayer, PlayerEvents, open_player
from lightpeer.playback.events import (
    Ended,
    ModesChanged,
    NotPlayed,
    Opening,
    Paused,
    Playing,
    QueueChanged,
    Seeked,
    Unpaused,
)
from lightpeer.testing.network import SimInternet, simulate
from tests.playback.music import Recorder, Stage, demo_track, pcm_of, stage

RAIN, ARCADE = demo_track("copper-rain", 8), demo_track("pocket-arcade", 8)
Act = Callable[[Stage, BackgroundPlayer], Awaitable[None]]


def with_player(folder: Path, act: Act, sink: Recorder | None = None) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, folder, [RAIN, ARCADE]) as now:
            async with open_player(now.client, lambda: sink or now.sink, now.client.settings) as player:
                await act(now, player)
            assert now.phone.udp == {}, "it stops with the block"

    simulate(main)


def test_play_returns_at_once_and_the_events_end_with_the_queue(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri, ARCADE.track.uri])
        assert trio.current_time() == 0
        assert player.status.state == "opening"
        events = [event async for event in player.events]
        kinds = [type(event) for event in events if not isinstance(event, Opening)]
        assert kinds == [Playing, Ended, Playing, Ended]
        assert events[-1] == Ended(ARCADE.track.uri, pytest.approx(8, abs=0.01))
        assert player.status.state == "stopped"
        assert now.sink.pcm == pcm_of(RAIN) + pcm_of(ARCADE)

    with_player(tmp_path, act)


def test_who_looks_later_hears_of_all_of_it(tmp_path):
    async def act(_now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri])
        await player.wait_ended()
        assert [type(event) async for event in player.events] == [Opening, Playing, Ended]

    with_player(tmp_path, act)


def test_one_queue_after_the_other(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri])
        await player.wait_ended()
        now.sink.log.clear()
        await player.play([ARCADE.track.uri])
        told = [event async for event in player.events]
        assert told[0] == Opening(ARCADE.track.uri), "what nobody read is forgotten"
        with trio.move_on_after(5) as scope:
            await anext(player.events)
        assert scope.cancelled_caught, "it waits for the next queue"

    with_player(tmp_path, act)


def test_commands(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri, ARCADE.track.uri])
        told: list[object] = []

        async def read() -> None:
            told.extend([event async for event in player.events])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await now.when(lambda: player.status.position_s >= 1)
            player.toggle_pause()
            await trio.sleep(5)
            assert player.status.state == "paused"
            player.toggle_pause()
            player.seek_by(3)
            player.change_volume(-3)
            await now.when(lambda: player.status.position_s >= 5)
            assert player.status.volume_db == -3
            player.next()
            await now.when(lambda: player.status.uri == ARCADE.track.uri and player.status.position_s >= 1)
            player.previous()
            await now.when(lambda: player.status.uri == RAIN.track.uri and player.status.position_s >= 1)
            player.stop()
        assert {Paused(), Unpaused()} < set(told)
        assert any(isinstance(event, Seeked) for event in told)

    with_player(tmp_path, act)


def test_a_failure_is_raised_where_events_are_read(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play(["no such words"])
        told = []
        with pytest.raises(NothingFoundError):
            told += [event async for event in player.events]
        await player.wait_ended()
        now.sink.log.clear()
        await player.play(["nor these", RAIN.track.uri])
        assert [type(event) async for event in player.events] == [Opening, NotPlayed, Opening, Playing, Ended]

    with_player(tmp_path, act)


def test_or_where_the_end_is_waited_for(tmp_path):
    async def act(_now: Stage, player: BackgroundPlayer) -> None:
        await player.play(["no such words"])
        with pytest.raises(NothingFoundError):
            await player.wait_ended()
        assert [type(event) async for event in player.events] == [Opening]

    with_player(tmp_path, act)


def test_or_where_the_block_is_left(tmp_path):
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, [RAIN]) as now:
            with pytest.raises(NothingFoundError):  # noqa: PT012 - it is raised where the block is left
                async with open_player(now.client, lambda: now.sink, now.client.settings) as player:
                    await player.play(["no such words"])
                    await trio.sleep(10)

    simulate(main)


def test_what_is_wrong_is_raised_by_play(tmp_path):
    async def act(_now: Stage, player: BackgroundPlayer) -> None:
        with pytest.raises(UsageError):
            await player.play(["loud:nonsense"])
        with pytest.raises(UsageError, match="a track has at most"):
            await player.play(["x"], start_s=-1)
        await player.play([RAIN.track.uri])
        with pytest.raises(StateMisuseError, match="stop it first"):
            await player.play([RAIN.track.uri])

    with_player(tmp_path, act)


def test_leaving_the_block_stops_the_music(tmp_path):
    sink = Recorder()

    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri])
        await now.when(lambda: player.status.position_s >= 2)

    with_player(tmp_path, act, sink)
    assert sink.log[-1] == "close"
    assert 2 <= sink.written_s < 4


def test_what_waits_for_a_reader_is_bounded():
    async def main(_net: SimInternet) -> None:
        events = PlayerEvents()
        for n in range(MAX_EVENTS + 3):
            events.tell(Seeked(float(n)))
        events.end(None)
        got = [event async for event in events]
        assert got == [Seeked(float(n)) for n in range(3, MAX_EVENTS + 3)]

    simulate(main)


def test_a_queue_is_changed_while_it_plays(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri])
        version = player.version
        (added,) = player.add([ARCADE.track.uri])
        assert player.entries == [Entry(added - 1, RAIN.track.uri), Entry(added, ARCADE.track.uri)]
        assert player.changes(version) == [(1, player.entries[1])]
        player.modes = Modes(repeat=True)
        assert player.modes == Modes(repeat=True)
        with pytest.raises(UsageError):
            player.add(["loud:nonsense"])
        player.move([added], 0)
        player.shuffle([added])
        await now.when(lambda: player.status.position_s >= 1)
        player.go(added, 5.0)
        await now.when(lambda: player.status.uri == ARCADE.track.uri and player.status.position_s >= 5)
        player.seek(2.0)
        assert player.status.position_s == 2.0
        player.delete([added - 1])
        assert player.status.number == player.status.count == 1
        player.clear()
        await player.wait_ended()
        told = [type(event) async for event in player.events]
        assert {QueueChanged, ModesChanged} < set(told)

    with_player(tmp_path, act)


def test_a_stop_keeps_the_place_and_start_goes_on(tmp_path):
    async def act(now: Stage, player: BackgroundPlayer) -> None:
        await player.play([RAIN.track.uri])
        await now.when(lambda: player.status.position_s >= 2)
        player.stop()
        await player.wait_ended()
        assert player.status.state == "stopped"
        at_s = player.status.position_s
        assert at_s == pytest.approx(2, abs=0.1)
        now.sink.log.clear()
        player.start()
        await now.when(lambda: player.status.state == "playing")
        assert player.status.position_s == pytest.approx(at_s, abs=0.1)
        player.toggle_pause()
        player.start()
        assert player.status.state == "playing", "it went on"
        player.start()
        await player.wait_ended()
        now.sink.log.clear()
        player.start()
        player.stop()
        await player.wait_ended()
        assert player.status.state == "stopped", "before it had begun"
        player.go(player.entries[0].id, 7.0)
        await player.wait_ended()
        assert [event async for event in player.events][-1] == Ended(
            RAIN.track.uri, pytest.approx(8, abs=0.01)
        )

    with_player(tmp_path, act)
