"""The best that anybody could do on a window, who knows all that will come.

First sound is as soon as can be: two round trips, then the first second in the lowest rendition. Silence is
the least that is possible then, with all in the lowest rendition. That gives each segment a deadline, and
sizes are raised from the last segment backwards, each as far as the slack of all deadlines from its own on
allows. No other order of raising gives a greater sum (the deadlines are a chain of sets, each within the
next, so the raises form a polymatroid).

Sizes are any between the lowest and the highest rendition's, nothing is lost to headers, and the buffer is
unlimited: a bound for who has a ladder, a protocol and a memory, exact for who had none of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from bench.traces.heard import GAP_S, Heard
from bench.traces.trace import Window

RTT_S = 0.2
LADDER_KBPS = (24, 48, 96)
START_RTTS = 2  # to connect, and to ask
BYTES_PER_KBPS = 125  # of a segment of a second


def optimum(window: Window, ladder_kbps: Sequence[float] = LADDER_KBPS, rtt_s: float = RTT_S) -> Heard:
    """Return the bound for a window.

    Args:
        window: the link, and the seconds of music.
        ladder_kbps: the renditions, of which the lowest and the highest count.
        rtt_s: a round trip, two of which pass before the first byte.
    """
    low, high = min(ladder_kbps) * BYTES_PER_KBPS, max(ladder_kbps) * BYTES_PER_KBPS
    count = int(window.length_s)
    before = window.bytes_until(START_RTTS * rtt_s)  # carried while nothing was asked for yet
    arrivals = [window.time_of(before + (number + 1) * low) for number in range(count)]
    plays = play_times(arrivals)
    ends = [sounded + 1.0 for sounded in plays]
    gaps = [(end, next_ - end) for end, next_ in zip(ends, plays[1:], strict=False) if next_ - end > GAP_S]
    # The first is not raised: it would sound later.
    slacks = [0.0] + [
        window.bytes_until(plays[number]) - before - (number + 1) * low for number in range(1, count)
    ]
    sizes = raised(slacks, low, high)
    kbps = [size / BYTES_PER_KBPS for size in sizes]
    return Heard(window.length_s, plays[0], gaps, kbps, end_s=ends[-1])


def first_sound_s(window: Window, kbps: float, rtt_s: float = RTT_S) -> float:
    """Return when sound can begin at best: two round trips, and the first second at a bitrate."""
    return window.time_of(window.bytes_until(START_RTTS * rtt_s) + kbps * BYTES_PER_KBPS)


def play_times(arrivals: Sequence[float]) -> list[float]:
    """Return when segments of a second sound, each as soon as it is there and the one before has ended."""
    return list(accumulate(arrivals, lambda sounded, came: max(sounded + 1.0, came)))


def raised(slacks: Sequence[float], low: float, high: float) -> list[float]:
    """Return sizes of which the last is raised first, and each as far as all deadlines from its own on allow.

    Args:
        slacks: bytes that could come beside the lowest sizes until each segment's deadline.
        low: bytes of each segment, at least.
        high: and at most.
    """
    sizes, free = [low] * len(slacks), float("inf")
    used = 0.0  # by the segments behind, which the deadlines behind them pay
    for number in reversed(range(len(slacks))):
        # A raise before a deadline takes from its slack, and a raise behind it does not.
        free = min(free - used, slacks[number])
        used = min(high - low, max(0.0, free))
        sizes[number] += used
    return sizes
