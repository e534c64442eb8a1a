"""Walkers sent on to neighbours that are imagined: who is asked, avoided, and told of."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
import trio.testing

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import DENIABLE, RuleList
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import FoundTrack, Holder
from lightpeer.core.search.walks import Budget, Visit
from lightpeer.core.trust.identity import Identity, PeerId, format_peer_id
from lightpeer.core.trust.records import PeerRecord, Role, build_record, parse_record_untrusted
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.access.node import Node
from lightpeer.serve.overlay import walkers as walkers_module
from lightpeer.serve.overlay.walkers import AVOID_S, Errand, News, Walkers
from lightpeer.testing import simulate
from lightpeer.testing.host import EPOCH_S

US = Identity(b"u" * 32)
TRACK_ID = b"t" * 32


def identity(number: int) -> Identity:
    return Identity((500 + number).to_bytes(32, "big"))


def record(number: int, host: str = "") -> PeerRecord:
    endpoints = [(host or f"{20 + number}.0.0.1", 1)]
    data = build_record(identity(number), endpoints, Role.SERVES, EPOCH_S, EPOCH_S + 3600)
    return parse_record_untrusted(data, EPOCH_S)


def track(*holders: Holder) -> FoundTrack:
    return FoundTrack(TRACK_ID, "A Title", "", "", 1000, (24,), tuple(holders))


class Neighbours:
    """A neighbourhood of servers that are known by number."""

    def __init__(self, *records: PeerRecord) -> None:
        self.records = records
        self.liars: list[PeerId] = []

    def neighbours(self, n: int) -> list[PeerRecord]:
        return list(self.records[:n])

    def scope(self, peer_id: PeerId) -> int:
        return 0

    def unix_time(self) -> float:
        return EPOCH_S

    def on_lie(self, peer_id: PeerId) -> None:
        self.liars.append(peer_id)


class FakePeer:
    """Answers with some replies, and then with an error if there is one."""

    def __init__(self, host: str, replies: list[pb.SearchReply], error: Exception | None) -> None:
        self.host = host
        self.replies = replies
        self.error = error
        self.asked: list[tuple[pb.SearchRequest, dict[str, float]]] = []

    async def search(self, request: pb.SearchRequest, **timeouts: float) -> AsyncIterator[pb.SearchReply]:
        self.asked.append((request, timeouts))
        for reply in self.replies:
            await trio.lowlevel.checkpoint()
            yield reply
        if self.error is not None:
            raise self.error


class Stage:
    """Walkers whose connections are imagined."""

    def __init__(self, host, *records: PeerRecord) -> None:
        self.neighbours = Neighbours(*records)
        self.node = Node.open_to_all(US, host)
        self.walkers = Walkers(self.node, self.neighbours)
        self.peers: dict[PeerId, FakePeer | None] = {}
        self.walkers._connections = self

    def plays(self, number: int, *replies: pb.SearchReply, error: Exception | None = None) -> FakePeer:
        peer = FakePeer(f"{20 + number}.0.0.1", list(replies), error)
        self.peers[identity(number).peer_id] = peer
        return peer

    async def connect(self, contact) -> FakePeer | None:
        await trio.lowlevel.checkpoint()
        return self.peers[contact.peer_id]

    async def news(self, *, walkers: int = 4, hops: int = 2, deadline: float = math.inf) -> list[News]:
        visit = Visit(Budget(walkers, hops), set(), is_first=True)
        errand = Errand("title", 10, b"12345678", visit, min(deadline, trio.current_time() + 5))
        async with self.walkers.sent(errand) as found:
            return [news async for news in found]


def with_stage(test: Callable[[Stage], Awaitable[None]], *records: PeerRecord) -> None:
    async def main(net):
        await test(Stage(net.host("9.0.0.1"), *(records or (record(1), record(2)))))

    simulate(main)


def hit(*holders: PeerRecord) -> pb.SearchReply:
    """A reply with one track, held by some servers."""
    made = pb.SearchReply(peers=[holder.data for holder in holders])
    made.hits.add(
        track_id=TRACK_ID, title="A Title", duration_ms=1000, bitrates_kbps=[24], holders=range(len(holders))
    )
    return made


def test_walkers_are_shared_among_neighbours_and_each_is_asked_for_the_rest_of_the_way() -> None:
    async def test(stage: Stage) -> None:
        peers = [stage.plays(number, pb.SearchReply()) for number in (1, 2)]
        news = await stage.news(walkers=4, hops=3)
        assert {one.told_by for one in news} == {identity(1).peer_id, identity(2).peer_id}
        assert [one.tracks for one in news] == [[], []]
        requests = [request for peer in peers for request, _ in peer.asked]
        assert sum(request.walkers for request in requests) == 4
        assert {request.hops for request in requests} == {2}
        assert {request.query_id for request in requests} == {b"12345678"}
        for _, timeouts in peers[0].asked:
            assert timeouts["timeout_s"] == pytest.approx(5.0)

    with_stage(test)


def test_what_a_neighbour_finds_is_brought_back_with_its_holders() -> None:
    async def test(stage: Stage) -> None:
        stage.plays(1, hit(record(1), record(5)))
        (news,) = await stage.news()
        assert news.told_by == identity(1).peer_id
        (found,) = news.tracks
        assert (found.track_id, found.title) == (TRACK_ID, "A Title")
        assert [holder.peer_id for holder in found.holders] == [identity(1).peer_id, identity(5).peer_id]

    with_stage(test, record(1))


def test_a_reply_that_breaks_the_protocol_makes_its_sender_a_liar() -> None:
    async def test(stage: Stage) -> None:
        broken = hit(record(1))
        broken.hits[0].track_id = b"short"
        stage.plays(1, broken)
        assert await stage.news() == []
        assert stage.neighbours.liars == [identity(1).peer_id]

    with_stage(test, record(1))


def test_without_connections_or_calls_to_spare_no_walker_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stage: Stage) -> None:
        peers = [stage.plays(number, pb.SearchReply()) for number in (1, 2)]
        monkeypatch.setattr(walkers_module, "MAX_CALLS", 0)
        assert await stage.news() == []
        monkeypatch.undo()
        stage.walkers._connections = None
        assert await stage.news() == []
        assert not any(peer.asked for peer in peers)

    with_stage(test)


@pytest.mark.parametrize(
    ("error", "is_avoided", "is_liar"),
    [
        (RpcError(StatusCode.UNAVAILABLE, "gone"), True, False),
        (RpcError(StatusCode.RESOURCE_EXHAUSTED, "busy"), False, False),
        (BadMessageError("not a reply"), True, True),
    ],
)
def test_a_neighbour_that_fails_is_left_alone_unless_it_is_busy(
    error: Exception, is_avoided: bool, is_liar: bool
) -> None:
    async def test(stage: Stage) -> None:
        failing, peer_id = stage.plays(1, error=error), identity(1).peer_id
        await stage.news()
        first = len(failing.asked)
        assert first >= 1
        await stage.news()
        assert (len(failing.asked) == first) == is_avoided
        assert (peer_id in stage.neighbours.liars) == is_liar
        await trio.sleep(AVOID_S)
        await stage.news()
        assert len(failing.asked) > first, "it is asked again after a while"

    with_stage(test, record(1))


def test_walkers_of_a_neighbour_that_is_gone_go_to_another() -> None:
    async def test(stage: Stage) -> None:
        gone = stage.plays(1, error=RpcError(StatusCode.UNAVAILABLE, "gone"))
        others = [stage.plays(number, pb.SearchReply()) for number in (2, 3)]
        await stage.news(walkers=2)
        assert [request.walkers for request, _ in gone.asked] == [1]
        assert [request.walkers for other in others for request, _ in other.asked] == [1, 1]

    with_stage(test, record(1), record(2), record(3))


def test_a_neighbour_that_breaks_off_after_its_first_reply_has_answered() -> None:
    async def test(stage: Stage) -> None:
        error = RpcError(StatusCode.DEADLINE_EXCEEDED, "its time was over")
        peer = stage.plays(1, pb.SearchReply(), error=error)
        await stage.news()
        await stage.news()
        assert len(peer.asked) == 2

    with_stage(test, record(1))


def test_a_connection_that_cannot_be_had_is_nobodys_fault() -> None:
    async def test(stage: Stage) -> None:
        stage.peers[identity(1).peer_id] = None
        assert await stage.news() == []
        assert stage.walkers._avoided == {}

    with_stage(test, record(1))


def test_a_name_that_leads_nowhere_or_home_is_not_gone_to() -> None:
    async def test(stage: Stage) -> None:
        peers = [stage.plays(number) for number in (1, 2)]
        stage.node.network.net.names["home.example"] = "192.168.0.1"
        await stage.news()
        assert not any(peer.asked for peer in peers)
        assert len(stage.walkers._avoided) == 2

    with_stage(test, record(1, "nowhere.example"), record(2, "home.example"))


def test_few_are_remembered_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walkers_module, "MAX_AVOIDED", 2)

    async def test(stage: Stage) -> None:
        for number in (1, 2, 3):
            stage.plays(number, error=RpcError(StatusCode.UNAVAILABLE, "gone"))
        await stage.news(walkers=6)
        assert len(stage.walkers._avoided) == 2

    with_stage(test, record(1), record(2), record(3))


def test_we_and_those_who_are_denied_are_no_holders_that_others_are_told_of() -> None:
    async def test(stage: Stage) -> None:
        known, denied, unknown = record(1), record(2), identity(3).peer_id
        entries = RuleList()
        entries.add(format_peer_id(denied.peer_id), DENIABLE)
        entries.flush()
        stage.node.access.rules = Rules(US.peer_id, deny=(entries,))
        holders = (
            Holder(known.peer_id, known),
            Holder(denied.peer_id, denied),
            Holder(unknown, None),
            Holder(US.peer_id, None),
        )
        told = stage.walkers._passed_on(track(*holders))
        assert [holder.peer_id for holder in told.holders] == [known.peer_id, unknown]

    with_stage(test)


def test_a_track_that_is_denied_here_is_not_passed_on() -> None:
    async def test(stage: Stage) -> None:
        known = record(1)
        assert stage.walkers._passed_on(track(Holder(known.peer_id, known))).holders
        entries = RuleList()
        entries.add(format_uri(TRACK_ID), DENIABLE)
        entries.flush()
        stage.node.access.rules = Rules(US.peer_id, deny=(entries,))
        assert stage.walkers._passed_on(track(Holder(known.peer_id, known))).holders == ()

    with_stage(test)


def test_leaving_the_block_ends_all_calls_and_raises_its_error() -> None:
    async def test(stage: Stage) -> None:
        ended = []

        class Endless(FakePeer):
            async def search(self, request, **timeouts):
                try:
                    await trio.sleep_forever()
                    yield pb.SearchReply()
                finally:
                    ended.append(request)

        stage.peers[identity(1).peer_id] = Endless("21.0.0.1", [], None)
        visit = Visit(Budget(2, 2), set(), is_first=True)
        errand = Errand("title", 10, b"12345678", visit, math.inf)

        async def leave() -> None:
            async with stage.walkers.sent(errand):
                await trio.testing.wait_all_tasks_blocked()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await leave()
        assert len(ended) == 1
        assert stage.walkers._calls == 0

    with_stage(test, record(1))
