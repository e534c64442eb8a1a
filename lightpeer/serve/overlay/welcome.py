"""Tells the operator of the way to the server, as `core/overlay/invitation.py` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import LOOPBACK_SCOPE, is_wildcard, scope_of
from lightpeer.core.overlay.invitation import Invitation
from lightpeer.serve.operator.events import Invited, NotReached, OnlyHere, Reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.serve.access.node import Node
    from lightpeer.serve.operator.events import ServerEvent
    from lightpeer.serve.overlay.place import Place

LOOK_S: Final = 10.0  # for addresses of ours that are new


class Welcome:
    """The way to one server; `run` tells of it."""

    def __init__(self, node: Node, place: Place, tell: Callable[[ServerEvent], object]) -> None:
        """Tell nothing yet.

        Args:
            node: this server.
            place: where it is reached, as far as that is known.
            tell: is told of events.
        """
        self._network = node.network
        self._place = place
        self._tell = tell
        self._invitation = Invitation(node.peer_id, trio.current_time())

    def on_connection(self, local_host: str, remote_host: str) -> None:
        """Note a connection, by the numeric addresses of its ends."""
        self._place.address.reached(local_host, remote_host)
        if self._invitation.reached(local_host, remote_host):
            self._tell(Reached((local_host, self._place.port)))

    async def run(self, listens_at: str) -> None:
        """Tell of the way to us, for ever; `listens_at` is the host that we listen at."""
        port = self._place.port
        is_everywhere = is_wildcard(listens_at)
        if all(scope_of(host) == LOOPBACK_SCOPE for host in self._place.address.hosts) and not is_everywhere:
            self._tell(OnlyHere(port))
            return
        while True:
            local = self._network.local_hosts() if is_everywhere else []
            invite = self._invitation.offer([*self._place.endpoints, *((host, port) for host in local)])
            if invite is not None:
                self._tell(Invited(invite))
            if self._invitation.is_unheard(trio.current_time()):
                self._tell(NotReached(port))
            await trio.sleep(LOOK_S)
