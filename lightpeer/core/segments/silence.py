"""The silence of all sources of a track, though something is wanted of them: the network may be away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.events import Silence

if TYPE_CHECKING:
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.sources.dead_zone import DeadZone

SILENT_S: Final = 4.0  # of all of them: most dead zones are over by then


class Silences:
    """Tells when it begins and ends.

    Attributes:
        since: when the last of what is wanted came, if that is long ago; else None.
    """

    def __init__(self, shared: Shared, dead_zone: DeadZone) -> None:
        self.since: float | None = None
        self._shared = shared
        self._dead_zone = dead_zone

    @property
    def due(self) -> float:
        """When to call `see`, where nothing else is due: there is nobody any more who could be late."""
        is_needed = self._shared.scheduler.wished and self.since is None
        return self._dead_zone.silent_since + SILENT_S if is_needed else math.inf

    def see(self, now: float) -> None:
        """See whether it has begun, now that none of the sources delivers."""
        since = self._dead_zone.silent_since
        if self.since is None and now >= since + SILENT_S:
            self.since = since
            self._shared.events.append(Silence(since))

    def end(self) -> None:
        """Note a sign of the network."""
        if self.since is not None:
            self.since = None
            self._shared.events.append(Silence(None))
