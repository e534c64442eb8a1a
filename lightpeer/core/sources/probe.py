"""How much newcomers add to the sum, by a unit or a few that each is asked for beside the others.

Between an arrival from the others before theirs and one some time after it, either more has come than
before, by as much as they brought, or the others gave way. On a link that is full nothing comes on top,
exactly; but a unit that was lost meanwhile looks the same, so it takes two probes to tell that.

Call order: `on_asked` and `on_came` as things happen, until `is_over`; then `repeat`, unless `is_clear`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Generic, TypeVar

SourceT = TypeVar("SourceT")

LENGTH: Final = 2.0  # times what is asked, that the others bring meanwhile: what waited behind it has come
MOST_TIMES: Final = 4
FULL: Final = 0.25  # of what newcomers brought: with no more that came on top of the rest the link is full
GROWN: Final = 0.45  # with so much it is not; between them it is not clear yet
CLEARLY: Final = 0.8  # with so much once is enough,
LONG_S: Final = 0.15  # if it took so long: in a shorter time the radio's own pauses show
WORTH: Final = 0.12  # of what came before: a fourth that is as fast as three others adds a third


class Probe(Generic[SourceT]):
    """One or more newcomers that are probed at once."""

    def __init__(self, sources: Collection[SourceT], before_bytes_per_s: float) -> None:
        """Begin to probe `sources`, beside others that bring `before_bytes_per_s` in sum."""
        self.sources = list(sources)
        self.before_bytes_per_s = before_bytes_per_s
        self.is_over = False
        self.asked_bytes = 0  # this time
        self._due_bytes: dict[SourceT, int] = {}  # of these, that are still to come
        self._asked_at = 0.0
        self._other_at: float | None = None  # when something of another came last
        self._since: float | None = None  # when that was before the first of them
        self._came_bytes = 0  # in sum since then
        self._length_s = 0.0
        self._times = 1
        self._tried_bytes = 0  # in all times that are over, as the next
        self._more_bytes = 0.0  # than would have come without them
        self._answers_s = 0.0  # from the questions to the last answers,
        self._answers = 0  # so often

    def may_ask(self, source: SourceT) -> bool:
        """Return whether a source is to be asked now: a newcomer only once each time."""
        return source not in self._due_bytes

    def on_asked(self, source: SourceT, size: int, now: float) -> None:
        """Note a request.

        Args:
            source: the source that is asked.
            size: how many bytes were requested.
            now: the time in seconds.
        """
        if source in self.sources:
            self._due_bytes[source] = size
            self.asked_bytes += size
            self._asked_at = now

    def on_came(self, source: SourceT, size: int, now: float) -> bool:
        """Note an arrival; return whether the probe is over.

        Args:
            source: the source that it came from.
            size: how many bytes came.
            now: the time in seconds.
        """
        if source in self._due_bytes:
            if self._since is None:
                self._since, self._came_bytes = now if self._other_at is None else self._other_at, 0
            self._due_bytes[source] -= size
            if self._has_come:
                self._answers_s, self._answers = self._answers_s + now - self._asked_at, self._answers + 1
        self._came_bytes += size
        if source in self.sources:
            return False
        self._other_at = now
        if self._since is None or not self._has_come:
            return False
        expected_bytes = (now - self._since) * self.before_bytes_per_s
        if expected_bytes < LENGTH * self.asked_bytes:
            return False
        self._more_bytes += self._came_bytes - expected_bytes
        self._tried_bytes += self.asked_bytes
        self._length_s = now - self._since
        self.is_over = True
        return True

    def repeat(self) -> None:
        """Ask again."""
        self._times += 1
        self._due_bytes, self.asked_bytes = {}, 0
        self._since, self.is_over = None, False

    @property
    def is_clear(self) -> bool:
        """Whether it need not be repeated, once it is over."""
        if self._times == 1:
            return self.on_top >= CLEARLY and self._length_s >= LONG_S
        return self._times >= MOST_TIMES or not FULL < self.on_top < GROWN

    @property
    def on_top(self) -> float:
        """The share of the newcomers' bytes that came on top of the rest; 0 before any came."""
        return self._more_bytes / self._tried_bytes if self._tried_bytes else 0.0

    @property
    def is_full(self) -> bool:
        """Whether the others gave way, so that the link is full."""
        return self._tried_bytes > 0 and self.on_top <= FULL

    def has_grown(self, rtt_s: float) -> bool:
        """Return whether the sum has grown, and the newcomers are fast enough to be worth it.

        They are if their answers come in a round trip of the others and the time in which these bring a few
        times as much.
        """
        if not self._tried_bytes or self.on_top < GROWN:
            return False
        longer_s = self._answers_s - self._answers * rtt_s
        return self._tried_bytes >= longer_s * WORTH * self.before_bytes_per_s

    @property
    def _has_come(self) -> bool:
        return len(self._due_bytes) == len(self.sources) and max(self._due_bytes.values()) <= 0
