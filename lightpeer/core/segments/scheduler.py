"""Which segment, from whom: the assembly of segments out of units, and their verification.

The session wishes for segments in the order in which playback needs them; the
tables that those need are fetched first, as objects of the same kind. An object
is asked from one source at a time, so that a source whose bytes fail their hash
is known. Units that were lost belong to older wishes, so they are asked again
ahead of new ones by order alone. When units of one object came from several
sources and the hash fails, nobody is blamed yet: the object is asked again,
whole, from a single source, and no other's units are taken for it any more.

Whoever is asked for an object must come up with it: the first within a few
seconds, and each that was asked after it a segment's length later, since slower
than that does not sustain playback. `overdue` tells who holds one longer.

Call order: `wish` and `next_ranges` to ask; `on_unit`, `on_lost`, `on_object`,
`release` to report; then drain `next_event`. A source is any hashable key, `now`
seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lightpeer.core.content.manifest import (
    TABLE_BASE,
    TABLE_SEGMENTS,
    SegmentTable,
    Track,
    parse_table_untrusted,
    table_bytes,
    table_of,
    table_segment,
)
from lightpeer.core.udp.datagram import Unit, UnitRange, unit_layout
from lightpeer.errors import RemoteError

PATIENCE_S = 3.0  # with the source of an object; several round trips, and a handover of the radio
_EACH_MORE_S = 1.0  # for each object that it holds before: a segment's length
_SHARE_TIMES = 4.0  # what it takes on a link that does not sustain playback: no source is to blame for that
TABLE_AHEAD = 32  # segments before its first, at which a table is fetched: more than any window holds
TABLES_KEPT = 32  # half an hour of a rendition, about 0.2 MB; a table forgotten is fetched again

Source: TypeAlias = Hashable
Key: TypeAlias = tuple[int, int]  # rendition, segment (or TABLE_BASE + table)


class SegmentReady(NamedTuple):
    """A segment whose hash is right."""

    rendition: int
    segment: int
    data: bytes


class SourceLied(NamedTuple):
    """Content from this source alone failed its hash: drop it."""

    source: Source
    reason: str


Event: TypeAlias = SegmentReady | SourceLied
Ranges: TypeAlias = list[tuple[UnitRange, list[int]]]
Kept: TypeAlias = Callable[[int, int, int], bytes | None]
"""Gives the bytes of a segment that are here, by rendition, segment and size; None if they are not."""


@dataclass(slots=True)
class _Object:
    """A segment or table on its way."""

    key: Key
    size: int
    units: int
    step: int
    table: SegmentTable | None = None  # which it is checked by; None for a table itself
    source: Source | None = None
    due_s: float = math.inf  # when its source should have come up with it
    was_shared: bool = False  # a second source was asked
    is_suspect: bool = False  # it failed and several had given: one source alone from now on
    asked: set[int] = field(default_factory=set)
    parts: dict[int, bytes] = field(default_factory=dict)
    givers: set[Source] = field(default_factory=set)

    def unit_bytes(self, unit: int) -> int:
        return min(self.step, self.size - unit * self.step)

    def missing(self) -> list[int]:
        if len(self.asked) + len(self.parts) == self.units and self.asked.isdisjoint(self.parts):
            return []  # of most objects at most times: the rest of the first is awaited
        return [u for u in range(self.units) if u not in self.asked and u not in self.parts]


class Scheduler:
    """The wishes of one track and their state, bounded by what the session wishes for at a time."""

    def __init__(self, track: Track, kept: Kept | None = None) -> None:
        """Schedule a track; `kept` gives what is already here of it, to be verified like all else."""
        self._track = track
        self._kept = kept
        self._tables: dict[Key, SegmentTable] = {}
        self._waiting: dict[Key, None] = {}  # wished for, but the table is not there yet
        self._objects: dict[Key, _Object] = {}  # in the order wished
        self._tables_wished = 0  # among the objects
        self._events: deque[Event] = deque()
        self.wasted_bytes = 0  # payload that came twice or was not wanted
        self.patience_s = PATIENCE_S  # more where a round trip takes long
        self.share_bytes_per_s = math.inf  # of the link, for each source

    def wish(self, rendition: int, segment: int) -> None:
        """Want a segment, after all that was wished before; wishing twice changes nothing."""
        key = (rendition, segment)
        if key in self._objects or key in self._waiting:
            return
        number = table_of(segment)
        table = self._tables.get((rendition, number))
        if table is None:
            self._waiting[key] = None
            self._wish_table(rendition, number)
        elif not self._take_kept(key, table):
            self._add(key, table.sizes[segment % TABLE_SEGMENTS], table)
        if segment + TABLE_AHEAD < self._track.segment_count:
            self._wish_table(rendition, table_of(segment + TABLE_AHEAD))

    def _take_kept(self, key: Key, table: SegmentTable) -> bool:
        """Take a segment that is here, if it is right."""
        rendition, segment = key
        data = self._kept and self._kept(rendition, segment, table.sizes[segment % TABLE_SEGMENTS])
        if not data:
            return False
        try:
            table.check_untrusted(segment, data)
        except RemoteError:
            return False
        self._events.append(SegmentReady(rendition, segment, data))
        return True

    def want_table(self, rendition: int, segment: int) -> None:
        """Want the table of a segment that is not wished for yet, if it is not here."""
        self._wish_table(rendition, table_of(segment))

    def wished(self) -> int:
        """Return how many segments are wished for and not there yet."""
        return len(self._waiting) + len(self._objects) - self._tables_wished

    def clear(self) -> None:
        """Forget all wishes (seek); tables stay."""
        self._objects.clear()
        self._waiting.clear()
        self._tables_wished = 0

    def next_ranges(self, source: Source, budget_bytes: float, now: float = 0.0) -> Ranges:
        """Return the units that a source should be asked for now, within a budget."""
        out: Ranges = []
        for item in self._objects.values():
            if item.source not in (None, source):
                continue
            for first, count in _runs(item.missing()):
                fitting = _fit(item, first, count, budget_bytes)
                if not fitting:
                    return out
                budget_bytes -= sum(fitting)
                self._hand_to(item, source, now)
                item.asked.update(range(first, first + len(fitting)))
                out.append((UnitRange(*item.key, first, len(fitting)), fitting))
        return out

    def next_objects(self, source: Source, count: int, now: float = 0.0) -> list[Key]:
        """Return up to `count` whole objects for a source that sends whole ones (Streams.Pull)."""
        out: list[Key] = []
        for item in self._objects.values():
            if len(out) == count:
                break
            if item.source in (None, source) and not item.asked:
                self._hand_to(item, source, now)
                item.asked.update(range(item.units))
                out.append(item.key)
        return out

    def on_unit(self, source: Source, unit: Unit, payload: bytes) -> None:
        """Take a unit from a source."""
        item = self._objects.get((unit.rendition, unit.segment))
        if item is None or unit.unit in item.parts or unit.unit >= item.units:
            self.wasted_bytes += len(payload)
            return
        if item.is_suspect and source != item.source:
            self.wasted_bytes += len(payload)
            return
        if len(payload) != item.unit_bytes(unit.unit):
            self._lied(source, "a unit of the wrong size")
            return
        item.parts[unit.unit] = payload
        item.asked.discard(unit.unit)
        item.givers.add(source)
        if len(item.parts) == item.units:
            self._complete(item)

    def on_object(self, source: Source, rendition: int, segment: int, data: bytes) -> None:
        """Take a whole segment or table from a source."""
        item = self._objects.get((rendition, segment))
        if item is None:
            self.wasted_bytes += len(data)
            return
        self.wasted_bytes += sum(map(len, item.parts.values()))
        item.givers = {source}
        item.parts = {0: data}
        self._complete(item)

    def on_beginning(self, source: Source, rendition: int, segment: int, data: bytes) -> None:
        """Take a whole segment or table, or the first units of one, from a source."""
        item = self._objects.get((rendition, segment))
        if item is None or len(data) > item.size:
            self.wasted_bytes += len(data)
            return
        for unit, start in enumerate(range(0, len(data), item.step)):
            self.on_unit(source, Unit(rendition, segment, unit), data[start : start + item.step])

    def on_lost(self, units: Iterable[Unit]) -> None:
        """Note units that will not come: they are asked for again, ahead of newer wishes."""
        for unit in units:
            item = self._objects.get((unit.rendition, unit.segment))
            if item is not None:
                item.asked.discard(unit.unit)

    def release(self, source: Source) -> None:
        """Let others serve what was asked of a source; what it gave stays, to be verified."""
        for item in self._objects.values():
            if item.source == source:
                item.source = None
                item.asked.clear()

    def first_holder(self) -> Source | None:
        """Return who was asked for what is needed first; None if nobody, or if a second was asked already."""
        item = next(iter(self._objects.values()), None)
        return None if item is None or item.was_shared else item.source

    def share_first(self) -> int:
        """Let a second source be asked for what is missing of the first object; return how many bytes.

        Whoever gives a unit first wins; what comes again is counted as wasted.
        """
        item = next(iter(self._objects.values()))
        size = sum(item.unit_bytes(unit) for unit in item.asked)
        item.source, item.was_shared = None, True
        item.asked.clear()
        return size

    def next_due(self) -> float:
        """Return when the first of the objects that were asked for is due, infinity without any."""
        return min((i.due_s for i in self._objects.values() if i.source is not None), default=math.inf)

    def overdue(self, now: float) -> Source | None:
        """Return who has held an object for longer than a source that sustains playback would, if anyone."""
        late = (i.source for i in self._objects.values() if i.source is not None and now >= i.due_s)
        return next(late, None)

    @property
    def has_event(self) -> bool:
        """Whether `next_event` has something to give."""
        return bool(self._events)

    def next_event(self) -> Event | None:
        """Return what happened, oldest first, None when there is no more."""
        return self._events.popleft() if self._events else None

    def _wish_table(self, rendition: int, number: int) -> None:
        key = (rendition, table_segment(number))
        if key not in self._objects and (rendition, number) not in self._tables:
            self._add(key, table_bytes(self._track, number))
            self._tables_wished += 1

    def _add(self, key: Key, size: int, table: SegmentTable | None = None) -> None:
        units, step = unit_layout(size)
        self._objects[key] = _Object(key, size, units, step, table)

    def _hand_to(self, item: _Object, source: Source, now: float) -> None:
        if item.source == source:
            return
        before = [other.size for other in self._objects.values() if other.source == source]
        sustained_s = self.patience_s + len(before) * _EACH_MORE_S
        shared_s = _SHARE_TIMES * (sum(before) + item.size) / self.share_bytes_per_s
        item.source, item.due_s = source, now + max(sustained_s, shared_s)
        if item.is_suspect and item.givers - {source}:
            item.givers.clear()
            item.parts.clear()

    def _complete(self, item: _Object) -> None:
        data = b"".join(part for _, part in sorted(item.parts.items()))
        try:
            if item.table is None:
                self._take_table_untrusted(item, data)
            else:
                self._take_segment_untrusted(item, item.table, data)
        except RemoteError as error:
            self._failed(item, str(error))

    def _take_table_untrusted(self, item: _Object, data: bytes) -> None:
        rendition, number = item.key[0], item.key[1] - TABLE_BASE
        self._tables[rendition, number] = parse_table_untrusted(data, self._track, rendition, number)
        if len(self._tables) > TABLES_KEPT:
            del self._tables[next(iter(self._tables))]
        del self._objects[item.key]
        self._tables_wished -= 1
        freed = [key for key in self._waiting if key[0] == rendition and table_of(key[1]) == number]
        for key in freed:  # in the order in which they were wished for
            del self._waiting[key]
            self.wish(*key)

    def _take_segment_untrusted(self, item: _Object, table: SegmentTable, data: bytes) -> None:
        rendition, segment = item.key
        table.check_untrusted(segment, data)
        del self._objects[item.key]
        self._events.append(SegmentReady(rendition, segment, data))

    def _failed(self, item: _Object, reason: str) -> None:
        givers, item.givers = item.givers, set()
        item.is_suspect |= len(givers) > 1
        item.source = None
        item.parts.clear()
        item.asked.clear()
        if len(givers) == 1:
            self._lied(givers.pop(), reason)

    def _lied(self, source: Source, reason: str) -> None:
        self.release(source)
        self._events.append(SourceLied(source, reason))


def _runs(units: list[int]) -> Iterator[tuple[int, int]]:
    """Yield each consecutive run of rising numbers, as its first and how many there are."""
    start, end = 0, len(units)
    for index in range(1, end + 1):
        if index == end or units[index] != units[index - 1] + 1:
            yield units[start], index - start
            start = index


def _fit(item: _Object, first: int, count: int, budget_bytes: float) -> list[int]:
    """Return the sizes of the first units of a run, as many as fit."""
    fitting: list[int] = []
    for unit in range(first, first + count):
        size = item.unit_bytes(unit)
        if size > budget_bytes:
            break
        budget_bytes -= size
        fitting.append(size)
    return fitting
