"""Searches that are narrowed by fields.

Servers know no fields (`core/search/fields.py`), so more hits are asked for, and narrowed here. A track to
play then costs a round trip more, as no server can open it with its first reply.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from lightpeer.client.models import Found, hit_of
from lightpeer.core.search.fields import parse_query
from lightpeer.core.trust.bounds import MAX_HITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from lightpeer.client.search import Searcher
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.peer import Peer


async def find(searcher: Searcher, query: str, limit: int, most_asked: int) -> Found:
    """Return the hits of a query, and how many there are.

    Args:
        searcher: searches at the peers within reach.
        query: words, fields, or a track's uri.
        limit: how many hits are wanted.
        most_asked: how many peers may answer that they found nothing.

    Raises:
        NoPeerError: no peer could be asked.
    """
    asked = parse_query(query)
    findings = await searcher.find(asked.text, MAX_HITS if asked.fields else limit, most_asked)
    hits = [hit_of(track) for track in findings.ranked() if asked.admits(track)]
    said = 0 if asked.fields else findings.matches
    return Found(hits[:limit], max(len(hits), said), findings.preparing)


async def first_opened(
    found: Found, open_track: Callable[[bytes], AsyncGenerator[tuple[Peer, Opened], None]]
) -> tuple[Peer, Opened] | None:
    """Return a source of the first hit, None if there is no hit; raise as `open_track` does."""
    for hit in found.hits:
        async with aclosing(open_track(hit.track_id)) as sources:
            return await anext(sources)
    return None
