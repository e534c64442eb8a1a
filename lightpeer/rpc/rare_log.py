"""Messages that strangers can cause, written at a bounded rate so that they fill no disk."""

from __future__ import annotations

import logging
from typing import Final

import trio

from lightpeer.core.guard.fairness import Buckets

MESSAGES_PER_S: Final = 1 / 60
MESSAGES_AT_ONCE: Final = 5


class RareLog:
    """Messages to one logger; those above the rate are written as debug messages, and counted.

    Args:
        logger: where they go.
        level: that of those within the rate.
    """

    def __init__(self, logger: logging.Logger, level: int = logging.WARNING) -> None:
        self._logger = logger
        self._level = level
        self._allowance = Buckets(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self._left_out = 0

    def write(self, text: str) -> None:
        """Write a message, if there were not too many lately."""
        now = trio.current_time()
        if self._allowance.level(None, now) < 1:
            self._left_out += 1
            self._logger.debug(text)
            return
        self._allowance.take(None, 1, now)
        others, self._left_out = self._left_out, 0
        more = f" ({others} more since such a line)" if others else ""
        self._logger.log(self._level, "%s%s", text, more)
