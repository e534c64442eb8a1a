"""The NAT in front of a simulated host: by which ports others see its UDP sockets, and for how long."""

from __future__ import annotations

import math


class Nat:
    """One NAT; as it comes it changes nothing.

    Attributes:
        shift: between a UDP port and the one that others see of it.
        forgets_s: without a datagram for so long, it shows the sockets by other ports; what comes to the
            former ones is lost.
    """

    def __init__(self) -> None:
        self.shift = 0
        self.forgets_s = math.inf
        self._used_at = 0.0

    def rebind(self) -> None:
        """Show the sockets by other ports from now on."""
        self.shift += 1

    def leave(self, now: float) -> None:
        """Note that a datagram goes out."""
        if now >= self._used_at + self.forgets_s:
            self.rebind()
        self._used_at = now

    def enter(self, now: float) -> bool:
        """Return whether a datagram comes in."""
        if now >= self._used_at + self.forgets_s:
            return False
        self._used_at = now
        return True
