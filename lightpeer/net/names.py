"""Names in what strangers tell: resolved first, so that the address that was checked is the one connected to.

A record may name a host, and whoever owns the name decides, each time anew, where it leads: into the network
at home too, where nobody from outside may send us. So a name is followed no further in than where whoever
told us of its peer is, each time that it is used; addresses were checked when they were told. What a person
gave, as a bootstrap peer, may lead anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from lightpeer.core.addresses import Endpoint
    from lightpeer.net.network import Network

MAX_ADDRESSES: Final = 4  # of one name: two of each family
RESOLVE_S: Final = 5.0  # a name server that answers no sooner is not there


async def numeric_untrusted(network: Network, endpoint: Endpoint, scope: int) -> Endpoint:
    """Return an endpoint of a peer's record with its name resolved, or as it is if it has none.

    Args:
        network: what resolves it.
        endpoint: the host and the port.
        scope: how narrow a network a name may lead into, as `scope_of` has it: that of whoever told us, or
            what `PeerCache.scope` remembers of it. `localhost` says itself where it leads.

    Raises:
        OSError: the name leads nowhere, as far as can be told in five seconds.
        BadMessageError: it leads into narrower networks only.
    """
    from lightpeer.core.addresses import is_name, scope_of

    host, port = endpoint
    if not is_name(host):
        return endpoint
    scope = max(scope, scope_of(host))
    addresses: list[str] | None = None
    with trio.move_on_after(RESOLVE_S):
        addresses = await network.resolve(host)
    if addresses is None:
        raise TimeoutError(f"nobody tells in time where {host} is")
    for numeric in addresses[:MAX_ADDRESSES]:
        if scope_of(numeric) <= scope:
            return numeric, port
    raise BadMessageError(f"{host} leads into a network of its own")
