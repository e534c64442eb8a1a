"""How a track is opened at a peer: what is asked, by a fresh key each time, and what the answer is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

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


class Opener:
    """Opens one track, or the best hit of one search, at one peer after another.

    Attributes:
        tried: whom it was opened at, or is not to be.
    """

    def __init__(
        self,
        own: PeerId,
        entropy: Callable[[int], bytes] | None,
        *,
        bitrate_kbps: int,
        inline_bytes: int,
        first_segment: int = 0,
        track: Track | None = None,
        tried: Collection[PeerId] = (),
        takes_from: TakesFrom = lambda _peer_id, _host: True,
    ) -> None:
        """Take who we are, and what to ask for.

        Args:
            own: our id.
            entropy: for the keys of UDP streams; None if none are wanted.
            bitrate_kbps: the greatest rendition wanted inline.
            inline_bytes: how much may come inline.
            first_segment: from where on, unless the track ends before.
            track: its manifest, if that is here already.
            tried: who is not to be asked.
            takes_from: whether a track may be taken from a peer at an address.
        """
        self._own = own
        self._entropy = entropy
        self._bitrate_kbps = bitrate_kbps
        self._inline_bytes = inline_bytes
        self._first_segment = first_segment
        self._track = track
        self._takes_from = takes_from
        self.tried = set(tried)

    def begin(self) -> Opening:
        """Return a new exchange; `request` is for it, and so must the answer be."""
        return Opening(None if self._entropy is None else self._entropy(SECRET_BYTES))

    def request(self, opening: Opening, track_id: bytes = b"") -> pb.OpenRequest:
        """Return what to ask; without a track id it goes into a search."""
        return opening.request(
            track_id,
            first_segment=self._first_segment,
            bitrate_kbps=self._bitrate_kbps,
            inline_bytes=self._inline_bytes,
            manifest_known=self._track is not None,
        )

    def accept_untrusted(self, opening: Opening, reply: pb.OpenReply, track_id: bytes, peer: Peer) -> Opened:
        """Return what a peer's answer offers; raise RemoteError if it is not sound."""
        assert peer.peer_id is not None, "a sealed reply names its signer"
        self.tried.add(peer.peer_id)
        if not self._takes_from(peer.peer_id, peer.host):
            raise RpcError(StatusCode.PERMISSION_DENIED, "we take nothing from this peer")
        return opening.accept_untrusted(
            reply, track_id=track_id, client=self._own, server=peer.peer_id, track=self._track
        )

    async def open_at(self, peer: Peer, track_id: bytes) -> Opened:
        """Open a track at a peer; raise RemoteError if it does not serve it, or not soundly."""
        if peer.peer_id is not None:
            self.tried.add(peer.peer_id)
        try:
            return await self._open_at(peer, track_id)
        except RpcError as error:
            if error.code() != StatusCode.OUT_OF_RANGE or not self._first_segment:
                raise
        self._first_segment = self._inline_bytes = 0  # whoever plays it goes to its last second
        return await self._open_at(peer, track_id)

    async def _open_at(self, peer: Peer, track_id: bytes) -> Opened:
        opening = self.begin()
        return self.accept_untrusted(
            opening, await peer.open(self.request(opening, track_id)), track_id, peer
        )
