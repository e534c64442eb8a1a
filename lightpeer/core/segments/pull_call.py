"""What is asked for on one source's call of Streams.Pull, and what its answers are worth.

The answers come in the order asked, so that one that does not is a lie.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.events import EndCall, StartCall

if TYPE_CHECKING:
    from lightpeer.core.segments.assembly import Key
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.segments.shared import Shared

MOST: Final = 8  # segments asked for ahead
FEWEST: Final = 2  # one is answered while the other is on its way; but for the first
SLOW_S: Final = 3.0  # from the question to the answer: more than any round trip, and what it takes to send


class PullAhead:
    """How many segments are asked for ahead on one call.

    TCP has a window of its own, but on a thin link all requested data stands in one queue: lost packets are
    sent again behind the rest, and the call falls silent for as long as the queue lasts. So the number of
    requests doubles while answers come soon, and is halved once they come late.
    """

    def __init__(self) -> None:
        """Begin with one: where a dead zone has just ended, all that was asked for comes over UDP as well."""
        self.segments = 1
        self._asked_at: deque[float] = deque()

    @property
    def free(self) -> int:
        """How many more may be asked for."""
        return max(0, self.segments - len(self._asked_at))

    def on_asked(self, count: int, now: float) -> None:
        """Note that `count` segments were asked for."""
        self._asked_at.extend([now] * count)

    def on_answer(self, now: float) -> None:
        """Note the answer to the oldest request."""
        if now - self._asked_at.popleft() > SLOW_S:
            self.segments = max(min(FEWEST, self.segments), self.segments // 2)
        else:
            self.segments = min(2 * self.segments, MOST)


class PullCall:
    """The calls of one source, one at a time; none at first.

    Attributes:
        number: of the present call, or the last one.
        is_open: whether there is one.
        awaited_at: since when something is due on it, without a break.
    """

    def __init__(self, shared: Shared, source: SourceHandle) -> None:
        self.number = 0
        self.is_open = False
        self.awaited_at = 0.0
        self._shared = shared
        self._source = source
        self._asked: deque[Key] = deque()  # in the order of the answers
        self._ahead = PullAhead()

    def start(self, *, renews: bool = False) -> None:
        """Have the shell make a call, over a new connection if `renews`."""
        self.number += 1
        self.is_open = True
        self._asked, self._ahead = deque(), PullAhead()
        self._shared.events.append(StartCall(self._source, self.number, renews))

    def end(self) -> None:
        """Have the shell cancel the call; what was asked for on it is nobody's any more."""
        if self.is_open:
            self.is_open = False
            self._asked.clear()
            self._shared.scheduler.queue.release(self._source)
            out = self._shared.out
            for item in [(s, data) for s, data in out if s is self._source and not isinstance(data, bytes)]:
                out.remove(item)
            self._shared.events.append(EndCall(self._source))

    def is_present(self, number: int) -> bool:
        """Return whether that call is the present one."""
        return self.is_open and number == self.number

    @property
    def is_answer_due(self) -> bool:
        """Whether something was asked for that has not come."""
        return bool(self._asked)

    def ask(self, now: float) -> list[Key]:
        """Return the objects to ask for, as many as may be; they are taken as asked for."""
        if not self.is_open:
            return []
        keys = self._shared.scheduler.queue.next_objects(self._source, self._ahead.free, now)
        if keys:
            self.awaited_at = self.awaited_at if self._asked else now
            self._ahead.on_asked(len(keys), now)
            self._asked.extend(keys)
        return keys

    def accept(self, key: Key, now: float) -> bool:
        """Note an answer; return whether it is the one that is due."""
        if not self._asked or self._asked.popleft() != key:
            return False
        self._ahead.on_answer(now)
        return True
