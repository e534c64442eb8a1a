"""A buffer of playback and the scheduler that it wishes from, with a link and a plan that a test sets."""

from __future__ import annotations

from lightpeer.core.budget.profile import Limits
from lightpeer.core.content.manifest import table_segment
from lightpeer.core.plan.bursts import Bursts, Listening
from lightpeer.core.plan.rules import Fixed
from lightpeer.core.plan.view import Decision, Plan, View
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.playback_buffer import PlaybackBuffer
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.policy import ANY, Policy
from lightpeer.core.segments.scheduler import Scheduler, SegmentReady, SourceLied
from lightpeer.core.segments.shared import DownloadStats, Shared
from lightpeer.core.udp.opening import Chunk
from tests.core.segments.kept import FakeKept
from tests.pair import made_track

MADE = made_track(100, kbps=(24, 48, 96))
LOW, MIDDLE, HIGH = range(3)
LITTLE = 60_000  # bytes of buffer: seventeen seconds in the lowest rendition


class FakeBandwidth(Bandwidth):
    """A link of a window and a rate that the test sets; it notes which rates are to be kept up."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 100.0
        self.measured = 0.0
        self.floors: list[float] = []

    @property
    def measured_bytes_per_s(self) -> float:
        return self.measured

    def window_bytes(self) -> float:
        return self.window

    def keep_up(self, floor_bytes_per_s: float) -> None:
        super().keep_up(floor_bytes_per_s)
        self.floors.append(floor_bytes_per_s)


class Script:
    """A plan that says what it is told to, one after the other, then nothing; it notes what it saw."""

    def __init__(self, *decisions: Decision) -> None:
        self.decisions = list(decisions)
        self.asked = 0
        self.view: View | None = None

    def decide(self, view: View) -> Decision:
        self.asked += 1
        self.view = view
        return self.decisions.pop(0) if self.decisions else None


class Stage:
    """A buffer, and the scheduler that it wishes from."""

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        only: int | None = None,
        limits: Limits = ANY,
        realtime: bool = True,
        listening: Listening | None = None,
        kept: FakeKept | None = None,
        bandwidth: FakeBandwidth | None = None,
    ) -> None:
        self.bandwidth = bandwidth or FakeBandwidth()
        self.scheduler = Scheduler(MADE.track, kept)
        self.shared = Shared(MADE.track, self.scheduler, self.bandwidth, DownloadStats(), kept=kept)
        self.playout, self.bursts = Playout(realtime), Bursts(listening)
        plan = plan or Fixed(only or LOW)
        self.policy = Policy(plan, only, limits, self.bursts, self.playout)
        self.buffer = PlaybackBuffer(self.shared, self.policy)

    @property
    def events(self) -> list[object]:
        return list(self.shared.events)

    @property
    def wishes(self) -> list[tuple[int, int]]:
        """The segments that are on their way."""
        scheduler = self.scheduler
        keys = [*(item.key for item in scheduler.queue.items), *scheduler._waiting]
        return sorted(key for key in keys if key[1] < table_segment(0))

    def heard_and_taken(self, now: float) -> SegmentReady | None:
        """Take a segment once all before it has been heard."""
        self.buffer.on_sink(0.0, now)
        return self.buffer.take(now)

    def put(self, *segments: int, rendition: int = LOW) -> list[bool]:
        """Put segments, which cost nobody a wish."""
        return [self.buffer.put(ready(number, rendition)) for number in segments]

    def give(self, *segments: int, rendition: int = LOW, now: float = 10.0) -> None:
        """Have tables and segments come that are wished for, and pump."""
        for number, table in enumerate(MADE.tables[rendition]):
            if (rendition, table_segment(number)) in self.scheduler.queue.by_key:
                self.scheduler.on_object("peer", rendition, table_segment(number), table)
        for number in segments:
            self.scheduler.on_object("peer", rendition, number, MADE.segments[rendition][number])
        self.drain()
        self.buffer.pump(now)

    def give_all(self, now: float = 10.0) -> None:
        """Have all come that is wished for, and what is wished for then, until there is no more."""
        while self.wishes:
            for rendition in range(3):
                self.give(*(n for r, n in self.wishes if r == rendition), rendition=rendition, now=now)

    def seek(self, segment: int) -> bool:
        """Seek as a download does."""
        is_near = self.buffer.seek(segment)
        if not is_near:
            self.scheduler.clear()
        return is_near

    def drain(self) -> list[SourceLied]:
        """Put what is complete; return the rest."""
        lies = []
        while (event := self.scheduler.next_event()) is not None:
            if isinstance(event, SegmentReady):
                self.buffer.put(event)
            else:
                lies.append(event)
        return lies


def limits(**changes: object) -> Limits:
    """What a listener pays for, but for some."""
    return ANY._replace(**changes)


def ready(number: int, rendition: int = LOW) -> SegmentReady:
    return SegmentReady(rendition, number, MADE.segments[rendition][number])


def segment(number: int, rendition: int = LOW, size: int | None = None) -> Chunk:
    return Chunk(rendition, number, MADE.segments[rendition][number][:size])


def table(number: int = 0, rendition: int = LOW) -> Chunk:
    return Chunk(rendition, table_segment(number), MADE.tables[rendition][number])
