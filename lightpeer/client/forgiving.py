"""A search that forgives one wrong letter: where nothing is found, for what may have been meant.

`core/search/spelling.py` says what to ask for then, and which tracks count. It costs up to three searches
more, and only where there was nothing. What a peer says that it is making is waited for first
(`core/search/preparing.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import trio

from lightpeer.client.models import Found
from lightpeer.core.content.uri import is_uri
from lightpeer.core.search.fields import parse_query
from lightpeer.core.search.preparing import Patience
from lightpeer.core.search.spelling import meant, other_queries
from lightpeer.core.trust.bounds import MAX_HITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.client import Client
    from lightpeer.client.models import Hit


class Forgiven(NamedTuple):
    """What was found, and by which words.

    Attributes:
        found: the tracks.
        meant: the words that they have, where these are not the query's; else None.
    """

    found: Found
    meant: str | None = None


async def _forgive(client: Client, query: str, limit: int, found: Found) -> Forgiven:
    """Return what was found, or if that is nothing, what is found for what may have been meant."""
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


async def find_prepared(
    client: Client, query: str, limit: int, wait_s: float, on_wait: Callable[[int], object]
) -> Forgiven:
    """Search; if there is nothing, wait for what a peer is making, then search for what may have been meant.

    Args:
        client: the light client.
        query: words, fields, or a track's uri.
        limit: how many tracks are wanted.
        wait_s: at most so long.
        on_wait: called once, when the wait begins, with how many are being made.

    Raises:
        NoPeerError: no peer could be asked.
    """
    found = await client.find(query, limit)
    patience, has_told = Patience(wait_s, trio.current_time()), False
    while not found.hits and found.preparing:
        if (again_s := patience.next_s(trio.current_time())) is None:
            break
        if not has_told:
            on_wait(found.preparing)
            has_told = True
        await trio.sleep(again_s)
        found = await client.find(query, limit)
    return await _forgive(client, query, limit, found)
