"""Failures put into running tasks: each task of a server is made to fail at one of its waits.

Whatever is started in a nursery by a task of the server, or by what it started, runs stepwise under a
`Faults`. Once that is armed, the wait of the wanted number from then on raises in the task that waits, once
for each function that tasks run. What would have been waited for is called off first, as a cancellation
does it, so that trio's own state stays whole.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import outcome
import pytest
import trio
from trio._core._traps import WaitTaskRescheduled

_is_faulty: ContextVar[bool] = ContextVar("is_faulty", default=False)


class Faults:
    """Which error is raised, at which wait of each task, and in which it was."""

    def __init__(self, error: Callable[[], Exception], wait: int, *spared: str) -> None:
        self._error = error
        self._wait = wait
        self._spared = spared
        self._waits: Counter[str] = Counter()
        self.is_armed = True
        self.started: set[str] = set()
        self.failed: set[str] = set()

    async def run(self, function: Callable[..., Awaitable], *args: Any) -> Any:
        """Run a function all of whose tasks, but for its own, are to fail."""
        _is_faulty.set(True)
        return await function(*args)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have tasks run stepwise, for the length of a block."""
        start_soon, start = trio.Nursery.start_soon, trio.Nursery.start

        def faulty_soon(nursery: trio.Nursery, function: Callable, *args: Any, name: object = None) -> None:
            start_soon(nursery, self._stepwise(function, args), *args, name=name)

        async def faulty(nursery: trio.Nursery, function: Callable, *args: Any, name: object = None) -> Any:
            return await start(nursery, self._stepwise(function, args), *args, name=name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trio.Nursery, "start_soon", faulty_soon)
            patch.setattr(trio.Nursery, "start", faulty)
            patch.setattr(trio.to_thread, "run_sync", _in_a_moment)
            yield

    def _stepwise(self, function: Callable, args: tuple) -> Callable[..., Awaitable]:
        name = next((arg for arg in args if isinstance(arg, types.MethodType)), function).__qualname__
        if not _is_faulty.get() or name in self._spared:
            return function
        self.started.add(name)

        async def stepwise(*args: Any, **kwargs: Any) -> Any:
            return await self._stepped(function(*args, **kwargs), name)

        return stepwise

    @types.coroutine
    def _stepped(self, coroutine: Any, name: str) -> Generator[Any, Any, Any]:
        answer: Any = None
        while True:
            try:
                wait = coroutine.send(answer)
            except StopIteration as end:
                return end.value
            error = self._next_error(name) if _can_fail(wait) else None
            if error is None or not _is_called_off(wait, error):
                answer = yield wait
            else:
                answer = outcome.Error(error)

    def _next_error(self, name: str) -> Exception | None:
        if not self.is_armed or name in self.failed:
            return None
        self._waits[name] += 1
        if self._waits[name] < self._wait:
            return None
        self.failed.add(name)
        return self._error()


def _can_fail(wait: Any) -> bool:
    """Return whether something in the world is waited for, and not a turn, or a nursery's own tasks."""
    is_turn = not isinstance(wait, WaitTaskRescheduled)
    return not is_turn and not wait.abort_func.__qualname__.startswith("Nursery.")


def _is_called_off(wait: WaitTaskRescheduled, error: Exception) -> bool:
    def raise_it() -> None:
        raise error

    return wait.abort_func(raise_it) is trio.lowlevel.Abort.SUCCEEDED


async def _in_a_moment(function: Callable, *args: Any, **_: object) -> Any:
    """Do what a thread is to do: virtual time would not wait for one."""
    await trio.sleep(0.001)
    return function(*args)
