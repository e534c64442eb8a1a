"""Which policy plays which window, over all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from bench.traces import fluid, plans
from bench.traces.heard import Heard
from bench.traces.metrics import Row, row
from bench.traces.optimum import LADDER_KBPS, optimum
from bench.traces.trace import Trace, Window


def ours(window: Window) -> Heard:
    """Play a window to the real client, as its defaults are."""
    from bench.traces.network import play  # slow to import, and not needed by the others

    return play(window)


POLICIES: dict[str, Callable[[Window], Heard]] = {
    "optimum": optimum,
    "ours": ours,
    **{f"tcp-{kbps}": fluid.tcp(kbps) for kbps in LADDER_KBPS},
    **plans.POLICIES,
}


class Job(NamedTuple):
    """One window, and who plays it."""

    trace: Trace
    scale: float
    offset_s: float
    policy: str

    def run(self) -> Row:
        """Play it; return its line of the results."""
        window = self.trace.window(self.scale, self.offset_s)
        return row(window, self.policy, POLICIES[self.policy](window))


def jobs(
    traces: Sequence[Trace], scales: Sequence[float], offsets: int, policies: Sequence[str]
) -> list[Job]:
    """Return all combinations, with so many windows of each trace."""
    return [
        Job(trace, scale, offset_s, policy)
        for trace in traces
        for scale in scales
        for offset_s in trace.offsets(offsets)
        for policy in policies
    ]


def run_all(todo: Sequence[Job], processes: int | None = None) -> Iterator[Row]:
    """Yield the rows of jobs, in their order; None for as many processes as there are cores."""
    processes = processes or len(os.sched_getaffinity(0))
    if processes == 1:
        yield from map(Job.run, todo)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(Job.run, todo)
