"""What a search finds here, without the tracks that the operator does not serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.serve.library.index import Answer

if TYPE_CHECKING:
    from lightpeer.serve.access.access import Access


class Searchable(Protocol):
    """The part of the index that a search needs."""

    def search(self, query: str, limit: int) -> Answer:
        """Return what is found; called in a worker thread."""

    def count(self, query: str) -> int:
        """Return how many tracks match; called in a worker thread."""


class ServedIndex:
    """An index without the tracks that an operator does not serve."""

    def __init__(self, index: Searchable, access: Access) -> None:
        self._index = index
        self._access = access

    def search(self, query: str, limit: int) -> Answer:
        """Return what is found; called in a worker thread."""
        rules = self._access.rules
        if not rules.deny_tracks:
            return self._index.search(query, limit)
        found = self._index.search(query, MAX_HITS)  # some more, to replace the denied ones
        served = [hit for hit in found.hits if rules.serves(hit.track_id)]
        return Answer(served[:limit], min(found.preparing, limit))

    def count(self, query: str) -> int:
        """Return how many tracks match, 0 if some are not served; called in a worker thread."""
        return 0 if self._access.rules.deny_tracks else self._index.count(query)
