"""Warnings that strangers can cause, written at a bounded rate so that they fill no disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.guard.fairness import Buckets

if TYPE_CHECKING:
    import logging

WARNINGS_PER_S: Final = 1 / 60
WARNINGS_AT_ONCE: Final = 5


class RareLog:
    """Warnings to one logger; those above the rate are written as debug messages, and counted.

    Args:
        logger: where they go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._allowance = Buckets(WARNINGS_PER_S, WARNINGS_AT_ONCE)
        self._left_out = 0

    def warn(self, text: str) -> None:
        """Write a warning, if there were not too many lately."""
        now = trio.current_time()
        if self._allowance.level(None, now) < 1:
            self._left_out += 1
            self._logger.debug(text)
            return
        self._allowance.take(None, 1, now)
        others, self._left_out = self._left_out, 0
        self._logger.warning("%s%s", text, f" ({others} more since such a line)" if others else "")
