"""Whether a network polices UDP so that hardly anything passes.

A policed path still delivers a few packets, so silence is no signal. Instead, most requested units are lost,
round after round. On a lossy link far more comes than is lost, and at the end of a dead zone all losses show
at one time.

Call order: `on_arrived` and `on_lost` as units come and are found lost; `is_closed` is the outcome, until
`reset`.
"""

from __future__ import annotations

from typing import Final

TIMES_AS_MANY: Final = 5  # units lost for each that came: nothing plays at this loss
MIN_ROUNDS: Final = 2  # one round looks like the end of a dead zone
MIN_UNITS: Final = 24  # lost in these rounds: more than one burst of losses


class Sieve:
    """The losses and arrivals of one source's units."""

    def __init__(self) -> None:
        self._arrived = 0  # since the last loss
        self._rounds = 0  # with hardly any arrivals, in a row
        self._lost = 0  # in these

    @property
    def is_closed(self) -> bool:
        """Whether UDP is of no use for now."""
        return self._rounds >= MIN_ROUNDS and self._lost >= MIN_UNITS

    def on_arrived(self) -> None:
        """Note a unit that came."""
        self._arrived += 1

    def on_lost(self, units: int) -> None:
        """Note units that are found lost at one time."""
        if units < TIMES_AS_MANY * self._arrived:
            self._rounds = self._lost = 0
        else:
            self._rounds += 1
            self._lost += units
        self._arrived = 0

    def reset(self) -> None:
        """Judge anew: UDP is tried again."""
        self._arrived = self._rounds = self._lost = 0
