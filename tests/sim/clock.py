"""Virtual time: one clock for a simulated internet, and machines whose own clocks may stand still.

A suspended machine runs nothing, and its monotonic clock stands (CLOCK_MONOTONIC, clock_gettime(2)), while
the rest of the world goes on. A task belongs to the machine in whose context it was started
(`Machine.tasks`). For such a task `trio.current_time()` is the machine's own time, and so are its
deadlines; its steps wait while the machine is suspended.

trio has no seam for this, so two of the run loop's own tables are replaced: the deadlines by a table
for each machine, and the queue of runnable tasks by one that holds back those of suspended machines.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import trio
import trio.testing

_run = trio._core._run
_machine: ContextVar[Machine | None] = ContextVar("machine", default=None)


class Machine:
    """Something with a monotonic clock of its own."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.stood_s = 0.0  # in all, the suspensions that have ended
        self._suspended_at: float | None = None
        self.held: list[trio.lowlevel.Task] = []  # runnable, once it goes on

    @property
    def is_suspended(self) -> bool:
        """Whether it runs nothing now."""
        return self._suspended_at is not None

    @property
    def time_s(self) -> float:
        """Its own monotonic time."""
        now = self.clock.now if self._suspended_at is None else self._suspended_at
        return now - self.stood_s

    def world_time(self, time_s: float) -> float:
        """Return the world's time at which its own is, unless it stops before."""
        when = time_s + self.stood_s
        while when - self.stood_s < time_s:  # rounding
            when = math.nextafter(when, math.inf)
        return when

    @contextmanager
    def tasks(self) -> Iterator[None]:
        """Make the tasks that are started in this block the machine's own."""
        token = _machine.set(self)
        try:
            yield
        finally:
            _machine.reset(token)

    def suspend(self) -> None:
        """Stop its tasks and its clock."""
        assert self._suspended_at is None
        self._suspended_at = self.clock.now

    def resume(self) -> None:
        """Let it go on where it stopped."""
        assert self._suspended_at is not None
        self.stood_s += self.clock.now - self._suspended_at
        self._suspended_at = None
        held, self.held = self.held, []
        for task in held:
            _run.GLOBAL_RUN_CONTEXT.runner.runq.append(task)


class SimClock:
    """The time of the simulated world. Pass `mock` to `trio.run`, and call `install` inside of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._deadlines: _Deadlines | None = None
        # MockClock is final, and the run loop jumps no other: so it is one, with methods of ours.
        self.mock: Any = trio.testing.MockClock(autojump_threshold=0)
        self.mock.current_time = self._current_time
        self.mock.deadline_to_sleep_time = lambda deadline: math.inf if deadline > self.now else 0.0
        self.mock._autojump = self._jump

    def install(self) -> None:
        """Replace the run loop's tables; before any machine has tasks."""
        runner = _run.GLOBAL_RUN_CONTEXT.runner
        self._deadlines = runner.deadlines = _Deadlines(runner.deadlines)
        runner.runq = _RunQueue(runner.runq)

    def _current_time(self) -> float:
        machine = _machine.get()
        return self.now if machine is None else self.now - machine.stood_s

    def _jump(self) -> None:
        assert self._deadlines is not None
        deadline = self._deadlines.next_deadline()
        if self.now < deadline < math.inf:
            self.now = deadline


class _Deadlines:
    """Stands for trio's own table: one of those for each machine, in its own time."""

    def __init__(self, common: Any) -> None:
        self._tables: dict[Machine | None, Any] = {None: common}
        self._machines: dict[trio.CancelScope, Machine | None] = {}  # of the scopes that are in a table

    def add(self, deadline: float, scope: trio.CancelScope) -> None:
        machine = self._machines[scope] = _machine.get()
        if machine not in self._tables:
            self._tables[machine] = _run.Deadlines()
        self._tables[machine].add(deadline, scope)

    def remove(self, deadline: float, scope: trio.CancelScope) -> None:
        self._tables[self._machines.pop(scope, None)].remove(deadline, scope)

    def next_deadline(self) -> float:
        return min(
            table.next_deadline() if machine is None else machine.world_time(table.next_deadline())
            for machine, table in self._tables.items()
            if machine is None or not machine.is_suspended
        )

    def expire(self, now: float) -> bool:
        expired = [
            table.expire(now if machine is None else now - machine.stood_s)
            for machine, table in list(self._tables.items())
            if machine is None or not machine.is_suspended
        ]
        return any(expired)


class _RunQueue(deque[trio.lowlevel.Task]):
    """Stands for trio's own queue: the tasks of a suspended machine wait elsewhere."""

    def append(self, task: trio.lowlevel.Task) -> None:
        machine = task.context.get(_machine)
        if machine is not None and machine.is_suspended:
            machine.held.append(task)
        else:
            super().append(task)


@contextmanager
def without_threads() -> Iterator[None]:
    """Have `trio.to_thread.run_sync` run its function at once: virtual time would run on beside a thread."""

    async def run_sync(function: Callable[..., object], *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return function(*args)

    real = trio.to_thread.run_sync
    trio.to_thread.run_sync = run_sync  # type: ignore[assignment]
    try:
        yield
    finally:
        trio.to_thread.run_sync = real
