"""What a peer is asked when a track is opened at it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.errors import RpcError, VerificationError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.opener import SECRET_BYTES, Opener, Wanted

US, THEM = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
TRACK_ID = b"t" * 32
WANTED = Wanted(bitrate_kbps=48, inline_bytes=1000, first_segment=7)


class FakePeer:
    """Notes what it is asked, and refuses."""

    def __init__(self, code: StatusCode) -> None:
        self.peer_id = THEM.peer_id
        self.host = "10.0.0.1"
        self.asked: list[pb.OpenRequest] = []
        self._code = code

    async def open(self, request: pb.OpenRequest) -> pb.OpenReply:
        self.asked.append(request)
        raise RpcError(self._code)


def refused(opener: Opener, code: StatusCode) -> list[pb.OpenRequest]:
    peer: Any = FakePeer(code)
    with pytest.raises(RpcError):
        trio.run(opener.open_at, peer, TRACK_ID)
    return peer.asked


def test_a_track_that_ends_before_the_wanted_segment_is_opened_from_its_start() -> None:
    opener = Opener(US.peer_id, None, WANTED)
    first, second = refused(opener, StatusCode.OUT_OF_RANGE)
    assert (first.first_segment, first.inline_bytes) == (7, 1000)
    assert (second.first_segment, second.inline_bytes) == (0, 0)
    assert opener.tried == {THEM.peer_id}
    (only,) = refused(opener, StatusCode.OUT_OF_RANGE)
    assert only.first_segment == 0


def test_other_refusals_are_final() -> None:
    (only,) = refused(Opener(US.peer_id, None, WANTED), StatusCode.NOT_FOUND)
    assert only.track_id == TRACK_ID


def test_each_exchange_has_a_key_of_its_own_unless_none_is_wanted() -> None:
    drawn = [bytes([number]) * SECRET_BYTES for number in (1, 2)]
    opener = Opener(US.peer_id, lambda _: drawn.pop(), WANTED)
    first, second = (opener.request(opener.begin()).SerializeToString() for _ in range(2))
    assert first != second
    without = Opener(US.peer_id, None, WANTED)
    first, second = (without.request(without.begin()).SerializeToString() for _ in range(2))
    assert first == second


def test_nothing_is_taken_from_a_peer_that_is_refused() -> None:
    opener = Opener(US.peer_id, None, WANTED, takes_from=lambda _peer_id, host: host != "10.0.0.1")
    peer: Any = FakePeer(StatusCode.OK)
    with pytest.raises(RpcError, match="nothing from this peer"):
        opener.accept_untrusted(opener.begin(), pb.OpenReply(), TRACK_ID, peer)
    assert opener.tried == {THEM.peer_id}
    peer.host = "10.0.0.2"
    with pytest.raises(VerificationError):
        opener.accept_untrusted(opener.begin(), pb.OpenReply(), TRACK_ID, peer)
