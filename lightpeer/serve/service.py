"""The loudp2p services, as handlers for the gRPC server.

Each method is three steps: open the request's seal, answer, seal the reply. Nothing
of a method runs before the seal has been opened (`sealed.py`). What is asked beyond a
bound is refused with INVALID_ARGUMENT; what we do not have with NOT_FOUND or OUT_OF_RANGE.

Answers come from the library and its index on the spot; nothing is forwarded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from lightpeer.core.identity import Identity, PeerId
from lightpeer.core.peers import PeerCache
from lightpeer.core.status import StatusCode
from lightpeer.core.uri import TRACK_ID_BYTES
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.discovery import Discovery
from lightpeer.serve.excerpt import first_segments, read_segment, wanted_segments
from lightpeer.serve.rpc import (
    Context,
    MethodHandler,
    Requests,
    stream_stream,
    unary_stream,
    unary_unary,
)
from lightpeer.serve.sealed import SealedCalls

if TYPE_CHECKING:
    from lightpeer.serve.index import IndexHit
    from lightpeer.serve.store import StoredTrack
    from lightpeer.serve.streams import StreamTable
    from lightpeer.wire.network import Network

logger = logging.getLogger(__name__)

MAX_HITS: Final = 50
HITS_PER_REPLY: Final = 10  # about a kilobyte: the first are shown while the others come
MAX_QUERY_CHARS: Final = 512
QUERY_ID_BYTES: Final = 8
_PACKAGE = "/loudp2p.v1."


class Searchable(Protocol):
    """What a search needs of the index."""

    def search(self, query: str, limit: int) -> list[IndexHit]:
        """Return the best hits."""


class Tracks(Protocol):
    """What the services need of the library."""

    def track(self, track_id: bytes) -> StoredTrack | None:
        """Return a track, or None if it is not here."""


class Services:
    """Discovery, Index and Streams of one server."""

    def __init__(
        self,
        *,
        identity: Identity,
        network: Network,
        library: Tracks,
        index: Searchable,
        streams: StreamTable,
        peers: PeerCache,
        own_record: Callable[[], bytes | None],
    ) -> None:
        """Take what the services stand on; `own_record` gives None while we know no address of ours."""
        self._calls = SealedCalls(identity, network)
        self._discovery = Discovery(calls=self._calls, network=network, peers=peers, own_record=own_record)
        self._library = library
        self._index = index
        self._streams = streams

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the handlers by their full method paths."""
        return {
            **self._discovery.handlers(),
            _PACKAGE + "Index/Search": unary_stream(self.search),
            _PACKAGE + "Streams/Open": unary_unary(self.open),
            _PACKAGE + "Streams/Pull": stream_stream(self.pull),
        }

    async def search(self, data: bytes, context: Context) -> None:
        """Send hits, ten at a time, the best first, and with them the stream that was asked for."""
        call = self._calls.begin(context)
        request = call.open(data, pb.SearchRequest)
        _check_search(request)
        hits = self._index.search(request.query, request.limit)
        records = self._discovery.own_records()
        for start in range(0, max(1, len(hits)), HITS_PER_REPLY):
            some = [_hit(hit, records) for hit in hits[start : start + HITS_PER_REPLY]]
            reply = pb.SearchReply(hits=some, records=records)
            if start == 0 and hits and request.HasField("open"):
                self._open_hit(hits[0], request.open, reply, call.peer_id, context)
            await context.write(call.seal(reply))

    async def open(self, data: bytes, context: Context) -> bytes:
        """Open a track: its manifest, its first segments, and a UDP stream."""
        call = self._calls.begin(context)
        request = call.open(data, pb.OpenRequest)
        return call.seal(self._opened(request, call.peer_id, context))

    async def pull(self, requests: Requests, context: Context) -> None:
        """Send whole segments in the order asked.

        The next request is read when the last one is answered, so what a client asks
        ahead waits in its own flow control window.
        """
        call = self._calls.begin(context)
        stored: StoredTrack | None = None
        async for data in requests:
            request = call.open(data, pb.PullRequest)
            if stored is None:
                stored = self._track(request.track_id)
            for rendition, segment in wanted_segments(request, stored):
                chunk = pb.Chunk(
                    rendition=rendition, segment=segment, data=read_segment(stored, rendition, segment)
                )
                await context.write(call.seal(chunk))

    # Tracks.

    def _track(self, track_id: bytes) -> StoredTrack:
        if len(track_id) != TRACK_ID_BYTES:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"a track id has {TRACK_ID_BYTES} bytes")
        stored = self._library.track(track_id)
        if stored is None:
            raise RpcError(StatusCode.NOT_FOUND, "the track is not here")
        return stored

    def _open_hit(
        self, hit: IndexHit, request: pb.OpenRequest, reply: pb.SearchReply, caller: PeerId, context: Context
    ) -> None:
        request.track_id = hit.track_id
        try:
            reply.open.CopyFrom(self._opened(request, caller, context))
        except RpcError as error:
            if error.code() == StatusCode.INVALID_ARGUMENT:
                raise
            logger.info("the best hit cannot be opened: %s", error)

    def _opened(self, request: pb.OpenRequest, caller: PeerId, context: Context) -> pb.OpenReply:
        stored = self._track(request.track_id)
        if request.first_segment >= stored.track.segment_count:
            raise RpcError(StatusCode.OUT_OF_RANGE, "the track ends before that segment")
        reply = pb.OpenReply(manifest=b"" if request.manifest_known else stored.manifest)
        reply.chunks.extend(first_segments(stored, request))
        if request.ephemeral_key:
            self._open_stream(stored, request, reply, caller, context)
        return reply

    def _open_stream(
        self,
        stored: StoredTrack,
        request: pb.OpenRequest,
        reply: pb.OpenReply,
        caller: PeerId,
        context: Context,
    ) -> None:
        try:
            opened = self._streams.open(
                client=caller,
                client_key=request.ephemeral_key,
                caller=context.peer_address,
                track_id=request.track_id,
                track=stored,
            )
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        if opened is not None:
            reply.udp_port = self._streams.port
            reply.stream_id = opened.stream_id
            reply.ephemeral_key = opened.ephemeral_key
            reply.path_token = opened.path_token


def _check_search(request: pb.SearchRequest) -> None:
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
