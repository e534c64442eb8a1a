"""The sources of a track, as a session asks a client for them: the first one, and further ones."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from lightpeer.client.client import Start

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from lightpeer.client.client import Client
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.session import FindSources
    from lightpeer.peering.peer import Peer


async def first_source(found: AsyncGenerator[tuple[Peer, Opened], None]) -> tuple[Peer, Opened]:
    """Return the first source that is found; raise as the finder does if there is none."""
    async with aclosing(found):
        return await anext(found)


def source_finder(client: Client, track: Track) -> FindSources:
    """Return a function that finds a session's further sources, without manifest and inline segments."""

    def find(exclude: Collection[PeerId]) -> AsyncGenerator[tuple[Peer, Opened], None]:
        return client.open_track(track.track_id, Start(inline_bytes=0), exclude=exclude, track=track)

    return find
