"""The Open exchange, client side: what is asked, and what the answer is worth.

Both ends put a fresh public key into their sealed messages; from the two, each
derives the keys of the UDP stream. The answer is only as good as its
bytes: the manifest is checked against the track id, chunks are checked later by
the scheduler like all other content.
"""

from __future__ import annotations

from typing import NamedTuple

from lightpeer.core.content.manifest import Track, parse_manifest_untrusted
from lightpeer.core.trust.bounds import MAX_RENDITIONS
from lightpeer.core.trust.identity import Identity, PeerId
from lightpeer.core.udp.datagram import DatagramKeys, derive_keys
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

MAX_INLINE_CHUNKS = 512  # more than 256 kB of the shortest segments


class UdpTerms(NamedTuple):
    """What both ends agreed on for a UDP stream; `port` is on the host that the call reached."""

    port: int
    stream_id: int
    path_token: int
    keys: DatagramKeys


class Chunk(NamedTuple):
    """A table, a segment or the first units of one, that came inline, not verified yet."""

    rendition: int
    segment: int
    data: bytes


class Opened(NamedTuple):
    """A track that a peer serves to us.

    Attributes:
        track: what its manifest says.
        udp: the terms of a stream; None where it or we want none.
        chunks: tables and segments that came with it.
        manifest: as it came, where it was not known.
        present: how many of its renditions, from the lowest on, the peer has now.
    """

    track: Track
    udp: UdpTerms | None
    chunks: tuple[Chunk, ...]
    manifest: bytes = b""
    present: int = MAX_RENDITIONS


class Opening:
    """One Open exchange."""

    def __init__(self, secret: bytes | None) -> None:
        """Take 32 bytes of entropy for the ephemeral key, None to do without UDP."""
        self._ephemeral = Identity(secret) if secret is not None else None

    def request(
        self,
        track_id: bytes = b"",
        *,
        first_segment: int = 0,
        bitrate_kbps: int = 0,
        inline_bytes: int = 0,
        inline_segments: int = 0,
        manifest_known: bool = False,
    ) -> pb.OpenRequest:
        """Return the request; without a track id it goes into a search, for its best hit."""
        return pb.OpenRequest(
            track_id=track_id,
            ephemeral_key=self._ephemeral.public_key if self._ephemeral else b"",
            first_segment=first_segment,
            bitrate_kbps=bitrate_kbps,
            inline_bytes=inline_bytes,
            inline_segments=inline_segments,
            manifest_known=manifest_known,
        )

    def accept_untrusted(
        self,
        reply: pb.OpenReply,
        *,
        track_id: bytes,
        client: PeerId,
        server: PeerId,
        track: Track | None = None,
    ) -> Opened:
        """Return what a reply offers; raise RemoteError unless it is sound. `track`: the manifest known."""
        if track is None:
            track = parse_manifest_untrusted(reply.manifest, track_id)
        if len(reply.chunks) > MAX_INLINE_CHUNKS:
            raise BadMessageError("an Open reply with too many chunks")
        chunks = tuple(Chunk(c.rendition, c.segment, c.data) for c in reply.chunks)
        if any(c.rendition >= len(track.renditions) for c in chunks):
            raise BadMessageError("an Open reply with a chunk of no rendition")
        udp = self._terms_untrusted(reply, track_id, client, server)
        return Opened(track, udp, chunks, reply.manifest, present_untrusted(reply, track))

    def _terms_untrusted(
        self, reply: pb.OpenReply, track_id: bytes, client: PeerId, server: PeerId
    ) -> UdpTerms | None:
        if self._ephemeral is None or not reply.udp_port:
            return None
        if reply.udp_port > 0xFFFF:
            raise BadMessageError("an Open reply with an impossible UDP port")
        shared = self._ephemeral.shared_secret_untrusted(reply.ephemeral_key)
        keys = derive_keys(shared, track_id=track_id, client=client, server=server, stream_id=reply.stream_id)
        return UdpTerms(reply.udp_port, reply.stream_id, reply.path_token, keys)


def present_untrusted(reply: pb.OpenReply, track: Track) -> int:
    """Return how many renditions a peer has now, from the lowest on; raise BadMessageError for too many."""
    if reply.present > len(track.renditions):
        raise BadMessageError("an Open reply with more renditions than the track has")
    return reply.present or len(track.renditions)
