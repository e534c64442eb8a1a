"""What a player waits for, as it is told and shown, and when it gives up."""

from __future__ import annotations

import math
from collections import deque
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.errors import (
    AudioError,
    NoPeerError,
)
from lightpeer.playback.events import PlayerEvent, Rebuffering, Resumed, Seeked, SourceLost, Waiting
from lightpeer.playback.weather import Weather
from tests.playback.steps import PIECE_S, FakeDeck, FakeSession, Stage
from tests.rpc.service import run as on_virtual_time

NOTHING = "nothing comes from the network"


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


# The weather alone.


class Listening:
    """A player's weather, and what was told of it."""

    def __init__(self, give_up_s: float = math.inf) -> None:
        self.told: list[PlayerEvent] = []
        self.weather = Weather(give_up_s, self.told.append)

    async def given_up(self) -> Exception:
        """Watch until patience is at an end; return the error that says so."""
        with pytest.raises((AudioError, NoPeerError)) as caught:
            await self.weather.watch()
        return caught.value


def session(silent_since: float | None, *, realtime: bool = True) -> SimpleNamespace:
    """What the weather looks at of a session that has another source."""
    return SimpleNamespace(
        silent_since=silent_since, source_count=1, playout=SimpleNamespace(realtime=realtime)
    )


def test_while_nothing_is_away_nothing_is_awaited():
    async def main():
        weather = Listening().weather
        assert (weather.awaited, weather.lasts_s, weather.reason) == ("", 0.0, "")
        weather.on_silence()
        assert weather.awaited == "", "that sound does not run says nothing of why"

    on_virtual_time(main)


@pytest.mark.parametrize(
    ("cause", "awaited"), [("network", "network"), ("opening", "network"), ("sound", "sound")]
)
def test_a_cause_is_shown_as_what_a_person_knows(cause, awaited):
    async def main():
        on = Listening()
        await trio.sleep(2)
        on.weather.begin(cause, "it is away", since=1.0, next_try_s=4.0)
        assert on.told == [Waiting("it is away", 1.0, 4.0)]
        await trio.sleep(3)
        assert (on.weather.awaited, on.weather.lasts_s, on.weather.reason) == (awaited, 4.0, "it is away")
        on.weather.end(cause)
        assert on.told[1:] == [Resumed(4.0)]
        assert (on.weather.awaited, on.weather.lasts_s, on.weather.reason) == ("", 0.0, "")

    on_virtual_time(main)


def test_a_new_queue_begins_without_what_the_last_one_waited_for():
    async def main():
        on = Listening()
        on.weather.begin("sound", "unplugged")
        on.weather.clear()
        assert (on.weather.awaited, on.weather.reason) == ("", "")
        on.weather.on_sound()
        assert len(on.told) == 1, "no end is told of a wait that nobody sees any more"

    on_virtual_time(main)


def test_what_a_session_tells_is_passed_on_but_an_end_within_a_wait():
    async def main():
        on = Listening()
        for event in (Rebuffering(), Resumed(1.0), Seeked(3.0)):
            on.weather.tell(event)
        assert on.told == [Rebuffering(), Resumed(1.0), Seeked(3.0)]
        on.told.clear()
        on.weather.begin("network", "it is away")
        for event in (Rebuffering(), Resumed(1.0), Seeked(3.0)):
            on.weather.tell(event)
        assert on.told[1:] == [Rebuffering(), Seeked(3.0)]

    on_virtual_time(main)


def test_an_interruption_is_silence_from_its_beginning():
    async def main():
        on = Listening(give_up_s=10.0)
        await trio.sleep(3)
        on.weather.tell(Rebuffering())
        assert "too little comes from the network" in str(await on.given_up())
        assert trio.current_time() == 13

    on_virtual_time(main)


def test_a_network_is_away_as_long_as_a_session_is_silent():
    async def main():
        on = Listening()
        await trio.sleep(5)
        on.weather.see_network(session(2.0))
        assert on.weather.lasts_s == 3.0
        on.weather.see_network(session(None))
        assert on.told == [Waiting("nothing comes from the network", 3.0), Resumed(3.0)]
        on.weather.see_network(session(2.0))
        on.weather.see_network(None)
        assert on.weather.awaited == "", "no track plays"

    on_virtual_time(main)


@pytest.mark.parametrize(("realtime", "ends_at_s"), [(False, 10), (True, 25)])
def test_a_file_has_no_buffer_that_would_sound_on(realtime, ends_at_s):
    async def main():
        on = Listening(give_up_s=10.0)
        on.weather.see_network(session(0.0, realtime=realtime))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.given_up)
            await trio.sleep(15)
            on.weather.on_silence()
        assert trio.current_time() == max(ends_at_s, 15)

    on_virtual_time(main)


def test_patience_ends_with_what_was_away_last():
    async def main():
        on = Listening(give_up_s=10.0)
        on.weather.on_silence()
        on.weather.begin("sound", "unplugged")
        error = await on.given_up()
        assert isinstance(error, AudioError)
        assert str(error) == "no sound for 10 s, given up: unplugged"
        on = Listening(give_up_s=2.5)
        on.weather.on_silence()
        on.weather.begin("opening", "no peer can be reached")
        error = await on.given_up()
        assert isinstance(error, NoPeerError)
        assert str(error) == "no sound for 2.5 s, given up: no peer can be reached"
        assert trio.current_time() == 12.5

    on_virtual_time(main)


def test_sound_sets_the_clock_of_patience_back_while_it_is_watched():
    async def main():
        on = Listening(give_up_s=10.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.given_up)
            await trio.sleep(1)
            on.weather.on_silence()
            await trio.sleep(9)
            on.weather.on_sound()
            await trio.sleep(100)
            on.weather.on_silence()
            await trio.sleep(9)
            on.weather.on_paused(is_paused=True)
            await trio.sleep(100)
            on.weather.on_paused(is_paused=False)
        assert trio.current_time() == 1 + 9 + 100 + 9 + 100 + 10

    on_virtual_time(main)


@pytest.mark.parametrize(
    ("lost", "source_count", "reason"),
    [
        (SourceLost("La", "nobody listens"), 0, f"{NOTHING}, as the last source is gone (nobody listens)"),
        (SourceLost("La", "nobody listens"), 1, NOTHING),
        (None, 0, NOTHING),
    ],
)
def test_the_cause_is_named_where_the_last_source_is_gone(lost, source_count, reason):
    async def main():
        told = []
        weather = Weather(math.inf, told.append)
        if lost is not None:
            weather.tell(lost)
        playout = SimpleNamespace(realtime=True)
        weather.see_network(SimpleNamespace(silent_since=0.0, source_count=source_count, playout=playout))
        assert told[-1] == Waiting(reason, 0.0)
        assert weather.reason == reason
        weather.see_network(None)
        assert weather.reason == ""

    on_virtual_time(main)


def test_the_cause_is_that_of_the_source_that_was_lost_last():
    async def main():
        told = []
        weather = Weather(math.inf, told.append)
        alone = SimpleNamespace(silent_since=0.0, source_count=0, playout=SimpleNamespace(realtime=True))
        for forget in (weather.clear, lambda: weather.see_network(session(None))):
            weather.tell(SourceLost("La", "nobody listens"))
            forget()
            weather.see_network(alone)
            assert weather.reason == NOTHING
            weather.see_network(None)

    on_virtual_time(main)
