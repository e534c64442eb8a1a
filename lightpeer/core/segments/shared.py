"""What all sources of one track share, and what a shell tells of each."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.counts import DownloadStats
    from lightpeer.core.segments.events import Event
    from lightpeer.core.segments.scheduler import Scheduler
    from lightpeer.core.trust.identity import PeerId


class Fault(NamedTuple):
    """Why a source is of no more use, as a part of a sentence; `is_lie` if it broke the protocol."""

    reason: str
    is_lie: bool = False


class Beside(NamedTuple):
    """What the other sources show of the network at the same time."""

    deliver: bool = False  # so that one that fails is to blame itself
    udp_passes: bool = False


@dataclass(slots=True)
class PeerState:
    """A peer and the connection to it, as far as decisions need them; the shell keeps it up to date.

    Attributes:
        peer_id: None where the peer has not named itself.
        name: for messages.
        rtt_s: the round trip of its calls, None before the first.
        tcp_bytes_per_s: how fast its answer to Open came: a link that gives TCP no more does not police UDP.
        is_alive: whether the connection stands, or could.
        is_gone: whether the peer cannot be reached any more.
        heard_at: when a byte came last on the call.
    """

    peer_id: PeerId | None
    name: str
    rtt_s: float | None = None
    tcp_bytes_per_s: float = math.inf
    is_alive: bool = True
    is_gone: bool = False
    heard_at: float = -math.inf


@dataclass(slots=True)
class Shared:
    """What all sources of one track share."""

    track: Track
    scheduler: Scheduler
    bandwidth: Bandwidth
    stats: DownloadStats
    transport: str = "auto"  # or `udp`, `grpc`: the one that the person wants alone
    events: deque[Event] = field(default_factory=deque)
