"""Who serves a track, as a session asks it of a client: the first source, and further ones."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from lightpeer.client.client import Client
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.session import FindSources
    from lightpeer.peering.peer import Peer


async def first_source(found: AsyncGenerator[tuple[Peer, Opened], None]) -> tuple[Peer, Opened]:
    """Return the first that is found; what is raised where there is none is the finder's."""
    async with aclosing(found):
        return await anext(found)


def source_finder(client: Client, track: Track) -> FindSources:
    """Return how a session finds sources beyond the first: opened without manifest or inline segments."""

    def find(exclude: Collection[PeerId]) -> AsyncGenerator[tuple[Peer, Opened], None]:
        return client.open_track(track.track_id, inline_bytes=0, exclude=exclude, track=track)

    return find
