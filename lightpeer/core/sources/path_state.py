"""What is known of the path to one source beside what arrives over it: its shell keeps it up to date."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

ROUND_TRIPS: Final = 3  # that a patience lasts at least
HASTE: Final = 0.4  # of a patience, if the connection has ended too: the peer is gone, or our network is


@dataclass(slots=True)
class PathState:
    """The path's state; before anything is known it is a good one."""

    rtt_s: float = 0.0  # as far as it is known
    is_alive: bool = True  # the connection stands, or could
    heard_at: float = -math.inf  # when a byte came last over that connection, for the call
    passes_for_others: bool = False  # UDP from other sources arrived lately
    share_bytes_per_s: float = math.inf  # of the link, where several sources are asked

    def patience_s(self, least_s: float) -> float:
        """Return how long to wait for an answer: `least_s`, or some round trips if they take longer."""
        return max(least_s, ROUND_TRIPS * self.rtt_s)

    def silence_s(self, least_s: float) -> float:
        """Return how long a silence of UDP must last; once the connection has ended, less than `least_s`."""
        return self.patience_s(least_s if self.is_alive else HASTE * least_s)
