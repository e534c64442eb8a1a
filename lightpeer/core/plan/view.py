"""What a policy of playback sees, and what it says.

A policy is asked anew for each segment, so that its decisions are late: what the link shows until then
counts. It may want a segment that is not here, want one that is here in a better rendition, or take back what
it wanted earlier and no longer does. When it has nothing to say, fetching rests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rate.history import RateHistory

SEGMENT_S: Final = 1.0
EARLY_BYTES: Final = 1_500_000  # that count as fetched at the beginning, or nothing could be replaced there


class Want(NamedTuple):
    """Fetch a segment in a rendition."""

    rendition: int
    segment: int


class Drop(NamedTuple):
    """Fetch a segment in this rendition no longer."""

    rendition: int
    segment: int


Decision: TypeAlias = Want | Drop | None


@dataclass(slots=True)
class View:
    """A track around the playhead, as its buffer keeps it.

    Attributes:
        bitrates_bps: of the renditions, rising.
        count: segments of the track.
        rates: what the link gave, while something was to be fetched.
        now: the time in seconds.
        cursor: the segment that is taken next.
        end: the first segment after it that is neither here nor on its way.
        limit: the first segment that is not wanted yet.
        before_s: seconds of sound that are heard before the cursor.
        here: by segment from the cursor on, the rendition that is here.
        wished: by segment, the rendition that is on its way.
        unasked: by segment, how many bytes of that are still to be asked for.
        room_bytes: what the buffer has room for, beside what is here and on its way.
        best: the greatest rendition that the listener wants.
        waste_share: of the bytes fetched, at most so much may be fetched only to be replaced.
        fetched_bytes: so far, of this track.
        wasted_bytes: of these, replaced before they were heard, or too late.
    """

    bitrates_bps: Sequence[int]
    count: int
    rates: RateHistory
    now: float = 0.0
    cursor: int = 0
    end: int = 0
    limit: int = 0
    before_s: float = 0.0
    here: dict[int, int] = field(default_factory=dict)
    wished: dict[int, int] = field(default_factory=dict)
    unasked: dict[int, float] = field(default_factory=dict)
    room_bytes: float = 0.0
    best: int = 0
    waste_share: float = 0.0
    fetched_bytes: int = 0
    wasted_bytes: int = 0

    @property
    def ahead_s(self) -> float:
        """Seconds of sound until something is missing that is not on its way."""
        return self.before_s + (self.end - self.cursor) * SEGMENT_S

    @property
    def left(self) -> int:
        """How many segments of the track are neither here nor on their way, from `end` on."""
        return self.count - self.end

    def size_bytes(self, rendition: int) -> float:
        """Return how many bytes a segment of a rendition has, about."""
        return self.bitrates_bps[rendition] * SEGMENT_S / 8

    def may_extend(self, rendition: int) -> bool:
        """Return whether the segment at `end` is wanted yet, and has room in this rendition."""
        return self.end < self.limit and self.size_bytes(rendition) <= self.room_bytes

    def may_waste(self, segment: int, rendition: int) -> bool:
        """Return whether a segment that is here may be replaced by this rendition of it."""
        fetched_bytes = max(self.fetched_bytes, min(EARLY_BYTES, self.count * self.size_bytes(self.best)))
        most_bytes = self.waste_share * (fetched_bytes + self.size_bytes(rendition))
        return self.wasted_bytes + self.size_bytes(self.here[segment]) <= most_bytes


class Plan(Protocol):
    """A policy of playback."""

    def decide(self, view: View) -> Decision:
        """Return what to fetch next, or what no longer; None if nothing is to be fetched now."""


def greatest_below(view: View, rate_bytes_per_s: float) -> int:
    """Return the greatest rendition, of those that the listener wants, that a rate carries."""
    best = 0
    for rendition in range(1, view.best + 1):
        if view.size_bytes(rendition) <= rate_bytes_per_s * SEGMENT_S:
            best = rendition
    return best
