"""When to try to connect again: gRPC's connection backoff.

An attempt may start one second after the previous one started. Each further failure multiplies that delay by
1.6, up to two minutes. Jitter spreads the clients of a server that has restarted.

Call order: `begin` as an attempt starts, then `succeeded` if it led to a server. The next attempt should
wait until `retry_at_s`.

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
        """Note that an attempt starts; the delay after the first has no jitter, as specified.

        Args:
            now: the monotonic time in seconds.
            entropy: random bytes for the jitter, `ENTROPY_BYTES` of them.
        """
        if self._delay_s:
            self._delay_s = min(MAX_S, self._delay_s * MULTIPLIER)
            fraction = int.from_bytes(entropy, "big") / (256 ** len(entropy) - 1)
            jitter_s = self._delay_s * JITTER * (2 * fraction - 1)
        else:
            self._delay_s = INITIAL_S
            jitter_s = 0.0
        self.retry_at_s = now + self._delay_s + jitter_s

    def succeeded(self) -> None:
        """Start over: the next attempt may start at once."""
        self._delay_s = 0.0
        self.retry_at_s = -math.inf
