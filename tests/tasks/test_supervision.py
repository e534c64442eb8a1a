from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import trio
import trio.testing

from lightpeer.errors import StateError
from lightpeer.tasks.supervision import MAX_RESTART_S, MAX_SAID, OnceLog, contained, kept_up


def run(main) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_is_kept_up_begins_anew_after_pauses_that_double_until_it_ran_for_long() -> None:
    began: list[float] = []

    async def task(last: int) -> None:
        began.append(trio.current_time())
        if len(began) == 13:
            await trio.sleep(MAX_RESTART_S + 1)
        if len(began) < last:
            raise OSError(5, "Input/output error")

    async def main() -> None:
        await kept_up("a task", task, 15)

    run(main)
    pauses = [later - before for before, later in pairwise(began)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 602, 2]


def test_a_cancellation_beside_a_failure_goes_on() -> None:
    async def task() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ZeroDivisionError

    async def main() -> None:
        with trio.move_on_after(5) as scope:
            await kept_up("a task", task)
        assert scope.cancelled_caught
        assert trio.current_time() == 5

    run(main)


@pytest.mark.parametrize(
    ("error", "level", "has_traceback"),
    [
        (OSError(5, "Input/output error"), logging.WARNING, False),
        (StateError("here", "the disk is full"), logging.WARNING, False),
        (ZeroDivisionError("!"), logging.ERROR, True),
        (ExceptionGroup("two", [OSError(5, "x"), ZeroDivisionError("!")]), logging.ERROR, True),
    ],
)
def test_only_what_nobody_foresaw_has_a_traceback(caplog, error, level, has_traceback) -> None:
    async def task() -> None:
        raise error

    async def main() -> None:
        assert not await contained("a task", task)

    run(main)
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (level, has_traceback)
    assert "a task failed" in caplog.text


def test_a_warning_is_for_a_person_once_and_again_once_it_was_mended(caplog) -> None:
    log = OnceLog()
    for _ in range(2):
        log.say("a", "the disk is bad")
    log.forget("a")
    log.say("a", "the disk is bad")
    assert caplog.text.count("the disk is bad") == 2
    for number in range(2 * MAX_SAID):
        log.say(number, "another")
    assert caplog.text.count("another") == MAX_SAID - 1
