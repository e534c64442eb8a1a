"""The switch between serving and not serving, and its consequences.

A peer that does not serve stays in its network, but answers searches and streams with UNAVAILABLE and health
checks with NOT_SERVING, and sends its neighbours a new record. Running streams end by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.records import Role
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    import trio

    from lightpeer.rpc.handlers import Context, MethodHandler
    from lightpeer.rpc.health import Health
    from lightpeer.serve.overlay.gossip import Gossip

SWITCHED_SERVICES: Final = (
    "loudp2p.v1.Index",
    "loudp2p.v1.Streams",
)  # up only while the peer serves


class ServingRole:
    """The switch; it begins on."""

    def __init__(self, gossip: Gossip, health: Health) -> None:
        self._gossip = gossip
        self._health = health

    @property
    def is_on(self) -> bool:
        """Whether the peer serves."""
        return self._gossip.own.serves

    def toggle(self) -> None:
        """Start or stop serving; call `tell_neighbours` after it."""
        self._gossip.own.roles ^= Role.SERVES
        self._health.set_up(("", *SWITCHED_SERVICES), is_up=self.is_on)

    async def tell_neighbours(self, scope: trio.CancelScope) -> None:
        """Tell the neighbours until the scope is cancelled; the others find out when they meet us."""
        with scope:
            await self._gossip.tell_neighbours()


def guarded(handlers: dict[str, MethodHandler], gossip: Gossip) -> dict[str, MethodHandler]:
    """Return handlers, with those of SWITCHED_SERVICES answering only while the peer serves."""

    def guard(handler: MethodHandler) -> MethodHandler:
        async def function(requests: Any, context: Context) -> bytes | None:
            if not gossip.own.serves:
                raise RpcError(StatusCode.UNAVAILABLE, "this peer does not serve at the moment")
            return await handler.function(requests, context)

        return replace(handler, function=function)

    return {p: guard(h) if p.startswith(_PREFIXES) else h for p, h in handlers.items()}


_PREFIXES = tuple(f"/{service}/" for service in SWITCHED_SERVICES)
