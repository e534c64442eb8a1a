"""A player that plays in the background: `play` begins and returns, `events` reports what happens.

Events wait for their reader in a bounded buffer. So a program may play first and look later, and one that
never looks uses no more memory. A failure is raised once: to the reader of the events, or from `wait_ended`,
or else where the player's block ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import trio

from lightpeer.errors import LightpeerError, StateMisuseError
from lightpeer.playback.events import PlayerEvent
from lightpeer.playback.player import Player, check_items
from lightpeer.playback.status import Status
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.entries import Entry
    from lightpeer.core.queue.modes import Modes

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
        """Go on, after an end."""
        self._has_ended, self.failure = False, None

    def clear(self) -> None:
        """Drop what nobody has read."""
        self._waiting.clear()

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
    """Plays a queue that may be changed at any time; make it with a client's `player`.

    Commands may be given at any time. Entries of the queue are named by their ids, which are never used
    twice. Methods that take ids raise UsageError if the queue has no such entry.
    """

    def __init__(
        self, client: Client, sink_factory: Callable[[], Sink], settings: Settings, nursery: trio.Nursery
    ) -> None:
        self._events = PlayerEvents()
        self._player = Player(client, sink_factory, settings, on_event=self._events.tell)
        self._queue = self._player.queue
        self._nursery = nursery
        self._scope = trio.CancelScope()  # around what is played
        self._ended = trio.Event()
        self._ended.set()

    # Playing.

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Begin to play queries and track ids in order, in place of what is in the queue; return at once.

        Args:
            items: queries and track ids.
            start_s: where to begin in the first that is played, in seconds.

        Raises:
            UsageError: an item looks like a track id but is none, or no track is as long as `start_s`.
            StateMisuseError: something is played.
        """
        if not self._ended.is_set():
            raise StateMisuseError("a player plays one queue at a time: stop it first")
        check_items(items, start_s)
        self._begin()
        self._events.clear()
        await self._nursery.start(self._run, partial(self._player.play, tuple(items), start_s=start_s))

    def start(self) -> None:
        """Play on from the place in the queue, or from its beginning; while it is paused, go on."""
        if self._ended.is_set():
            self._begin()
            self._nursery.start_soon(self._run, self._player.run)
        elif self.status.state == "paused":
            self.toggle_pause()

    def go(self, entry: int, position_s: float = 0.0) -> None:
        """Play an entry, from a position in seconds on; with `random` the others follow it."""
        self._player.go(entry, position_s)
        self.start()

    def stop(self) -> None:
        """End at once. The queue and the place in it stay: `start` goes on from there."""
        self._player.stop()
        self._scope.cancel()

    async def wait_ended(self) -> None:
        """Wait until the queue has ended, or was stopped; raise its error, unless `events` did."""
        await self._ended.wait()
        self.check()

    def check(self) -> None:
        """Raise the error that ended playing, if it has not been raised."""
        self._events.check()

    def _begin(self) -> None:
        self._ended, self._scope = trio.Event(), trio.CancelScope()
        self._events.begin()

    async def _run(
        self,
        play: Callable[[], Awaitable[None]],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        failure: LightpeerError | None = None
        task_status.started()
        try:
            with self._scope:
                await play()
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

    # Commands.

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        self._player.toggle_pause()

    def seek(self, position_s: float) -> None:
        """Go to a position in the track, in seconds; beyond the end means the end."""
        self._player.seek(position_s)

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative; beyond the end means the end."""
        self._player.seek_by(seconds)

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._player.next()

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._player.previous()

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._player.change_volume(decibels)

    # The queue.

    @property
    def entries(self) -> list[Entry]:
        """What is in the queue, by place."""
        return list(self._queue.entries)

    @property
    def version(self) -> int:
        """A number that grows with each change of the entries."""
        return self._queue.entries.version

    def changes(self, since: int) -> list[tuple[int, Entry]]:
        """Return the places that have changed since a version, each with the entry that is there now."""
        return self._queue.entries.changes(since)

    @property
    def modes(self) -> Modes:
        """How the queue is played; may be set at any time."""
        return self._queue.modes

    @modes.setter
    def modes(self, modes: Modes) -> None:
        self._queue.modes = modes

    def add(self, items: Sequence[str], at: int | None = None) -> list[int]:
        """Add queries and track ids before a place, or at the end; return the ids of their entries.

        Raises:
            UsageError: an item looks like a track id but is none, or there is no such place, or no room.
        """
        check_items(items)
        return self._queue.add(items, at)

    def delete(self, entries: Collection[int]) -> None:
        """Remove entries; where one of them plays, what follows is played."""
        self._queue.delete(entries)

    def clear(self) -> None:
        """Remove all entries, which ends playing."""
        self._queue.clear()

    def move(self, entries: Collection[int], to: int) -> None:
        """Move entries, in their order, so that the first of them is at a place, from 0."""
        self._queue.move(entries, to)

    def shuffle(self, entries: Collection[int] | None = None) -> None:
        """Rearrange entries among their places, or all; what plays becomes the first of them."""
        self._queue.shuffle(entries)
