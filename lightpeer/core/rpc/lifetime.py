"""How long a server keeps a client's connection: until it is idle, past its age, or drained.

A drain has two phases, so that it refuses no call that is on its way. First a GOAWAY allows every stream,
with a PING behind it. The answer to the PING shows that the client has read both; the second GOAWAY then
names the last stream (RFC 9113 section 6.8). A client that does not answer has `keepalive_timeout_s`.

Call order: `due_s` says when to ask for the `next_step`, which the connection takes.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightpeer.core.rpc.limits import Limits


class Step(Enum):
    """What a connection has to do next."""

    NOTHING = auto()
    DRAIN = auto()  # begin a drain
    TAKE_NO_MORE = auto()  # begin a drain's second phase
    CLOSE = auto()


class Lifetime:
    """The times at which a connection has to end.

    Args:
        limits: the times that it is allowed.
        now: the monotonic time in seconds.

    Attributes:
        why_drained: why a drain has begun, or "".
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.why_drained = ""
        self._limits = limits
        self._idle_since_s = now
        self._age_due_s = now + limits.connection_age_s
        self._grace_due_s = math.inf
        self._drain_due_s = math.inf  # the end of a drain's first phase, while it lasts

    @property
    def is_draining_first(self) -> bool:
        """Whether a drain is in its first phase."""
        return self._drain_due_s != math.inf

    def begin_drain(self, now: float, why: str, *, is_greeted: bool) -> bool:
        """Begin a drain; return whether it has a first phase. A client that has not begun needs none.

        Args:
            now: the monotonic time in seconds.
            why: the reason, for the log.
            is_greeted: whether the client has begun to speak HTTP/2.
        """
        self.why_drained = why
        if is_greeted:
            self._drain_due_s = now + self._limits.keepalive_timeout_s
        return is_greeted

    def end_first_phase(self) -> None:
        """Note that the last GOAWAY is sent."""
        self._drain_due_s = math.inf

    def on_idle(self, now: float) -> None:
        """Note that the last call has ended."""
        self._idle_since_s = now

    def due_s(self, *, has_calls: bool, is_greeted: bool) -> float:
        """Return when the next step is due, or infinity.

        Args:
            has_calls: whether any call is open.
            is_greeted: whether the client has begun to speak HTTP/2.
        """
        idle_due_s = self._idle_due_s(has_calls=has_calls, is_greeted=is_greeted)
        return min(idle_due_s, self._age_due_s, self._grace_due_s, self._drain_due_s)

    def next_step(self, now: float, *, has_calls: bool, is_greeted: bool) -> tuple[Step, str]:
        """Return what is due, and why.

        Args:
            now: the monotonic time in seconds.
            has_calls: whether any call is open.
            is_greeted: whether the client has begun to speak HTTP/2.
        """
        if now >= self._grace_due_s:
            return Step.CLOSE, "the connection is past its age, and the grace for its calls"
        if now >= self._drain_due_s:
            return Step.TAKE_NO_MORE, self.why_drained
        if now >= self._age_due_s:
            self._age_due_s = math.inf
            self._grace_due_s = now + self._limits.connection_age_grace_s
            return Step.DRAIN, "the connection is past its age"
        if now < self._idle_due_s(has_calls=has_calls, is_greeted=is_greeted):
            return Step.NOTHING, ""
        return (Step.DRAIN, "the client was idle") if is_greeted else (Step.CLOSE, "the client did not begin")

    def _idle_due_s(self, *, has_calls: bool, is_greeted: bool) -> float:
        if has_calls or self.why_drained:
            return math.inf
        return self._idle_since_s + (self._limits.idle_s if is_greeted else self._limits.handshake_s)
