"""Several attempts at one thing, each with a head start."""

from __future__ import annotations

from functools import partial

import trio
import trio.testing

from lightpeer.tasks.racing import first_of
from tests.download.test_session import at

HEAD_START_S = 1.0


def raced(*times: float, results: dict[int, str]) -> tuple[list[str], list[tuple[int, float]], float]:
    """Race attempts that take so long; return what came, which began when, and how long it took."""
    began: list[tuple[int, float]] = []

    async def attempt(number: int) -> str | None:
        began.append((number, trio.current_time()))
        await trio.sleep(times[number])
        return results.get(number)

    async def main() -> tuple[list[str], list[tuple[int, float]], float]:
        came = await first_of([partial(attempt, number) for number in range(len(times))], HEAD_START_S)
        return came, began, trio.current_time()

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_best_is_tried_alone_for_a_moment():
    assert raced(0.5, 0.1, results={0: "best", 1: "next"}) == (["best"], [(0, 0.0)], 0.5)


def test_what_takes_longer_is_not_waited_for_and_may_still_win():
    assert raced(1.5, 9.0, results={0: "best", 1: "next"}) == (["best"], [(0, 0.0), (1, 1.0)], 1.5)
    assert raced(9.0, 0.5, results={0: "best", 1: "next"}) == (["next"], [(0, 0.0), (1, 1.0)], 1.5)


def test_what_fails_gives_the_next_its_turn_at_once():
    assert raced(0.25, 0.25, results={1: "next"}) == (["next"], [(0, 0.0), (1, 0.25)], 0.5)
    assert raced(0.25, 0.25, results={}) == ([], [(0, 0.0), (1, 0.25)], 0.5)


def test_none_that_succeeded_is_lost():
    async def main() -> list[str]:
        moment = trio.Event()

        async def attempt(result: str) -> str:
            await moment.wait()
            return result

        async with trio.open_nursery() as nursery:
            nursery.start_soon(at, 2 * HEAD_START_S, moment.set)
            return await first_of([partial(attempt, "best"), partial(attempt, "next")], HEAD_START_S)

    assert sorted(trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))) == ["best", "next"]
