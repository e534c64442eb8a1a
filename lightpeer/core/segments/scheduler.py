"""Which segment to ask for next, and from which source.

What playback needs first is asked for first, so units that were lost go ahead of what comes later, and a wish
may be taken back. The tables that segments need are fetched first, as objects of the same kind. Each object
is asked from one source at a time. If units of several sources fail their hash together, nobody is blamed
yet: the object is asked again, whole, from a single source (`assembly.py`).

Call order: `wish`, and `queue` to ask (`object_queue.py`); `on_units`, `on_lost`, `on_object` to report; then
drain `next_event` while `has_event`. A source is any hashable key, `now` seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from lightpeer.core.content.manifest import (
    TABLE_BASE,
    TABLE_SEGMENTS,
    Track,
    table_bytes,
    table_of,
    table_segment,
)
from lightpeer.core.segments.assembly import Assembly, Key, Outcome, SourceKey
from lightpeer.core.segments.object_queue import ObjectQueue
from lightpeer.core.segments.tables import Kept, Tables
from lightpeer.core.udp.datagram import Unit
from lightpeer.errors import RemoteError

WAITS: Final = 1_000_000  # more than any track has segments: what can wait comes behind all that cannot
TABLE_AHEAD: Final = 32  # segments before its first, when a table is fetched: more than any window holds


class SegmentReady(NamedTuple):
    """A segment whose hash is right."""

    rendition: int
    segment: int
    data: bytes
    was_kept: bool = False  # so that nothing was fetched


class SourceLied(NamedTuple):
    """Content from this source alone failed its hash: drop it."""

    source: SourceKey
    reason: str


class Arrival(Protocol):
    """A unit that came from a source (`UnitArrived`)."""

    @property
    def unit(self) -> Unit:
        """The unit's rendition, segment and number."""

    @property
    def payload(self) -> bytes:
        """The unit's bytes."""


Event: TypeAlias = SegmentReady | SourceLied


class Scheduler:
    """The wishes of one track and their state, bounded by how many the session has at a time.

    Attributes:
        queue: the objects on their way, to ask sources for.
        has_event: whether `next_event` has something to give.
        wished: segments that are not here yet.
        wished_bytes: their sizes, as usual for those whose table is not here yet.
        ready_bytes: of segments that `next_event` is going to give.
        delivered_bytes: payload that came, whether it was wanted or not.
        wasted_bytes: of that, what came twice or was not wanted.
    """

    def __init__(self, track: Track, kept: Kept | None = None) -> None:
        """Schedule a track; `kept` is what is kept of it."""
        self._track = track
        self._tables = Tables(track, kept)
        self._waiting: dict[Key, bool] = {}  # segments whose table is not here yet, and whether they can wait
        self.queue = ObjectQueue()
        self._events: deque[Event] = deque()
        self.has_event = False
        self.wished = self.wished_bytes = 0
        self.ready_bytes = self.delivered_bytes = self.wasted_bytes = 0

    # Wishes.

    def wish(self, rendition: int, segment: int, *, can_wait: bool = False) -> None:
        """Want a segment; twice changes nothing.

        Args:
            rendition: which rendition of it.
            segment: its number; those of smaller numbers are needed sooner.
            can_wait: whether it is here in another rendition, so that all that is not is needed sooner.
        """
        key = (rendition, segment)
        if key in self.queue.by_key or key in self._waiting:
            return
        number = table_of(segment)
        table = self._tables.get(rendition, number)
        if table is None:
            self._waiting[key] = can_wait
            self.wished += 1
            self.wished_bytes += self._usual_bytes(rendition)
            self._wish_table(rendition, segment, can_wait=can_wait)
        elif (data := self._tables.kept_segment(rendition, segment, table)) is not None:
            self._tell(SegmentReady(rendition, segment, data, was_kept=True))
        else:
            needed_at = segment + (WAITS if can_wait else 0)
            item = Assembly(key, table.sizes[segment % TABLE_SEGMENTS], table, needed_at=needed_at)
            self.queue.put(item)
            self.wished += 1
            self.wished_bytes += item.size
        if segment + TABLE_AHEAD < self._track.segment_count:
            self._wish_table(rendition, segment + TABLE_AHEAD, can_wait=can_wait)

    def unasked_bytes(self, wished: Mapping[int, int]) -> dict[int, float]:
        """Return, by segment, how many bytes of segments that are wished for are still to be asked for.

        Args:
            wished: by segment, its rendition.
        """
        return {segment: self._unasked_bytes(rendition, segment) for segment, rendition in wished.items()}

    def _unasked_bytes(self, rendition: int, segment: int) -> float:
        """Return how many bytes of a segment are still to be asked for.

        That is infinity where its table is not here yet, and 0 where it waits to be taken by `next_event`.
        """
        if (rendition, segment) in self._waiting:
            return math.inf
        item = self.queue.by_key.get((rendition, segment))
        return 0.0 if item is None else sum(item.unit_sizes[unit] for unit in item.missing)

    def take_back(self, rendition: int, segment: int) -> None:
        """Want a segment no longer; what still comes of it is wasted."""
        item = self.queue.by_key.get((rendition, segment))
        if item is not None:
            self.queue.remove(item)
            self.wasted_bytes += sum(map(len, item.parts.values()))
            self.wished_bytes -= item.size
            self.wished -= 1
        elif (rendition, segment) in self._waiting:
            self._forget_waiting((rendition, segment))

    def want_table(self, rendition: int, segment: int) -> None:
        """Want the table of a segment that is not wished for yet, unless it is here."""
        self._wish_table(rendition, segment)

    def clear(self) -> None:
        """Forget all wishes (seek); tables stay."""
        self.queue.clear()
        self._waiting.clear()
        self.wished = self.wished_bytes = 0

    # Arrivals.

    def on_units(self, source: SourceKey, arrivals: Iterable[Arrival]) -> None:
        """Add the units of one wake-up that a source sent, oldest first."""
        for arrival in arrivals:
            self._on_unit(source, arrival.unit, arrival.payload)

    def on_object(self, source: SourceKey, rendition: int, segment: int, data: bytes) -> None:
        """Add a whole segment or table.

        Args:
            source: the source that sent it.
            rendition: the rendition's index in the manifest.
            segment: the segment's number, or TABLE_BASE and the table's.
            data: its bytes.
        """
        self.delivered_bytes += len(data)
        item = self.queue.by_key.get((rendition, segment))
        if item is None:
            self.wasted_bytes += len(data)
            return
        self.wasted_bytes += item.put_whole(source, data)
        self._complete(item)

    def on_beginning(self, source: SourceKey, rendition: int, segment: int, data: bytes) -> None:
        """Add a whole segment or table, or the first units of one; the arguments are `on_object`'s."""
        item = self.queue.by_key.get((rendition, segment))
        if item is None or len(data) > item.size:
            self.wasted_bytes += len(data)
            return
        step = item.unit_sizes[0]
        for unit, start in enumerate(range(0, len(data), step)):
            self._on_unit(source, Unit(rendition, segment, unit), data[start : start + step])

    def on_lost(self, units: Iterable[Unit]) -> None:
        """Note units that will not come: they are asked for again, ahead of newer wishes."""
        for unit in units:
            item = self.queue.by_key.get((unit.rendition, unit.segment))
            if item is not None:
                item.on_lost(unit.unit)

    def next_event(self) -> Event | None:
        """Return what happened, oldest first, None when there is no more."""
        event = self._events.popleft() if self._events else None
        self.has_event = bool(self._events)
        if isinstance(event, SegmentReady):
            self.ready_bytes -= len(event.data)
        return event

    def _on_unit(self, source: SourceKey, unit: Unit, payload: bytes) -> None:
        self.delivered_bytes += len(payload)
        item = self.queue.by_key.get((unit.rendition, unit.segment))
        if item is None:
            self.wasted_bytes += len(payload)
            return
        match item.put(source, unit.unit, payload):
            case Outcome.UNWANTED:
                self.wasted_bytes += len(payload)
            case Outcome.WRONG_SIZE:
                self._lied(source, "a unit of the wrong size")
            case Outcome.COMPLETE:
                self._complete(item)

    def _complete(self, item: Assembly) -> None:
        rendition, segment = item.key
        data = item.data()
        try:
            if item.table is None:
                self._tables.put_untrusted(rendition, segment - TABLE_BASE, data)
            else:
                item.table.check_untrusted(segment, data)
        except RemoteError as error:
            givers = item.fail()
            if len(givers) == 1:
                self._lied(givers.pop(), str(error))
            return
        self.queue.remove(item)
        if item.table is None:
            self._on_table(rendition, segment - TABLE_BASE)
        else:
            self.wished -= 1
            self.wished_bytes -= item.size
            self._tables.keep(rendition, segment, data)
            self._tell(SegmentReady(rendition, segment, data))

    def _on_table(self, rendition: int, number: int) -> None:
        """Go on with the segments that waited for a table, in the order of the wishes."""
        waiting = self._waiting.items()
        freed = [item for item in waiting if item[0][0] == rendition and table_of(item[0][1]) == number]
        for key, can_wait in freed:
            self._forget_waiting(key)
            self.wish(*key, can_wait=can_wait)

    def _wish_table(self, rendition: int, segment: int, *, can_wait: bool = False) -> None:
        """Want the table that covers a segment, and before it."""
        number = table_of(segment)
        key = (rendition, table_segment(number))
        needed_at = segment - 0.5 + (WAITS if can_wait else 0)
        if (item := self.queue.by_key.get(key)) is not None:
            self.queue.hasten(item, needed_at)
        elif self._tables.get(rendition, number) is None:
            self.queue.put(Assembly(key, table_bytes(self._track, number), needed_at=needed_at))

    def _forget_waiting(self, key: Key) -> None:
        del self._waiting[key]
        self.wished -= 1
        self.wished_bytes -= self._usual_bytes(key[0])

    def _usual_bytes(self, rendition: int) -> int:
        return self._track.renditions[rendition].bitrate_bps // 8

    def _lied(self, source: SourceKey, reason: str) -> None:
        self.queue.release(source)
        self._tell(SourceLied(source, reason))

    def _tell(self, event: Event) -> None:
        if isinstance(event, SegmentReady):
            self.ready_bytes += len(event.data)
        self._events.append(event)
        self.has_event = True
