"""What is asked for on one source's call of Streams.Pull, and what its answers are worth.

The answers come in the order asked, so that one that does not is a lie.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from lightpeer.core.segments.events import EndCall, StartCall
from lightpeer.core.sources.pull_ahead import PullAhead

if TYPE_CHECKING:
    from lightpeer.core.segments.assembly import Key
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.segments.shared import Shared


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
            self._shared.scheduler.release(self._source)
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
        keys = self._shared.scheduler.next_objects(self._source, self._ahead.free, now)
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
