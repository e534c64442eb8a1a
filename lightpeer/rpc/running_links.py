"""The connections of a channel that run, and how they end: with a GOAWAY, for which each has a moment.

Beside the latest there are those that finish their calls after a GOAWAY. Each runs in a shielded scope, so
that cancelling the channel's nursery does not cut off the goodbye.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.core.rpc.client import ClientConnection
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.rpc.link import Link

GOODBYE_S: Final = 1.0
"""How long a closing channel may take to tell the server; it takes no time unless the link is stuck."""


class RunningLinks:
    """The connections of one channel.

    Args:
        why_closed: what calls are told when the channel ends them.
    """

    def __init__(self, why_closed: str) -> None:
        self._why_closed = why_closed
        self._scopes: dict[Link[ClientCall], trio.CancelScope] = {}
        self._is_over = False

    def __len__(self) -> int:
        return len(self._scopes)

    def __iter__(self) -> Iterator[Link[ClientCall]]:
        return iter(list(self._scopes))

    async def run(self, link: Link[ClientCall]) -> None:
        """Carry a connection until it is closed."""
        with trio.CancelScope(shield=True) as scope:
            self._scopes[link] = scope
            if self._is_over:  # since it was made
                self._end(link, scope)
            try:
                await link.run()
            finally:
                del self._scopes[link]

    def drain(self) -> None:
        """Have each connection close once its calls have ended."""
        for link in self:
            cast("ClientConnection", link.core).drain(self._why_closed)
            link.flush()

    def end(self) -> None:
        """Cancel every call and say goodbye."""
        self._is_over = True
        for link, scope in list(self._scopes.items()):
            self._end(link, scope)

    def _end(self, link: Link[ClientCall], scope: trio.CancelScope) -> None:
        scope.deadline = trio.current_time() + GOODBYE_S
        core = cast("ClientConnection", link.core)
        core.cancel_all(self._why_closed)
        core.close()
        link.flush()
