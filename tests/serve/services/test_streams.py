from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from lightpeer.core.content.manifest import (
    TABLE_BASE,
    parse_manifest_untrusted,
    parse_table_untrusted,
    table_bytes,
    table_of,
)
from lightpeer.core.guard.rules import Rules
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_INLINE_BYTES, MAX_PULL_RANGES
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.core.udp.datagram import Pull, UnitRange, build_pull, parse_answer_untrusted, unit_layout
from lightpeer.core.udp.opening import Opening
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import RpcServer
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.tasks.threads import Threads
from lightpeer.testing.host import EPOCH_S
from lightpeer.testing.network import simulate
from tests.long_track import six_hours
from tests.serve.services.desk import (
    CLIENT,
    PACKAGE,
    SERVER,
    STRANGER,
    TRACK,
    Desk,
    Each,
    FakeContext,
    listed,
    refused,
    with_desk,
)
from tests.serve.tracks import MemoryLibrary, MemoryTrack


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


def test_the_first_reply_for_six_hours_has_room_for_sound() -> None:
    """Within 16 KiB: the manifest, what proves the first segment, and more than that segment."""
    made = six_hours()
    track_id = made.track.track_id

    async def test(desk):
        for first in (0, 3 * 3600):
            request = pb.OpenRequest(
                track_id=track_id,
                ephemeral_key=CLIENT.public_key,
                inline_bytes=15 * 1024,
                first_segment=first,
            )
            reply = await desk.one("Streams/Open", request, reply=pb.OpenReply)
            assert reply.ByteSize() < 16 * 1024 - 91, "with its seal"
            track = parse_manifest_untrusted(reply.manifest, track_id)
            chunks = {chunk.segment: chunk.data for chunk in reply.chunks}
            number = table_of(first)
            table = parse_table_untrusted(chunks[TABLE_BASE + number], track, 0, number)
            whole = range(first, first + 4)
            for segment in whole:
                table.check_untrusted(segment, chunks[segment])
            assert list(chunks) == [TABLE_BASE + number, *whole, whole.stop]

    with_desk(test, made)


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


@pytest.mark.parametrize(
    ("present", "kbps", "told", "inline"),
    [(1, 96, 1, 0), (2, 96, 2, 1), (2, 24, 2, 0), (3, 96, 0, 2)],
)
def test_of_a_track_that_lacks_renditions_the_best_that_is_here_comes_inline(present, kbps, told, inline):
    made = MemoryTrack(segments=3)
    made.present = present

    async def test(desk):
        request = pb.OpenRequest(track_id=made.track.track_id, bitrate_kbps=kbps, inline_bytes=9999)
        for where in ("open", "search"):
            if where == "open":
                reply = await desk.one("Streams/Open", request, reply=pb.OpenReply)
            else:
                words = pb.SearchRequest(query="Title", limit=1)
                words.open.CopyFrom(request)
                words.open.track_id = b""
                reply = (await desk.one("Index/Search", words, reply=pb.SearchReply)).open
            assert reply.present == told
            assert {chunk.rendition for chunk in reply.chunks} == {inline}
        assert desk.library.opened_by == [(CLIENT.peer_id, "local")] * 2

    with_desk(test, made)


def test_a_pull_of_a_rendition_that_is_not_here_says_how_to_go_on() -> None:
    """No code that clients take for the weather: they open the track again."""
    made = MemoryTrack(segments=3)
    made.present = 1

    async def test(desk):
        request = pb.PullRequest(track_id=made.track.track_id)
        request.ranges.add(rendition=0, first=0, count=1)
        request.ranges.add(rendition=1, first=0, count=1)
        error = await refused(desk.call("Streams/Pull", request, reply=pb.Chunk))
        assert error.code() == StatusCode.FAILED_PRECONDITION
        assert "open the track again" in error.details()
        assert len(desk.context.written) == 1

    with_desk(test, made)
