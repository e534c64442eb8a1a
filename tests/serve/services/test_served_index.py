"""What a search finds, without what is not served."""

from __future__ import annotations

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Rules
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.serve.access.access import Access
from lightpeer.serve.library.index import Answer, IndexHit
from lightpeer.serve.services.served_index import ServedIndex
from tests.serve.services.desk import SERVER, listed


class ShortIndex:
    """An index of four tracks; it notes the limits that it is asked with."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.hits = [IndexHit(bytes([n]) * 32, f"Song {n}", "", "", 1, (24,)) for n in range(4)]

    def search(self, _query: str, limit: int) -> Answer:
        self.limits.append(limit)
        return Answer(self.hits[:limit], 3)

    def count(self, _query: str) -> int:
        return len(self.hits)


def test_denied_tracks_are_replaced_by_further_hits() -> None:
    index, access = ShortIndex(), Access(SERVER.peer_id)
    served = ServedIndex(index, access)
    assert served.search("Song", 2) == (index.hits[:2], 3)
    access.rules = Rules(SERVER.peer_id, deny=listed(format_uri(index.hits[0].track_id)))
    assert served.search("Song", 2) == (index.hits[1:3], 2), "no more than were asked for"
    assert index.limits == [2, MAX_HITS]
    assert served.count("Song") == 0, "how many are denied is nobody's business"
    access.rules = Rules(SERVER.peer_id)
    assert served.count("Song") == 4
