"""Opening a queue's items, and closing them; the client, the sessions and the decks do as they are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.start import INLINE_BYTES, LOWEST_KBPS
from lightpeer.config import Settings
from lightpeer.core.queue.modes import Modes
from lightpeer.core.queue.play_order import Turn
from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.core.segments.retries import ANSWERS, AWAY_S, LONGEST_S
from lightpeer.download.session import Callbacks
from lightpeer.errors import HolderAwayError, NoPeerError, NothingFoundError
from lightpeer.net.network import Counters
from lightpeer.playback import opener as module
from lightpeer.playback.decks import Decks
from lightpeer.playback.events import Opening, Waiting
from lightpeer.playback.opener import HIGHEST_KBPS, OPENING_BYTES
from lightpeer.playback.weather import Weather
from tests.client.nothing_kept import NothingKept
from tests.pair import made_track
from tests.rpc.service import run

PEER = SimpleNamespace(burst=None)
URI = made_track(3).track.uri


TOOK_BEST: list[bool] = []


def fake_download() -> SimpleNamespace:
    sources = SimpleNamespace(search=SimpleNamespace())
    wishes = SimpleNamespace(take_best=lambda: TOOK_BEST.append(True))
    return SimpleNamespace(buffer=SimpleNamespace(wishes=wishes), sources=sources)


class FakeSession:
    def __init__(self, client: Stage, download: SimpleNamespace) -> None:
        self.client = client
        self.is_held = download.buffer.is_held

    @property
    def complete(self) -> bool:
        return self.client.fetched.is_set()

    def seek(self, _segment: int) -> None:
        pass

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.25)

    def release(self) -> None:
        self.is_held = False


class FakeDeck:
    def __init__(self, session: object) -> None:
        self.session = session
        self.started = self.closed = False
        self.client = session.client

    @property
    def has_plenty(self) -> bool:
        return self.client.plenty.is_set()

    async def run(self, *_given: object) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        self.closed = True


class Stage(NothingKept):
    """Decks whose client opens anything, after some failures."""

    def __init__(self, *items: str) -> None:
        self.failures: list[Exception] = []
        self.opened: list[tuple[object, int, int]] = []
        self.rates: list[int | None] = []
        self.noted: list[tuple[object, float]] = []
        self.added: list[object] = []
        self.events: list[object] = []
        self.plenty, self.fetched = trio.Event(), trio.Event()
        self.queue = PlayQueue(lambda below: below - 1)
        self.queue.add(items)
        self.queue.start()
        self.network = SimpleNamespace(counters=Counters())
        self.downlink = SimpleNamespace(
            rate_bytes_per_s=lambda _peer: 5_000.0, note=lambda *told: self.noted.append(told)
        )
        settings = Settings(state_dir=Path("unused"), output=self.output)
        weather = Weather(math.inf, self.events.append)
        self.decks = Decks(self, settings, self.queue, weather, Callbacks())
        self.queue.on_change = self.decks.on_queue_changed
        self.decks.stats = SimpleNamespace(add=self.added.append)

    meter = None
    output = ""

    def limits(self) -> None:
        """Nobody counts."""

    async def open_query(self, item: object, start) -> tuple[object, object]:
        self.opened.append((item, start.first_segment, start.inline_bytes))
        self.rates.append(start.bitrate_kbps)
        if self.failures:
            raise self.failures.pop(0)
        return PEER, SimpleNamespace(track=None)

    async def open_track(self, track_id: bytes, start, *, track=None):
        yield await self.open_query(track_id, start)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch) -> None:
    def new_session(client: Stage, download: SimpleNamespace, *_given: object) -> object:
        return FakeSession(client, download)

    monkeypatch.setattr(module, "new_download", lambda *_given, **_told: fake_download())
    monkeypatch.setattr(module, "new_session", new_session)
    monkeypatch.setattr(module, "Deck", FakeDeck)


def on_stage(main, *items: str) -> None:
    async def body() -> None:
        on = Stage(*items)
        async with trio.open_nursery() as nursery:
            on.decks.begin(nursery)
            await main(on)
            nursery.cancel_scope.cancel()

    run(body)


async def open_ahead(on: Stage, turn: Turn, for_s: float = 100.0) -> None:
    with trio.move_on_after(for_s):
        await on.decks.open_ahead(on.decks.get(turn))


def test_an_item_is_opened_once_and_told_of():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        assert await on.decks.opened(Turn(1)) is deck is on.decks.get(Turn(1))
        assert on.opened == [("one", 0, INLINE_BYTES)]
        assert on.events == [Opening("one")]
        assert on.decks.opener.bandwidth.rate_bytes_per_s == 5_000.0
        assert on.decks.opener.listener.on_heard(1, 99.0, 99.0) is PEER, "a query found it there"

    on_stage(main, "one")


def test_a_uri_is_opened_as_the_track_and_nobody_is_judged_for_it():
    async def main(on: Stage) -> None:
        await on.decks.opened(Turn(1))
        assert isinstance(on.opened[0][0], bytes)
        assert on.decks.opener.listener.on_heard(1, 99.0, 99.0) is None

    on_stage(main, URI)


def test_the_next_two_are_opened_once_there_is_plenty_and_the_next_is_fetched_after_this_one():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.decks.open_ahead, deck)
            await trio.sleep(1)
            assert on.decks.get(Turn(2)) is None
            on.plenty.set()
            await trio.sleep(1)
            assert [item for item, *_ in on.opened] == ["one", "two", "three"]
            assert on.opened[1:] == [("two", 0, OPENING_BYTES), ("three", 0, OPENING_BYTES)]
            assert on.rates == [LOWEST_KBPS] * 3
            assert (on.decks.get(Turn(2)).session.is_held, on.decks.get(Turn(3)).session.is_held) == (
                True,
                True,
            )
            on.fetched.set()
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert (on.decks.get(Turn(2)).session.is_held, on.decks.get(Turn(3)).session.is_held) == (False, True)
        on.queue.advance()
        await on.decks.opened(Turn(2))
        await open_ahead(on, Turn(2))
        assert [item for item, *_ in on.opened] == ["one", "two", "three", "four"]

    on_stage(main, "one", "two", "three", "four")


def test_one_that_cannot_be_opened_ahead_does_not_hold_up_the_one_after():
    async def main(on: Stage) -> None:
        await on.decks.opened(Turn(1))
        on.plenty.set()
        on.fetched.set()
        on.failures = [NothingFoundError("gone")] * ANSWERS
        await open_ahead(on, Turn(1))
        assert (on.decks.get(Turn(2)), on.decks.get(Turn(3)).session.is_held) == (None, True)

    on_stage(main, "one", "two", "three")


def test_at_its_time_an_item_is_not_held_up_by_the_one_after_it():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        async with trio.open_nursery() as nursery:
            on.plenty.set()
            on.fetched.set()
            on.failures = [NoPeerError("away")] * 2
            nursery.start_soon(on.decks.open_ahead, deck)
            await trio.sleep(0.5)
            on.decks.await_next(nursery.cancel_scope)
            assert on.events[-1] == Waiting("away", 0.0)
        assert not on.decks.get(Turn(2)).session.is_held
        assert on.decks.get(Turn(3)) is None, "its turn comes with the next one's"
        for following in (Turn(2), Turn(3), None):  # open, not begun, none
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                on.decks.await_next(nursery.cancel_scope)
                assert on.decks.opener.awaited == following
            on.queue.advance()
            on.decks.opener.awaited = None

    on_stage(main, "one", "two", "three")


def test_without_a_network_a_later_item_is_waited_for():
    async def main(on: Stage) -> None:
        await on.decks.opened(Turn(1))
        on.failures = [NoPeerError("away"), NoPeerError("away")]
        on.decks.opener.awaited = Turn(2)
        await on.decks.opened(Turn(2))
        waits = [event for event in on.events if isinstance(event, Waiting)]
        assert waits == [Waiting("away", 0.0, 1.0)]
        on.failures = [NoPeerError("away")]
        await on.decks.opened(Turn(3))
        assert len([event for event in on.events if isinstance(event, Waiting)]) == 1, "nobody waits for it"

    on_stage(main, "one", "two", "three")


def test_holders_that_are_away_are_not_waited_for_for_ever_where_another_item_is_due():
    async def main(on: Stage) -> None:
        await on.decks.opened(Turn(1))
        on.failures = [HolderAwayError("away")] * 100
        began_at = trio.current_time()
        with pytest.raises(NothingFoundError, match="away"):
            await on.decks.opened(Turn(2))
        assert AWAY_S <= trio.current_time() - began_at <= AWAY_S + LONGEST_S
        del on.failures[50:]
        began_at = trio.current_time()
        await on.decks.opened(Turn(3))
        assert trio.current_time() - began_at > 5 * AWAY_S, "the last one"

    on_stage(main, "one", "two", "three")


def test_decks_are_closed_but_those_to_keep_unless_they_played_out_of_turn():
    async def main(on: Stage) -> None:
        first, second = await on.decks.opened(Turn(1)), await on.decks.opened(Turn(2))
        on.decks.close(keep=(0, 1))
        assert not first.closed
        second.started = True
        on.decks.close(keep=(0, 1))
        assert (first.closed, second.closed) == (False, True)
        assert on.decks.get(Turn(2)) is None
        on.decks.end()
        assert first.closed
        assert on.added == [second.session, first.session]
        assert on.noted == [(PEER, 0.0)]

    on_stage(main, "one", "two")


# A queue that changes while it plays.


def test_what_follows_now_is_opened_and_what_does_not_is_closed():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        on.plenty.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.decks.open_ahead, deck)
            await trio.sleep(1)
            second, third = on.decks.get(Turn(2)), on.decks.get(Turn(3))
            on.queue.add(["new"], 1)
            await trio.sleep(1)
            assert [item for item, *_ in on.opened] == ["one", "two", "three", "new"]
            assert (second.closed, third.closed) == (False, True)
            on.fetched.set()
            await trio.sleep(1)
            assert not on.decks.get(Turn(5)).session.is_held
            assert second.session.is_held
            on.queue.delete([5])
            await trio.sleep(1)
            assert on.decks.get(Turn(5)) is None
            assert not second.session.is_held, "it is the next again"
            nursery.cancel_scope.cancel()

    on_stage(main, "one", "two", "three", "four")


def test_what_repeats_is_opened_again_before_it_is_due():
    async def main(on: Stage) -> None:
        first = await on.decks.opened(Turn(1))
        first.started = True
        on.plenty.set()
        on.queue.modes = Modes(repeat=True)
        await open_ahead(on, Turn(1))
        assert [item for item, *_ in on.opened] == ["one", "one", "one"]
        on.queue.advance()
        assert on.decks.get(on.queue.turn) is not first
        on.decks.close(keep=on.queue.following(2))
        assert first.closed
        assert on.decks.get(on.queue.turn)

    on_stage(main, "one")


def test_what_is_awaited_and_is_removed_is_not_waited_for():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        on.plenty.set()
        on.fetched.set()
        on.failures = [NoPeerError("away")] * 99
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.decks.open_ahead, deck)
            await trio.sleep(0.5)
            on.decks.await_next(nursery.cancel_scope)
            on.queue.add(["more"])
            assert not nursery.cancel_scope.cancel_called
            on.queue.delete([2])
            assert nursery.cancel_scope.cancel_called

    on_stage(main, "one", "two", "three")


def test_an_entry_that_is_removed_while_it_is_opened_is_opened_in_vain():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        on.plenty.set()
        on.failures = [HolderAwayError("away")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.decks.open_ahead, deck)
            await trio.sleep(0.5)
            on.queue.delete([2])
            await trio.sleep(10)
            assert on.decks.get(Turn(2)) is None
            nursery.cancel_scope.cancel()

    on_stage(main, "one", "two")


def test_where_all_others_were_missed_the_last_one_is_waited_for_though_they_repeat():
    async def main(on: Stage) -> None:
        on.queue.modes = Modes(repeat=True)
        await on.decks.opened(Turn(1))
        on.decks.opener.missed.add(1)
        on.failures = [HolderAwayError("away")] * 50
        began_at = trio.current_time()
        await on.decks.opened(Turn(2))
        assert trio.current_time() - began_at > 5 * AWAY_S

    on_stage(main, "one", "two")


def test_the_title_of_what_follows_is_known_once_it_is_open():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(Turn(1))
        assert on.decks.next_title() == "two"
        on.plenty.set()
        await open_ahead(on, Turn(1))
        on.decks.get(Turn(2)).track = SimpleNamespace(title="Two, a title")
        assert on.decks.next_title() == "Two, a title"
        on.queue.delete([2])
        assert on.decks.next_title() == ""
        assert not deck.closed

    on_stage(main, "one", "two")


@pytest.mark.parametrize(
    ("output", "best"), [("wav:x.wav", True), ("pipe", True), ("null", False), ("", False)]
)
def test_where_nobody_listens_the_best_is_taken_from_the_first_second_on(monkeypatch, output, best):
    async def main(on: Stage) -> None:
        await on.decks.opened(Turn(1))
        on.plenty.set()
        await open_ahead(on, Turn(1))
        assert on.rates == [HIGHEST_KBPS if best else LOWEST_KBPS] * 2
        assert len(TOOK_BEST) == 2 * best

    TOOK_BEST.clear()
    monkeypatch.setattr(Stage, "output", output)
    on_stage(main, "one", "two")
