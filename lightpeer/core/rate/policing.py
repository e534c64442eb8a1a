"""Whether a network lets hardly anything of UDP through, as those do that police it.

Something comes now and then, so silence does not tell; but of what is asked, most is lost, and
so it is the next time. A lossy link does not look like that, for far more comes than is lost,
nor the end of a dead zone, where all that is lost is lost at one time.

Call order: `on_arrived` and `on_lost` as units come and are found to be lost; `is_closed` is the
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
        """Note units that are found to be lost at one time."""
        if units < TIMES_AS_MANY * self._arrived:
            self._rounds = self._lost = 0
        else:
            self._rounds += 1
            self._lost += units
        self._arrived = 0

    def reset(self) -> None:
        """Judge anew: UDP is tried again."""
        self._arrived = self._rounds = self._lost = 0
