"""The silence of all sources of a track, though something is wanted of them: the network may be away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.events import Silence
from lightpeer.core.sources.dead_zone import DEAD_ZONE_S

if TYPE_CHECKING:
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.sources.dead_zone import DeadZone

SILENT_S: Final = 4.0  # of all of them: most dead zones are over by then
LONG_S: Final = 8.0  # since the last byte, even where some were asked anew, so that they are not late yet


class Silences:
    """Tells when it begins and ends.

    Attributes:
        since: when the last of what is wanted came, if that is long ago; else None.
    """

    def __init__(self, shared: Shared, dead_zone: DeadZone) -> None:
        self.since: float | None = None
        self._shared = shared
        self._dead_zone = dead_zone

    def due(self, *, are_all_late: bool) -> float:
        """Return when to call `see`; `are_all_late`: every source is, so that nothing need be waited for."""
        is_needed = self._shared.scheduler.wished and self.since is None
        return self._since() + (SILENT_S if are_all_late else LONG_S) if is_needed else math.inf

    def see(self, now: float, *, are_all_late: bool) -> None:
        """See whether it has begun."""
        since = self._since()
        if now >= self.due(are_all_late=are_all_late):
            self.since = since
            self._shared.events.append(Silence(since))

    def _since(self) -> float:
        """Return when the last sign of the network came, or sources were first asked after a rest."""
        return self._dead_zone.silent_at - DEAD_ZONE_S

    def end(self) -> None:
        """Note a sign of the network."""
        if self.since is not None:
            self.since = None
            self._shared.events.append(Silence(None))
