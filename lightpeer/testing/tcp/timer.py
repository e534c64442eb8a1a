"""The retransmission timer of a connection, which stands while its machine is suspended."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

FIRST_RTO_S = 1.0  # RFC 6298 section 2.1


class TimerHost(Protocol):
    """The parts of a host that a timer needs."""

    net: Any  # the internet, from a layer above: its time

    @property
    def is_suspended(self) -> bool:
        """Whether the machine stands still."""


class Timer:
    """One timer. It has one event in the world's agenda at most, however often it is started."""

    def __init__(self, machine: TimerHost, on_timeout: Callable[[], None]) -> None:
        self._machine = machine
        self._on_timeout = on_timeout
        self._due_at = math.inf
        self._has_event = False

    @property
    def is_running(self) -> bool:
        """Whether it is to go off."""
        return self._due_at < math.inf

    def start(self, after_s: float) -> None:
        """Go off after some seconds, instead of when it was to."""
        net = self._machine.net
        self._due_at = net.now + after_s
        if not self._has_event:
            self._has_event = True
            net.call_at(self._due_at, self._on_event)

    def stop(self) -> None:
        """Do not go off."""
        self._due_at = math.inf

    def _on_event(self) -> None:
        self._has_event = False
        if not self.is_running:
            return
        now = self._machine.net.now
        if self._machine.is_suspended:
            self._due_at = now + FIRST_RTO_S
        if now < self._due_at:
            self.start(self._due_at - now)
            return
        self.stop()
        self._on_timeout()
