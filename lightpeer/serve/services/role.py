"""Whether this peer serves: one switch, and all that follows from it.

A peer that does not serve goes on knowing its network and being known there, but answers neither
searches nor streams (UNAVAILABLE), says NOT_SERVING to health checks, and has told its neighbours so by a
new record. Streams that run end by themselves.
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
)  # that are up only while the peer serves


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
        """Begin or cease to serve; the neighbours are to be told."""
        self._gossip.own.roles ^= Role.SERVES
        self._health.set_up(("", *SWITCHED_SERVICES), is_up=self.is_on)

    async def tell_neighbours(self, scope: trio.CancelScope) -> None:
        """Tell the neighbours, unless the scope is cancelled before; others hear it when they meet us."""
        with scope:
            await self._gossip.tell_neighbours()


def guarded(handlers: dict[str, MethodHandler], gossip: Gossip) -> dict[str, MethodHandler]:
    """Return handlers of which those of SWITCHED_SERVICES answer only while the peer serves."""

    def guard(handler: MethodHandler) -> MethodHandler:
        async def function(requests: Any, context: Context) -> bytes | None:
            if not gossip.own.serves:
                raise RpcError(StatusCode.UNAVAILABLE, "this peer does not serve at the moment")
            return await handler.function(requests, context)

        return replace(handler, function=function)

    return {p: guard(h) if p.startswith(_PREFIXES) else h for p, h in handlers.items()}


_PREFIXES = tuple(f"/{service}/" for service in SWITCHED_SERVICES)
