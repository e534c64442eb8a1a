"""Tasks that run side by side, so that the failure of one is its own.

trio ends a nursery when one of its tasks fails. A server must not end because one read, one peer or one
stream went wrong, nor because of a bug. So each background task runs under one of these: `contained` for a
task that ends, `kept_up` for one that goes on for ever and is restarted after a pause, like a supervised
process (Erlang/OTP, "Supervisor Behaviour", one_for_one).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVarTuple

import trio

from lightpeer.errors import LightpeerError, leaves_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

Ts = TypeVarTuple("Ts")

logger = logging.getLogger(__name__)

RESTART_S: Final = 1.0  # doubles with each failure in a row
MAX_RESTART_S: Final = 600.0
MAX_SAID: Final = 4096  # keys, of a hundred bytes


async def contained(what: str, function: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> bool:
    """Run a function, log its failure, and return whether it succeeded.

    Args:
        what: the task as the log names it, such as "the search for tracks".
        function: the task.
        args: its arguments.
    """
    try:
        await function(*args)
    except* Exception as group:  # noqa: BLE001 - a cancellation that comes with it goes on
        log_failure(what, group)
        is_done = False
    else:
        is_done = True
    return is_done


async def kept_up(what: str, function: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
    """Run a function that goes on for ever, and restart it after each failure, with growing pauses.

    A function that returns has done its work, and is not restarted.

    Args:
        what: the task as the log names it.
        function: the task.
        args: its arguments.
    """
    pause_s = RESTART_S
    while True:
        began_s = trio.current_time()
        if await contained(what, function, *args):
            return
        if trio.current_time() - began_s > MAX_RESTART_S:
            pause_s = RESTART_S
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, MAX_RESTART_S)


def log_failure(what: str, error: BaseException) -> None:
    """Log a failure: in a sentence where the system or a peer failed, with a traceback for a bug."""
    causes = list(leaves_of(error))
    if all(isinstance(cause, LightpeerError | OSError) for cause in causes):
        logger.warning("%s failed: %s", what, causes[0])
    else:
        logger.error("%s failed", what, exc_info=error)


class OnceLog:
    """Warnings that are logged once each, since strangers could cause them without end."""

    def __init__(self) -> None:
        self._said: dict[Hashable, None] = {}

    def say(self, key: Hashable, message: object) -> None:
        """Log a message as a warning, or for debugging if its key has been warned of before."""
        is_new = key not in self._said and len(self._said) < MAX_SAID
        if is_new:
            self._said[key] = None
        logger.log(logging.WARNING if is_new else logging.DEBUG, "%s", message)

    def forget(self, key: Hashable) -> None:
        """Warn again the next time: the trouble is over."""
        self._said.pop(key, None)
