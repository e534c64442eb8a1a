"""Calls that wait for a connection: which of them begin on one, and how they end without one.

A call begins as soon as TCP stands, unless it waits for a server: that begins once the server has greeted
us. A failed attempt ends the calls that do not wait for a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.status import CallStatus
    from lightpeer.rpc.call import Call
    from lightpeer.rpc.link import Link


class PendingCalls:
    """The calls of one channel that have no connection yet.

    Args:
        capacity: how many there may be.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._calls: dict[Call, None] = {}  # in the order in which they were made

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> bool:
        """Let a call wait; return False if too many do."""
        if len(self._calls) >= self._capacity:
            return False
        self._calls[call] = None
        return True

    def remove(self, call: Call) -> None:
        """Drop a call, if it waits."""
        self._calls.pop(call, None)

    def begin(self, link: Link[ClientCall], now: float) -> None:
        """Begin the calls that may begin on a connection.

        Args:
            link: the connection.
            now: the time, as trio counts.
        """
        for call in list(self._calls) if link.core.takes_calls else ():
            if link.core.is_greeted or not call.wait_for_ready:
                del self._calls[call]
                call.begin(link, now)

    def fail(self, status: CallStatus) -> None:
        """End the calls that do not wait for a server."""
        for call in list(self._calls):
            if not call.wait_for_ready:
                call.fail(status)

    def expire(self, now: float) -> None:
        """End the calls whose deadline has passed."""
        for call in list(self._calls):
            if call.deadline_s <= now:
                call.expire()

    def cancel(self, details: str) -> None:
        """End all calls with CANCELLED."""
        for call in list(self._calls):
            call.cancel(details)
