"""How a queue is played: at random, again and again, one by one, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Switch(Enum):
    """A mode that may be on for one entry only."""

    OFF = "0"
    ON = "1"
    ONCE = "oneshot"

    def __bool__(self) -> bool:
        return self is not Switch.OFF

    @property
    def after_use(self) -> Switch:
        """What it is once it has taken effect."""
        return Switch.OFF if self is Switch.ONCE else self


@dataclass(frozen=True, slots=True)
class Modes:
    """How a queue is played; each mode as MPD has it.

    Attributes:
        random: in an order that is drawn anew for each lap.
        repeat: after the last entry, the first again.
        single: playing stops after each entry; with `repeat`, one entry is played again and again.
        consume: an entry that was played is removed.
    """

    random: bool = False
    repeat: bool = False
    single: Switch = Switch.OFF
    consume: Switch = Switch.OFF

    @property
    def stays(self) -> bool:
        """Whether the entry that was played is played again."""
        return self.repeat and bool(self.single) and not self.consume

    @property
    def stops(self) -> bool:
        """Whether playing stops after the entry."""
        return bool(self.single) and not self.repeat

    def after_entry(self) -> Modes:
        """Return the modes that hold once an entry was played to its end."""
        return replace(self, single=self.single.after_use, consume=self.consume.after_use)
