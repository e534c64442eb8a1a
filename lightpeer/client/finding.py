"""Searches as a person means them: narrowed by fields, and with one wrong letter forgiven.

Servers know no fields (`core/search/fields.py`), so more hits are asked for, and narrowed here. A track to
play then costs a round trip more, as no server can open it with its first reply.

Where nothing is found, it is searched for what may have been meant: `core/search/spelling.py` says what to
ask for, and which tracks count. That costs up to three searches more, and only where there was nothing.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.client.models import Found, hit_of
from lightpeer.core.content.uri import is_uri
from lightpeer.core.search.fields import parse_query
from lightpeer.core.search.spelling import meant, other_queries
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import NothingFoundError

if TYPE_CHECKING:
    from lightpeer.client.client import Client
    from lightpeer.client.models import Hit
    from lightpeer.client.search import Searcher
    from lightpeer.client.start import Start
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
    matches = len(hits) if asked.fields else max(len(hits), findings.matches)
    return Found(hits[:limit], matches)


def has_fields(query: str) -> bool:
    """Return whether a query has fields."""
    return bool(parse_query(query).fields)


async def open_narrowed(client: Client, query: str, start: Start | None) -> tuple[Peer, Opened]:
    """Open the first hit whose fields have their words; return its source.

    Args:
        client: the light client.
        query: with fields.
        start: how the track is to begin.

    Raises:
        NoPeerError: no peer answered.
        NothingFoundError: nothing is found that can be opened.
    """
    for hit in (await client.find(query, 1)).hits:
        async with aclosing(client.open_track(hit.track_id, start)) as sources:
            return await anext(sources)
    raise NothingFoundError(f"nothing found for {query!r}")


class Forgiven(NamedTuple):
    """What was found, and by which words.

    Attributes:
        found: the tracks.
        meant: the words that they have, where these are not the query's; else None.
    """

    found: Found
    meant: str | None = None


async def find_forgiving(client: Client, query: str, limit: int) -> Forgiven:
    """Search; where nothing is found, search for what may have been meant.

    Args:
        client: the light client.
        query: words, fields, or a track's uri.
        limit: how many tracks are wanted.

    Raises:
        NoPeerError: no peer could be asked.
    """
    found = await client.find(query, limit)
    asked = parse_query(query)
    if found.hits or is_uri(query) or asked.fields:
        return Forgiven(found)
    for other in other_queries(asked.text):
        hits = (await client.find(other, MAX_HITS)).hits
        by_words: dict[str, list[Hit]] = {}
        for hit in hits:
            text = f"{hit.title} {hit.artist} {hit.album} {hit.album_artist}"
            if (words := meant(asked.text, text)) is not None:
                by_words.setdefault(words, []).append(hit)
        if by_words:
            words, right = next(iter(by_words.items()))
            return Forgiven(Found(right[:limit], len(right)), words)
    return Forgiven(found)
