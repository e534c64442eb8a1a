"""The verified segments of a track around the playhead: those ahead, and some that were played lately.

The cursor is the next segment to be taken. Segments come in any order. A segment that was taken stays for a
while, so that a step back costs nothing. Segments ahead stay when the cursor moves, as far as there is room:
the farthest beyond the high-water mark gives way first, then the oldest.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.segments.scheduler import SegmentReady

SEGMENT_S: Final = 1.0
HISTORY_S: Final = 20.0  # two steps back of ten seconds; 0.1 MB at 48 kbit/s


class SegmentBuffer:
    """The buffer of one track; the cursor begins at the track's start."""

    def __init__(self, segment_count: int, ahead_s: float) -> None:
        """Hold a track of `segment_count` segments, at most `ahead_s` seconds ahead of the playhead."""
        self._count = segment_count
        self._most_ahead = int(ahead_s / SEGMENT_S)
        self._history = int(HISTORY_S / SEGMENT_S)
        self._ready: dict[int, SegmentReady] = {}
        self._wished: set[int] = set()
        self._end = 0  # of the segments that are ready in a row from the cursor on
        self._scanned = 0  # all segments from the cursor to this one are ready or wished for
        self.cursor = 0
        self.ahead = 0  # segments that are ready in a row from the cursor on
        self.is_next_ready = False  # `take` has something to give
        self.is_complete = segment_count == 0  # all that is left of the track is here

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def is_at_end(self) -> bool:
        """Whether all segments were taken."""
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
        """Add a segment; return whether it may be played yet."""
        number = segment.segment
        self._wished.discard(number)
        if number < self.cursor - self._history:
            return False
        self._ready[number] = segment
        self._find_end(self._end)
        self._make_room()
        self._update()
        return number >= self.cursor

    def take(self) -> SegmentReady:
        """Return the next segment; `is_next_ready` says whether there is one."""
        segment = self._ready[self.cursor]
        self.cursor += 1
        self._ready.pop(self.cursor - self._history - 1, None)
        self._update()
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
        self._update()
        return is_near

    def _update(self) -> None:
        self.ahead = self._end - self.cursor
        self.is_next_ready = self.ahead > 0
        self.is_complete = self._end >= self._count

    def _find_end(self, end: int) -> None:
        while end in self._ready:
            end += 1
        self._end = end

    def _make_room(self) -> None:
        """Drop segments that there is no room for: the farthest ahead, else the oldest."""
        while len(self._ready) > self._most_ahead + self._history:
            farthest, oldest = max(self._ready), min(self._ready)
            is_far = farthest >= self.cursor + self._most_ahead
            del self._ready[farthest if is_far else oldest]
            if is_far:
                self._end = min(self._end, farthest)
