"""What a session tells of while a track comes: each thing that may happen is a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


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
    """Nothing is left to hear: sound stops until enough has come."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Enough has come: sound goes on."""


SessionEvent: TypeAlias = TransportChanged | SourceLost | Rebuffering | Resumed
