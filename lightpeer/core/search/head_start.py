"""How long one peer is waited for before the next is tried too.

Peers are asked best first. The next has its turn once the one before it has failed, or has been silent for
its head start: so a silent peer costs that time, and not the patience that a slow link needs. While bytes
arrive, from whichever peer, the link itself may be what delays the answer, and the head start is renewed up
to a bound.
"""

from __future__ import annotations

from typing import Final

HEAD_START_S: Final = 1.0  # two round trips of a slow 3G link and some
LONGEST_HEAD_START_S: Final = 5.0  # though bytes come: what the first reply may take on a slow link
ROUND_TRIPS: Final = 3.0  # a head start at least, where round trips are known
BUSY_BYTES: Final = 1000  # in one head start: a link that carries as much may be what delays the answer


class HeadStart:
    """The head start of one peer. Times are seconds."""

    def __init__(self, rtt_s: float | None, longest_s: float, now: float) -> None:
        """Begin to wait.

        Args:
            rtt_s: the peer's round trip; None: unknown.
            longest_s: the wait at most.
            now: the time.
        """
        self._each_s = max(HEAD_START_S, ROUND_TRIPS * (rtt_s or 0.0))
        self._ends_at = now + longest_s
        self._received_bytes: int | None = None  # at the last look

    def wait_until(self, now: float, received_bytes: int) -> float | None:
        """Return until when to wait before the next look; None once the head start is over.

        Args:
            now: the time.
            received_bytes: how many have come so far, from any peer.
        """
        before, self._received_bytes = self._received_bytes, received_bytes
        is_idle = before is not None and received_bytes < before + BUSY_BYTES
        if is_idle or now >= self._ends_at:
            return None
        return min(now + self._each_s, self._ends_at)
