from __future__ import annotations

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_HITS, MAX_PEERS, MAX_QUERY_CHARS
from lightpeer.core.udp.opening import Opening
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.library.index import Answer, Index, IndexHit
from lightpeer.serve.services.search import ANSWERS_AT_ONCE, ANSWERS_PER_S
from tests.serve.services.desk import CLIENT, REQUESTS, SERVER, TRACK, refused, with_desk
from tests.serve.tracks import MemoryTrack


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


@pytest.mark.parametrize(("limit", "told"), [(1, 0), (2, 1), (9, 2)])
def test_the_first_reply_says_how_many_more_are_being_made(limit, told) -> None:
    async def test(desk):
        desk.library.waiting = ["A Title, live", "Another Title", "Something else"]
        request = pb.SearchRequest(query="Title", limit=limit)
        [reply] = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert (len(reply.hits), reply.preparing) == (1, told)
        again = pb.SearchRequest(query="Title", limit=limit, query_id=b"12345678")
        for expected in (told, 0):  # a walk that comes a second time is not answered from the index
            [reply] = await desk.call("Index/Search", again, reply=pb.SearchReply)
            assert reply.preparing == expected

    with_desk(test)


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
        desk.library.search = lambda *asked: Answer(index.search(*asked))
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


@pytest.mark.parametrize(("limit", "walkers", "told"), [(5, 8, 6), (10, 8, 6), (5, 0, 5)])
def test_who_looks_at_the_first_hits_is_told_how_many_there_are(limit, walkers, told, tmp_path) -> None:
    index = Index(tmp_path / "index.db")
    index.add_all([IndexHit(bytes([n]) * 32, f"Song {n}", "", "", 1, (24,)) for n in range(6)])

    async def test(desk):
        desk.library.search, desk.library.count = lambda *asked: Answer(index.search(*asked)), index.count
        request = pb.SearchRequest(query="song", limit=limit, walkers=walkers, hops=1, query_id=bytes(8))
        replies = await desk.call("Index/Search", request, reply=pb.SearchReply)
        assert [reply.matches for reply in replies] == [told]

    with_desk(test)
    index.close()


def test_a_caller_of_too_many_searches_is_refused_for_a_moment() -> None:
    async def test(desk):
        request = pb.SearchRequest(query="nothing", limit=1)
        for _ in range(int(ANSWERS_AT_ONCE)):
            await desk.one("Index/Search", request, reply=pb.SearchReply)
        error = await refused(desk.one("Index/Search", request, reply=pb.SearchReply))
        assert error.code() == StatusCode.RESOURCE_EXHAUSTED
        await trio.sleep(2 / ANSWERS_PER_S)
        assert await desk.one("Index/Search", request, reply=pb.SearchReply) == pb.SearchReply()

    with_desk(test, place=None)
