"""The verified segments of a track around the playhead: what lies ahead, and a little of what was heard.

The cursor is the next segment to be taken. Segments come in any order. What was taken stays for a while,
so that a step back costs nothing; what lies ahead stays when the cursor moves, as far as there is room:
the farthest gives way first, beyond the high-water mark, then the oldest of what was heard.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.segments.scheduler import SegmentReady

SEGMENT_S: Final = 1.0
HISTORY_S: Final = 20.0  # two steps back of ten seconds; 0.1 MB at 48 kbit/s


class SegmentBuffer:
    """The buffer of one track; begins at its start."""

    def __init__(self, segment_count: int, ahead_s: float) -> None:
        """Hold a track of so many segments, at most so many seconds ahead of the playhead."""
        self._count = segment_count
        self._most_ahead = int(ahead_s / SEGMENT_S)
        self._history = int(HISTORY_S / SEGMENT_S)
        self._ready: dict[int, SegmentReady] = {}
        self._wished: set[int] = set()
        self._end = 0  # of those that are ready in a row from the cursor on
        self._scanned = 0  # before it all from the cursor on are ready or wished for
        self.cursor = 0

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def ahead(self) -> int:
        """How many segments are ready in a row from the cursor on."""
        return self._end - self.cursor

    @property
    def is_next_ready(self) -> bool:
        """Whether `take` has something to give."""
        return self.cursor in self._ready

    @property
    def is_complete(self) -> bool:
        """Whether all that is left of the track is here."""
        return self._end >= self._count

    @property
    def is_at_end(self) -> bool:
        """Whether all was taken."""
        return self.cursor >= self._count

    def next_wish(self) -> int | None:
        """Return the first segment that is neither here nor wished for; None up to the high-water mark."""
        limit = min(self._count, self.cursor + self._most_ahead)
        self._scanned = max(self._scanned, self.cursor)
        while self._scanned < limit and (self._scanned in self._ready or self._scanned in self._wished):
            self._scanned += 1
        return self._scanned if self._scanned < limit else None

    def on_wished(self, segment: int) -> None:
        """Note that a segment is on its way."""
        self._wished.add(segment)

    def put(self, segment: SegmentReady) -> bool:
        """Take in a segment; return whether it may be heard yet."""
        number = segment.segment
        self._wished.discard(number)
        if number < self.cursor - self._history:
            return False
        self._ready[number] = segment
        self._find_end(self._end)
        self._make_room()
        return number >= self.cursor

    def take(self) -> SegmentReady:
        """Return the next segment; `is_next_ready` says whether there is one."""
        segment = self._ready[self.cursor]
        self.cursor += 1
        self._ready.pop(self.cursor - self._history - 1, None)
        return segment

    def seek(self, segment: int) -> bool:
        """Go on at a segment; return whether it is here or on its way, so that the wishes stand."""
        self.cursor = max(0, min(segment, self._count - 1))
        is_near = self.cursor in self._ready or self.cursor in self._wished
        if not is_near:
            self._wished.clear()
        self._scanned = self.cursor
        self._find_end(self.cursor)
        self._make_room()
        return is_near

    def _find_end(self, end: int) -> None:
        while end in self._ready:
            end += 1
        self._end = end

    def _make_room(self) -> None:
        """Drop what there is no room for: the farthest ahead, else the oldest."""
        while len(self._ready) > self._most_ahead + self._history:
            farthest, oldest = max(self._ready), min(self._ready)
            is_far = farthest >= self.cursor + self._most_ahead
            del self._ready[farthest if is_far else oldest]
            if is_far:
                self._end = min(self._end, farthest)
