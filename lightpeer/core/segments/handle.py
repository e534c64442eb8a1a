"""What a source is known by, and what the shell tells of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightpeer.core.trust.bounds import MAX_RENDITIONS

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId


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
        present: how many renditions of the track it has now, from the lowest on.
    """

    peer_id: PeerId | None
    name: str
    rtt_s: float | None = None
    tcp_bytes_per_s: float = math.inf
    is_alive: bool = True
    is_gone: bool = False
    heard_at: float = -math.inf
    present: int = MAX_RENDITIONS


class SourceHandle:
    """What a source is known by: a key to the scheduler and to the shell.

    Attributes:
        peer: what the shell knows of it.
        is_closed: whether it is gone.
    """

    peer: PeerState
    is_closed: bool
