"""Runs a player among what does as it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from lightpeer.client import stream
from lightpeer.playback import opener, sound
from tests.playback.steps import FakeDeck, FakeSession, Stage


@pytest.fixture
def run(monkeypatch):
    """Run a function with a stage on virtual time, with what the tracks of some titles do."""
    loaded: list[bool] = []

    async def at_once(function: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        function()

    monkeypatch.setattr(stream, "Session", FakeSession)
    monkeypatch.setattr(opener, "Deck", FakeDeck)
    monkeypatch.setattr(sound, "_load_audio", lambda: loaded.append(True))
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)

    def run_it(
        main: Callable[[Stage], Awaitable[None]],
        script: dict[str, list[object]] | None = None,
        **chosen: object,
    ) -> Stage:
        FakeDeck.on_seek = staticmethod(lambda: None)
        FakeSession.made, FakeDeck.made, FakeDeck.script = [], [], script if script is not None else {}
        stages: list[Stage] = []

        async def body() -> None:
            stages.append(Stage(**chosen))
            await main(stages[0])

        trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))
        return stages[0]

    return run_it
