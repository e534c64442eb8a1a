"""Whether a link is back that gave next to nothing.

On such a link round trips take many seconds, and what is measured by them stays as it was for as long. But
what was outstanding leaves the bottleneck back to back once the link is back, so it tells the rate as a
packet train does (`trains.py`). A radio that repeats a frame hands over what waited behind it at once: so a
run of units that come many times as fast as was known must last for a while. A shorter one, or a faster link,
is a reason for a train.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.rpc.reply_burst import TRAIN_GAPS

TIMES_AS_FAST: Final = 4.0  # two rounds of the law of `pacing.py`, which follows anything less
LEAST_S: Final = 0.15  # several times as long as a radio repeats a frame
SUSPECT_GAPS: Final = 2  # all that the least window has


class Comeback:
    """The latest run of units of one flow that came fast; asked only while round trips take long."""

    def __init__(self) -> None:
        self._start = self._last = 0.0  # arrivals
        self._bytes = 0  # after the first unit of the run
        self._gaps = 0

    def add(self, size: int, known_bytes_per_s: float, now: float) -> float | None:
        """Count a unit; return the rate of the run if that tells that the link is back.

        Args:
            size: its bytes.
            known_bytes_per_s: the rate that is known.
            now: when it came.
        """
        gap_s, self._last = now - self._last, now
        if gap_s * TIMES_AS_FAST * known_bytes_per_s > size:
            self._start, self._bytes, self._gaps = now, 0, 0
            return None
        self._bytes += size
        self._gaps += 1
        length_s = now - self._start
        if self._gaps < TRAIN_GAPS or length_s < LEAST_S:
            return None
        rate = self._bytes / length_s
        return rate if self.is_told_by(rate, known_bytes_per_s) else None

    @property
    def is_likely(self) -> bool:
        """Whether a train is to tell: units came fast that had taken long."""
        return self._gaps >= SUSPECT_GAPS

    def is_told_by(self, rate_bytes_per_s: float, known_bytes_per_s: float) -> bool:
        """Return whether a rate is that of a link which is back; none is while no rate is known."""
        return 0 < TIMES_AS_FAST * known_bytes_per_s <= rate_bytes_per_s
