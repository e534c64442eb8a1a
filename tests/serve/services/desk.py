"""The services of a simulated host, called without a connection."""

from __future__ import annotations

import pytest
import trio

from lightpeer.core.lists.rule_lists import DENIABLE, read_list
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.rpc.framing import Compression
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.messages import parse_body_untrusted
from lightpeer.core.trust.seals import ClientSeals
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.services.streams import Services
from lightpeer.testing.network import simulate
from tests.serve.tracks import MemoryLibrary, MemoryTrack

SERVER = Identity(b"\x01" * 32)
CLIENT = Identity(b"\x02" * 32)
STRANGER = Identity(b"\x03" * 32)
TRACK = MemoryTrack()
PACKAGE = "/loudp2p.v1."


class FakeContext:
    """What a handler needs of a call, and a memory of what it wrote."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.peer_address = ("10.0.0.2", 999)
        self.deadline = None
        self.written: list[bytes] = []
        self.compressed: list[bool] = []  # of what was written
        self._compression = Compression.NoCompression
        self._compresses_next = True

    def set_compression(self, compression: int) -> None:
        assert not self.written
        self._compression = compression

    def disable_next_message_compression(self) -> None:
        self._compresses_next = False

    def prove(self) -> None:
        self.is_proved = True

    async def write(self, reply: bytes) -> None:
        self.written.append(reply)
        self.compressed.append(self._compression == Compression.Gzip and self._compresses_next)
        self._compresses_next = True


class Each:
    """Requests as a call gives them."""

    def __init__(self, items) -> None:
        self._items = iter(items)

    def __aiter__(self) -> Each:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


class Desk:
    """Services on a simulated host, called without a connection."""

    def __init__(self, host, library, table, place="10.0.0.1", access=None) -> None:
        self.host = host
        self.library = library
        self.table = table
        self.peers = PeerCache(own=SERVER.peer_id)
        node = Node(SERVER, host, access or Access(SERVER.peer_id))
        self.gossip = Gossip(node, Place(OwnAddress(*filter(None, [place])), 47474), self.peers)
        self.own_record = self.gossip.own.current()
        self.services = Services(node, library, table, self.gossip)

    def seals(self, method: str, identity=CLIENT, recipient=SERVER, age_ms=0) -> ClientSeals:
        return ClientSeals(
            identity,
            PACKAGE + method,
            time_ms=int(self.host.unix_time() * 1000) - age_ms,
            nonce=self.host.entropy(12),
            recipient=recipient.peer_id if recipient else None,
        )

    async def send(self, method: str, *requests: bytes) -> list[bytes]:
        """Give sealed bytes to a method; return its sealed replies."""
        handler = self.services.handlers()[PACKAGE + method]
        self.context = context = FakeContext(PACKAGE + method)
        reply = await handler.function(Each(requests) if handler.many_requests else requests[0], context)
        return context.written if handler.many_replies else [reply]

    async def call(self, method: str, *requests, identity=CLIENT, reply: type):
        seals = self.seals(method, identity)
        sealed = [seals.seal_request(r.SerializeToString()) for r in requests]
        replies = await self.send(method, *sealed)
        return [parse_body_untrusted(reply, seals.open_reply_untrusted(r)) for r in replies]

    async def one(self, method: str, request, *, identity=CLIENT, reply: type):
        return (await self.call(method, request, identity=identity, reply=reply))[0]


def with_desk(test, *tracks: MemoryTrack, **kwargs) -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        table = StreamTable(Node.open_to_all(SERVER, host))
        await table.bind("")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(table.run)
            await test(Desk(host, MemoryLibrary(*(tracks or (TRACK,))), table, **kwargs))
            nursery.cancel_scope.cancel()

    simulate(main)


REQUESTS = {
    "Discovery/Exchange": pb.ExchangeRequest(want=1),
    "Discovery/Announce": pb.Announcement(record=b"x"),
    "Index/Search": pb.SearchRequest(query="Title", limit=1),
    "Streams/Open": pb.OpenRequest(track_id=TRACK.track.track_id),
    "Streams/Pull": pb.PullRequest(
        track_id=TRACK.track.track_id, ranges=[pb.Range(rendition=0, first=0, count=1)]
    ),
}


async def refused(awaitable) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await awaitable
    return caught.value


def listed(*entries: str) -> tuple:
    return (read_list([entry.encode() for entry in entries], DENIABLE),)
