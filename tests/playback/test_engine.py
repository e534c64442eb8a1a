"""Turn after turn: what is opened, decoded, heard and closed, and where it goes on."""

from __future__ import annotations

from collections import deque

import pytest
import trio
import trio.testing

from lightpeer.client.start import INLINE_BYTES
from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.core.queue.modes import Modes, Switch
from lightpeer.errors import (
    AudioError,
    NothingFoundError,
    StreamFailedError,
    UsageError,
)
from lightpeer.playback.events import NotPlayed
from tests.pair import made_track
from tests.playback.steps import IDLE, FakeDeck, FakeSession, FakeSink, Stage, titles


def test_a_queue_is_opened_decoded_heard_and_closed(run):
    async def main(on: Stage) -> None:
        assert on.player.status == IDLE
        await on.player.play(["one", "two"])
        one, two = FakeDeck.made
        assert on.client.opened == [(0.0, "one", INLINE_BYTES, 0), (1.5, "two", INLINE_BYTES, 0)]
        assert on.kinds() == ["opening", "playing", "ended", "playing", "ended"]
        assert on.told("opening") == [{"item": "one"}]
        assert on.told("ended") == [
            {"uri": one.track.uri, "position_s": 1.5},
            {"uri": two.track.uri, "position_s": 1.5},
        ]
        assert on.told("playing")[0] == {
            "title": "one",
            "artist": "Somebody",
            "album": "",
            "uri": one.track.uri,
            "duration_s": 60.0,
            "bitrate_kbps": 49,
            "transport": "udp",
        }
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"]
        assert on.sink.pieces == 6
        assert on.made_sinks == 1
        for deck in (one, two):
            assert deck.log[:2] == [("run", (on.client.peer, deck.log[0][1][1])), ("load", 0, 2)] or deck.log[
                :2
            ] == [("load", 0, 2), ("run", (on.client.peer, deck.log[1][1][1]))]
            assert deck.log[-1] == "closed"
            assert deck.started
            assert deck.session.playout.realtime is True
        assert on.player.status == IDLE
        assert on.client.noted == [(on.client.peer, 0.0)]

    run(main)


def test_a_track_alone_keeps_its_channels_and_an_id_is_opened_as_one(run):
    async def main(on: Stage) -> None:
        track = made_track(3).track
        on.sink.keeps_mono = True
        await on.player.play([track.uri])
        assert on.client.opened == [(0.0, track.track_id.hex(), INLINE_BYTES, 0)]
        assert ("load", 0, None) in FakeDeck.made[0].log
        on.sink.keeps_mono = False
        await on.player.play([track.uri])
        assert ("load", 0, 2) in FakeDeck.made[1].log, "a device may take two channels alone"

    run(main)


def test_into_a_file_nothing_plays_in_real_time(run):
    async def main(on: Stage) -> None:
        on.sink.realtime = False
        await on.player.play(["one"])
        assert FakeSession.made[0].playout.realtime is False

    run(main)


def test_what_is_not_heard_yet_is_in_hand_and_in_the_sink(run):
    async def main(on: Stage) -> None:
        ahead: list[float] = []
        FakeDeck.script["one"] = [1, lambda: ahead.append(FakeSession.made[0].callbacks.sink_ahead_s())]
        await on.player.play(["one"])
        ahead.append(FakeSession.made[0].callbacks.sink_ahead_s())
        assert ahead == [0.25 + 0.125, 0.0]

    run(main, {})


def test_a_place_before_the_beginning_is_the_beginning(run):
    async def main(on: Stage) -> None:
        on.sink.latency_s = 9.0
        seen: list[float] = []
        FakeDeck.script["one"] = [1, lambda: seen.append(on.player.status.position_s)]
        await on.player.play(["one"])
        assert seen == [0.0]

    run(main, {})


def test_it_begins_where_it_is_told_to_and_tells_so(run):
    async def main(on: Stage) -> None:
        await on.player.play(["one", "two"], start_s=2.5)
        one, two = FakeDeck.made
        assert ("seek", 2.5) in one.log
        assert on.told("seeked") == [{"position_s": 2.5}]
        assert not any(entry[0] == "seek" for entry in two.log)

    run(main)


def test_a_track_that_was_opened_for_another_place_is_sought_to_this_one(run):
    """It was opened for its second 2; the wish changed to its beginning meanwhile."""

    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: on.player.play(["one"], start_s=1.5))
            await trio.testing.wait_all_tasks_blocked()
            on.player.seek_by(-9.0)
        assert FakeSession.made[0].cursor == 1
        assert [entry for entry in FakeDeck.made[0].log if entry[0] == "seek"] == [("seek", 0.0)]
        assert len(FakeDeck.made) == 1

    run(main)


def test_a_seek_goes_from_what_is_heard_and_flushes_the_sink(run):
    async def main(on: Stage) -> None:
        states: list[str] = []
        FakeDeck.on_seek = staticmethod(lambda: states.append(on.player.status.state))
        FakeDeck.script["one"] = [4, lambda: on.player.seek_by(10.0), 2]
        await on.player.play(["one"])
        (deck,) = FakeDeck.made
        assert [entry for entry in deck.log if entry[0] == "seek"] == [("seek", 2.0 - 0.125 + 10.0)]
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "flush", "drain", "closed"]
        assert on.told("seeked") == [{"position_s": 11.875}]
        assert len(on.told("playing")) == 1
        assert states == ["playing"], "it was open all the time"

    run(main, {})


def test_next_after_the_last_ends_and_what_comes_then_is_too_late(run):
    async def main(on: Stage) -> None:
        def leave() -> None:
            on.player.next()
            on.player.seek_by(1.0)
            on.player.previous()

        FakeDeck.script["one"] = [1, leave, 5]
        await on.player.play(["one"])
        assert on.sink.pieces == 1
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "flush", "drain", "closed"]
        assert "ended" not in on.kinds()

    run(main, {})


def test_the_next_track_is_opened_once_this_one_is_fetched_and_kept(run):
    async def main(on: Stage) -> None:
        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [2, fetched, 4]
        await on.player.play(["one", "two", "three"])
        assert [(at, item) for at, item, *_ in on.client.opened][:2] == [(0.0, "one"), (1.0, "two")]
        assert len(on.client.opened) == 3
        assert on.told("opening") == [{"item": "one"}], "nobody waited for the others"
        assert [deck.log.count("closed") for deck in FakeDeck.made] == [1, 1, 1]

    run(main, {})


def test_a_seek_in_this_track_keeps_the_next_one_and_a_skip_leaves_others(run):
    async def main(on: Stage) -> None:
        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [
            2,
            fetched,
            1,
            lambda: on.player.seek_by(5.0),
            1,
            on.player.next,
            1,
        ]
        FakeDeck.script["two"] = [1, on.player.previous, 1]
        await on.player.play(["one", "two"])
        titles = [item for _, item, *_ in on.client.opened]
        assert titles[:3] == ["one", "two", "one"], "the first was left, and is opened anew"
        one, two, *_ = FakeDeck.made
        assert one.log[-1] == two.log[-1] == "closed"

    run(main, {})


def test_a_sink_is_closed_however_it_ends(run):
    async def main(on: Stage) -> None:
        on.sink.closes_in_s = 1.0
        with trio.move_on_after(0.75):
            await on.player.play(["one"])
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]

    run(main)


def test_a_track_without_sound_opens_no_sink(run):
    async def main(on: Stage) -> None:
        await on.player.play(["one"])
        assert on.kinds() == ["opening", "ended"]
        assert on.sink.log == ["closed"]

    run(main, {"one": []})


def test_where_nothing_can_be_played_the_last_failure_is_raised_and_the_others_are_told(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")]) for item in ("one", "two")}
        with pytest.raises(NothingFoundError, match=r"^no two$"):
            await on.player.play(["one", "two"])
        assert on.told("warning") == [{"message": "no one"}]
        assert NotPlayed("one", "no one") in on.events
        assert on.kinds() == ["opening", "warning", "opening"]
        assert on.client.noted == [], "there was no network"
        assert on.player.status == IDLE

    run(main)


def test_once_something_was_played_a_failure_ends_nothing(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [1, StreamFailedError("it broke off")]
        FakeDeck.script["three"] = [1, StreamFailedError("this too")]
        await on.player.play(["one", "two", "three"])
        assert [told["message"] for told in on.told("warning")] == ["it broke off", "this too"]
        assert [told["title"] for told in on.told("playing")] == ["one", "two", "three"]
        assert on.sink.log[-2:] == ["drain", "closed"]

    run(main, {})


def test_a_sink_that_cannot_be_made_ends_it(run):
    async def main(on: Stage) -> None:
        def fail() -> FakeSink:
            raise AudioError("no sound")

        on.player._engine.sound._sink_factory = fail
        with pytest.raises(AudioError, match=r"^no sound$"):
            await on.player.play(["one"])
        assert on.player.status.state == "stopped"

    run(main)


def test_nothing_to_play_is_over_at_once(run):
    async def main(on: Stage) -> None:
        await on.player.play([])
        assert on.events == []
        assert on.sink.log == []

    run(main)


def test_what_is_added_and_moved_is_played_where_it_is_then(run):
    async def main(on: Stage) -> None:
        def change() -> None:
            assert on.player.queue.add(["new", "last"], 1) == [4, 5]
            on.player.queue.move([5], 4)
            assert on.player.status.number == 1

        FakeDeck.script["one"] = [1, change, 1]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "new", "two", "three", "last"]
        assert on.told("queue") == [{"version": 3, "length": 5}, {"version": 4, "length": 5}]
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"], "nothing was interrupted"

    run(main, {})


def test_where_what_plays_is_removed_what_follows_is_heard_at_once(run):
    async def main(on: Stage) -> None:
        def remove() -> None:
            on.player.queue.delete([1, 2])

        FakeDeck.script["one"] = [1, remove, 9]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "three"]
        assert on.sink.pieces == 1 + 3
        assert "flush" in on.sink.log

    run(main, {})


def test_what_is_being_opened_may_be_removed_and_an_empty_queue_ends(run):
    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(0.5)
            on.player.queue.delete([1])
            await trio.sleep(0.5)
            assert (on.player.status.state, on.player.status.item) == ("opening", "two")
            on.player.queue.clear()
        assert titles(on) == []
        assert on.player.status == IDLE

    run(main)


def test_a_queue_repeats_without_a_gap_until_it_is_stopped(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True)
        assert on.told("modes") == [{"random": False, "repeat": True, "single": "0", "consume": "0"}]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(6.25)
            assert titles(on) == ["one", "two", "one", "two", "one"]
            assert [told["item"] for told in on.told("opening")] == ["one"], "the others were opened ahead"
            on.player.stop()
        assert "flush" not in on.sink.log

    run(main)


def test_one_track_repeats_too(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True, single=Switch.ON)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(4.75)
            assert titles(on) == ["one", "one", "one", "one"]
            assert on.kinds().count("opening") == 1
            on.player.queue.modes = Modes()
        assert titles(on)[-2:] == ["one", "two"]

    run(main)


def test_single_stops_after_each_and_consume_removes_it(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(single=Switch.ON, consume=Switch.ON)
        await on.player.play(["one", "two"])
        assert titles(on) == ["one"]
        assert (on.player.status.state, on.player.status.item, on.player.status.count) == (
            "stopped",
            "two",
            1,
        )
        assert on.sink.log[-2:] == ["drain", "closed"], "it is heard to its end"
        await on.player.run()
        assert titles(on) == ["one", "two"]
        assert on.player.status == IDLE
        assert len(on.player.queue.entries) == 0

    run(main)


def test_at_random_all_are_played_once(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(random=True)
        items = [str(number) for number in range(8)]
        await on.player.play(items)
        assert sorted(titles(on)) == items

    run(main)


def test_a_queue_that_repeats_and_of_which_nothing_can_be_had_ends(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")] * 99) for item in ("one", "two")}
        on.player.queue.modes = Modes(repeat=True)
        with pytest.raises(NothingFoundError, match=r"^no two$"):
            await on.player.play(["one", "two"])
        assert on.told("warning") == [{"message": "no one"}]

    run(main)


def test_what_is_consumed_in_vain_does_not_count_against_what_is_left(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")] * 9) for item in ("one", "two")}
        on.player.queue.modes = Modes(consume=Switch.ON)
        await on.player.play(["one", "two", "three", "four"])
        assert titles(on) == ["three", "four"]

    run(main)


def test_one_that_repeats_and_cannot_be_had_is_looked_for_once(run):
    async def main(on: Stage) -> None:
        on.client.errors = {"one": deque([NothingFoundError("no one")] * 99)}
        on.player.queue.modes = Modes(repeat=True, single=Switch.ON)
        with pytest.raises(NothingFoundError, match=r"^no one$"):
            await on.player.play(["one", *map(str, range(50))])
        assert len(on.client.opened) == 1

    run(main)


def test_a_queue_that_repeats_and_has_no_sound_ends(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True)
        await on.player.play(["one", "two"])
        assert titles(on) == ["one"], "the first time it had sound"
        assert on.kinds().count("ended") == 3

    class SilentAgain(dict[str, list[object]]):
        def pop(self, title: str, _default: object) -> list[object]:
            return super().pop(title, [])

    run(main, SilentAgain(one=[1]))


def test_one_that_is_chosen_at_the_very_end_is_heard(run):
    async def main(on: Stage) -> None:
        drained = trio.Event()

        async def drain() -> None:
            on.sink.log.append("drain")
            await drained.wait()

        on.sink.drain = drain
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.sleep(5)
            assert on.sink.log[-1] == "drain"
            on.player.next()
            on.player.queue.add(["two"])
            await trio.sleep(1)
            assert titles(on) == ["one"], "an end is an end"
            on.player.go(2)
            await trio.sleep(5)
            assert titles(on) == ["one", "two"]
            drained.set()
        assert on.sink.log == [*2 * [("open", SAMPLE_RATE, 2), "drain", "closed"]]

    run(main)


def test_what_is_added_later_has_the_channels_of_the_sink(run):
    async def main(on: Stage) -> None:
        on.sink.keeps_mono = True
        FakeDeck.script["one"] = [1, lambda: on.player.queue.add(["two"]), 1]
        await on.player.play(["one"])
        one, two = FakeDeck.made
        assert ("load", 0, None) in one.log
        assert ("load", 0, 2) in two.log

    run(main, {})


def test_a_beginning_behind_the_end_is_wrong_usage_and_that_of_the_first_track_alone(run):
    async def main(on: Stage) -> None:
        with pytest.raises(UsageError, match=r"one ends after 60\.0 s: it cannot begin at 60 s"):
            await on.player.play(["one", "two"], start_s=60.0)
        assert on.sink.pieces == 0
        await on.player.play(["one", "two"], start_s=59.9)
        assert titles(on) == ["one", "two"]

    run(main)


def test_another_place_is_no_wrong_usage_however_far_behind_it_is(run):
    """Only what was asked for at the start is: whoever seeks there goes to the next."""

    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [1, lambda: on.player.seek(60.0), 1]
        await on.player.play(["one", "two"], start_s=1.0)
        assert [event["position_s"] for event in on.told("seeked")] == [1.0, 60.0]
        assert titles(on) == ["one", "two"]

    run(main, {})


def test_a_stop_while_nothing_runs_is_no_matter_and_it_runs_afterwards(run):
    async def main(on: Stage) -> None:
        engine = on.player._engine
        engine.stop()
        engine.follow(is_sought=True)
        assert not engine.is_running
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.sleep(0.5)
            assert engine.is_running
        assert not engine.is_running
        assert engine.position_s == 0.0

    run(main)


def test_after_a_command_the_position_is_where_it_goes_to(run):
    async def main(on: Stage) -> None:
        seen: list[float] = []

        def seek() -> None:
            seen.append(on.player._engine.position_s)
            on.player.seek(30.0)
            seen.append(on.player._engine.position_s)

        FakeDeck.script["one"] = [4, seek, 1]
        await on.player.play(["one"])
        assert seen == [2.0 - 0.125, 30.0]

    run(main, {})


def test_a_place_in_the_track_that_plays_interrupts_only_where_it_is_sought(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [2, on.player._engine.follow, 2]
        await on.player.play(["one"])
        assert "flush" not in on.sink.log
        FakeDeck.script["one"] = [2, lambda: on.player._engine.follow(is_sought=True), 2]
        await on.player.play(["one"])
        assert on.sink.log.count("flush") == 1

    run(main, {})


def test_a_track_that_breaks_off_leaves_what_it_was_heard_of_and_a_note(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [2, StreamFailedError("its data is false")]
        await on.player.play(["one", "two"])
        assert NotPlayed("one", "its data is false") in on.events
        assert on.sink.pieces == 2 + 3
        assert on.kinds().count("ended") == 1, "an end is told of the other alone"

    run(main, {})


def test_a_queue_whose_only_track_breaks_off_ends_with_what_broke_it(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [2, StreamFailedError("its data is false")]
        with pytest.raises(StreamFailedError, match="its data is false"):
            await on.player.play(["one"])
        assert not on.player._engine.is_running
        assert on.sink.log[-1] == "closed"

    run(main, {})
