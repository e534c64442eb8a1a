"""Links over time: recorded traces, made ones, and the windows of them that are played.

A recorded trace is a CSV file with the columns `t_s` and `kbit_s`. A window lies somewhere in a trace; who is
not through at its end goes on, from the trace's beginning where the trace ends. What a window has carried
until any moment is exact: it is the integral of a step function.

Without recordings there are made ones, each of a seed and of nothing else: a Markov chain of signal levels,
as of somebody who moves through cells, with outages as long as those recorded in tunnels and on ferries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from bench.lab.link import Capacity, read_trace

WINDOW_S = 240.0  # of music
MADE = tuple(f"generated-{number}" for number in range(1, 5))
MADE_S = 600
OUTAGE_KBIT_S = 16.0  # a step below is part of an outage
LEVELS_KBIT_S = (150.0, 400.0, 800.0, 1300.0, 2000.0, 3200.0)  # of 3G: the edge of a cell to its middle
MOVES = 0.12  # chance, for each second, of another level
OUTAGE_EVERY_S = 200.0
OUTAGE_S = (1.0, 4.0, 20.0, 45.0)  # one of these, on average
SPREAD = 0.35  # of a second's rate around its level, the standard deviation of its logarithm


@dataclass(frozen=True)
class Trace:
    """A link's rate over time, in steps of `(length in s, kbit/s)`."""

    name: str
    steps: Sequence[tuple[float, float]]

    @property
    def length_s(self) -> float:
        """Its length."""
        return sum(length for length, _ in self.steps)

    def offsets(self, count: int) -> list[float]:
        """Return so many starts of windows that lie in the trace, spread evenly, in whole seconds."""
        last_s = max(0.0, self.length_s - WINDOW_S)
        return [float(int(number * last_s / max(1, count - 1))) for number in range(count)]

    def window(self, scale: float, offset_s: float) -> Window:
        """Return the window that begins at an offset in seconds, with all rates times a scale."""
        return Window(self, scale, offset_s)


@dataclass(frozen=True)
class Window:
    """A trace from an offset on, at a scale; times are from the window's own beginning.

    Attributes:
        trace: what it is cut from.
        scale: what each rate is multiplied by.
        offset_s: where it begins.
        length_s: seconds of music that are to be heard in it; the link goes on until they are.
    """

    trace: Trace
    scale: float
    offset_s: float
    length_s: float = WINDOW_S

    @cached_property
    def steps(self) -> list[tuple[float, float]]:
        """`(length in s, kbit/s)` from the beginning on, for the length of the trace."""
        head, tail, at = [], [], 0.0
        for length, rate in self.trace.steps:
            before = min(length, max(0.0, self.offset_s - at))
            if before > 0:
                tail.append((before, rate * self.scale))
            if length > before:
                head.append((length - before, rate * self.scale))
            at += length
        return head + tail

    @cached_property
    def capacity(self) -> Capacity:
        """What it carries, in bits."""
        return Capacity(self.steps)

    def bytes_until(self, time_s: float) -> float:
        """Return the bytes that the link carries from the beginning to a time."""
        return self.capacity.bits_until(time_s) / 8

    def time_of(self, size: float) -> float:
        """Return when the link has carried so many bytes."""
        return self.capacity.time_of(size * 8)

    def rate_kbit_s(self, time_s: float, over_s: float = 1.0) -> float:
        """Return the mean rate from a time on."""
        return (self.bytes_until(time_s + over_s) - self.bytes_until(time_s)) / over_s / 125


def read_traces(folder: Path | None, only: Sequence[str] = ()) -> list[Trace]:
    """Return a folder's traces by name, or the made ones; `only` names those that are wanted.

    Raises:
        ValueError: a name is not there, or a file is no trace.
    """
    names = MADE if folder is None else tuple(sorted(path.stem for path in folder.glob("*.csv")))
    for name in only:
        if name not in names:
            raise ValueError(f"there is no trace {name}: there are {', '.join(names) or 'none'}")
    return [
        made_trace(name) if folder is None else Trace(name, tuple(read_trace(folder / f"{name}.csv")))
        for name in only or names
    ]


def made_trace(name: str) -> Trace:
    """Return a trace like those of 3G links; the name is the seed."""
    random = Random(name)
    return Trace(name, tuple((1.0, rate) for rate in _rates(random)))


def _rates(random: Random) -> Iterator[float]:
    level, outage_left_s = random.randrange(len(LEVELS_KBIT_S)), 0.0
    for _ in range(MADE_S):
        if outage_left_s <= 0 and random.random() < 1 / OUTAGE_EVERY_S:
            outage_left_s = random.expovariate(1 / random.choice(OUTAGE_S))
        if outage_left_s > 0:
            outage_left_s -= 1.0
            yield round(random.uniform(0.0, OUTAGE_KBIT_S), 3) if random.random() < 0.3 else 0.0
            continue
        if random.random() < MOVES:
            level = min(max(level + random.choice((-1, 1)), 0), len(LEVELS_KBIT_S) - 1)
        yield round(LEVELS_KBIT_S[level] * math.exp(random.gauss(0.0, SPREAD)), 3)
