"""What is shown of a player, at each moment of a track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.playback.events import Playing, Slowed
from lightpeer.playback.status import Status, place_of, playing, status_of
from tests.pair import made_track
from tests.playback.steps import FakeDeck, FakeSession, Stage


def test_the_status_of_what_plays(run):
    async def main(on: Stage) -> None:
        seen: list[Status] = []

        def look() -> None:
            seen.append(on.player.status)

        FakeDeck.script["one"] = [2, look, 1]
        await on.player.play(["one"])
        assert seen == [
            Status(
                state="playing",
                entry=1,
                item="one",
                number=1,
                count=1,
                title="one",
                artist="Somebody",
                uri=FakeDeck.made[0].track.uri,
                position_s=1.0 - 0.125,
                duration_s=60.0,
                buffer_s=12.5,
                bitrate_kbps=49,
                goodput_kbps=7_000 * 8 / 1000,
                sources=2,
                transport="udp",
                volume_db=-3.0,
                lowest_kbps=FakeDeck.made[0].track.renditions[0].bitrate_kbps,
                used_mb=0.011,
                mb_per_hour=11_000 * 3600 / 13.75 / 1e6,  # of a second that was heard, and what is here
            )
        ]

    run(main, {}, volume_db=-3.0)


def test_what_is_left_of_a_cap_is_shown_and_that_it_is_near_is_told(run):
    async def main(on: Stage) -> None:
        def watch(on_slowed: Callable[[str], None]) -> None:
            FakeDeck.script["one"] = [look, lambda: on_slowed("it is near"), 1]

        def look() -> None:
            assert on.player.status.left_mb == 5.25
            on.client.meter.left_bytes = None
            assert on.player.status.left_mb is None

        on.client.meter = SimpleNamespace(left_bytes=5_250_000, watch=watch)
        await on.player.play(["one"])
        assert Slowed("it is near: going on in the lowest quality") in on.events
        assert FakeSession.made[0].callbacks.limits is on.client.limits

    run(main)


def test_the_status_while_it_opens_waits_for_data_or_is_paused(run):
    async def main(on: Stage) -> None:
        seen: list[Status] = []

        def look() -> None:
            seen.append(on.player.status)

        def stall() -> None:
            FakeSession.made[0].playout.playing = False
            look()
            on.player.toggle_pause()
            look()

        on.client.takes_s = 1.0
        FakeDeck.script["one"] = [look, stall]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: on.player.play(["one"], start_s=4.0))
            await trio.testing.wait_all_tasks_blocked()
            look()
        assert seen[0] == Status(
            "opening",
            1,
            "one",
            1,
            1,
            position_s=4.0,
            goodput_kbps=seen[0].goodput_kbps,
            volume_db=2.0,
            used_mb=0.011,
        )
        assert [status.state for status in seen] == ["opening", "playing", "buffering", "paused"]
        assert seen[1].position_s == 4.0 - 0.125

    run(main, {}, volume_db=2.0)


def test_the_status_while_a_track_is_opened_comes_from_memory(run):
    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two", "three"])
            await trio.sleep(0.5)
            on.player.go(2, 7.0)
            status = on.player.status
            assert (status.state, status.entry, status.item, status.number, status.count) == (
                *("opening", 2, "two", 2, 3),
            )
            assert (status.position_s, status.next_title) == (7.0, "three")
            on.player.seek(9.0)
            assert on.player.status.position_s == 9.0
            on.player.stop()

    run(main)


# The words for a moment, without a player.


def queue_of(*items: str) -> PlayQueue:
    queue = PlayQueue(lambda below: below - 1)
    queue.add(items)
    return queue


def deck_of(*, is_playing: bool = True) -> SimpleNamespace:
    """A deck of a track in two renditions, the higher of which is heard."""
    track = made_track(60, kbps=(24, 96), title="Rain", artist="Band", album="Disc").track
    session = SimpleNamespace(
        playout=SimpleNamespace(playing=is_playing), buffer_s=12.5, source_count=3, transport="grpc"
    )
    return SimpleNamespace(track=track, session=session, rendition=track.renditions[1])


def test_of_a_queue_that_is_not_played_its_place_is_shown():
    queue = queue_of("one", "two", "three")
    assert place_of(queue) == Status(), "nothing is due"
    queue.start()
    assert place_of(queue) == Status(entry=1, item="one", number=1, count=3)
    queue.go(2, 7.5)
    assert place_of(queue) == Status(entry=2, item="two", number=2, count=3, position_s=7.5)
    queue.clear()
    assert place_of(queue) == Status()


def test_a_number_is_that_of_the_order_in_which_they_are_played():
    queue = queue_of("one", "two", "three")
    queue.start()
    queue.move([3], 0)
    queue.go(3, 0.0)
    assert (place_of(queue).entry, place_of(queue).item, place_of(queue).number) == (3, "three", 1)


@pytest.mark.parametrize(
    ("is_playing", "is_paused", "state"),
    [
        (True, False, "playing"),
        (False, False, "buffering"),
        (True, True, "paused"),
        (False, True, "paused"),
    ],
)
def test_a_pause_is_shown_before_what_the_network_does(is_playing, is_paused, state):
    assert status_of(deck_of(is_playing=is_playing), Status(), is_paused=is_paused).state == state


@pytest.mark.parametrize("is_paused", [True, False])
def test_without_a_deck_it_is_being_opened_where_it_stands(is_paused):
    place = Status(entry=4, item="rain", number=2, count=9, position_s=7.5)
    assert status_of(None, place, is_paused=is_paused) == replace(place, state="opening")


def test_a_deck_adds_its_track_to_the_place():
    place, deck = Status(entry=4, item="rain", number=2, count=9, position_s=7.5), deck_of()
    assert status_of(deck, place, is_paused=False) == replace(
        place,
        state="playing",
        title="Rain",
        artist="Band",
        uri=deck.track.uri,
        duration_s=60.0,
        buffer_s=12.5,
        bitrate_kbps=96,
        lowest_kbps=24,
        sources=3,
        transport="grpc",
    )


def test_the_first_sound_of_a_track_tells_what_is_heard():
    deck = deck_of()
    assert playing(deck) == Playing("Rain", "Band", "Disc", deck.track.uri, 60.0, 96, "grpc")
