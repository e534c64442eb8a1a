"""Which renditions of a track its sources have now, and when to ask one again that lacks some.

A server may have dropped all renditions but the lowest, to save room, and makes the others again once the
track is opened (`proto/README.md`, "Streams.Open"). What no source has is not wished for, unless it is
the one rendition that is wanted: then it is waited for. What one source lacks, the others are asked for
(`object_queue.py`), so none can hold the rest back. A source that lacks something is asked again:
five times within the first minute, in which most servers have made it, and after that only while data is
being fetched, so that a phone's radio can sleep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.events import AskPresent

if TYPE_CHECKING:
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.segments.source import Source

FIRST_S: Final = 4.0  # after the Open: a track of four minutes takes some ten seconds
LATER_TIMES: Final = 1.5  # from one question to the next: what is ready is noticed in a third of what it took
LONGEST_S: Final = 60.0  # an Open without inline segments takes some 400 bytes in all
EAGER: Final = 5  # times that it is asked also while fetching rests


@dataclass(slots=True)
class _Lack:
    """A source that lacks something: when it is asked next, how long after that again, how often it was."""

    ask_at: float
    again_s: float = LATER_TIMES * FIRST_S
    asked: int = 0


class Presence:
    """What the sources of one track have.

    Attributes:
        due: when to call `see`, infinity for whenever something else is due.
    """

    def __init__(self, shared: Shared) -> None:
        self.due = math.inf
        self._shared = shared
        self._all = len(shared.track.renditions)
        self._has: dict[Source, int] = {}
        self._lacks: dict[Source, _Lack] = {}

    def on_joined(self, source: Source, now: float) -> None:
        """Note a source, and what it had when it opened the track."""
        self._note(source, source.peer.present)
        if self._has[source] < self._all:
            self._lacks[source] = _Lack(now + FIRST_S)
            self._find_due(now)

    def on_left(self, source: Source) -> None:
        """Note that a source is gone; while there is none, what the last one had counts."""
        self._has.pop(source, None)
        self._lacks.pop(source, None)
        self._shared.scheduler.queue.present.pop(source, None)
        self._find_present()

    def on_told(self, source: Source, present: int, now: float) -> None:
        """Note how many renditions a source has now; call `handle_timeout` of the download after it.

        Args:
            source: which.
            present: from the lowest on; what it said last, if it could not be asked.
            now: the time in seconds.
        """
        if (lack := self._lacks.get(source)) is None:  # it is gone meanwhile
            return
        self._note(source, present)
        lack.ask_at, lack.again_s = now + lack.again_s, min(LATER_TIMES * lack.again_s, LONGEST_S)
        if self._has[source] >= self._all:
            del self._lacks[source]
        self._find_due(now)

    def _note(self, source: Source, present: int) -> None:
        self._has[source] = source.peer.present = min(present, self._all)
        queue = self._shared.scheduler.queue
        queue.present.pop(source, None)
        if self._has[source] < self._all:
            queue.present[source] = self._has[source]
        self._find_present()

    def _find_present(self) -> None:
        self._shared.present = max(self._has.values(), default=self._shared.present)

    def see(self, now: float) -> None:
        """Have the sources asked that are due."""
        for source, lack in self._lacks.items():
            if now >= lack.ask_at and self._is_wanted(source, lack):
                lack.ask_at = math.inf  # until it has answered
                lack.asked += 1
                self._shared.events.append(AskPresent(source))
        self._find_due(now)

    def _find_due(self, now: float) -> None:
        """Find when the next is to be asked; what is not wanted yet is looked at whenever `see` is called."""
        ask_at = (lack.ask_at for source, lack in self._lacks.items() if self._is_wanted(source, lack))
        self.due = max(now, min(ask_at, default=math.inf))

    def _is_wanted(self, source: Source, lack: _Lack) -> bool:
        """Return whether what a source lacks is wanted, so that it may be asked."""
        is_wanted = self._has[source] < min(self._shared.wanted, self._all)
        return is_wanted and (lack.asked < EAGER or self._shared.scheduler.wished > 0)
