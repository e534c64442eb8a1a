"""Insurance first, quality second: the default policy.

Outages of a minute are common where phones are used, and no forecast tells them. So a minute of sound is
fetched in the lowest rendition before anything better, unless the link is so fast that the better takes
hardly longer. What is fetched beyond that is in the greatest rendition that the link sustains, and what was
fetched in a lower one is replaced before it is heard, as far as the listener pays for the bytes that are
wasted thereby. When the minute is lost again, what was hardly begun in a better rendition is taken back.

A link that carries less than the greatest rendition is insured for longer: its outages are as long, and
what comes between them fills less.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.plan.view import Decision, Drop, View, Want

INSURED_S: Final = 60.0  # most outages of 3G are over by then
MOST_INSURED_S: Final = 240.0
SAFE_SHARE: Final = 1.0  # of what came, in which headers and losses do not count
MEAN_S: Final = 120  # over which that is measured: tunnels count, and yesterday does not
RECENT_S: Final = 8  # the same, for what is to come at once
SOON_S: Final = 4.0  # within which the insurance is reached, whatever rendition is fetched
NEAR_S: Final = 3.0  # from a replacement to its being heard, at least
AHEAD_S: Final = 120.0  # for which a rendition is to be sustained
END_S: Final = 10.0  # of sound left at least, where the rest of the track is fetched


class InsuranceFirst:
    """See the module's docstring."""

    def decide(self, view: View) -> Decision:
        """Return what to fetch next, or what no longer; None if nothing is to be fetched now."""
        rate, recent = (SAFE_SHARE * view.rates.mean_bytes_per_s(s) for s in (MEAN_S, RECENT_S))
        insured_s = _insured_s(view, rate)
        if view.left and view.ahead_s < insured_s:
            rendition = _soon(view, min(rate, recent), insured_s)
            return _take_back(view, rendition) or _extend(view, rendition)
        rendition = _sustained(view, recent, insured_s)
        return _replace(view, recent, rendition) or _extend(view, rendition)


def _insured_s(view: View, rate: float) -> float:
    """Return how much sound is to be ahead before quality counts."""
    top = view.size_bytes(view.best)
    if not rate:
        return INSURED_S
    return min(MOST_INSURED_S, INSURED_S * max(1.0, top / max(rate, 1.0)) ** 2)


def _soon(view: View, rate: float, insured_s: float) -> int:
    """Return the greatest rendition in which the insurance, or the end, is reached soon."""
    best = 0
    for rendition in range(1, view.best + 1):
        each_s = view.size_bytes(rendition) / rate if rate else float("inf")
        is_soon = (insured_s - view.ahead_s) * each_s <= SOON_S
        if is_soon or view.left * each_s <= view.ahead_s - END_S:
            best = rendition
    return best


def _sustained(view: View, rate: float, insured_s: float) -> int:
    """Return the greatest rendition in which the track can go on without losing the insurance."""
    if not view.left:
        return view.best
    best, seconds = 0, min(AHEAD_S, view.left)
    for rendition in range(1, view.best + 1):
        gain = rate / view.size_bytes(rendition) - 1.0  # seconds of sound, in each second
        if view.ahead_s + seconds * gain >= insured_s or view.left * (1.0 + gain) >= view.left:
            best = rendition
    return best


def _replace(view: View, rate: float, rendition: int) -> Want | None:
    """Return the first segment that can be had in a better rendition before it is heard."""
    near_s = NEAR_S + view.size_bytes(rendition) / max(rate, 1.0)
    first = view.cursor + max(0, round(near_s - view.before_s))
    for segment in range(first, view.end):
        is_lower = segment not in view.wished and view.here[segment] < rendition
        if is_lower and view.may_waste(segment, rendition):
            return Want(rendition, segment)
    return None


def _take_back(view: View, rendition: int) -> Drop | None:
    """Return a wish for a better rendition, if to begin again with a lower one is cheaper.

    What was asked for comes anyway.
    """
    for segment, wished in view.wished.items():
        instead_bytes = 0.0 if segment in view.here else view.size_bytes(rendition)
        if wished > rendition and view.unasked[segment] > instead_bytes:
            return Drop(wished, segment)
    return None


def _extend(view: View, rendition: int) -> Want | None:
    while rendition and not view.may_extend(rendition):
        rendition -= 1
    return Want(rendition, view.end) if view.may_extend(rendition) else None
