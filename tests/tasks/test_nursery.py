"""Errors come out of the nursery as they went in."""

from __future__ import annotations

import pytest
import trio

from lightpeer.errors import NoPeerError, NothingFoundError
from lightpeer.tasks.nursery import open_nursery


def collect(*errors: BaseException) -> BaseException:
    """Return what comes out of nested nurseries in which each error is raised by a task of its own."""

    async def fail(error: BaseException) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async def main() -> None:
        async with open_nursery(), open_nursery() as nursery:
            for error in errors:
                nursery.start_soon(fail, error)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    with pytest.raises(BaseException) as caught:  # noqa: PT011
        trio.run(main)
    return caught.value


@pytest.mark.parametrize("error", [NoPeerError("a"), KeyError("b"), KeyboardInterrupt()])
def test_one_failure_comes_as_it_was_raised(error):
    assert collect(error) is error
    assert error.__cause__ is None
    assert not isinstance(error.__context__, BaseExceptionGroup)


def test_of_failures_that_were_foreseen_one_comes():
    errors = [NoPeerError("a"), NothingFoundError("b")]
    assert collect(*errors) in errors


def test_several_that_nobody_foresaw_are_all_told_of():
    group = collect(NoPeerError("a"), KeyError("b"))
    assert isinstance(group, ExceptionGroup)
    assert group.subgroup(NoPeerError)
    assert group.subgroup(KeyError)


def test_an_error_of_the_block_itself_comes_plain():
    async def main() -> None:
        async with open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise NoPeerError("a")

    with pytest.raises(NoPeerError):
        trio.run(main)


def test_a_cancellation_ends_its_own_scope_and_nothing_else():
    async def main() -> None:
        with trio.CancelScope() as outer:
            async with open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(trio.sleep_forever)
                await trio.testing.wait_all_tasks_blocked()
                outer.cancel()
        assert outer.cancelled_caught
        async with open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_failure_outweighs_the_cancellation_that_it_came_with():
    async def fail() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise NoPeerError("a")

    async def main() -> None:
        with trio.CancelScope() as outer:
            async with open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(trio.sleep_forever)
                await trio.testing.wait_all_tasks_blocked()
                outer.cancel()

    with pytest.raises(NoPeerError):
        trio.run(main)
