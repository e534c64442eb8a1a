"""Opening a queue's items, and closing them; the client, the sessions and the decks do as they are told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.client import INLINE_BYTES
from lightpeer.config import Settings
from lightpeer.errors import NoPeerError
from lightpeer.playback import decks as module
from lightpeer.playback.decks import Decks
from lightpeer.playback.events import Opening, Waiting
from lightpeer.playback.queue import Queue
from tests.client.nothing_kept import NothingKept
from tests.pair import made_track
from tests.rpc.service import run

PEER = SimpleNamespace(burst=None)
URI = made_track(3).track.uri


class FakeDeck:
    def __init__(self, session: object) -> None:
        self.session = session
        self.started = self.closed = False

    async def run(self, *_given: object) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        self.closed = True


class Stage(NothingKept):
    """Decks whose client opens anything, after some failures."""

    def __init__(self, *items: str) -> None:
        self.failures: list[Exception] = []
        self.opened: list[tuple[object, int, int]] = []
        self.noted: list[tuple[object, float]] = []
        self.added: list[object] = []
        self.events: list[object] = []
        self.fetched = trio.Event()
        self.queue = Queue()
        self.queue.begin(items, 0.0)
        self.network = SimpleNamespace(counters=None)
        self.downlink = SimpleNamespace(
            rate_bytes_per_s=lambda _peer: 5_000.0, note=lambda *told: self.noted.append(told)
        )
        settings = Settings(state_dir=Path("unused"))
        self.decks = Decks(self, settings, self.queue, on_event=self.events.append, sink_ahead_s=lambda: 0.0)
        self.decks.stats = SimpleNamespace(add=self.added.append)

    async def open_query(self, item: object, start) -> tuple[object, object]:
        self.opened.append((item, start.first_segment, start.inline_bytes))
        if self.failures:
            raise self.failures.pop(0)
        return PEER, SimpleNamespace(track=None)

    async def open_track(self, track_id: bytes, start, *, track=None):
        yield await self.open_query(track_id, start)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch) -> None:
    def new_session(client: Stage, *_given: object, **_told: object) -> object:
        return SimpleNamespace(wait_complete=client.fetched.wait, seek=lambda _segment: None)

    monkeypatch.setattr(module, "new_download", lambda *_given, **_told: None)
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


def test_an_item_is_opened_once_and_told_of():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(0)
        assert await on.decks.opened(0) is deck is on.decks.get(0)
        assert on.opened == [("one", 0, INLINE_BYTES)]
        assert on.events == [Opening("one")]
        assert on.decks.bandwidth.rate_bytes_per_s == 5_000.0
        assert on.queue.on_heard(0, 99.0, 99.0) is PEER, "a query found it there"

    on_stage(main, "one")


def test_a_uri_is_opened_as_the_track_and_nobody_is_judged_for_it():
    async def main(on: Stage) -> None:
        await on.decks.opened(0)
        assert isinstance(on.opened[0][0], bytes)
        assert on.queue.on_heard(0, 99.0, 99.0) is None

    on_stage(main, URI)


def test_the_next_is_opened_once_this_one_is_fetched():
    async def main(on: Stage) -> None:
        deck = await on.decks.opened(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.decks.open_ahead, deck, 1)
            await trio.sleep(1)
            assert on.decks.get(1) is None
            on.fetched.set()
        assert on.decks.get(1) is not None
        await on.decks.open_ahead(deck, 1)
        await on.decks.open_ahead(deck, 2)
        assert len(on.opened) == 2, "it is open already, and there is no third"

    on_stage(main, "one", "two")


def test_without_a_network_the_first_item_fails_and_a_later_one_is_waited_for():
    async def main(on: Stage) -> None:
        on.failures = [NoPeerError("away")]
        with pytest.raises(NoPeerError):
            await on.decks.opened(0)
        await on.decks.opened(0)
        on.failures = [NoPeerError("away"), NoPeerError("still")]
        on.decks.awaited = 1
        await on.decks.opened(1)
        assert [event for event in on.events if isinstance(event, Waiting)] == [Waiting("two", "away")]
        on.failures = [NoPeerError("away")]
        await on.decks.opened(2)
        assert len(on.events) == 5, "nobody waits for the third"

    on_stage(main, "one", "two", "three")


def test_decks_are_closed_but_those_to_keep_unless_they_played_out_of_turn():
    async def main(on: Stage) -> None:
        first, second = await on.decks.opened(0), await on.decks.opened(1)
        on.decks.close(keep=(0, 1))
        assert not first.closed
        second.started = True
        on.decks.close(keep=(0, 1))
        assert (first.closed, second.closed) == (False, True)
        assert on.decks.get(1) is None
        on.decks.end()
        assert first.closed
        assert on.added == [second.session, first.session]
        assert on.noted == [(PEER, 0.0)]

    on_stage(main, "one", "two")
