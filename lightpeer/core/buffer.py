"""The verified segments of a track that were not taken yet, in order.

The cursor is the next segment to be taken, the frontier the next one to be wished
for. Segments may come in any order between the two; those before the cursor are
late and dropped. The bound is the frontier's: whoever moves it stops at the
high-water mark.
"""

from __future__ import annotations

from lightpeer.core.scheduler import SegmentReady

SEGMENT_S = 1.0


class SegmentBuffer:
    """The buffer of one track; begins at its start."""

    def __init__(self, segment_count: int) -> None:
        self._count = segment_count
        self._ready: dict[int, SegmentReady] = {}
        self._end = 0  # of those that are ready in a row from the cursor on
        self.cursor = 0
        self.frontier = 0

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

    def put(self, segment: SegmentReady) -> bool:
        """Take in a segment; False if it comes too late."""
        if segment.segment < self.cursor:
            return False
        self._ready[segment.segment] = segment
        self._find_end(self._end)
        return True

    def take(self) -> SegmentReady:
        """Return the next segment; `is_next_ready` says whether there is one."""
        segment = self._ready.pop(self.cursor)
        self.cursor += 1
        return segment

    def seek(self, segment: int) -> bool:
        """Go on at a segment; False if nothing of what is here serves there, and all is dropped."""
        self.cursor = max(0, min(segment, self._count - 1))
        inside = self.cursor in self._ready
        self._ready = {k: ready for k, ready in self._ready.items() if inside and k >= self.cursor}
        self._find_end(self.cursor)
        if not inside:
            self.frontier = self.cursor
        return inside

    def _find_end(self, end: int) -> None:
        while end in self._ready:
            end += 1
        self._end = end
