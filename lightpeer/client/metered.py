"""Opens a client whose bytes count against the data budget; `meter.py` counts them.

The meter is imported while the first packet is on its way: a listener waits for that, and not for an account.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lightpeer.client.client import open_client
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.net.network import Network


@asynccontextmanager
async def open_metered(
    settings: Settings, network: Network, *, at_once: bool = False
) -> AsyncIterator[Client]:
    """Open a light client whose bytes count against the caps of its profile, for the length of a block.

    Args:
        settings: profile, state directory and the rest.
        network: the way out.
        at_once: begin to connect to the first bootstrap peer, while the meter and what the block needs are
            imported; unless there are caps, which are looked at first.

    Raises:
        CapReachedError: a cap is used up, and something is asked of the network, or has come of it.
    """
    before_bytes = network.counters.total_bytes()
    async with open_client(settings, network) as client:
        if at_once and settings.bootstrap and not settings.has_caps:
            client.begin()
            await client.connecting.wait()
        from lightpeer.client.meter import Meter

        client.meter = meter = Meter(settings, network, before_bytes, client.losses)
        try:
            meter.see()
            async with open_nursery() as nursery:
                nursery.start_soon(meter.run)
                yield client
                nursery.cancel_scope.cancel()
        finally:
            meter.save()
