"""The commands of a player, step by step on virtual time."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from lightpeer.core.content.manifest import MAX_SEGMENTS, SAMPLE_RATE
from lightpeer.errors import (
    StateMisuseError,
    UsageError,
)
from lightpeer.playback.deck import first_segment
from lightpeer.playback.player import RESTART_AFTER_S
from lightpeer.playback.sound import MAX_VOLUME_DB, MIN_VOLUME_DB
from tests.playback.steps import PIECE_S, FakeDeck, Stage, titles


def test_sound_is_loaded_once_the_first_packet_has_left(run):
    async def main(on: Stage) -> None:
        on.client.connecting = on.player._engine.sound._connecting = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.testing.wait_all_tasks_blocked()
            assert on.made_sinks == 0
            assert FakeDeck.made
            on.client.connecting.set()
        assert on.made_sinks == 1
        assert on.sink.pieces == 3

    run(main)


def test_what_was_played_is_measured(run):
    async def main(on: Stage) -> None:
        during: list[dict[str, object]] = []
        FakeDeck.script["two"] = [1, lambda: during.append(on.player.stats()), 1]
        await on.player.play(["one", "two"])
        assert during[0]["played_s"] == 2.0
        assert during[0]["audio_bytes"] == 200, "of the track that goes on too"
        stats = on.player.stats()
        assert stats["played_s"] == 2.5
        assert stats["audio_bytes"] == 200
        assert (stats["rx_bytes"], stats["tx_bytes"], stats["transport"]) == (10_000, 1_000, "udp")
        assert on.player._engine.decks.stats.first_packet_at == 5.0
        assert on.player._engine.decks.stats.first_audio_at is not None

    run(main, {})


@pytest.mark.parametrize(
    ("pieces", "latency_s", "item"),
    [(6, 0.0, 1), (6, -0.01, 2), (1, 0.0, 1)],
)
def test_previous_is_the_track_before_or_near_its_beginning_this_one(run, pieces, latency_s, item):
    async def main(on: Stage) -> None:
        def press() -> None:
            on.sink.latency_s = latency_s
            on.player.previous()
            assert (on.player.status.entry, on.player.status.position_s) == (item, 0.0)

        assert RESTART_AFTER_S == 6 * PIECE_S
        FakeDeck.script["two"] = [pieces, press, 1]
        await on.player.play(["one", "two"])

    run(main, {})


def test_a_pause_goes_to_the_sink_once_it_is_open(run):
    async def main(on: Stage) -> None:
        on.player.toggle_pause()
        assert on.events == []
        FakeDeck.script["one"] = [1, on.player.toggle_pause, 1, on.player.toggle_pause]
        await on.player.play(["one"])
        assert on.sink.log[:3] == [("open", SAMPLE_RATE, 2), ("pause", True), ("pause", False)]
        assert [kind for kind in on.kinds() if "pause" in kind] == ["paused", "unpaused"]

    run(main, {})


def test_a_pause_before_the_sink_is_open_holds_it_as_it_opens(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [on.player.toggle_pause, 1]
        await on.player.play(["one"])
        assert on.sink.log[:2] == [("open", SAMPLE_RATE, 2), ("pause", True)]
        on.sink.log.clear()
        FakeDeck.script["one"] = [1]
        await on.player.play(["one"])
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"], "the next play is not paused"

    run(main, {})


def test_stop_ends_at_once_and_closes_all(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [2, on.player.stop, 9]
        on.player.stop()
        await on.player.play(["one", "two"])
        assert on.sink.pieces == 2
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]
        assert FakeDeck.made[0].log[-1] == "closed"
        kept = on.player.status
        assert (kept.state, kept.entry, kept.number, kept.count) == ("stopped", 1, 1, 2)
        assert kept.position_s == 1.0 - on.sink.latency_s, "what was heard"
        await on.player.play(["two"])
        assert on.sink.pieces == 2 + 3

    run(main, {})


def test_a_sink_that_is_being_opened_is_opened_and_then_closed(run):
    async def main(on: Stage) -> None:
        on.sink.opens_in_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.sleep(0.5)
            on.player.stop()
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]

    run(main)


def test_one_queue_at_a_time(run):
    async def main(on: Stage) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(
                StateMisuseError, match=r"^a player plays one queue at a time: stop it first$"
            ):
                await on.player.play(["two"])

    run(main)


@pytest.mark.parametrize(("normalize", "gain"), [(True, 100), (False, 0)])
def test_the_volume_and_the_tracks_gain_are_what_is_decoded_with(run, normalize, gain):
    async def main(on: Stage) -> None:
        on.client.gain = 100
        FakeDeck.script["one"] = [
            1,
            lambda: on.player.change_volume(-2.25),
            lambda: on.player.change_volume(0.5),
        ]
        await on.player.play(["one"])
        (deck,) = FakeDeck.made
        assert ("load", 256 + gain, 2) in deck.log
        gains = [entry[1] for entry in deck.log if entry[0] == "gain"]
        assert gains == [round(-1.25 * 256) + gain, round(-0.75 * 256) + gain]
        on.player.change_volume(1000)
        assert on.player.status.volume_db == MAX_VOLUME_DB
        on.player.change_volume(-1000)
        assert on.player.status.volume_db == MIN_VOLUME_DB
        assert len([entry for entry in deck.log if entry[0] == "gain"]) == 2, "it is played no more"

    run(main, {}, volume_db=1.0, normalize=normalize)


def test_a_stop_keeps_the_queue_and_the_place_and_it_goes_on_from_there(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["two"] = [4, on.player.stop, 9]
        await on.player.play(["one", "two", "three"])
        status = on.player.status
        assert (status.state, status.item, status.position_s) == ("stopped", "two", 2.0 - 0.125)
        FakeDeck.script["two"] = [1]
        await on.player.run()
        assert titles(on) == ["one", "two", "two", "three"]
        assert on.told("seeked") == [{"position_s": 1.875}]
        assert on.client.opened[-2][3] == first_segment(1.875)
        await on.player.run()
        assert titles(on)[-3:] == ["one", "two", "three"], "from the beginning, after an end"

    run(main, {})


def test_commands_while_nothing_is_played_change_where_it_begins(run):
    async def main(on: Stage) -> None:
        on.player.queue.add(["one", "two", "three"])
        on.player.go(1)
        on.player.next()
        on.player.next()
        on.player.previous()
        on.player.seek(5.0)
        on.player.toggle_pause()
        await on.player.run()
        assert titles(on) == ["two", "three"]
        assert on.told("seeked") == [{"position_s": 5.0}]
        assert on.told("queue") == [{"version": 2, "length": 3}]
        assert on.client.judged == []

    run(main)


def test_an_entry_is_gone_to_and_one_that_is_not_there_is_refused(run):
    async def main(on: Stage) -> None:
        def go() -> None:
            with pytest.raises(UsageError, match="no entry 9"):
                on.player.go(9)
            on.player.go(3, 1.0)

        FakeDeck.script["one"] = [1, go, 9]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "three"]
        assert on.client.judged == [("skipped", on.client.peer)]

    run(main, {})


@pytest.mark.parametrize(
    ("items", "start_s"),
    [(["loud:malformed"], 0.0), (["one"], -1.0), (["one"], MAX_SEGMENTS + 1.0), (["one"], math.nan)],
)
def test_what_cannot_be_played_is_refused_and_the_queue_stays(run, items, start_s):
    async def main(on: Stage) -> None:
        on.player.queue.add(["before"])
        with pytest.raises(UsageError):
            await on.player.play(items, start_s=start_s)
        assert [entry.item for entry in on.player.queue.entries] == ["before"]

    run(main)
