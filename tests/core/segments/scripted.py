"""Sources that are told how silent they are and what is due; what they are asked for is real."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.scheduler import Scheduler
from lightpeer.core.segments.shared import Beside, DownloadStats, Shared
from lightpeer.core.segments.source import Source
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.udp.opening import UdpTerms
from tests.core.udp.link import KEYS
from tests.pair import made_track

MADE = made_track(60)
TERMS = UdpTerms(0, 7, 0, KEYS)


def peer_id(name: str) -> PeerId:
    return PeerId(name.encode().ljust(20))


def new_shared() -> Shared:
    return Shared(MADE.track, Scheduler(MADE.track), Bandwidth(), DownloadStats())


class Scripted(Source):
    """Says of itself what it was told to, and notes what is done to it."""

    def __init__(self, shared: Shared, peer: PeerState, now: float) -> None:
        super().__init__(shared, peer, now)
        self.silence_s = 0.0
        self.expired = False
        self.due = math.inf
        self.checks: list[tuple[float, Beside]] = []
        self.limited: tuple[int, float] | None = None
        self.start(TERMS, now)

    def silent_s(self, now: float) -> float:
        return self.silence_s

    def has_expired(self, now: float) -> bool:
        return self.expired

    def next_deadline(self) -> float:
        return self.due

    def handle_timeout(self, now: float, beside: Beside) -> None:
        self.checks.append((now, beside))

    def limit(self, *, beside: int, share_bytes_per_s: float) -> None:
        self.limited = beside, share_bytes_per_s


def scripted(shared: Shared, name: str, now: float = 0.0) -> Scripted:
    return Scripted(shared, PeerState(peer_id(name), name), now)


def wish(shared: Shared, count: int) -> None:
    """Wish for the first segments, whose table is here."""
    for segment in range(count):
        shared.scheduler.wish(0, segment)
    shared.scheduler.on_object("x", 0, table_segment(0), MADE.tables[0][0])


def hand(shared: Shared, source: Source, now: float) -> None:
    """Ask a source for all that is nobody's."""
    shared.scheduler.queue.next_ranges(source, 1e9, now)


def asked(shared: Shared) -> list[str]:
    """Return who was asked since, in that order."""
    names = [source.peer.name for source, _ in shared.out]
    shared.out.clear()
    return names


def names(sources: Sequence[Source]) -> str:
    return "".join(source.peer.name for source in sources)
