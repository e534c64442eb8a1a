"""Tasks that run side by side, so that the failure of one is its own.

trio ends a nursery when one of its tasks fails. A server must not end because one read, one peer or one
stream went wrong, nor because of a fault of ours that nobody foresaw. So each background task runs under
one of these: `contained` for what is done once, `kept_up` for what goes on for ever, which is begun anew
after a pause, as supervisors have it (Erlang/OTP, "Supervisor Behaviour", one_for_one).
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
    """Run a function; log why it failed, if it does, and tell whether it did not.

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
    """Run a function that goes on for ever; begin it anew where it fails, after growing pauses.

    One that ends by itself has done its work.
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
    """Log what failed and why: a sentence for what the world does to us, else the traceback too."""
    causes = list(leaves_of(error))
    if all(isinstance(cause, LightpeerError | OSError) for cause in causes):
        logger.warning("%s failed: %s", what, causes[0])
    else:
        logger.error("%s failed", what, exc_info=error)


class OnceLog:
    """Warnings, each of which is for a person once; how often they could be is up to strangers."""

    def __init__(self) -> None:
        self._said: dict[Hashable, None] = {}

    def say(self, key: Hashable, message: object) -> None:
        """Log a message as a warning, and for debugging only where there was one of its key before."""
        is_new = key not in self._said and len(self._said) < MAX_SAID
        if is_new:
            self._said[key] = None
        logger.log(logging.WARNING if is_new else logging.DEBUG, "%s", message)

    def forget(self, key: Hashable) -> None:
        """Warn again if it comes again: it was mended meanwhile."""
        self._said.pop(key, None)
