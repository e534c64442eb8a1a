"""The segments and tables that streams are sending, read once for all of their units and listeners.

They are known by the track's id, so nothing in here ever changes, and one bound holds for all
streams: a stream that rests keeps no bytes of its own. Nobody waits in here: `find` gives what is
there, and has what is not be read by a worker thread; whoever asked is called when that is done.

To go to a thread and back costs far more than a read that need not wait for the disk. So what is
looked for ahead gathers for a moment, or until somebody looks for what he needs now, and one
thread reads it all; once that takes long, it gives back the rest to those beside it.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

import trio

from lightpeer.core.udp.sender import Missing
from lightpeer.errors import LightpeerError
from lightpeer.tasks.supervision import kept_up, log_failure
from lightpeer.tasks.threads import Threads

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 32 * 1024 * 1024  # of 1,000 listeners to different tracks at 96 kbit/s: two segments each
SEGMENT_READERS: Final = 4  # threads: reads that a disk may put in order
GATHER_READS_S: Final = 0.05  # a fifth of how far streams look ahead
MOST_READ_AT_ONCE: Final = 64  # reads by one thread
LONG_READ_S: Final = 0.005  # it waits for the disk, as others can at the same time

ObjectKey: TypeAlias = tuple[bytes, int, int]
"""A track's id, a rendition, and a segment or table."""

Told: TypeAlias = Callable[[int, int, bool], None]
"""Called with rendition and segment of an object that was asked for, and whether it could be read."""


class ReadableTrack(Protocol):
    """What a stream reads from."""

    def holds(self, rendition: int, segment: int) -> bool:
        """Return whether there is such a segment or table."""

    def read(self, rendition: int, segment: int) -> bytes:
        """Return a segment or table; raise a LightpeerError or OSError if it cannot be read."""


@dataclass(slots=True)
class _Order:
    """An object that somebody waits for."""

    track: ReadableTrack
    told: dict[Told, None] = field(default_factory=dict)  # in the order in which they asked


class Asker(NamedTuple):
    """Who asks for a track's objects: its id, what to read from, and whom to tell."""

    track_id: bytes
    track: ReadableTrack
    told: Told


class Objects:
    """The objects that were read last, and those that are being read; keep `run` running."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Take how many bytes to keep; the last object that was read stays in any case."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._objects: OrderedDict[ObjectKey, bytes] = OrderedDict()
        self._orders: dict[ObjectKey, _Order] = {}  # bounded by what each stream may order
        self._queue: OrderedDict[ObjectKey, None] = (
            OrderedDict()
        )  # of the orders, those that no thread has taken
        self._is_urgent = False  # something in the queue
        self._threads = Threads(SEGMENT_READERS)
        self._turn = trio.Lock()  # of the reader that takes from the queue
        self._changed = trio.lowlevel.ParkingLot()  # where it waits

    def find(self, asker: Asker, rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
        """Return an object of a track, or have it read: then the asker is told once that is done.

        Args:
            asker: of which track, and whom to tell.
            rendition: which of the track's.
            segment: which of its segments or tables.
            is_ahead: it need not be now.
        """
        track_id, track, told = asker
        key = track_id, rendition, segment
        data = self._objects.get(key)
        if data is not None:
            self._objects.move_to_end(key)
            return data
        order = self._orders.get(key)
        if order is None:
            if not track.holds(rendition, segment):
                return Missing.FOR_GOOD
            order = self._orders[key] = _Order(track)
            self._queue[key] = None
            self._changed.unpark()
        order.told[told] = None
        if not is_ahead and not self._is_urgent and key in self._queue:
            self._is_urgent = True
            self._changed.unpark()
        return Missing.YET

    async def run(self) -> None:
        """Have read what was ordered, until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(SEGMENT_READERS):
                nursery.start_soon(kept_up, "reading tracks", self._read_on)

    async def _read_on(self) -> None:
        while True:
            keys = await self._next()
            found = await self._read_all(keys)
            for key, data in zip(keys, found, strict=False):
                self._finish(key, data)
            for key in reversed(keys[len(found) :]):
                self._queue[key] = None
                self._queue.move_to_end(key, last=False)
                self._is_urgent = True
            self._changed.unpark()

    async def _read_all(self, keys: Sequence[ObjectKey]) -> Sequence[bytes | Exception]:
        """Return what a thread reads, or why nothing can be read: whoever waits is told in any case."""
        try:
            return await self._threads.run(_read, [(self._orders[key].track, *key[1:]) for key in keys])
        except Exception as error:  # noqa: BLE001 - no thread can be had, say: the next may fare better
            log_failure("reading tracks", error)
            return [error] * len(keys)

    async def _next(self) -> list[ObjectKey]:
        """Wait for what is to be read next, and take it from the queue."""
        async with self._turn:
            while not self._queue:
                await self._changed.park()
            with trio.move_on_after(GATHER_READS_S):
                while not self._is_urgent and len(self._queue) < MOST_READ_AT_ONCE:
                    await self._changed.park()
            keys = [
                self._queue.popitem(last=False)[0] for _ in range(min(MOST_READ_AT_ONCE, len(self._queue)))
            ]
            self._is_urgent = self._is_urgent and bool(self._queue)
            return keys

    def _finish(self, key: ObjectKey, data: bytes | Exception) -> None:
        order = self._orders.pop(key)
        if isinstance(data, bytes):
            self._objects[key] = data
            self._bytes += len(data)
            while self._bytes > self._max_bytes and len(self._objects) > 1:
                _, oldest = self._objects.popitem(last=False)
                self._bytes -= len(oldest)
        for told in order.told:
            told(*key[1:], isinstance(data, bytes))


def _read(wanted: Sequence[tuple[ReadableTrack, int, int]]) -> list[bytes | Exception]:
    """Return what is wanted of each track or why it cannot be read, and not of all where that takes long."""
    found: list[bytes | Exception] = []
    until = time.monotonic() + LONG_READ_S
    for track, rendition, segment in wanted:
        try:
            found.append(track.read(rendition, segment))
        except (LightpeerError, OSError) as error:
            logger.info("%s", error)  # whoever keeps the tracks tells the person
            found.append(error)
        except Exception as error:  # noqa: BLE001 - one read must not end those of others
            log_failure("reading a track", error)
            found.append(error)
        if time.monotonic() > until:
            break
    return found
