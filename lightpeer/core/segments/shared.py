"""What all sources of one track share, the counts of its download among it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lightpeer.core.trust.bounds import MAX_RENDITIONS

if TYPE_CHECKING:
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.assembly import Key
    from lightpeer.core.segments.events import Event
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.segments.scheduler import Scheduler
    from lightpeer.core.segments.tables import Kept


class Fault(NamedTuple):
    """Why a source is of no more use, as a part of a sentence; `is_lie` if it broke the protocol."""

    reason: str
    is_lie: bool = False


class Beside(NamedTuple):
    """What the other sources show of the network at the same time."""

    deliver: bool = False  # so that one that fails is to blame itself
    udp_passes: bool = False


Outgoing: TypeAlias = "tuple[SourceHandle, bytes | list[Key]]"
"""A datagram for a source, or the objects to ask it for on its call."""


@dataclass(slots=True)
class DownloadStats:
    """What a download counts."""

    audio_bytes: int = 0  # verified and taken
    fetched_bytes: int = 0  # verified
    kept_bytes: int = 0  # verified, and fetched before
    replaced_bytes: int = 0  # of these, not heard: replaced by better, or too late
    fetching_s: float = 0.0
    segments: int = 0  # taken
    bitrate_seconds: float = 0.0  # kbit/s x seconds over the segments taken
    switches: int = 0  # of the rendition, as it was taken
    retransmitted_units: int = 0
    duplicate_units: int = 0
    sources: int = 0  # at most at a time
    transports: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Shared:
    """What all sources of one track share."""

    track: Track
    scheduler: Scheduler
    bandwidth: Bandwidth
    stats: DownloadStats
    transport: str = "auto"  # or `udp`, `grpc`: the one that the person wants alone
    kept: Kept | None = None
    present: int = MAX_RENDITIONS  # how many renditions some source has now, from the lowest on
    wanted: int = MAX_RENDITIONS  # how many the listener would take
    events: deque[Event] = field(default_factory=deque)
    out: deque[Outgoing] = field(default_factory=deque)  # to be sent
