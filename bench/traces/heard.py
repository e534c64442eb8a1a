"""What was heard of one window, and what it took: the same record from a network, a simulation or a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

GAP_S = 1e-3  # less is rounding


class Packet(NamedTuple):
    """A packet on the listener's link."""

    at_s: float
    size: int
    is_down: bool


@dataclass(slots=True)
class Heard:
    """What a listener heard; times are seconds since the listener pressed play.

    Attributes:
        length_s: seconds of music that there were to hear.
        first_sound_s: when sound began; None: never.
        gaps: interruptions, as `(when, length in s)`.
        kbps: the bitrate of each second of music that was heard.
        end_s: when the last of it was heard, or listening was given up.
        wasted_bytes: of segments that were sent and not heard.
        packets: all of them, both ways; None where there were none.
        buffer_s: `(when, seconds of sound ahead)`, for charts.
    """

    length_s: float
    first_sound_s: float | None = None
    gaps: list[tuple[float, float]] = field(default_factory=list)
    kbps: Sequence[float] = ()
    end_s: float = 0.0
    wasted_bytes: int | None = None
    packets: list[Packet] | None = None
    buffer_s: list[tuple[float, float]] = field(default_factory=list)

    @property
    def silence_s(self) -> float:
        """All interruptions, and the music that was given up."""
        return sum(length for _, length in self.gaps) + self.unheard_s

    @property
    def unheard_s(self) -> float:
        """The music that was given up."""
        return max(0.0, self.length_s - len(self.kbps))

    @property
    def wire_bytes(self) -> int | None:
        """What came down the link, headers included; None where there were no packets."""
        return None if self.packets is None else sum(one.size for one in self.packets if one.is_down)
