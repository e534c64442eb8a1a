"""The first contact: whether any peer has answered yet, and how long that is waited for.

Before it a network that is away looks like a wrong address, so a person is told soon. After it every outage
is weather. A try that has brought bytes is not cut short: on a slow link it may be about to succeed. While
what is kept on disk is heard, nobody waits, so that costs no patience.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import trio

from lightpeer.errors import NoPeerError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class FirstContact:
    """The first answer of any peer.

    Attributes:
        is_made: whether there was one.
    """

    def __init__(self, wait_s: float, received_bytes: Callable[[], int]) -> None:
        """Try for as long as it takes, until somebody waits.

        Args:
            wait_s: for how long, in seconds.
            received_bytes: returns how many bytes have come so far, from anybody.
        """
        self.is_made = False
        self._wait_s = wait_s
        self._received_bytes = received_bytes
        self._until = math.inf
        self._timer = trio.CancelScope()
        self._failure: NoPeerError | None = None  # of the latest try

    def begin(self) -> None:
        """Note that a listener waits, unless that was so."""
        if self._until == math.inf:
            self._until = self._timer.deadline = trio.current_time() + self._wait_s

    def end(self) -> None:
        """Note that the listener has something to hear."""
        self._until = self._timer.deadline = math.inf

    def again_s(self, error: NoPeerError, after_s: float) -> float | None:
        """Return how long to wait after a try that failed, at most `after_s`; None: it was the last."""
        if self.is_made:
            return after_s
        self._failure = error
        left_s = self._until - trio.current_time()
        if left_s <= 0 or not (error.may_pass or left_s == math.inf):
            return None
        return min(after_s, left_s)

    async def attempt(self, open_it: Callable[[], Awaitable[T]]) -> T:
        """Return what a try gives; raise NoPeerError once the wait is over and nothing has come."""
        if self.is_made:
            return await open_it()
        async with open_nursery() as nursery:
            nursery.start_soon(self._limit, self._received_bytes())
            given = await open_it()
            nursery.cancel_scope.cancel()
        return given

    async def _limit(self, before_bytes: int) -> None:
        with trio.CancelScope(deadline=self._until) as self._timer:
            await trio.sleep_forever()
        if self._received_bytes() == before_bytes:
            raise self._failure or NoPeerError(
                f"no peer can be reached, as none has answered within {self._wait_s:g} s: "
                "check the address and the network, or name another with --bootstrap HOST:PORT"
            )
