"""What a download tells: to the listener what happens to the music, to the shell what is to be done.

The first kind is public and a dataclass each; the second names the source that it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lightpeer.core.segments.scheduler import SegmentReady

if TYPE_CHECKING:
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.trust.identity import PeerId

# For the listener.


@dataclass(frozen=True, slots=True)
class TransportChanged:
    """Audio now comes by another transport, first from this peer. `transport`: `udp` or `grpc`."""

    transport: str
    peer_id: str


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A peer does not serve the track to us any more; `reason` is a part of a sentence."""

    peer_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rebuffering:
    """Nothing is left to play: sound stops until enough has come."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Sound goes on after an interruption, or after a wait, of `after_s` seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Music waits for the network, or for the sound device, and goes on by itself.

    It is told again when the reason changes.

    Attributes:
        reason: what is waited for, as a sentence.
        since_s: for how many seconds it has been so.
        next_try_s: seconds until the next try; None if that is not known.
    """

    reason: str
    since_s: float
    next_try_s: float | None = None


SessionEvent: TypeAlias = TransportChanged | SourceLost | Rebuffering | Resumed

# For the shell.


class WantSources(NamedTuple):
    """Find further sources, except these peers; end with `Download.on_looked`."""

    exclude: list[PeerId]


class SourceClosed(NamedTuple):
    """The source is gone: close its sockets and its call.

    `fetching_s` is how long the track was being fetched meanwhile. `lie` is a part of a sentence where the
    peer broke the protocol or sent false bytes.
    """

    source: SourceHandle
    delivered_bytes: int
    fetching_s: float
    lie: str | None = None


class MovePort(NamedTuple):
    """Go on over another UDP port; take nothing more from one that is flooded. Then tell `on_moved`."""

    source: SourceHandle
    is_flooded: bool = False


class StartCall(NamedTuple):
    """Make a call of Streams.Pull, over a new connection if `renews`."""

    source: SourceHandle
    call_no: int
    renews: bool = False


class EndCall(NamedTuple):
    """Cancel the source's call."""

    source: SourceHandle


class Reconnect(NamedTuple):
    """Connect anew; then tell `on_reconnected` or `on_call_failed` with the same number."""

    source: SourceHandle
    call_no: int


class AskPresent(NamedTuple):
    """Ask a source how many renditions it has now; then tell `Presence.on_told`."""

    source: SourceHandle


class Failed(NamedTuple):
    """No peer can go on with the track; `reason` is a sentence."""

    reason: str


class Silence(NamedTuple):
    """Nothing has come since a time of what is wanted; None: it comes again."""

    since: float | None


Command: TypeAlias = (
    WantSources | SourceClosed | MovePort | StartCall | EndCall | Reconnect | AskPresent | Silence
)
"""What the shell is to do."""

Event: TypeAlias = SegmentReady | Failed | SessionEvent | Command
