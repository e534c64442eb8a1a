"""Which segment to ask for next, and from which source.

The session wishes for segments in the order in which playback needs them. The tables that those need are
fetched first, as objects of the same kind. Each object is asked from one source at a time. Units that were
lost belong to older wishes, so they are asked again ahead of new ones by order alone. If units of several
sources fail their hash together, nobody is blamed yet: the object is asked again, whole, from a single
source (`assembly.py`).

A source has a few seconds to deliver an object, and a segment's length more for each object that it was
asked for before: anything slower does not sustain playback. `overdue` names a source that takes longer.

Call order: `wish` and `next_ranges` to ask; `on_units`, `on_lost`, `on_object`, `release` to report; then
drain `next_event` while `has_event`. A source is any hashable key, `now` seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol, TypeAlias

from lightpeer.core.content.manifest import (
    TABLE_BASE,
    TABLE_SEGMENTS,
    Track,
    table_bytes,
    table_of,
    table_segment,
)
from lightpeer.core.segments.assembly import Assembly, Key, Outcome, Ranges, SourceKey
from lightpeer.core.segments.tables import Kept, Tables
from lightpeer.core.udp.datagram import Unit
from lightpeer.errors import RemoteError

PATIENCE_S: Final = 3.0  # with the source of an object: several round trips, and a handover of the radio
_EACH_MORE_S: Final = 1.0  # for each object that it was asked for before: a segment's length
_SHARE_TIMES: Final = 4.0  # the time that its share of a slow link takes: no source is to blame for that
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
    """The wishes of one track and their state, bounded by how many the session has at a time."""

    def __init__(self, track: Track, kept: Kept | None = None) -> None:
        """Schedule a track; `kept` is what is kept of it."""
        self._track = track
        self._tables = Tables(track, kept)
        self._waiting: dict[Key, None] = {}  # segments whose table is not here yet
        self._objects: dict[Key, Assembly] = {}  # in the order of the wishes
        self._events: deque[Event] = deque()
        self.has_event = False  # `next_event` has something to give
        self.wished = 0  # segments that are not here yet
        self.wasted_bytes = 0  # payload that came twice or was not wanted
        self.patience_s = PATIENCE_S  # more where a round trip takes long
        self.share_bytes_per_s = math.inf  # of the link, for each source

    # Wishes.

    def wish(self, rendition: int, segment: int) -> None:
        """Want a segment, after all earlier wishes; wishing twice changes nothing."""
        key = (rendition, segment)
        if key in self._objects or key in self._waiting:
            return
        number = table_of(segment)
        table = self._tables.get(rendition, number)
        if table is None:
            self._waiting[key] = None
            self.wished += 1
            self._wish_table(rendition, number)
        elif (data := self._tables.kept_segment(rendition, segment, table)) is not None:
            self._tell(SegmentReady(rendition, segment, data, was_kept=True))
        else:
            self._objects[key] = Assembly(key, table.sizes[segment % TABLE_SEGMENTS], table)
            self.wished += 1
        if segment + TABLE_AHEAD < self._track.segment_count:
            self._wish_table(rendition, table_of(segment + TABLE_AHEAD))

    def want_table(self, rendition: int, segment: int) -> None:
        """Want the table of a segment that is not wished for yet, unless it is here."""
        self._wish_table(rendition, table_of(segment))

    def clear(self) -> None:
        """Forget all wishes (seek); tables stay."""
        self._objects.clear()
        self._waiting.clear()
        self.wished = 0

    # Asking.

    def next_ranges(self, source: SourceKey, budget_bytes: float, now: float) -> Ranges:
        """Return the units to ask a source for now.

        Args:
            source: the source.
            budget_bytes: the most to ask for.
            now: the time in seconds.
        """
        out: Ranges = []
        for item in self._objects.values():
            if not item.missing or item.source not in (None, source):
                continue
            ranges, budget_bytes = item.ask_within(budget_bytes)
            if ranges:
                self._hand_to(item, source, now)
                out += ranges
            if budget_bytes <= 0:
                break
        return out

    def next_objects(self, source: SourceKey, count: int, now: float) -> list[Key]:
        """Return whole objects to ask a source for that sends whole ones (Streams.Pull).

        Args:
            source: the source.
            count: the most to ask for.
            now: the time in seconds.
        """
        out: list[Key] = []
        for item in self._objects.values():
            if len(out) == count:
                break
            if item.source in (None, source) and not item.asked:
                self._hand_to(item, source, now)
                item.ask_whole()
                out.append(item.key)
        return out

    def release(self, source: SourceKey) -> None:
        """Let others deliver what was asked of a source; the units it sent stay, to be verified."""
        for item in self._objects.values():
            if item.source == source:
                item.release()

    def first_holder(self) -> SourceKey | None:
        """Return the source of the object needed first; None if there is none, or two were asked."""
        item = next(iter(self._objects.values()), None)
        return None if item is None or item.was_hedged else item.source

    def hedge_first(self) -> int:
        """Let a second source be asked for the rest of the first object; return how many bytes that is."""
        return next(iter(self._objects.values())).hedge()

    def next_due(self) -> float:
        """Return when the first of the objects that were asked for is due, infinity without any."""
        return min((i.due_s for i in self._objects.values() if i.source is not None), default=math.inf)

    def overdue(self, now: float) -> SourceKey | None:
        """Return a source that takes longer for an object than playback can bear, None if none does."""
        late = (i.source for i in self._objects.values() if i.source is not None and now >= i.due_s)
        return next(late, None)

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
        item = self._objects.get((rendition, segment))
        if item is None:
            self.wasted_bytes += len(data)
            return
        self.wasted_bytes += item.put_whole(source, data)
        self._complete(item)

    def on_beginning(self, source: SourceKey, rendition: int, segment: int, data: bytes) -> None:
        """Add a whole segment or table, or the first units of one; the arguments are `on_object`'s."""
        item = self._objects.get((rendition, segment))
        if item is None or len(data) > item.size:
            self.wasted_bytes += len(data)
            return
        step = item.unit_sizes[0]
        for unit, start in enumerate(range(0, len(data), step)):
            self._on_unit(source, Unit(rendition, segment, unit), data[start : start + step])

    def on_lost(self, units: Iterable[Unit]) -> None:
        """Note units that will not come: they are asked for again, ahead of newer wishes."""
        for unit in units:
            item = self._objects.get((unit.rendition, unit.segment))
            if item is not None:
                item.on_lost(unit.unit)

    def next_event(self) -> Event | None:
        """Return what happened, oldest first, None when there is no more."""
        event = self._events.popleft() if self._events else None
        self.has_event = bool(self._events)
        return event

    def _on_unit(self, source: SourceKey, unit: Unit, payload: bytes) -> None:
        item = self._objects.get((unit.rendition, unit.segment))
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
        del self._objects[item.key]
        if item.table is None:
            self._on_table(rendition, segment - TABLE_BASE)
        else:
            self.wished -= 1
            self._tables.keep(rendition, segment, data)
            self._tell(SegmentReady(rendition, segment, data))

    def _on_table(self, rendition: int, number: int) -> None:
        """Go on with the segments that waited for a table, in the order of the wishes."""
        freed = [key for key in self._waiting if key[0] == rendition and table_of(key[1]) == number]
        for key in freed:
            del self._waiting[key]
            self.wished -= 1
            self.wish(*key)

    def _wish_table(self, rendition: int, number: int) -> None:
        key = (rendition, table_segment(number))
        if key not in self._objects and self._tables.get(rendition, number) is None:
            self._objects[key] = Assembly(key, table_bytes(self._track, number))

    def _hand_to(self, item: Assembly, source: SourceKey, now: float) -> None:
        if item.source == source:
            return
        before = [other.size for other in self._objects.values() if other.source == source]
        sustained_s = self.patience_s + len(before) * _EACH_MORE_S
        share_s = _SHARE_TIMES * (sum(before) + item.size) / self.share_bytes_per_s
        item.hand_to(source, now + max(sustained_s, share_s))

    def _lied(self, source: SourceKey, reason: str) -> None:
        self.release(source)
        self._tell(SourceLied(source, reason))

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self.has_event = True
