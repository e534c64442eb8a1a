"""Whether a network lets hardly anything of UDP through, as those do that police it.

A policed path still delivers a few packets, so silence is no signal. Instead, most of the requested units
are lost, round after round. On a lossy link far more units arrive than are lost, and at the end of a dead
zone all losses are found in one round.

Call order: count `arrived`, and call `on_lost` as units are found to be lost; `is_closed` is the
outcome, until `reset`.
"""

from __future__ import annotations

from typing import Final

TIMES_AS_MANY: Final = 5  # units lost for each that came: nothing plays at such a loss
MIN_ROUNDS: Final = 2  # in a row: one is what the end of a dead zone looks like
MIN_UNITS: Final = 24  # in these: more than a burst of losses, and than what single units could say


class Sieve:
    """What became of the units of one source."""

    def __init__(self) -> None:
        self._rounds = 0  # with hardly any arrivals, in a row
        self._lost = 0  # in these
        self.is_closed = False  # UDP is of no use for now
        self.arrived = 0  # units since the last loss, for the caller to count

    def on_lost(self, units: int) -> None:
        """Note units that are found to be lost at one time."""
        if units < TIMES_AS_MANY * self.arrived:
            self._rounds = self._lost = 0
        else:
            self._rounds += 1
            self._lost += units
        self.arrived = 0
        self.is_closed = self._rounds >= MIN_ROUNDS and self._lost >= MIN_UNITS

    def reset(self) -> None:
        """Judge anew: UDP is tried again."""
        self.arrived = self._rounds = self._lost = 0
        self.is_closed = False
