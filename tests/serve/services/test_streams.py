from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from lightpeer.core.content.manifest import TABLE_BASE, table_bytes
from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import DENIABLE, read_list
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.rpc.framing import Compression
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import (
    MAX_HITS,
    MAX_INLINE_BYTES,
    MAX_PEERS,
    MAX_PULL_RANGES,
    MAX_QUERY_CHARS,
    MAX_RECORDS,
)
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.messages import parse_body_untrusted
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.core.trust.replay import WINDOW_PAST_MS
from lightpeer.core.trust.seals import ClientSeals
from lightpeer.core.udp.datagram import (
    Pull,
    UnitRange,
    build_pull,
    parse_answer_untrusted,
    unit_layout,
)
from lightpeer.core.udp.opening import Opening
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import RpcServer
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.library.index import Index, IndexHit
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.serve.services.sealed import TIME_METADATA
from lightpeer.serve.services.streams import Services
from lightpeer.tasks.threads import Threads
from lightpeer.testing.host import EPOCH_S
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


def spoil(desk: Desk, how: str, method: str, body: bytes) -> list[bytes]:
    """The requests of a call of which the last is not acceptable."""
    if how == "unsealed":
        return [body]
    if how == "empty":
        return [b""]
    if how == "stale":
        return [desk.seals(method, age_ms=WINDOW_PAST_MS + 1).seal_request(body)]
    if how == "for another peer":
        return [desk.seals(method, recipient=STRANGER).seal_request(body)]
    if how == "for another method":
        return [desk.seals("Streams/Other").seal_request(body)]
    if how == "foreign":
        sealed = desk.seals(method, identity=STRANGER).seal_request(body)
        return [sealed.replace(STRANGER.peer_id, CLIENT.peer_id)]
    sealed = bytearray(desk.seals(method).seal_request(body))
    sealed[1] ^= 1
    return [bytes(sealed)]


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("unsealed", "missing"),
        ("empty", "missing"),
        ("stale", "stale"),
        ("for another peer", "changed"),
        ("for another method", "changed"),
        ("foreign", "changed"),
        ("changed", "changed"),
    ],
)
def test_nothing_runs_behind_a_bad_seal(method, how, reason) -> None:
    async def test(desk):
        error = await refused(
            desk.send(method, *spoil(desk, how, method, REQUESTS[method].SerializeToString()))
        )
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert error.details().startswith(reason + ": ")
        time = [(TIME_METADATA, str(EPOCH_S * 1000))] if reason == "stale" else []
        assert list(error.trailing_metadata()) == time
        assert (desk.library.searched, len(desk.table), len(desk.peers)) == (0, 0, 0)

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_a_replayed_request_is_refused(method) -> None:
    async def test(desk):
        request = REQUESTS[method]
        if method == "Discovery/Announce":
            request = pb.Announcement(record=build_record(CLIENT, [("10.0.0.2", 1)], 1, 1, EPOCH_S + 60))
        sealed = desk.seals(method).seal_request(request.SerializeToString())
        await desk.send(method, sealed)
        error = await refused(desk.send(method, sealed))
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert error.details().startswith("replayed")

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_a_caller_that_does_not_know_our_id_is_answered(method) -> None:
    async def test(desk):
        if method == "Discovery/Announce":
            return
        seals = desk.seals(method, recipient=None)
        replies = await desk.send(method, seals.seal_request(REQUESTS[method].SerializeToString()))
        assert replies
        seals.open_reply_untrusted(replies[0])
        assert seals.peer_id == SERVER.peer_id

    with_desk(test)


@pytest.mark.parametrize("how", ["repeated", "swapped", "changed", "missing", "of another caller"])
def test_each_later_request_of_a_stream_has_its_own_seal(how) -> None:
    async def test(desk):
        seals = desk.seals("Streams/Pull")
        first, second, third = (
            seals.seal_request(REQUESTS["Streams/Pull"].SerializeToString()) for _ in range(3)
        )
        other = desk.seals("Streams/Pull", identity=STRANGER)
        other.seal_request(b"")
        then = {
            "repeated": [first],
            "swapped": [third, second],
            "changed": [bytes([second[0] ^ 1]) + second[1:]],
            "missing": [b""],
            "of another caller": [other.seal_request(REQUESTS["Streams/Pull"].SerializeToString())],
        }[how]
        context = FakeContext(PACKAGE + "Streams/Pull")
        error = await refused(desk.services.pull(Each([first, *then]), context))
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert len(context.written) == 1

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_sealed_bytes_that_are_no_message_are_an_invalid_argument(method) -> None:
    async def test(desk):
        error = await refused(desk.send(method, desk.seals(method).seal_request(b"\xff\xff")))
        assert error.code() == StatusCode.INVALID_ARGUMENT

    with_desk(test)


def announcement(n: int, sequence: int = 1, expires: int = 60) -> tuple[Identity, pb.Announcement]:
    identity = Identity((100 + n).to_bytes(32, "big"))
    record = build_record(identity, [(f"{20 + n}.0.0.1", 47474)], 1, sequence, EPOCH_S + expires)
    return identity, pb.Announcement(record=record)


def test_nobody_announces_another() -> None:
    async def test(desk):
        _, request = announcement(1)
        error = await refused(desk.one("Discovery/Announce", request, reply=pb.AnnounceReply))
        assert error.code() == StatusCode.PERMISSION_DENIED
        error = await refused(
            desk.one("Discovery/Announce", pb.Announcement(record=b"x"), reply=pb.AnnounceReply)
        )
        assert error.code() == StatusCode.INVALID_ARGUMENT
        local = pb.Announcement(record=build_record(CLIENT, [("127.0.0.1", 1)], 1, 1, EPOCH_S + 60))
        error = await refused(desk.one("Discovery/Announce", local, reply=pb.AnnounceReply))
        assert error.code() == StatusCode.INVALID_ARGUMENT
        assert len(desk.peers) == 0

    with_desk(test)


def test_an_exchange_gives_neighbours_at_random_and_the_caller_never() -> None:
    async def test(desk):
        ids = []
        for n in range(8):
            identity, request = announcement(n)
            desk.gossip.view.add(parse_record_untrusted(request.record, EPOCH_S))
            ids.append(identity)
        samples = set()
        for _ in range(20):
            await trio.sleep(10)
            reply = await desk.one("Discovery/Exchange", pb.ExchangeRequest(want=3), reply=pb.ExchangeReply)
            assert reply.records[0] == desk.own_record
            assert reply.observed == "10.0.0.2:999"
            some = [parse_record_untrusted(r, EPOCH_S).peer_id for r in reply.records[1:]]
            assert len(set(some)) == 3
            samples.update(some)
        assert samples == {identity.peer_id for identity in ids}
        for identity, count in [(CLIENT, 8), (ids[0], 7)]:
            request = pb.ExchangeRequest(want=999)
            reply = await desk.one("Discovery/Exchange", request, identity=identity, reply=pb.ExchangeReply)
            assert len(reply.records) == 1 + count <= MAX_RECORDS

    with_desk(test)


def test_records_in_an_exchange_are_bounded() -> None:
    async def test(desk):
        too_many = pb.ExchangeRequest(records=[b"x"] * (MAX_RECORDS + 1))
        error = await refused(desk.one("Discovery/Exchange", too_many, reply=pb.ExchangeReply))
        assert error.code() == StatusCode.INVALID_ARGUMENT
        junk = pb.ExchangeRequest(records=[b"x"] * MAX_RECORDS, want=1)
        reply = await desk.one("Discovery/Exchange", junk, reply=pb.ExchangeReply)
        assert len(reply.records) == 1
        assert len(desk.peers) == 0

    with_desk(test)


@pytest.mark.parametrize(
    ("request_", "compressed"),
    [
        (pb.SearchRequest(query="Song", limit=12), [True, False]),  # the second has two
        (pb.SearchRequest(query="Song", limit=13), [True, True]),
        (pb.SearchRequest(query="Song", limit=10, open=pb.OpenRequest(inline_bytes=9999)), [False]),
    ],
)
def test_several_hits_are_compressed_and_audio_is_not(request_, compressed) -> None:
    async def test(desk):
        await desk.call("Index/Search", request_, reply=pb.SearchReply)
        assert desk.context.compressed == compressed

    with_desk(test, *[MemoryTrack(f"Song {n}", segments=1, seed=n) for n in range(13)])


def test_hits_come_ten_at_a_time_and_point_to_the_server() -> None:
    tracks = [MemoryTrack(f"Song {n}", segments=1, seed=n) for n in range(25)]

    async def test(desk):
        request = pb.SearchRequest(query="Song", limit=23, records=1, query_id=b"12345678")
        replies = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert [len(r.hits) for r in replies] == [10, 10, 3]
        assert [list(r.peers) for r in replies] == [[desk.own_record], [], []], "once in a call"
        assert all(list(hit.holders) == [0] for reply in replies for hit in reply.hits)
        hit = replies[0].hits[0]
        assert (hit.title, hit.artist, hit.album, hit.duration_ms) == (
            "Song 0",
            "An Artist",
            "An Album",
            1000,
        )
        assert (list(hit.bitrates_kbps), list(hit.holders)) == ([24, 48, 96], [0])
        assert not replies[0].HasField("open")

    with_desk(test, *tracks)


def test_no_hit_is_an_empty_reply() -> None:
    async def test(desk):
        request = pb.SearchRequest(query="nothing", limit=1, open=pb.OpenRequest(inline_bytes=9999))
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert not reply.hits
        assert not reply.HasField("open")

    with_desk(test)


def test_a_server_that_does_not_know_its_address_names_no_holder() -> None:
    async def test(desk):
        [reply] = await desk.call("Index/Search", REQUESTS["Index/Search"], reply=pb.SearchReply)
        assert not reply.peers
        assert not reply.hits[0].holders

    with_desk(test, place=None)


@pytest.mark.parametrize(
    "request_",
    [
        pb.SearchRequest(query="Title"),
        pb.SearchRequest(query="Title", limit=MAX_HITS + 1),
        pb.SearchRequest(query="x" * (MAX_QUERY_CHARS + 1), limit=1),
        pb.SearchRequest(query="Title", limit=1, query_id=b"short"),
        pb.SearchRequest(query="Title", limit=1, records=MAX_PEERS + 1),
        pb.SearchRequest(query="Title", limit=1, open=pb.OpenRequest(ephemeral_key=b"no point")),
    ],
)
def test_a_search_beyond_its_bounds_is_refused(request_) -> None:
    async def test(desk):
        error = await refused(desk.call("Index/Search", request_, reply=pb.SearchReply))
        assert error.code() == StatusCode.INVALID_ARGUMENT

    with_desk(test)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "nothing like it",
        "\0\x01\x1b[31m",
        "\u202e\uffff",
        "x" * MAX_QUERY_CHARS,
        "loud:",
        "loud:zzz",
    ],
)
def test_a_query_of_any_text_has_a_reply(query: str, tmp_path) -> None:
    """With the real index."""
    index = Index(tmp_path / "index.db")
    index.add_all([IndexHit(b"1" * 32, "Song", "", "", 1, (24,))])

    async def test(desk):
        desk.library.search = index.search
        request = pb.SearchRequest(query=query, limit=50)
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert not reply.hits

    with_desk(test)
    index.close()


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x04\xff\xfe\xfd\xfc\x10\x01",  # a query that is not UTF-8
        b"\x0a\x02\xc3\x28\x10\x01",
        b"\x0a\x03\xed\xa0\x80\x10\x01",  # a lone surrogate
        b"\x0a\xff\xff\xff\x7fx\x10\x01",  # a length that is not there
        b"\x0a\x01",
    ],
)
def test_a_query_that_is_no_text_is_refused(body: bytes) -> None:
    async def test(desk):
        seals = desk.seals("Index/Search")
        error = await refused(desk.send("Index/Search", seals.seal_request(body)))
        assert error.code() == StatusCode.INVALID_ARGUMENT
        assert desk.library.searched == 0

    with_desk(test)


def test_a_search_opens_the_best_hit_when_asked_to() -> None:
    async def test(desk):
        opening = Opening(b"\x09" * 32)
        request = pb.SearchRequest(query="Title", limit=1, open=opening.request(inline_bytes=20_000))
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        opened = opening.accept_untrusted(
            reply.open, track_id=reply.hits[0].track_id, client=CLIENT.peer_id, server=SERVER.peer_id
        )
        assert opened.track == TRACK.track
        assert opened.udp.port == desk.table.port
        assert opened.chunks

    with_desk(test)


def test_a_best_hit_that_cannot_be_read_is_still_a_hit() -> None:
    track = MemoryTrack()
    track.broken = True

    async def test(desk):
        request = pb.SearchRequest(query="Title", limit=1, open=pb.OpenRequest(inline_bytes=20_000))
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert reply.hits
        assert not reply.HasField("open")

    with_desk(test, track)


async def opened(desk, **kwargs) -> pb.OpenReply:
    request = pb.OpenRequest(track_id=TRACK.track.track_id, **kwargs)
    return await desk.one("Streams/Open", request, reply=pb.OpenReply)


def test_open_gives_manifest_table_and_segments_up_to_the_bytes_asked() -> None:
    async def test(desk):
        reply = await opened(desk, first_segment=3, bitrate_kbps=50, inline_bytes=20_000)
        assert reply.manifest == TRACK.manifest
        assert [(c.rendition, c.segment) for c in reply.chunks] == [(1, TABLE_BASE), (1, 3), (1, 4), (1, 5)]
        assert [c.data for c in reply.chunks] == [TRACK.read(1, c.segment) for c in reply.chunks]
        assert reply.udp_port == 0
        assert not (await opened(desk, manifest_known=True)).manifest

    with_desk(test)


def test_of_the_last_segment_the_first_units_come() -> None:
    async def test(desk):
        size = len(TRACK.read(2, 0))
        count, unit_bytes = unit_layout(size)
        assert count > 2
        rest = len(TRACK.manifest) + table_bytes(TRACK.track, 0) + size - 1
        for inline_bytes in (rest, rest - (size - 1 - (count - 1) * unit_bytes)):
            reply = await opened(desk, bitrate_kbps=96, inline_bytes=inline_bytes)
            assert [c.segment for c in reply.chunks] == [TABLE_BASE, 0]
            assert reply.chunks[1].data == TRACK.read(2, 0)[: (count - 1) * unit_bytes]
        known = await opened(desk, bitrate_kbps=96, inline_bytes=rest, manifest_known=True)
        assert known.chunks[1].data == TRACK.read(2, 0)

    with_desk(test)


def test_the_next_table_comes_ahead_of_what_it_covers() -> None:
    async def test(desk):
        reply = await opened(desk, first_segment=63, inline_bytes=100_000)
        assert [c.segment for c in reply.chunks] == [TABLE_BASE, 63, TABLE_BASE + 1, 64, 65, 66, 67, 68, 69]
        few = await opened(desk, first_segment=63, inline_bytes=1152 + 3100)
        assert [c.segment for c in few.chunks] == [TABLE_BASE, 63]

    with_desk(test)


@pytest.mark.parametrize(
    ("kbps", "rendition"), [(0, 0), (10, 0), (24, 0), (47, 0), (48, 1), (96, 2), (500, 2)]
)
def test_the_greatest_rendition_within_the_bitrate_is_taken(kbps, rendition) -> None:
    async def test(desk):
        reply = await opened(desk, bitrate_kbps=kbps, inline_bytes=20_000)
        assert {c.rendition for c in reply.chunks} == {rendition}

    with_desk(test)


def test_inline_bytes_are_bounded_on_both_sides() -> None:
    async def test(desk):
        assert not (await opened(desk, inline_bytes=100)).chunks
        reply = await opened(desk, bitrate_kbps=96, inline_bytes=10**9)
        assert 200_000 < sum(len(c.data) for c in reply.chunks) <= MAX_INLINE_BYTES

    with_desk(test)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"track_id": b"short"}, StatusCode.INVALID_ARGUMENT),
        ({"track_id": bytes(32)}, StatusCode.NOT_FOUND),
        ({"first_segment": 70}, StatusCode.OUT_OF_RANGE),
        ({"ephemeral_key": bytes(33)}, StatusCode.INVALID_ARGUMENT),
    ],
)
def test_what_cannot_be_opened_is_refused(fields, code) -> None:
    async def test(desk):
        request = pb.OpenRequest(**{"track_id": TRACK.track.track_id, **fields})
        assert (await refused(desk.one("Streams/Open", request, reply=pb.OpenReply))).code() == code

    with_desk(test)


def test_without_room_for_a_stream_the_track_is_opened_without_udp() -> None:
    async def test(desk):
        desk.table._max_streams = 0
        reply = await opened(desk, ephemeral_key=STRANGER.public_key)
        assert reply.manifest
        assert reply.udp_port == 0

    with_desk(test)


def test_pull_gives_whole_segments_and_tables_in_the_order_asked() -> None:
    async def test(desk):
        requests = [
            pb.PullRequest(
                track_id=TRACK.track.track_id,
                ranges=[
                    pb.Range(rendition=1, first=TABLE_BASE, count=2),
                    pb.Range(rendition=1, first=5, count=2),
                ],
            ),
            pb.PullRequest(ranges=[pb.Range(rendition=0, first=69, count=1)]),
        ]
        chunks = await desk.call("Streams/Pull", *requests, reply=pb.Chunk)
        wanted = [(1, TABLE_BASE), (1, TABLE_BASE + 1), (1, 5), (1, 6), (0, 69)]
        assert [(c.rendition, c.segment) for c in chunks] == wanted
        assert [c.data for c in chunks] == [TRACK.read(*place) for place in wanted]

    with_desk(test)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (pb.PullRequest(track_id=bytes(32)), StatusCode.NOT_FOUND),
        (pb.PullRequest(), StatusCode.INVALID_ARGUMENT),
        (
            pb.PullRequest(track_id=TRACK.track.track_id, ranges=[pb.Range(first=69, count=2)]),
            StatusCode.OUT_OF_RANGE,
        ),
        (
            pb.PullRequest(track_id=TRACK.track.track_id, ranges=[pb.Range(rendition=3, count=1)]),
            StatusCode.OUT_OF_RANGE,
        ),
        (
            pb.PullRequest(track_id=TRACK.track.track_id, ranges=[pb.Range()] * (MAX_PULL_RANGES + 1)),
            StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
def test_a_pull_of_what_does_not_exist_is_refused(request_, code) -> None:
    async def test(desk):
        assert (await refused(desk.call("Streams/Pull", request_, reply=pb.Chunk))).code() == code

    with_desk(test)


def test_a_disk_that_fails_makes_us_unavailable() -> None:
    track = MemoryTrack(segments=2)
    track.broken = True

    async def test(desk):
        request = pb.PullRequest(track_id=track.track.track_id, ranges=[pb.Range(count=1)])
        error = await refused(desk.call("Streams/Pull", request, reply=pb.Chunk))
        assert error.code() == StatusCode.UNAVAILABLE
        assert "disk" not in error.details()

    with_desk(test, track)


@asynccontextmanager
async def connected(net):
    """A client's `Peer`, connected to services over the simulated internet."""
    server, phone = net.host("10.0.0.1"), net.host("10.0.0.2")
    table = StreamTable(Node.open_to_all(SERVER, server))
    await table.bind("")
    desk = Desk(server, MemoryLibrary(TRACK), table)
    listener = await server.listen_tcp("", 47474)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.run)
        nursery.start_soon(RpcServer(desk.services.handlers()).serve, [listener])
        async with open_channel(phone, "10.0.0.1", 47474) as channel:
            yield desk, phone, Peer(channel, Sealer(CLIENT, phone), address=("10.0.0.1", 47474))
        nursery.cancel_scope.cancel()


def test_a_client_searches_opens_and_streams_over_the_network() -> None:
    async def main(net):
        async with connected(net) as (_, phone, peer):
            opening = Opening(phone.entropy(32))
            request = pb.SearchRequest(query="Title", limit=1, open=opening.request(inline_bytes=5000))
            [reply] = [r async for r in peer.search(request)]
            assert peer.name == format_peer_id(SERVER.peer_id)
            udp = opening.accept_untrusted(
                reply.open, track_id=TRACK.track.track_id, client=CLIENT.peer_id, server=SERVER.peer_id
            ).udp
            socket = await phone.open_udp("")
            count, _ = unit_layout(len(TRACK.read(1, 0)))
            pull = Pull(udp.stream_id, 0, 50_000, udp.path_token, 0, [UnitRange(1, 0, 0, count)])
            await socket.send_to(build_pull(pull, udp.keys), ("10.0.0.1", udp.port))
            units = [parse_answer_untrusted((await socket.receive_from())[0], udp.keys) for _ in range(count)]
            assert b"".join(u.payload for u in units) == TRACK.read(1, 0)

    simulate(main)


def test_a_client_without_a_clock_is_told_the_time_and_asks_again() -> None:
    async def main(net):
        async with connected(net) as (_, phone, peer):
            phone.clock_offset_s = -EPOCH_S
            reply = await peer.exchange(pb.ExchangeRequest(want=1))
            assert len(reply.records) == 1

    simulate(main)


def test_a_client_without_udp_pulls_over_its_connection() -> None:
    async def main(net):
        async with connected(net) as (_, _, peer):
            call = peer.pull()
            await call.send(
                pb.PullRequest(
                    track_id=TRACK.track.track_id, ranges=[pb.Range(rendition=2, first=0, count=70)]
                )
            )
            got = [(await call.receive()).data for _ in range(70)]
            assert got == TRACK.segments[2]
            call.cancel()

    simulate(main)


def test_what_may_wait_for_the_disk_is_done_in_worker_threads(monkeypatch) -> None:
    run, depth, done = Threads.run, [0], []

    async def counted(threads, function, *args):
        depth[0] += 1
        try:
            return await run(threads, function, *args)
        finally:
            depth[0] -= 1

    def watched(name, function):
        def call(*args):
            assert depth[0], f"{name} is called in the event loop"
            done.append(name)
            return function(*args)

        return call

    track = MemoryTrack()

    async def test(desk):
        for owner, name in [(desk.library, "track"), (desk.library, "search"), (track, "read")]:
            setattr(owner, name, watched(name, getattr(owner, name)))
        start = pb.OpenRequest(track_id=track.track.track_id, inline_bytes=20_000)
        await desk.one("Streams/Open", start, reply=pb.OpenReply)
        assert set(done) == {"track", "read"}
        pull = pb.PullRequest(track_id=track.track.track_id, ranges=[pb.Range(count=1)])
        await desk.call("Streams/Pull", pull, reply=pb.Chunk)
        assert done.count("track") == 2
        request = pb.SearchRequest(query="Title", limit=1, open=start)
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert reply.HasField("open")
        assert done.count("search") == 1

    monkeypatch.setattr(Threads, "run", counted)
    with_desk(test, track)


def test_first_segments_stay_away_when_others_took_the_uplink_while_they_were_read() -> None:
    track = MemoryTrack()

    async def test(desk):
        uplink = desk.services._uplink = Uplink(100_000)
        read = track.read

        def slow(rendition, segment):
            if segment == 1:
                uplink.spent("another", 40_000)
            return read(rendition, segment)

        start = pb.OpenRequest(track_id=track.track.track_id, inline_bytes=20_000)
        assert (await desk.one("Streams/Open", start, reply=pb.OpenReply)).chunks
        desk.services._uplink = uplink = Uplink(100_000)
        track.read = slow
        assert not (await desk.one("Streams/Open", start, reply=pb.OpenReply)).chunks

    with_desk(test, track)


def test_what_is_wrong_with_an_open_is_told_by_a_search_that_is_sent_on_too() -> None:
    async def test(desk):
        request = pb.SearchRequest(
            query="Title",
            limit=20,
            walkers=8,
            hops=4,
            query_id=b"q" * 8,
            open=pb.OpenRequest(ephemeral_key=b"no point"),
        )
        error = await refused(desk.call("Index/Search", request, reply=pb.SearchReply))
        assert error.code() == StatusCode.INVALID_ARGUMENT

    with_desk(test)


def listed(*entries: str) -> tuple:
    return (read_list([entry.encode() for entry in entries], DENIABLE),)


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(SERVER.peer_id, allow=listed(format_peer_id(STRANGER.peer_id))), "private"),
        (Rules(SERVER.peer_id, deny=listed(format_peer_id(CLIENT.peer_id))), "denied"),
        (Rules(SERVER.peer_id, deny=listed("10.0.0.0/24")), "denied"),
    ],
)
def test_whoever_may_not_listen_is_refused_at_every_method(method, rules, reason) -> None:
    access = Access(SERVER.peer_id)
    access.rules = rules

    async def test(desk):
        error = await refused(desk.call(method, REQUESTS[method], reply=pb.SearchReply))
        assert error.code() == StatusCode.PERMISSION_DENIED
        assert error.details().startswith(f"{reason}: ")
        assert desk.library.searched == 0
        assert len(desk.table) == 0
        if reason == "private" and method != "Discovery/Announce":
            sealed = desk.seals(method, STRANGER).seal_request(REQUESTS[method].SerializeToString())
            assert await desk.send(method, sealed)

    with_desk(test, access=access)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (format_peer_id(CLIENT.peer_id), StatusCode.PERMISSION_DENIED),
        (TRACK.track.uri, StatusCode.NOT_FOUND),
    ],
)
def test_a_pull_that_runs_ends_when_it_is_denied(entry, code) -> None:
    access = Access(SERVER.peer_id)

    async def test(desk):
        written = []

        async def write(reply: bytes) -> None:
            written.append(reply)
            access.rules = Rules(SERVER.peer_id, deny=listed(entry))

        seals = desk.seals("Streams/Pull")
        request = pb.PullRequest(track_id=TRACK.track.track_id, ranges=[pb.Range(first=0, count=9)])
        context = FakeContext(PACKAGE + "Streams/Pull")
        context.write = write
        handler = desk.services.handlers()[PACKAGE + "Streams/Pull"]
        sealed = seals.seal_request(request.SerializeToString())
        assert (await refused(handler.function(Each([sealed]), context))).code() == code
        assert len(written) == 1

    with_desk(test, access=access)


def test_a_track_that_is_denied_is_neither_found_nor_opened() -> None:
    access = Access(SERVER.peer_id)
    tracks = [MemoryTrack(f"Song {n}", segments=1, seed=n) for n in range(4)]
    access.rules = Rules(SERVER.peer_id, deny=listed(tracks[0].track.uri))

    async def test(desk):
        request = pb.SearchRequest(query="Song", limit=3, open=pb.OpenRequest())
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert [hit.title for hit in reply.hits] == ["Song 1", "Song 2", "Song 3"], "others take its place"
        assert reply.open.manifest == tracks[1].manifest
        for method, wanted in [
            ("Streams/Open", pb.OpenRequest(track_id=tracks[0].track.track_id)),
            ("Streams/Pull", pb.PullRequest(track_id=tracks[0].track.track_id)),
        ]:
            error = await refused(desk.call(method, wanted, reply=pb.OpenReply))
            assert error.code() == StatusCode.NOT_FOUND

    with_desk(test, *tracks, access=access)
