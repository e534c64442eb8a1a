"""The loudp2p services, as handlers for the gRPC server.

Each method is three steps: open the request's seal, answer, seal the reply. Nothing
of a method runs before the seal has been opened (`sealed.py`). Requests beyond a bound are refused with
INVALID_ARGUMENT, missing tracks and segments with NOT_FOUND and OUT_OF_RANGE. Tracks are found and read in
worker threads.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from lightpeer.core.addresses import network_group, network_of
from lightpeer.core.content.uri import TRACK_ID_BYTES
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_INLINE_BYTES
from lightpeer.core.trust.messages import PACKAGE
from lightpeer.core.udp.opening import MAX_INLINE_CHUNKS
from lightpeer.errors import BadMessageError, RpcError, StateError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.server import Context, MethodHandler, Requests, stream_stream, unary_stream, unary_unary
from lightpeer.serve.overlay.walkers import Walkers
from lightpeer.serve.sending.excerpt import first_segments, read_segment, wanted_segments
from lightpeer.serve.services.discovery import Discovery
from lightpeer.serve.services.sealed import SealedCalls
from lightpeer.serve.services.search import Search
from lightpeer.serve.services.served_index import Searchable, ServedIndex
from lightpeer.tasks.supervision import OnceLog
from lightpeer.tasks.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Hashable

    from lightpeer.core.content.manifest import Track
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.serve.access.node import Node
    from lightpeer.serve.library.store import StoredTrack
    from lightpeer.serve.overlay.gossip import Gossip
    from lightpeer.serve.sending.stream_table import StreamTable

logger = logging.getLogger(__name__)

CALL_READERS: Final = 4  # threads that open tracks, and read segments for gRPC
_NOT_HERE = "the track is not here"


class Opened(Protocol):
    """Which renditions of tracks are here."""

    def opened(self, track: Track, by: tuple[Hashable, str]) -> int:
        """Note that a peer in a network opens a track, so that all of it is made if some is not here.

        Called in a worker thread.

        Returns:
            How many renditions are here now, from the lowest on.
        """


class Tracks(Searchable, Protocol):
    """The part of the library that the services need."""

    @property
    def renditions(self) -> Opened:
        """Which renditions are here."""

    def track(self, track_id: bytes) -> StoredTrack | None:
        """Return a track, or None if it is not here; called in a worker thread."""


class Services:
    """Discovery, Index and Streams of one server."""

    def __init__(self, node: Node, library: Tracks, streams: StreamTable, gossip: Gossip) -> None:
        """Make the services.

        Args:
            node: this server; its rules say which peers may call, and which tracks are served.
            library: finds and opens tracks.
            streams: the UDP streams, and the uplink that they share with gRPC.
            gossip: the servers that are known.
        """
        self._access = node.access
        self._calls = SealedCalls(node)
        self._discovery = Discovery(self._calls, gossip)
        self._library = library
        self._streams = streams
        self._uplink = streams.uplink
        self._threads = Threads(CALL_READERS)
        self._log = OnceLog()
        self._walkers = Walkers(node, gossip)
        self._search = Search(
            calls=self._calls,
            index=ServedIndex(library, node.access),
            open_track=self._opened,
            own_records=gossip.own_records,
            walkers=self._walkers,
        )

    async def run(self) -> None:
        """Hold the connections by which searches are passed on, for ever."""
        await self._walkers.run()

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the handlers by their full method paths."""
        return {
            **self._discovery.handlers(),
            PACKAGE + "Index/Search": unary_stream(self._search.search),
            PACKAGE + "Streams/Open": unary_unary(self.open),
            PACKAGE + "Streams/Pull": stream_stream(self.pull),
        }

    async def open(self, data: bytes, context: Context) -> bytes:
        """Open a track: its manifest, its first segments, and a UDP stream."""
        call = self._calls.begin(context)
        request = call.open(data, pb.OpenRequest)
        return call.seal(await self._opened(request, call.peer_id, context))

    async def pull(self, requests: Requests, context: Context) -> None:
        """Send whole segments in the order asked.

        The next request is read when the last one is answered, so further requests wait in
        the client's own flow control window.
        """
        call = self._calls.begin(context)
        stored: StoredTrack | None = None
        async for data in requests:
            request = call.open(data, pb.PullRequest)
            if stored is None:
                stored = await self._threads.run(self._track, request.track_id)
            for rendition, segment in wanted_segments(request, stored):
                self._require_served(stored.track.track_id)
                found = await self._threads.run(read_segment, stored, rendition, segment)
                sealed = call.seal(pb.Chunk(rendition=rendition, segment=segment, data=found))
                if self._uplink is not None:
                    await self._uplink.take(network_of(context.peer_address[0]), len(sealed))
                await context.write(sealed)

    # Tracks.

    def _track(self, track_id: bytes) -> StoredTrack:
        if len(track_id) != TRACK_ID_BYTES:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"a track id has {TRACK_ID_BYTES} bytes")
        self._require_served(track_id)
        try:
            stored = self._library.track(track_id)
        except StateError as error:
            self._log.say("the database", error)
            raise RpcError(StatusCode.UNAVAILABLE, "the tracks cannot be read here now") from error
        if stored is None:
            raise RpcError(StatusCode.NOT_FOUND, _NOT_HERE)
        return stored

    def _require_served(self, track_id: bytes) -> None:
        if not self._access.rules.serves(track_id):
            raise RpcError(StatusCode.NOT_FOUND, _NOT_HERE)

    async def _opened(self, request: pb.OpenRequest, caller: PeerId, context: Context) -> pb.OpenReply:
        spare_bytes = MAX_INLINE_BYTES if self._uplink is None else self._uplink.spare_bytes()
        by = caller, network_group(context.peer_address[0])
        stored, present, chunks = await self._threads.run(self._read_first, request, spare_bytes, by)
        reply = pb.OpenReply(manifest=b"" if request.manifest_known else stored.manifest)
        if present < len(stored.track.renditions):
            reply.present = present
        if self._may_leave(chunks, context):
            reply.chunks.extend(chunks)
        if request.ephemeral_key:
            self._open_stream(stored, request, reply, caller, context)
        return reply

    def _read_first(
        self, request: pb.OpenRequest, most_bytes: int, by: tuple[PeerId, str]
    ) -> tuple[StoredTrack, int, list[pb.Chunk]]:
        """Return a track, how much of it is here, and the first segments asked for; in a worker thread."""
        stored = self._track(request.track_id)
        if request.first_segment >= stored.track.segment_count:
            raise RpcError(StatusCode.OUT_OF_RANGE, "the track ends before that segment")
        present = self._library.renditions.opened(stored.track, by)
        segments = first_segments(stored, request, most_bytes, present)
        return stored, present, list(islice(segments, MAX_INLINE_CHUNKS))

    def _may_leave(self, chunks: list[pb.Chunk], context: Context) -> bool:
        """Return whether the uplink still has room for first segments, and count them if so."""
        if self._uplink is None:
            return True
        size = sum(len(chunk.data) for chunk in chunks)
        if size > self._uplink.spare_bytes():  # other callers were faster while these were read
            return False
        self._uplink.spent(network_of(context.peer_address[0]), size)
        return True

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
