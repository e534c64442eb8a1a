"""Which renditions a source is offered in: none claims more than the source has.

An Ogg Opus source of B bit/s keeps its own packets as the top rung, in place of every
target from three quarters of B on; lower targets are encoded from its decode. Where
all targets are lower, all are encoded, and the source itself is not offered: it
would ask more of a listener's link than the server's ladder means to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_SAME_QUALITY = 0.75  # a rung below this part of the source's bitrate is worth encoding


_SAME_NAME = 0.1  # an encoder's mean misses its target by as much, so a source that near counts as the target


class Rungs(NamedTuple):
    """Bitrates in bit/s: those to encode, rising, and that of the source if its packets top them."""

    lower_bps: tuple[int, ...]
    source_bps: int | None


def rungs_for_opus(mean_bps: int, ladder_kbps: Sequence[int]) -> Rungs:
    """Return the bitrates that an Ogg Opus source of this mean bitrate is offered in."""
    targets = [kbps * 1000 for kbps in ladder_kbps]
    lower = tuple(bps for bps in targets if bps < _SAME_QUALITY * mean_bps)
    return Rungs(lower, _name(mean_bps, targets) if len(lower) < len(targets) else None)


def _name(mean_bps: int, targets: Sequence[int]) -> int:
    """Return the bitrate that a source goes by: the target that it all but has, else its mean."""
    nearest = min(targets, key=lambda bps: abs(bps - mean_bps))
    if abs(nearest - mean_bps) <= _SAME_NAME * nearest:
        return nearest
    return max(1000, round(mean_bps, -3))
