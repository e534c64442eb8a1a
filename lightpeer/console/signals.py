"""Ctrl-C and other signals: a signal cancels the command, so that all cleanup runs.

The terminal is restored, statistics are written, child processes end and half-written files are removed. Then
the process ends with 128 plus the signal's number, as in shells. A second signal, during the cleanup, works
as usual.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

SIGNALLED: Final = 128  # added to a signal's number

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_async(main: Callable[[], Awaitable[int]]) -> int:
    """Run a command's coroutine; return its status, or 128 plus the signal's number if one ended it."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return trio.run(_until_signal, main)


async def _until_signal(main: Callable[[], Awaitable[int]]) -> int:
    caught: list[int] = []

    async def watch(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        # A signal that was ignored when we were started (nohup, a shell's &) stays ignored.
        wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        with trio.open_signal_receiver(*wanted) as signals:
            task_status.started()
            async for number in signals:
                caught.append(number)
                break
        scope.cancel()

    status = 0
    try:
        async with trio.open_nursery() as nursery:
            # Before `main`, which may ask a person, who may answer at once.
            await nursery.start(watch, nursery.cancel_scope)
            status = await main()
            nursery.cancel_scope.cancel()
    except Exception as error:
        if not caught:
            raise
        # A task may have used a resource that another has closed by now.
        logger.info("while ending: %r", error, exc_info=logger.isEnabledFor(logging.DEBUG))
    return SIGNALLED + caught[0] if caught else status
