"""What a policy sees, made by hand: a track of 24, 48 and 96 kbit/s, and a link of a steady rate."""

from __future__ import annotations

from collections.abc import Mapping

from lightpeer.core.plan.view import View
from lightpeer.core.rate.history import LONGEST_S, RateHistory

BITRATES_BPS = (24_000, 48_000, 96_000)
LOW, MIDDLE, HIGH = range(3)
SIZES_BYTES = (3_000.0, 6_000.0, 12_000.0)  # of a segment
FAST = 1e7  # bytes/s: any segment comes in a millisecond


def steady(rate_bytes_per_s: float, seconds: float = LONGEST_S) -> RateHistory:
    """A link that gave so much for so long; unknown at 0."""
    history = RateHistory()
    if rate_bytes_per_s:
        history.note(0.0, 0.0, fetching=True)
        history.note(rate_bytes_per_s * seconds, seconds, fetching=True)
    return history


def seen(
    here: Mapping[int, int] | None = None,
    wished: Mapping[int, int] | None = None,
    *,
    rate: float = 0.0,
    count: int = 1000,
    **more: object,
) -> View:
    """A track with much room, whose segments that are wished for are still to be asked for."""
    view = View(BITRATES_BPS, count, steady(rate), limit=count, room_bytes=1e9, best=HIGH, waste_share=0.1)
    view.here, view.wished = dict(here or {}), dict(wished or {})
    view.unasked = {number: SIZES_BYTES[rendition] for number, rendition in view.wished.items()}
    for name, value in more.items():
        setattr(view, name, value)
    view.end = view.cursor
    while view.end in view.here or view.end in view.wished:
        view.end += 1
    return view


def of(rendition: int, first: int, end: int) -> dict[int, int]:
    """Segments in one rendition."""
    return dict.fromkeys(range(first, end), rendition)
