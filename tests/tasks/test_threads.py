"""Work that may wait for the disk, and the event loop that does not."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.lowlevel
import trio.testing

from lightpeer.tasks.threads import Threads


def test_the_event_loop_goes_on_while_few_threads_work() -> None:
    gate, begun = threading.Event(), []

    def work(number: int) -> int:
        begun.append(threading.get_ident())
        gate.wait()
        return number

    async def main() -> None:
        threads, given = Threads(2), []

        async def one(number: int) -> None:
            given.append(await threads.run(work, number))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(one, number)
            while len(begun) < 2:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            assert len(begun) == 2
            assert threading.get_ident() not in begun
            gate.set()
        assert sorted(given) == list(range(5))

    try:
        trio.run(main)
    finally:
        gate.set()


def test_who_is_cancelled_does_not_wait_for_a_thread_that_hangs() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Threads(1).run, hang)
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
        assert not gate.is_set()
    finally:
        gate.set()


def test_what_a_function_raises_comes_out() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            await Threads(1).run(int, "x")

    trio.run(main)
