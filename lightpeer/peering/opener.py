"""Opens a track at a peer: makes the request, with a fresh key each time, and checks the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.udp.opening import Opened, Opening
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lightpeer.core.content.manifest import Track
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.peer import Peer

SECRET_BYTES = 32

TakesFrom: TypeAlias = "Callable[[PeerId, str], bool]"


class Wanted(NamedTuple):
    """What to ask of a peer that opens a track.

    Attributes:
        bitrate_kbps: the greatest rendition wanted inline.
        inline_bytes: how much may come inline.
        first_segment: from where on, unless the track ends before.
        track: its manifest, if that is here already.
        inline_segments: how many segments may come inline; 0 for as many as fit.
    """

    bitrate_kbps: int
    inline_bytes: int
    first_segment: int = 0
    track: Track | None = None
    inline_segments: int = 0


class Opener:
    """Opens one track, or the best hit of one search, at one peer after another.

    Args:
        own: our id.
        entropy: for the keys of UDP streams; None if none are wanted.
        wanted: what to ask for.
        tried: the peers not to ask.
        takes_from: returns whether a track may be taken from a peer at an address.

    Attributes:
        tried: the peers that the track was opened at, or that are not to be asked.
    """

    def __init__(
        self,
        own: PeerId,
        entropy: Callable[[int], bytes] | None,
        wanted: Wanted,
        *,
        tried: Collection[PeerId] = (),
        takes_from: TakesFrom = lambda _peer_id, _host: True,
    ) -> None:
        self._own = own
        self._entropy = entropy
        self._wanted = wanted
        self._takes_from = takes_from
        self.tried = set(tried)

    def begin(self) -> Opening:
        """Start an exchange. Pass it to `request`, and to `accept_untrusted` with the reply."""
        return Opening(None if self._entropy is None else self._entropy(SECRET_BYTES))

    def request(self, opening: Opening, track_id: bytes = b"") -> pb.OpenRequest:
        """Return the request of an exchange; without a track id it goes into a search."""
        return opening.request(
            track_id,
            first_segment=self._wanted.first_segment,
            bitrate_kbps=self._wanted.bitrate_kbps,
            inline_bytes=self._wanted.inline_bytes,
            inline_segments=self._wanted.inline_segments,
            manifest_known=self._wanted.track is not None,
        )

    def accept_untrusted(self, opening: Opening, reply: pb.OpenReply, track_id: bytes, peer: Peer) -> Opened:
        """Return the offer in a peer's reply.

        Args:
            opening: the exchange.
            reply: the reply.
            track_id: the track.
            peer: the peer, which has proven its id.

        Raises:
            RemoteError: the reply is not sound, or nothing may be taken from this peer.
        """
        assert peer.peer_id is not None, "a sealed reply names its signer"
        self.tried.add(peer.peer_id)
        if not self._takes_from(peer.peer_id, peer.host):
            raise RpcError(StatusCode.PERMISSION_DENIED, "we take nothing from this peer")
        return opening.accept_untrusted(
            reply, track_id=track_id, client=self._own, server=peer.peer_id, track=self._wanted.track
        )

    async def open_at(self, peer: Peer, track_id: bytes) -> Opened:
        """Open a track at a peer.

        Raises:
            RemoteError: the peer does not serve the track, or its reply is not sound.
        """
        if peer.peer_id is not None:
            self.tried.add(peer.peer_id)
        try:
            return await self._open_at(peer, track_id)
        except RpcError as error:
            if error.code() != StatusCode.OUT_OF_RANGE or not self._wanted.first_segment:
                raise
        # The track ends before that segment; the player then starts at its last second.
        self._wanted = self._wanted._replace(first_segment=0, inline_bytes=0)
        return await self._open_at(peer, track_id)

    async def _open_at(self, peer: Peer, track_id: bytes) -> Opened:
        opening = self.begin()
        return self.accept_untrusted(
            opening, await peer.open(self.request(opening, track_id)), track_id, peer
        )
