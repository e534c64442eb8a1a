"""Index.Search: hits from the own index, ten at a time, the best first.

With the first of them comes the stream that the caller asked to have opened.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from lightpeer.core.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.core.identity import PeerId
    from lightpeer.serve.index import IndexHit
    from lightpeer.serve.rpc import Context
    from lightpeer.serve.sealed import SealedCalls

logger = logging.getLogger(__name__)

MAX_HITS: Final = 50
HITS_PER_REPLY: Final = 10  # about a kilobyte: the first are shown while the others come
MAX_QUERY_CHARS: Final = 512
QUERY_ID_BYTES: Final = 8


class Searchable(Protocol):
    """What a search needs of the index."""

    def search(self, query: str, limit: int) -> list[IndexHit]:
        """Return the best hits."""


class OpenTrack(Protocol):
    """What a search needs of Streams.Open."""

    def __call__(self, request: pb.OpenRequest, caller: PeerId, context: Context) -> pb.OpenReply:
        """Open a track; raise RpcError if it cannot be."""


class Search:
    """Index.Search of one server."""

    def __init__(
        self,
        *,
        calls: SealedCalls,
        index: Searchable,
        open_track: OpenTrack,
        own_records: Callable[[], list[bytes]],
    ) -> None:
        """Take where hits come from, and how the best is opened, and what we say of where we are."""
        self._calls = calls
        self._index = index
        self._open_track = open_track
        self._own_records = own_records

    async def search(self, data: bytes, context: Context) -> None:
        """Send hits, and with the first the stream that was asked for."""
        call = self._calls.begin(context)
        request = call.open(data, pb.SearchRequest)
        _check(request)
        hits = self._index.search(request.query, request.limit)
        records = self._own_records()
        for start in range(0, max(1, len(hits)), HITS_PER_REPLY):
            some = [_hit(hit, records) for hit in hits[start : start + HITS_PER_REPLY]]
            reply = pb.SearchReply(hits=some, records=records)
            if start == 0 and hits and request.HasField("open"):
                self._open_hit(hits[0], request.open, reply, call.peer_id, context)
            await context.write(call.seal(reply))

    def _open_hit(
        self, hit: IndexHit, request: pb.OpenRequest, reply: pb.SearchReply, caller: PeerId, context: Context
    ) -> None:
        request.track_id = hit.track_id
        try:
            reply.open.CopyFrom(self._open_track(request, caller, context))
        except RpcError as error:
            if error.code() == StatusCode.INVALID_ARGUMENT:
                raise
            logger.info("the best hit cannot be opened: %s", error)


def _check(request: pb.SearchRequest) -> None:
    if not 1 <= request.limit <= MAX_HITS:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"the limit is from 1 to {MAX_HITS} hits")
    if len(request.query) > MAX_QUERY_CHARS:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"a query has at most {MAX_QUERY_CHARS} characters")
    if len(request.query_id) not in {0, QUERY_ID_BYTES}:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"a query id has {QUERY_ID_BYTES} bytes")


def _hit(hit: IndexHit, records: Sequence[bytes]) -> pb.Hit:
    return pb.Hit(
        track_id=hit.track_id,
        title=hit.title,
        artist=hit.artist,
        album=hit.album,
        duration_ms=hit.duration_ms,
        bitrates_kbps=hit.bitrates_kbps,
        holders=range(len(records)),
    )
