"""The rules of others, to compare with: each decides by the link or the buffer, and replaces nothing.

`Fixed` is also what plays where the listener names a bitrate.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Final

from lightpeer.core.plan.view import SEGMENT_S, Decision, View, Want, greatest_below


def _extend(view: View, rendition: int) -> Decision:
    return Want(rendition, view.end) if view.may_extend(rendition) else None


class Fixed:
    """Always one rendition."""

    def __init__(self, rendition: int) -> None:
        self._rendition = rendition

    def decide(self, view: View) -> Decision:
        """Return the next segment in the one rendition, or in the best that the listener pays for."""
        return _extend(view, min(self._rendition, view.best))


class Throughput:
    """What the link carries with room to spare; up by a step with a filled buffer, down with a low one.

    The common hybrid (cf. Spiteri et al., "From theory to practice: improving bitrate adaptation in the DASH
    reference player", MMSys 2018).
    """

    SAFE_SHARE: Final = 0.7
    DOWN_S: Final = 4.0
    MEAN_S: Final = 5

    def __init__(self, up_s: float = 8.0) -> None:
        """Go up with so many seconds ahead; 0 for a reader that leaves nothing in the buffer."""
        self._up_s = up_s
        self._current: int | None = None

    def decide(self, view: View) -> Decision:
        """Return the next segment, in a rendition by the rate of the last seconds."""
        sustained = greatest_below(view, self.SAFE_SHARE * view.rates.mean_bytes_per_s(self.MEAN_S))
        if self._current is None:
            self._current = sustained
        elif sustained > self._current and view.ahead_s >= self._up_s:
            self._current += 1
        elif sustained < self._current and view.ahead_s < self.DOWN_S:
            self._current = sustained
        return _extend(view, self._current)


class BufferMap:
    """The buffer alone: the lowest up to a reservoir, the greatest from a cushion on, evenly between.

    Huang et al., "A buffer-based approach to rate adaptation", SIGCOMM 2014 (BBA-0).
    """

    RESERVOIR_S: Final = 30.0
    CUSHION_S: Final = 120.0

    def decide(self, view: View) -> Decision:
        """Return the next segment, in a rendition by the buffer."""
        share = (view.ahead_s - self.RESERVOIR_S) / (self.CUSHION_S - self.RESERVOIR_S)
        lowest, greatest = view.size_bytes(0), view.size_bytes(view.best)
        return _extend(view, greatest_below(view, lowest + share * (greatest - lowest)))


class BolaE:
    """Utility for each byte, against the buffer; while it is small, what the link carries.

    Spiteri, Urgaonkar, Sitaraman, "BOLA: near-optimal bitrate adaptation for online videos", INFOCOM 2016,
    with the parameters and the insufficient-buffer rule of "From theory to practice" (MMSys 2018).
    """

    LEAST_S: Final = 10.0
    TARGET_S: Final = 60.0

    def decide(self, view: View) -> Decision:
        """Return the next segment, in the rendition of the greatest score."""
        utilities = [math.log(bps / view.bitrates_bps[0]) + 1 for bps in view.bitrates_bps[: view.best + 1]]
        gain = (utilities[-1] - 1) / (self.TARGET_S / self.LEAST_S - 1)
        weight = self.LEAST_S / gain if gain else 0.0

        def score(rendition: int) -> float:
            value = weight * (utilities[rendition] + gain - 1)
            return (value - view.ahead_s) / view.size_bytes(rendition)

        best = max(range(view.best + 1), key=score)
        rate = view.rates.mean_bytes_per_s(10)
        bearable = greatest_below(view, 0.9 * rate * max(1.0, view.ahead_s / 2))
        return _extend(view, min(best, bearable) if view.ahead_s < self.TARGET_S else best)


class RobustMpc:
    """The best of all plans for five segments, by a rate that is taken to be as wrong as it was lately.

    Yin et al., "A control-theoretic approach for dynamic adaptive video streaming over HTTP", SIGCOMM 2015.
    """

    HORIZON: Final = 5
    MEAN_S: Final = 5

    def __init__(self) -> None:
        self._last = 0
        self._forecast = 0.0
        self._errors: list[float] = []

    def decide(self, view: View) -> Decision:
        """Return the first segment of the best plan."""
        rate = view.rates.mean_bytes_per_s(self.MEAN_S)
        if self._forecast and rate:
            self._errors = [*self._errors[-4:], abs(self._forecast - rate) / rate]
        self._forecast = rate
        safe = rate / (1 + max(self._errors, default=0.0))
        plans = product(range(view.best + 1), repeat=min(self.HORIZON, max(1, view.left)))
        chosen = max(plans, key=lambda plan: self._quality(view, plan, safe))[0] if safe else 0
        decision = _extend(view, chosen)
        if decision is not None:
            self._last = chosen
        return decision

    def _quality(self, view: View, plan: tuple[int, ...], rate: float) -> float:
        """Return the plan's bitrates, less its changes and its silence, each in bit/s."""
        quality, last, buffer_s = 0.0, view.bitrates_bps[self._last], view.ahead_s
        for rendition in plan:
            bps = view.bitrates_bps[rendition]
            took_s = view.size_bytes(rendition) / rate
            quality += bps - abs(bps - last) - view.bitrates_bps[-1] * max(0.0, took_s - buffer_s)
            buffer_s = max(0.0, buffer_s - took_s) + SEGMENT_S
            last = bps
        return quality
