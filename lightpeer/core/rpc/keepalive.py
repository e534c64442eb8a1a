"""Checks whether a silent peer is still there: sends one PING and limits the wait for any bytes.

Any bytes from the peer count as an answer, so a busy connection never pings. A connection pings only while
calls are open, because a PING wakes a phone's radio.

Call order: `heard` when bytes come, `begin` when the first call opens, and `on_due` when `due_s` is reached.

Source: the gRPC project's keepalive.md.
"""

from __future__ import annotations


class Keepalive:
    """The silence on one connection.

    Args:
        interval_s: seconds of silence before a PING.
        timeout_s: further seconds of silence before the peer counts as gone.
        now: the monotonic time in seconds.
    """

    __slots__ = ("_asked_s", "_interval_s", "_quiet_since_s", "_timeout_s")

    def __init__(self, interval_s: float, timeout_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._quiet_since_s = now
        self._asked_s: float | None = None  # when our PING was sent, if nothing has come since

    @property
    def due_s(self) -> float:
        """When to call `on_due`."""
        if self._asked_s is not None:
            return self._asked_s + self._timeout_s
        return self._quiet_since_s + self._interval_s

    def heard(self, now: float) -> None:
        """Note that bytes came."""
        self._quiet_since_s = now
        self._asked_s = None

    def begin(self, now: float) -> None:
        """Note that a call opens after a time without calls, when silence means nothing."""
        self._quiet_since_s = max(self._quiet_since_s, now)

    def on_due(self, now: float) -> bool:
        """Return whether to send a PING; otherwise the peer is gone."""
        if self._asked_s is not None:
            return False
        self._asked_s = now
        return True
