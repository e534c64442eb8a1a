"""The verified segments of a track around the playhead, bounded in bytes: those ahead and some of before.

The cursor is the next segment to be taken. Segments come in any order, and one may come again in a better
rendition. One that was taken stays for a while, so that a step back costs nothing. Segments ahead stay when
the cursor moves, as far as there is room: what was heard gives way first, then what is farthest.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.segments.scheduler import SegmentReady

SEGMENT_S: Final = 1.0
HISTORY_S: Final = 20.0  # two steps back of ten seconds; 0.1 MB at 48 kbit/s
HISTORY_SHARE: Final = 0.125  # of the bound, which is not for what is ahead


class SegmentBuffer:
    """The buffer of one track; the cursor begins at the track's start.

    Attributes:
        cursor: the next segment to be taken.
        ahead: segments that are here in a row from the cursor on.
        end: the first segment from the cursor on that is neither here nor on its way.
        here: by segment from the cursor on, its rendition.
        wished: by segment, the rendition that is on its way.
        is_next_ready: whether `take` has something to give.
        is_complete: whether all that is left of the track is here.
    """

    def __init__(self, segment_count: int, most_bytes: int) -> None:
        """Hold a track of `segment_count` segments, and of it at most `most_bytes`."""
        self.most_bytes = most_bytes
        self._count = segment_count
        self._ready: dict[int, SegmentReady] = {}
        self._bytes = self._ahead_bytes = 0
        self._ready_end = 0
        self.here: dict[int, int] = {}
        self.wished: dict[int, int] = {}
        self.cursor = self.ahead = self.end = 0
        self.is_next_ready = False
        self.is_complete = segment_count == 0

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def is_at_end(self) -> bool:
        """Whether all segments were taken."""
        return self.cursor >= self._count

    @property
    def size_bytes(self) -> int:
        """How many bytes it holds."""
        return self._bytes

    def room_bytes(self, rest_bytes: float) -> float:
        """Return how many bytes more it may hold of what is ahead; what lies beyond `end` gives way.

        So does what was heard, where all that is left of the track then fits in: `rest_bytes`.
        """
        beyond_bytes = sum(len(self._ready[number].data) for number in self.here if number > self.end)
        all_bytes = self.most_bytes - (self._ahead_bytes - beyond_bytes)
        return all_bytes if rest_bytes <= all_bytes else all_bytes - HISTORY_SHARE * self.most_bytes

    def on_wished(self, segment: int, rendition: int) -> None:
        """Note that a segment is on its way."""
        self.wished[segment] = rendition
        self._find_end()

    def on_dropped(self, segment: int) -> None:
        """Note that a segment is not on its way any more."""
        del self.wished[segment]
        if segment >= self.cursor and segment not in self.here:
            self.end = min(self.end, segment)

    def put(self, segment: SegmentReady) -> bool:
        """Add a segment; return whether it may be heard yet, and is better than what was here."""
        number = segment.segment
        if self.wished.get(number) == segment.rendition:
            del self.wished[number]
        before = self._ready.get(number)
        if number < self.cursor or (before is not None and before.rendition >= segment.rendition):
            return False
        self._remove(number)
        self._ready[number] = segment
        self.here[number] = segment.rendition
        self._bytes += len(segment.data)
        self._ahead_bytes += len(segment.data)
        self._make_room()
        self._update()
        return True

    def take(self) -> SegmentReady:
        """Return the next segment; `is_next_ready` says whether there is one."""
        segment = self._ready[self.cursor]
        del self.here[self.cursor]
        self._ahead_bytes -= len(segment.data)
        self.cursor += 1
        self._remove(self.cursor - int(HISTORY_S / SEGMENT_S) - 1)
        self._update()
        return segment

    def seek(self, segment: int) -> bool:
        """Go on at a segment; return whether it is here or on its way, so that the wishes stand."""
        self.cursor = max(0, min(segment, self._count - 1))
        is_near = self.cursor in self._ready or self.cursor in self.wished
        if not is_near:
            self.wished.clear()
        self.here = {
            number: ready.rendition for number, ready in self._ready.items() if number >= self.cursor
        }
        self._ahead_bytes = sum(len(self._ready[number].data) for number in self.here)
        self._ready_end = self.end = self.cursor
        self._update()
        return is_near

    def _update(self) -> None:
        self._ready_end = max(self._ready_end, self.cursor)
        while self._ready_end in self.here:
            self._ready_end += 1
        self.ahead = self._ready_end - self.cursor
        self.is_next_ready = self.ahead > 0
        self.is_complete = self._ready_end >= self._count
        self._find_end()

    def _find_end(self) -> None:
        self.end = max(self.end, self._ready_end)
        while self.end in self.here or self.end in self.wished:
            self.end += 1

    def _remove(self, number: int) -> None:
        segment = self._ready.pop(number, None)
        if segment is not None:
            self._bytes -= len(segment.data)
            if self.here.pop(number, None) is not None:
                self._ahead_bytes -= len(segment.data)

    def _make_room(self) -> None:
        """Drop what there is no room for: what was heard longest ago, else the farthest ahead."""
        while self._bytes > self.most_bytes and len(self._ready) > 1:
            oldest = min(self._ready)
            farthest = max(self._ready)
            self._remove(oldest if oldest < self.cursor else farthest)
            self._ready_end = min(self._ready_end, farthest)
            self.end = min(self.end, farthest) if farthest not in self._ready else self.end
