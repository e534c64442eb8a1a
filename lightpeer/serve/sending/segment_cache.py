"""The segments and tables that streams are sending, read once for all of their units and listeners.

Objects are known by the track's id, so they never change, and one bound holds for all streams: a resting
stream keeps no bytes of its own. `find` never waits: it returns an object that is here, and orders another
one from a worker thread, which calls the asker when it has been read.

A trip to a thread costs far more than a read that does not wait for the disk. So orders of objects that are
needed later gather for a moment, or until one is needed now, and one thread reads them all. If that takes
long, it leaves the rest to the other threads.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import trio

from lightpeer.core.udp.sender import Missing
from lightpeer.errors import LightpeerError
from lightpeer.tasks.supervision import kept_up, log_failure
from lightpeer.tasks.threads import Threads

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 32 * 1024 * 1024  # two segments each for 1,000 listeners to different tracks at 96 kbit/s
SEGMENT_READERS: Final = 4  # threads, so that a disk can reorder their reads
GATHER_READS_S: Final = 0.05  # a fifth of the streams' look-ahead
MOST_READ_AT_ONCE: Final = 64  # reads by one thread
LONG_READ_S: Final = 0.005  # such a read waited for the disk, and others can wait beside it

ObjectKey: TypeAlias = tuple[bytes, int, int]
"""A track's id, a rendition, and a segment or table."""

Told: TypeAlias = Callable[[int, int, bool], None]
"""Called with rendition and segment of an object that was asked for, and whether it could be read."""


class ReadableTrack(Protocol):
    """A track that streams read from."""

    def holds(self, rendition: int, segment: int) -> bool:
        """Return whether there is such a segment or table."""

    def read(self, rendition: int, segment: int) -> bytes:
        """Return a segment or table; raise a LightpeerError or OSError if it cannot be read."""


@dataclass(slots=True)
class _Order:
    """An object that is to be read for some askers."""

    track: ReadableTrack
    told: dict[Told, None] = field(default_factory=dict)  # in the order in which they asked


class Asker(Protocol):
    """A reader of one track."""

    @property
    def track_id(self) -> bytes:
        """The track's id."""

    @property
    def track(self) -> ReadableTrack:
        """The track."""

    @property
    def told(self) -> Told:
        """Called for objects that were read."""


class Objects:
    """The objects that were read last, and those on order; keep `run` running."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Keep `max_bytes`; the object that was read last stays in any case."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._objects: OrderedDict[ObjectKey, bytes] = OrderedDict()
        self._orders: dict[ObjectKey, _Order] = {}  # bounded by the orders allowed for each stream
        self._queue: OrderedDict[ObjectKey, None] = OrderedDict()  # orders that no thread has taken
        self._is_urgent = False  # whether anything in the queue is urgent
        self._threads = Threads(SEGMENT_READERS)
        self._turn = trio.Lock()  # held by the reader that takes from the queue
        self._changed = trio.lowlevel.ParkingLot()  # the reader waits here

    def find(self, asker: Asker, rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
        """Return an object of a track, or order it, and tell the asker once it was read.

        Args:
            asker: the track, and its callback.
            rendition: its number.
            segment: the segment's number, or the table's.
            is_ahead: whether it is needed later only.
        """
        key = asker.track_id, rendition, segment
        data = self._objects.get(key)
        if data is not None:
            self._objects.move_to_end(key)
            return data
        order = self._orders.get(key)
        if order is None:
            if not asker.track.holds(rendition, segment):
                return Missing.FOR_GOOD
            order = self._orders[key] = _Order(asker.track)
            self._queue[key] = None
            self._changed.unpark()
        order.told[asker.told] = None
        if not is_ahead and not self._is_urgent and key in self._queue:
            self._is_urgent = True
            self._changed.unpark()
        return Missing.YET

    async def run(self) -> None:
        """Have all orders read, until cancelled."""
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
        """Return the objects, or the error of each: their askers are told in any case."""
        try:
            return await self._threads.run(_read, [(self._orders[key].track, *key[1:]) for key in keys])
        except Exception as error:  # noqa: BLE001 - no thread is free, say: the next try may succeed
            log_failure("reading tracks", error)
            return [error] * len(keys)

    async def _next(self) -> list[ObjectKey]:
        """Wait for the next orders, and remove them from the queue."""
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
    """Read objects; return the bytes or the error of each, and stop early if it takes long."""
    found: list[bytes | Exception] = []
    until = time.monotonic() + LONG_READ_S
    for track, rendition, segment in wanted:
        try:
            found.append(track.read(rendition, segment))
        except (LightpeerError, OSError) as error:
            logger.info("%s", error)  # the library warns the operator
            found.append(error)
        except Exception as error:  # noqa: BLE001 - one failed read must not end the others
            log_failure("reading a track", error)
            found.append(error)
        if time.monotonic() > until:
            break
    return found
