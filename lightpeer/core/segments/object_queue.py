"""The segments and tables that are on their way, in the order in which playback needs them.

Each object is asked from one source at a time. A source has a few seconds to deliver an object, and a
segment's length more for each object that it was asked for before: anything slower does not sustain
playback. `overdue` names a source that takes longer.
"""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightpeer.core.segments.assembly import Assembly, Key, Ranges, SourceKey

PATIENCE_S: Final = 3.0  # with the source of an object: several round trips, and a handover of the radio
_EACH_MORE_S: Final = 1.0  # for each object that it was asked for before: a segment's length
_SHARE_TIMES: Final = 4.0  # the time that its share of a slow link takes: no source is to blame for that


class ObjectQueue:
    """The objects of one track that are on their way.

    Attributes:
        items: the objects, the one that is needed first at the front; read it only.
        by_key: the same, by rendition and segment.
        patience_s: the time that a source has for an object at least.
        share_bytes_per_s: of the link, for each source.
        present: of sources that do not have all renditions, how many they have, from the lowest on.
    """

    def __init__(self) -> None:
        self.items: list[Assembly] = []
        self.by_key: dict[Key, Assembly] = {}
        self.patience_s = PATIENCE_S  # more where a round trip takes long
        self.share_bytes_per_s = math.inf
        self.present: dict[SourceKey, int] = {}

    def put(self, item: Assembly) -> None:
        """Add an object where it is needed."""
        self.by_key[item.key] = item
        insort(self.items, item, key=_needed_at)

    def hasten(self, item: Assembly, needed_at: float) -> None:
        """Move an object forward, to where one that is needed at `needed_at` belongs."""
        if needed_at < item.needed_at:
            self.items.remove(item)
            item.needed_at = needed_at
            insort(self.items, item, key=_needed_at)

    def remove(self, item: Assembly) -> None:
        """Want an object no longer, for it is here or nobody needs it."""
        del self.by_key[item.key]
        self.items.remove(item)

    def clear(self) -> None:
        """Want nothing any more."""
        self.by_key.clear()
        self.items.clear()

    # Asking.

    def next_ranges(self, source: SourceKey, budget_bytes: float, now: float) -> Ranges:
        """Return the units to ask a source for now.

        Args:
            source: the source.
            budget_bytes: the most to ask for.
            now: the time in seconds.
        """
        out: Ranges = []
        for item in self.items:
            if not item.missing or not self._may_ask(item, source):
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
        for item in self.items:
            if len(out) == count:
                break
            if not item.asked and self._may_ask(item, source):
                self._hand_to(item, source, now)
                item.ask_whole()
                out.append(item.key)
        return out

    def _may_ask(self, item: Assembly, source: SourceKey) -> bool:
        return item.source in (None, source) and item.key[0] < self.present.get(source, math.inf)

    def release(self, source: SourceKey) -> None:
        """Let others deliver what was asked of a source; the units it sent stay, to be verified."""
        for item in self.items:
            if item.source == source:
                item.release()

    def first_holder(self) -> SourceKey | None:
        """Return the source of the object needed first; None if there is none, or two were asked."""
        item = next(iter(self.items), None)
        return None if item is None or item.was_hedged else item.source

    def hedge_first(self) -> int:
        """Let a second source be asked for the rest of the first object; return how many bytes that is."""
        return self.items[0].hedge()

    def next_due(self) -> float:
        """Return when the first of the objects that were asked for is due, infinity without any."""
        return min((i.due_s for i in self.items if i.source is not None), default=math.inf)

    def overdue(self, now: float) -> SourceKey | None:
        """Return a source that takes longer for an object than playback can bear, None if none does."""
        late = (i.source for i in self.items if i.source is not None and now >= i.due_s)
        return next(late, None)

    def _hand_to(self, item: Assembly, source: SourceKey, now: float) -> None:
        if item.source == source:
            return
        before = [other.size for other in self.items if other.source == source]
        sustained_s = self.patience_s + len(before) * _EACH_MORE_S
        share_s = _SHARE_TIMES * (sum(before) + item.size) / self.share_bytes_per_s
        item.hand_to(source, now + max(sustained_s, share_s))


def _needed_at(item: Assembly) -> float:
    return item.needed_at
