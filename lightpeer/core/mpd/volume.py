"""The volume as remotes have it, from 0 to 100, in decibels: MPD's own curve, with 100 as samples are.

Source: MPD's mixer/plugins/SoftwareMixerPlugin.cxx.
"""

from __future__ import annotations

import math
from typing import Final

_BEND: Final = 25.0
_MOST: Final = math.expm1(100 / _BEND)


def decibels_of(percent: int, least_db: float) -> float:
    """Return the decibels of a volume, at least so many; 0 are the least."""
    if percent == 0:
        return least_db
    return max(least_db, 20 * math.log10(math.expm1(percent / _BEND) / _MOST))


def percent_of(decibels: float) -> int:
    """Return the volume that is nearest to some decibels; 100 for what is louder."""
    return min(100, round(_BEND * math.log1p(_MOST * 10 ** (decibels / 20))))
