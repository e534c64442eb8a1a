"""By which transport a track comes, and the events that tell of a change.

What a listener hears of is the track's transport, not one source's: gRPC once no source sends by UDP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.core.segments.events import TransportChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.segments.source import Source


class Transports:
    """The transports of one track's sources."""

    def __init__(self, shared: Shared, sources: Sequence[Source]) -> None:
        """Have told of nothing yet; `sources` are those that there are, as they come and go."""
        self._shared = shared
        self._sources = sources
        self._told = ""  # last

    @property
    def now(self) -> str:
        """`udp`, `grpc`, or `-` while there is no source."""
        if not self._sources:
            return "-"
        return "grpc" if all(source.on_grpc for source in self._sources) else "udp"

    def see(self, source: Source) -> None:
        """Tell that a source's data comes by another transport from now on, if it does."""
        transport = "grpc" if source.on_grpc else "udp"
        if transport == source.told_transport or (transport == "udp" and source.udp.receiver is None):
            return
        source.told_transport = transport
        self._shared.stats.transports.add(transport)
        if self._told not in ("", self.now):
            self._shared.events.append(TransportChanged(self.now, source.peer.name))
        self._told = self.now
