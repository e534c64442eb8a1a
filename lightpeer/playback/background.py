"""A player that plays in the background: `play` begins and returns, `events` reports what happens.

Events wait for their reader in a bounded buffer. So a program may play first and look later, and one that
never looks uses no more memory. A failure is raised once: to the reader of the events, or from `wait_ended`,
or else where the player's block ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import trio

from lightpeer.errors import LightpeerError, StateMisuseError
from lightpeer.playback.events import PlayerEvent
from lightpeer.playback.player import Player
from lightpeer.playback.queue import check_queue
from lightpeer.playback.status import Status
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings

MAX_EVENTS: Final = 256  # that wait for a reader, enough for a bad evening; then the oldest are dropped


@asynccontextmanager
async def open_player(
    client: Client, sink_factory: Callable[[], Sink], settings: Settings
) -> AsyncIterator[BackgroundPlayer]:
    """Open a player for the length of a block.

    Args:
        client: finds and opens tracks.
        sink_factory: makes the sink when it is needed.
        settings: buffer, bitrate, transport and volume.

    Raises:
        LightpeerError: playing failed, and neither `events` nor `wait_ended` has raised it.
    """
    async with open_nursery() as nursery:
        player = BackgroundPlayer(client, sink_factory, settings, nursery)
        yield player
        nursery.cancel_scope.cancel()
    player.check()


class PlayerEvents(AsyncIterator[PlayerEvent]):
    """A player's events, for one reader. Iterating ends with the queue, or raises the error that ended it.

    While nothing is played, it waits for the next `play`.
    """

    def __init__(self) -> None:
        self._waiting: deque[PlayerEvent] = deque(maxlen=MAX_EVENTS)
        self._has_ended = False
        self._changed = trio.Event()
        self.failure: LightpeerError | None = None

    def begin(self) -> None:
        """Drop the events of an earlier queue."""
        self._waiting.clear()
        self._has_ended, self.failure = False, None

    def tell(self, event: PlayerEvent) -> None:
        """Add an event."""
        self._waiting.append(event)
        self._wake()

    def end(self, failure: LightpeerError | None) -> None:
        """End the iteration after the events so far, with an error if there is one."""
        self._has_ended, self.failure = True, failure
        self._wake()

    def check(self) -> None:
        """Raise the failure, if there is one that has not been raised."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PlayerEvent:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._has_ended:
                self._has_ended = False
                self.check()
                raise StopAsyncIteration
            await self._changed.wait()
        return self._waiting.popleft()


class BackgroundPlayer:
    """Plays one queue after another; make it with a client's `player`. Commands may be given at any time."""

    def __init__(
        self, client: Client, sink_factory: Callable[[], Sink], settings: Settings, nursery: trio.Nursery
    ) -> None:
        self._events = PlayerEvents()
        self._player = Player(client, sink_factory, settings, on_event=self._events.tell)
        self._nursery = nursery
        self._ended = trio.Event()
        self._ended.set()

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Begin to play queries and track ids in order, the first from `start_s` on; return at once.

        Raises:
            UsageError: an item looks like a track id but is none, or no track is as long as `start_s`.
            StateMisuseError: the previous queue has not ended.
        """
        if not self._ended.is_set():
            raise StateMisuseError("a player plays one queue at a time: stop it first")
        check_queue(items, start_s)
        self._ended = trio.Event()
        self._events.begin()
        await self._nursery.start(self._run, tuple(items), start_s)

    async def wait_ended(self) -> None:
        """Wait until the queue has ended; raise the error that ended it, unless `events` did."""
        await self._ended.wait()
        self.check()

    def check(self) -> None:
        """Raise the error that ended playing, if it has not been raised."""
        self._events.check()

    async def _run(self, items: Sequence[str], start_s: float, task_status: trio.TaskStatus[None]) -> None:
        failure: LightpeerError | None = None
        task_status.started()
        try:
            await self._player.play(items, start_s=start_s)
        except LightpeerError as error:
            failure = error
        finally:
            self._ended.set()
            self._events.end(failure)

    @property
    def events(self) -> PlayerEvents:
        """The events, for one reader to iterate over until the queue has ended."""
        return self._events

    @property
    def status(self) -> Status:
        """What the player does now."""
        return self._player.status

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        self._player.toggle_pause()

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative; beyond the end means the end."""
        self._player.seek_by(seconds)

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._player.next()

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._player.previous()

    def stop(self) -> None:
        """End at once."""
        self._player.stop()

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._player.change_volume(decibels)
