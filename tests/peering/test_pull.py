"""One Streams.Pull: what goes out and comes back is sealed, and each error is explained."""

from __future__ import annotations

from collections import deque

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ClientSeals, ServerSeals
from lightpeer.errors import BadMessageError, RpcError, SealError, StreamFailedError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.pull import PullCall
from lightpeer.rpc.calls import EOF

OURS, THEIRS, OTHER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
PATH = "/loudp2p.v1.Streams/Pull"
NOW_MS = 1_700_000_000_000
LOST = RpcError(StatusCode.UNAVAILABLE, "the connection is gone")
CHUNK = pb.Chunk(rendition=1, segment=7, data=b"sound")
REQUEST = pb.PullRequest(track_id=b"t" * 32, ranges=[pb.Range(rendition=1, first=7, count=2)])


class FakeCall:
    """Gives what it is told to give, and keeps what is written."""

    def __init__(self) -> None:
        self.replies: deque[object] = deque()
        self.written: list[bytes] = []
        self.error: RpcError | None = None

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        self.written.append(data)

    async def read(self) -> object:
        await trio.lowlevel.checkpoint()
        reply = self.replies.popleft() if self.replies else EOF
        if isinstance(reply, RpcError):
            raise reply
        return reply

    heard_s = 3.5
    cancels = 0

    def take_silence_s(self) -> float:
        return 1.25

    def cancel(self) -> None:
        self.cancels += 1


class Ends:
    """Both ends of a call."""

    def __init__(self) -> None:
        seals = ClientSeals(OURS, PATH, time_ms=NOW_MS, nonce=b"n" * 12, recipient=THEIRS.peer_id)
        self.call = FakeCall()
        self.explained: list[RpcError] = []
        self.pull = PullCall(seals, self.call, self._explain)
        self.server = ServerSeals(THEIRS, PATH, ReplayGuard(), NOWHERE)

    def _explain(self, error: RpcError) -> StreamFailedError:
        self.explained.append(error)
        return StreamFailedError("it is gone, in other words")

    async def ask(self) -> pb.PullRequest:
        """Send a request; return it as the server opens it."""
        await self.pull.send(REQUEST)
        return pb.PullRequest.FromString(self.server.open_request_untrusted(self.call.written[-1], NOW_MS))

    def answer(self, chunk: pb.Chunk = CHUNK) -> None:
        self.call.replies.append(self.server.seal_reply(chunk.SerializeToString()))


def test_requests_are_sealed_each_for_its_place_and_replies_come_in_order():
    async def main():
        ends = Ends()
        assert await ends.ask() == REQUEST
        assert await ends.ask() == REQUEST
        assert ends.call.written[0] != ends.call.written[1]
        later = pb.Chunk(rendition=1, segment=8, data=b"more")
        ends.answer()
        ends.answer(later)
        assert [await ends.pull.receive() for _ in range(3)] == [CHUNK, later, None]
        assert await ends.pull.receive() is None, "and the end is the end"

    trio.run(main)


def test_a_reply_that_was_swapped_with_another_is_none():
    async def main():
        ends = Ends()
        await ends.ask()
        ends.answer()
        ends.answer()
        ends.call.replies.rotate()
        with pytest.raises(SealError):
            await ends.pull.receive()

    trio.run(main)


@pytest.mark.parametrize("data", [b"", b"junk", CHUNK.SerializeToString()])
def test_a_reply_without_a_seal_is_none(data):
    async def main():
        ends = Ends()
        await ends.ask()
        ends.call.replies.append(data)
        with pytest.raises(SealError):
            await ends.pull.receive()

    trio.run(main)


def test_what_another_peer_sealed_is_none():
    async def main():
        ends = Ends()
        other = ServerSeals(OTHER, PATH, ReplayGuard(), NOWHERE)
        to_other = ClientSeals(OURS, PATH, time_ms=NOW_MS, nonce=b"m" * 12, recipient=OTHER.peer_id)
        other.open_request_untrusted(to_other.seal_request(b""), NOW_MS)
        await ends.ask()
        ends.call.replies.append(other.seal_reply(CHUNK.SerializeToString()))
        with pytest.raises(SealError, match="another peer"):
            await ends.pull.receive()

    trio.run(main)


def test_what_is_sealed_and_no_chunk_is_bad():
    async def main():
        ends = Ends()
        await ends.ask()
        ends.call.replies.append(ends.server.seal_reply(b"\xff\xff\xff"))
        with pytest.raises(BadMessageError):
            await ends.pull.receive()

    trio.run(main)


def test_an_error_of_the_call_is_explained_and_kept_as_its_cause():
    async def main():
        ends = Ends()
        ends.call.replies.append(LOST)
        with pytest.raises(StreamFailedError, match="in other words") as caught:
            await ends.pull.receive()
        assert caught.value.__cause__ is LOST
        assert ends.explained == [LOST]

    trio.run(main)


def test_a_call_that_has_ended_takes_no_more():
    async def main():
        ends = Ends()
        ends.call.error = LOST
        with pytest.raises(RpcError, match="the connection is gone"):
            await ends.pull.send(REQUEST)
        assert ends.explained == [], "whoever reads is told why"

    trio.run(main)


def test_how_its_connection_is_and_its_end_are_those_of_the_call():
    ends = Ends()
    assert (ends.pull.heard_s, ends.pull.take_silence_s()) == (3.5, 1.25)
    ends.pull.cancel()
    assert ends.call.cancels == 1
