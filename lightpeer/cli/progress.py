"""The line of a fetch: how far it is, how fast, and how long it takes yet; within the terminal's width."""

from __future__ import annotations

from collections import deque
from typing import Final

from lightpeer.console.text import clean, clock, truncate, width

WINDOW_S: Final = 5.0  # over which the rate is taken
_MIN_NAME_COLUMNS: Final = 8


class Progress:
    """The progress of one track."""

    def __init__(self, name: str) -> None:
        """Begin; `name` is what the line begins with."""
        self._name = clean(name)
        self._seen: deque[tuple[float, int]] = deque()  # time in seconds, bytes by then

    def line(self, done_bytes: int, total_bytes: int | None, now: float, columns: int) -> str:
        """Return the line.

        Args:
            done_bytes: how much is there.
            total_bytes: how much it will be, about; None: not known.
            now: the time in seconds.
            columns: how wide the line may be.
        """
        facts = self._facts(done_bytes, total_bytes, self._rate(done_bytes, now))
        while len(facts) > 1 and width("  ".join(facts)) + 2 + _MIN_NAME_COLUMNS > columns:
            facts.pop()
        right = "  ".join(facts)
        room = columns - width(right) - 2
        return truncate(f"{truncate(self._name, room)}  {right}" if room > 0 else right, columns)

    def _rate(self, done_bytes: int, now: float) -> float:
        """Return the bytes per second of the last seconds, 0 at the beginning."""
        self._seen.append((now, done_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done_bytes - before) / (now - since) if now > since else 0.0

    def _facts(self, done_bytes: int, total_bytes: int | None, rate: float) -> list[str]:
        """Return what there is to say, the most important first."""
        if not total_bytes:
            return [_mb(done_bytes)]
        total_bytes = max(total_bytes, done_bytes)
        facts = [f"{100 * done_bytes // total_bytes} %"]
        if rate:
            facts += [f"{clock((total_bytes - done_bytes) / rate)} left", f"{rate / 1000:.0f} kB/s"]
        return [*facts, f"{_mb(done_bytes)} of {_mb(total_bytes)}"]


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
