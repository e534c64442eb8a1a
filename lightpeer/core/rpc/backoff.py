"""When to try to connect again: gRPC's connection backoff.

An attempt may start a second after the start of the one before; each further failure
makes that longer by 1.6, up to two minutes. Jitter keeps the clients of a server that
comes back from all coming at once.

Call order: `begin` as an attempt starts, with a few bytes of entropy; `succeeded` if it
led to a server. Until `retry_at_s` no further attempt should start.

Source: the gRPC project's connection-backoff.md.
"""

from __future__ import annotations

import math
from typing import Final

INITIAL_S: Final = 1.0
MULTIPLIER: Final = 1.6
JITTER: Final = 0.2
MAX_S: Final = 120.0
ENTROPY_BYTES: Final = 4


class Backoff:
    """The spacing of attempts to reach one server."""

    def __init__(self) -> None:
        self._delay_s = 0.0
        self.retry_at_s = -math.inf

    def begin(self, now: float, entropy: bytes) -> None:
        """Note that an attempt starts at `now`; the delay after the first has no jitter, as specified."""
        if self._delay_s:
            self._delay_s = min(MAX_S, self._delay_s * MULTIPLIER)
            fraction = int.from_bytes(entropy, "big") / (256 ** len(entropy) - 1)
            jitter_s = self._delay_s * JITTER * (2 * fraction - 1)
        else:
            self._delay_s = INITIAL_S
            jitter_s = 0.0
        self.retry_at_s = now + self._delay_s + jitter_s

    def succeeded(self) -> None:
        """Start over: the next attempt may come at once."""
        self._delay_s = 0.0
        self.retry_at_s = -math.inf
