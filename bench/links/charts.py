"""What the link saw over time, as charts: each program's rate, queue and losses on one link."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean

from bench.chart import Chart, Series
from bench.lab.pipe import DROPPED, LOST, PASSED, Passage

from .measure import read_log

BINS = 40  # over the longest transfer that is shown
Points = list[tuple[float, float]]


def write_charts(folder: Path, name: str, text: str, logs: dict[str, Path]) -> None:
    """Write `link-NAME-rate.svg`, `-queue.svg` and `-loss.svg`.

    Args:
        folder: where to.
        name: of the link.
        text: what the link is, for the title.
        logs: the file with each program's packets.
    """
    downs = {program: read_log(path)["down"] for program, path in logs.items()}
    bin_s = max(down[-1].came_s for down in downs.values()) / BINS
    for what, label, points in (
        ("rate", "delivered, kbit/s", lambda down: rate(down, bin_s)),
        ("queue", "the link's queue, ms", lambda down: queue(down, bin_s)),
        ("loss", "packets lost or dropped so far", losses),
    ):
        series = [Series(program, points(down)) for program, down in downs.items()]
        Chart(f"{name}: {text}", "s", label, series).write(folder / f"link-{name}-{what}.svg")


def rate(down: list[Passage], bin_s: float) -> Points:
    """Return (s, kbit/s) of what arrived."""
    arrived: dict[int, int] = defaultdict(int)
    for one in down:
        if one.fate == PASSED:
            arrived[int(one.arrived_s / bin_s)] += one.size
    return [((number + 0.5) * bin_s, arrived[number] / bin_s / 125) for number in range(max(arrived) + 1)]


def queue(down: list[Passage], bin_s: float) -> Points:
    """Return (s, ms) of what packets waited."""
    waits: dict[int, list[float]] = defaultdict(list)
    for one in down:
        if one.fate in {PASSED, LOST}:
            waits[int(one.came_s / bin_s)].append(one.queue_s * 1000)
    return [((number + 0.5) * bin_s, fmean(waits[number])) for number in sorted(waits)]


def losses(down: list[Passage]) -> Points:
    """Return (s, packets) of what did not arrive."""
    points = [(0.0, 0.0)]
    for one in down:
        if one.fate in {LOST, DROPPED}:
            so_far = points[-1][1]
            points += [(one.came_s, so_far), (one.came_s, so_far + 1)]
    return [*points, (down[-1].came_s, points[-1][1])]
