"""Which rendition to fetch next: adaptive bitrate from throughput and buffer.

The rule is the common hybrid (cf. Spiteri et al., "From theory to practice:
improving bitrate adaptation in the DASH reference player", MMSys 2018): the link
must carry the rendition with room to spare, going up needs a filled buffer, and
a buffer that runs low goes down at once. A switch up is one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightpeer.core.content.manifest import greatest_within, rendition_asked

_SAFETY = 0.7  # of the measured rate: headers, losses, and the next fade
_UP_BUFFER_S = 8.0
_DOWN_BUFFER_S = 4.0
FIRST_BPS = 48_000  # before anything is known: what the worst 3G link in use still carries


class Ladder:
    """The choice among one track's renditions, given by rising bitrate in bit/s.

    Attributes:
        current: the rendition that was chosen last; None: none yet.
        switches: how often it has changed.
        top_kbps: the greatest that is to be chosen from now on, in kbit/s; None: any.
    """

    def __init__(self, bitrates_bps: Sequence[int], fixed_kbps: int | None = None) -> None:
        """Choose among renditions of `bitrates_bps`; `fixed_kbps` pins the rendition nearest below it."""
        self._bitrates = tuple(bitrates_bps)
        self._fixed = None if fixed_kbps is None else rendition_asked(self._bitrates, fixed_kbps)
        self.current: int | None = self._fixed
        self.switches = 0
        self.top_kbps: int | None = None

    def first(self, rate_bytes_per_s: float) -> int:
        """Return the rendition to begin with; the rate is the link's, remembered, or 0 if unknown."""
        limit = rate_bytes_per_s * 8 * _SAFETY if rate_bytes_per_s else FIRST_BPS
        self.current = self._within_top(self._fixed if self._fixed is not None else self._greatest(limit))
        return self.current

    def begin_with(self, rendition: int) -> bool:
        """Begin with a rendition that a server chose for the first segments; False if another is pinned."""
        if self._fixed not in {None, rendition} or rendition != self._within_top(rendition):
            return False
        self.current = rendition
        return True

    def choose(self, rate_bytes_per_s: float, buffer_s: float) -> int:
        """Return the rendition of the next segment, from the measured rate and the buffer."""
        if self.current is None:
            return self.first(rate_bytes_per_s)
        chosen = self.current if self._fixed is None else self._fixed
        if self._fixed is None and rate_bytes_per_s:
            sustainable = self._greatest(rate_bytes_per_s * 8 * _SAFETY)
            if sustainable > self.current and buffer_s >= _UP_BUFFER_S:
                chosen = self.current + 1
            elif sustainable < self.current and buffer_s < _DOWN_BUFFER_S:
                chosen = sustainable
        chosen = self._within_top(chosen)
        self.switches += chosen != self.current
        self.current = chosen
        return chosen

    def _within_top(self, rendition: int) -> int:
        top_kbps = self.top_kbps
        return rendition if top_kbps is None else min(rendition, rendition_asked(self._bitrates, top_kbps))

    def _greatest(self, limit_bps: float) -> int:
        return greatest_within(self._bitrates, limit_bps)
