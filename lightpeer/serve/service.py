"""The loudp2p services, as handlers for the gRPC server.

Each method is three steps: open the request's seal, answer, seal the reply. Nothing
of a method runs before the seal has been opened; `_Call` is the only way to a
request's content. A stale seal is answered with our time, so that a computer
without a clock can ask again. What is asked beyond a bound is refused with
INVALID_ARGUMENT; what we do not have with NOT_FOUND or OUT_OF_RANGE.

Answers come from the library and its index on the spot; nothing is forwarded. Those
who announce themselves are remembered in a `PeerCache`, whose quotas hold for them too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from lightpeer.core.identity import Identity, PeerId, ReplayGuard, ServerSeals
from lightpeer.core.messages import parse_body_untrusted
from lightpeer.core.peers import PeerCache, parse_record_untrusted
from lightpeer.core.records import check_scope_untrusted, format_endpoint
from lightpeer.core.status import StatusCode
from lightpeer.core.uri import TRACK_ID_BYTES
from lightpeer.errors import BadMessageError, RpcError, SealError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.excerpt import first_segments, read_segment, wanted_segments
from lightpeer.serve.rpc import (
    Context,
    MethodHandler,
    Requests,
    stream_stream,
    unary_stream,
    unary_unary,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from lightpeer.serve.index import IndexHit
    from lightpeer.serve.store import StoredTrack
    from lightpeer.serve.streams import StreamTable
    from lightpeer.wire.network import Network

    M = TypeVar("M", bound=Message)

logger = logging.getLogger(__name__)

MAX_RECORDS: Final = 16  # in one Exchange, either way: 8 kB
MAX_HITS: Final = 50
HITS_PER_REPLY: Final = 10  # about a kilobyte: the first are shown while the others come
MAX_QUERY_CHARS: Final = 512
QUERY_ID_BYTES: Final = 8
ANNOUNCE_AGAIN_S: Final = 600
TIME_METADATA: Final = "loudp2p-time-ms"
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
        self._identity = identity
        self._network = network
        self._library = library
        self._index = index
        self._streams = streams
        self._peers = peers
        self._own_record = own_record
        self._guard = ReplayGuard(since_ms=int(network.unix_time() * 1000))

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the handlers by their full method paths."""
        return {
            _PACKAGE + "Discovery/Exchange": unary_unary(self.exchange),
            _PACKAGE + "Discovery/Announce": unary_unary(self.announce),
            _PACKAGE + "Index/Search": unary_stream(self.search),
            _PACKAGE + "Streams/Open": unary_unary(self.open),
            _PACKAGE + "Streams/Pull": stream_stream(self.pull),
        }

    async def exchange(self, data: bytes, context: Context) -> bytes:
        """Take records in; give our own and a random sample of those that announced themselves."""
        call = self._call(context)
        request = call.open(data, pb.ExchangeRequest)
        if len(request.records) > MAX_RECORDS:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"at most {MAX_RECORDS} records at once")
        self._learn_untrusted(request.records, call.peer_id, context.peer_address[0])
        return call.seal(
            pb.ExchangeReply(
                records=[*self._own_records(), *self._sample(request.want, call.peer_id)],
                observed=format_endpoint(context.peer_address),
            )
        )

    async def announce(self, data: bytes, context: Context) -> bytes:
        """Remember a serving peer by its own record."""
        call = self._call(context)
        request = call.open(data, pb.Announcement)
        now = self._network.unix_time()
        try:
            record = parse_record_untrusted(request.record, now)
            check_scope_untrusted(record, context.peer_address[0])
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        if record.peer_id != call.peer_id:
            raise RpcError(StatusCode.PERMISSION_DENIED, "a peer announces itself and nobody else")
        self._peers.add(record, call.peer_id, now)
        self._peers.on_success(call.peer_id, None, now)
        return call.seal(pb.AnnounceReply(again_s=ANNOUNCE_AGAIN_S))

    async def search(self, data: bytes, context: Context) -> None:
        """Send hits, ten at a time, the best first, and with them the stream that was asked for."""
        call = self._call(context)
        request = call.open(data, pb.SearchRequest)
        _check_search(request)
        hits = self._index.search(request.query, request.limit)
        records = self._own_records()
        for start in range(0, max(1, len(hits)), HITS_PER_REPLY):
            some = [_hit(hit, records) for hit in hits[start : start + HITS_PER_REPLY]]
            reply = pb.SearchReply(hits=some, records=records)
            if start == 0 and hits and request.HasField("open"):
                self._open_hit(hits[0], request.open, reply, call.peer_id, context)
            await context.write(call.seal(reply))

    async def open(self, data: bytes, context: Context) -> bytes:
        """Open a track: its manifest, its first segments, and a UDP stream."""
        call = self._call(context)
        request = call.open(data, pb.OpenRequest)
        return call.seal(self._opened(request, call.peer_id, context))

    async def pull(self, requests: Requests, context: Context) -> None:
        """Send whole segments in the order asked.

        The next request is read when the last one is answered, so what a client asks
        ahead waits in its own flow control window.
        """
        call = self._call(context)
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

    # Peers.

    def _own_records(self) -> list[bytes]:
        record = self._own_record()
        return [] if record is None else [record]

    def _sample(self, want: int, caller: PeerId) -> list[bytes]:
        """Return records of announced peers; what we know from hearsay alone we do not recommend."""
        wanted = min(want, MAX_RECORDS - 1)
        now = self._network.unix_time()
        sample = self._peers.sample(wanted + 1, self._network.entropy, now, tried_only=True)
        return [r.data for r in sample if r.peer_id != caller][:wanted]

    def _learn_untrusted(self, records: Sequence[bytes], source: PeerId, source_host: str) -> None:
        now = self._network.unix_time()
        for data in records:
            try:
                record = parse_record_untrusted(data, now)
                check_scope_untrusted(record, source_host)
                self._peers.add(record, source, now)
            except BadMessageError as error:
                logger.info("a bad record in an exchange: %s", error)

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

    def _call(self, context: Context) -> _Call:
        seals = ServerSeals(self._identity, context.path, self._guard)
        return _Call(seals, lambda: int(self._network.unix_time() * 1000))


class _Call:
    """The seals of one call: requests in, replies out."""

    def __init__(self, seals: ServerSeals, now_ms: Callable[[], int]) -> None:
        self._seals = seals
        self._now_ms = now_ms

    @property
    def peer_id(self) -> PeerId:
        """Who calls; known once a request is open."""
        assert self._seals.peer_id is not None
        return self._seals.peer_id

    def open(self, data: bytes, kind: type[M]) -> M:
        """Return the request in its sealed bytes; raise RpcError if it is not its caller's or not sound."""
        now_ms = self._now_ms()
        try:
            return parse_body_untrusted(kind, self._seals.open_request_untrusted(data, now_ms))
        except SealError as error:
            time = [(TIME_METADATA, str(now_ms))] if error.reason == "stale" else []
            raise RpcError(StatusCode.UNAUTHENTICATED, f"{error.reason}: {error}", time) from error
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error

    def seal(self, reply: Message) -> bytes:
        """Return a reply's sealed bytes."""
        return self._seals.seal_reply(reply.SerializeToString())


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
