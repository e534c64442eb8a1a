"""Resolves names in strangers' records before connecting, so that the address we check is the one we use.

The owner of a name decides at each use where it leads, which may be our home network, where no outsider may
send us. So each time that a name is used, it may lead no further into private networks than the peer that
told us of it. Numeric addresses were checked when they came. A name that a person gave, as a bootstrap
peer, may lead anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from lightpeer.core.addresses import Endpoint
    from lightpeer.net.network import Network

MAX_ADDRESSES: Final = 4  # of one name: two of each family
RESOLVE_S: Final = 5.0  # a slower name server counts as absent


async def numeric_untrusted(network: Network, endpoint: Endpoint, scope: int) -> Endpoint:
    """Return an endpoint of a peer's record with its name resolved, or unchanged if it is numeric.

    Args:
        network: what resolves the name.
        endpoint: the host and the port.
        scope: the narrowest network that a name may lead into, as `scope_of` returns it: that of the peer
            that told us, or the one in `PeerCache.scope`. `localhost` may always lead to this computer.

    Raises:
        OSError: the name has no address, or none within five seconds.
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
        raise TimeoutError(f"no name server found {host} in time")
    for numeric in addresses[:MAX_ADDRESSES]:
        if scope_of(numeric) <= scope:
            return numeric, port
    raise BadMessageError(f"{host} leads into a private network")
