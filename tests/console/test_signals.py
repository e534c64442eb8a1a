"""Signals end a command with its cleanup done."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from lightpeer.console.signals import run_async


@pytest.fixture(autouse=True)
def handlers():
    """Leave the process's own handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_status_is_that_of_the_command():
    async def main():
        await trio.lowlevel.checkpoint()
        return 4

    assert run_async(main) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_cleans_up(number):
    cleaned = []

    async def main():
        try:
            await trio.testing.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            cleaned.append(True)

    assert run_async(main) == 128 + number
    assert cleaned


def test_one_that_comes_as_the_command_begins_counts_too():
    """A person answers a question with Ctrl-C, and is faster than a task is begun."""

    async def main():
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()

    assert run_async(main) == 130


def test_an_error_while_ending_is_not_the_outcome():
    async def main():
        await trio.testing.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    assert run_async(main) == 130


def test_an_ignored_signal_stays_ignored():
    async def main():
        await trio.testing.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked()
        return 0

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert run_async(main) == 0


def test_errors_come_through():
    async def main():
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        run_async(main)
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)
