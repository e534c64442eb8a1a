"""Virtual time: one clock for a simulated internet, and machines whose own clocks may stand still.

A suspended machine runs nothing, and its monotonic clock stands (CLOCK_MONOTONIC, clock_gettime(2)), while
the rest of the world goes on. A task belongs to the machine in whose context it was started
(`Machine.tasks`). There `trio.current_time()` and all deadlines are in the machine's own time, and the task
does not run while the machine is suspended.

trio has no seam for this, so two of the run loop's own tables are replaced: the deadlines by those of all
machines in the world's time, and the queue of runnable tasks by one that holds back those of suspended
machines.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from unittest import mock

import trio
import trio.testing

_run: Any = trio._core._run
_machine: ContextVar[Machine | None] = ContextVar("machine", default=None)


class Machine:
    """A computer with a monotonic clock of its own."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.stood_s = 0.0  # sum of the suspensions that have ended
        self._suspended_at: float | None = None
        self.held: list[trio.lowlevel.Task] = []  # runnable once it is resumed
        self.held_deadlines: list[_Entry] = []

    @property
    def is_suspended(self) -> bool:
        """Whether it is suspended now."""
        return self._suspended_at is not None

    @property
    def time_s(self) -> float:
        """Its own monotonic time."""
        now = self.clock.now if self._suspended_at is None else self._suspended_at
        return now - self.stood_s

    def world_time(self, time_s: float) -> float:
        """Return the world's time for a time of its own, if it is not suspended before then."""
        when = time_s + self.stood_s
        while when - self.stood_s < time_s:  # rounding
            when = math.nextafter(when, math.inf)
        return when

    @contextmanager
    def tasks(self) -> Iterator[None]:
        """Give the machine all tasks that are started in this block."""
        token = _machine.set(self)
        try:
            yield
        finally:
            _machine.reset(token)

    def task_count(self) -> int:
        """Return how many tasks it has."""
        root = trio.lowlevel.current_root_task()
        assert root is not None
        waiting, count = [root], 0
        while waiting:
            task = waiting.pop()
            count += task.context.get(_machine) is self
            waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        return count

    def suspend(self) -> None:
        """Stop its tasks and its clock."""
        assert self._suspended_at is None
        self._suspended_at = self.clock.now

    def resume(self) -> None:
        """Go on where it stopped."""
        assert self._suspended_at is not None
        self.stood_s += self.clock.now - self._suspended_at
        self._suspended_at = None
        runner = _run.GLOBAL_RUN_CONTEXT.runner
        held, self.held = self.held, []
        for task in held:
            runner.runq.append(task)
        deadlines, self.held_deadlines = self.held_deadlines, []
        for entry in deadlines:
            runner.deadlines.put_back(entry)


class SimClock:
    """The time of the simulated world. Pass `mock` to `trio.run`, and call `install` inside of it.

    The run loop itself calls the functions of `call_at`, in no task and no machine.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.on_jump: Callable[[], None] | None = None  # called each time that the clock has moved
        self._count = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._deadlines: _Deadlines | None = None
        # The run loop jumps a MockClock only, and that is final: so we replace methods of one.
        self.mock = trio.testing.MockClock(autojump_threshold=0)
        mock: Any = self.mock
        mock.current_time = self._current_time
        mock.deadline_to_sleep_time = lambda deadline: math.inf if deadline > self.now else 0.0
        mock._autojump = self._jump

    def install(self) -> None:
        """Replace the run loop's tables. Call it before any machine has tasks."""
        runner = _run.GLOBAL_RUN_CONTEXT.runner
        self._deadlines = runner.deadlines = _Deadlines(self)
        runner.runq = _RunQueue(runner.runq)

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a virtual time; those of one time in the order given."""
        heapq.heappush(self._events, (when, next(self._count), function))

    def next_event_at(self) -> float:
        """Return when the next function is due."""
        return self._events[0][0] if self._events else math.inf

    def call_due(self) -> bool:
        """Call all functions that are due; return whether there were any."""
        called = False
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
            called = True
        return called

    def _current_time(self) -> float:
        machine = _machine.get()
        return self.now if machine is None else self.now - machine.stood_s

    def _jump(self) -> None:
        """Go on until a task can run: most events in the network wake nobody."""
        assert self._deadlines is not None
        runnable = _run.GLOBAL_RUN_CONTEXT.runner.runq
        while not runnable:
            deadline = self._deadlines.next_deadline()
            if not self.now < deadline < math.inf:
                return
            self.now = deadline
            self._deadlines.expire(deadline)
            if self.on_jump is not None:
                self.on_jump()


@dataclass(slots=True)
class _Entry:
    """A deadline in its machine's time."""

    deadline: float
    scope: trio.CancelScope
    machine: Machine | None

    @property
    def is_void(self) -> bool:
        return self.deadline != self.scope._registered_deadline


class _Deadlines:
    """Replaces trio's own table: deadlines of several machines, by the world's time.

    The heap has the time at which the deadline was due when it was added. A suspension since makes it later.
    """

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, _Entry]] = []
        self._active = 0
        self._order = itertools.count()

    def add(self, deadline: float, scope: trio.CancelScope) -> None:
        self.put_back(_Entry(deadline, scope, _machine.get()))
        self._active += 1
        if len(self._heap) > 2 * self._active + 1000:
            self._heap = [item for item in self._heap if not item[2].is_void]
            heapq.heapify(self._heap)

    def remove(self, _deadline: float, _scope: trio.CancelScope) -> None:
        self._active -= 1

    def put_back(self, entry: _Entry) -> None:
        """Add a deadline, or add it again once its machine has been resumed."""
        machine = entry.machine
        when = entry.deadline if machine is None else machine.world_time(entry.deadline)
        heapq.heappush(self._heap, (when, next(self._order), entry))

    def next_deadline(self) -> float:
        return min(self._clock.next_event_at(), self._next_of_tasks())

    def expire(self, now: float) -> bool:
        expired = self._clock.call_due()
        while self._heap and self._heap[0][0] <= now and self._next_of_tasks() <= now:
            heapq.heappop(self._heap)[2].scope._cancel(_run.CancelReason(source="deadline"))
            expired = True
        return expired

    def _next_of_tasks(self) -> float:
        """Return when the first deadline is due, and have it as the first of the heap."""
        while self._heap:
            when, _, entry = self._heap[0]
            machine = entry.machine
            if not entry.is_void:
                if machine is None:
                    return when
                if machine.is_suspended:
                    machine.held_deadlines.append(entry)
                elif entry.deadline + machine.stood_s <= when:
                    return when
                else:  # it was suspended since
                    heapq.heappop(self._heap)
                    self.put_back(entry)
                    continue
            heapq.heappop(self._heap)
        return math.inf


class _RunQueue(deque[trio.lowlevel.Task]):
    """Replaces trio's own queue: it holds back the tasks of a suspended machine."""

    def append(self, task: trio.lowlevel.Task) -> None:
        machine = task.context.get(_machine)
        if machine is not None and machine.is_suspended:
            machine.held.append(task)
        else:
            super().append(task)


@contextmanager
def without_threads() -> Iterator[None]:
    """Make `trio.to_thread.run_sync` call its function at once: virtual time would go on beside a thread."""

    async def run_sync(function: Callable[..., object], *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return function(*args)

    with mock.patch.object(trio.to_thread, "run_sync", run_sync):
        yield
