"""Whether the network was there of late, by what all the sources of a track give.

In a dead zone nobody is heard, and when it ends somebody is heard first: the others are given time before
one of them is blamed for what is late. Connections that were begun in it fail for a while yet.
"""

from __future__ import annotations

import math
from typing import Final

DEAD_ZONE_S: Final = 2.0  # of silence of all; a shorter one makes nobody late
GRACE_S: Final = 3.0  # after it, before one that is late is blamed
AFTERMATH_S: Final = 6.0  # of it: connections that were begun in it fail until then
GRACE_AGAIN_S: Final = 15.0  # so that one that sends a little now and then does not hold playback up for ever


class DeadZone:
    """The last silence of all sources, if it was long enough to be one.

    Attributes:
        silent_at: when the silence since the last sign, or since sources were first asked after a rest, is a
            dead zone. To put it off is all that `on_heard` does before then.
    """

    def __init__(self) -> None:
        self.silent_at = math.inf
        self._grace_until = -math.inf

    def on_due(self, now: float) -> None:
        """Note that from now on sources have something to send; before, nobody had."""
        self.silent_at = now + DEAD_ZONE_S

    def on_heard(self, now: float) -> None:
        """Note a sign of the network: after a silence of all, all get time."""
        if now >= self.silent_at and now >= self._grace_until + GRACE_AGAIN_S:
            self._grace_until = now + GRACE_S
        self.silent_at = now + DEAD_ZONE_S

    def is_in_grace(self, now: float) -> bool:
        """Return whether nobody is to blame yet for what is late."""
        return now < self._grace_until

    def is_aftermath(self, now: float) -> bool:
        """Return whether what fails now may have been begun in a dead zone."""
        return now < self._grace_until - GRACE_S + AFTERMATH_S
