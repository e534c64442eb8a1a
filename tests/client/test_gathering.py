"""The holders of one track, found one after another while they are wanted."""

from __future__ import annotations

from types import SimpleNamespace

import trio

from lightpeer.client.gathering import Gatherer
from lightpeer.client.holders import Holders, Outcome
from lightpeer.errors import NoPeerError
from tests.core.search.made import PEERS, URI, track
from tests.rpc.service import run


class FakePeer:
    rtt_s = None
    peer_id = PEERS[0].peer_id


ASKED = FakePeer()
NO_OPEN = SimpleNamespace(HasField=lambda _name: False)


class Stage:
    """One peer that names holders, each of which is opened after a while, or not."""

    received_bytes = 0

    def __init__(self, *replies: list, opens_in_s: float = 0.0) -> None:
        self.replies_given = replies
        self.opens_in_s = opens_in_s
        self.tried: set[bytes] = {ASKED.peer_id}
        self.dead: set[bytes] = set()
        self.begun: list[tuple[float, bytes]] = []
        self.judged = 0
        self.gatherer = Gatherer(self, self, URI, 4, self)
        self.gatherer._holders = SimpleNamespace(
            open=self.open, judge=self._judge, is_any_away=False, away=Holders.away
        )

    async def peers(self, _setbacks, *, all_answered):
        if self.replies_given:
            yield ASKED
        await all_answered()

    async def replies(self, inquiry, query):
        assert (query.text, query.limit, query.wanted) == (URI, 4, None)
        inquiry.on_answer()
        for found in self.replies_given:
            yield found, NO_OPEN

    def nobody(self, _setbacks) -> NoPeerError:
        return NoPeerError("no peer can be reached")

    def warn(self, setbacks) -> None:
        assert setbacks.warning is None

    def on_silence(self, _peer) -> None:
        raise AssertionError("it has answered")

    async def open(self, _track, holder, _leads) -> Outcome:
        self.begun.append((trio.current_time(), holder.peer_id))
        await trio.sleep(self.opens_in_s)
        return Outcome(None if holder.peer_id in self.dead else (holder.peer_id, "opened"))

    def _judge(self, _leads) -> None:
        self.judged += 1


def test_each_holder_is_opened_once_and_only_while_one_is_wanted():
    async def main():
        found = track("Song", *PEERS[1:3])
        on = Stage([found], [found, track("Song", PEERS[3])])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.gatherer.run)
            sources = []
            for _ in range(3):
                on.gatherer.want()
                source, _ = await on.gatherer.found.receive()
                sources.append(source)
                await trio.testing.wait_all_tasks_blocked()
                assert len(on.begun) <= len(sources) + 1
            assert sources == [peer.peer_id for peer in PEERS[1:4]]
            assert on.judged == 0
            on.gatherer.want()
            assert [each async for each in on.gatherer.found] == []
        assert on.judged == 1
        assert on.gatherer.failure is None

    run(main)


def test_the_next_holder_has_its_turn_when_one_fails():
    async def main():
        on = Stage([track("Song", *PEERS[1:3])])
        on.dead = {PEERS[1].peer_id}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.gatherer.run)
            on.gatherer.want()
            source, _ = await on.gatherer.found.receive()
            assert source == PEERS[2].peer_id
            nursery.cancel_scope.cancel()

    run(main)


def test_a_holder_that_cannot_be_reached_is_not_taken_for_an_answer():
    async def main():
        on = Stage([track("Song", PEERS[1])])
        on.dead, on.gatherer._holders.is_any_away = {PEERS[1].peer_id}, True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.gatherer.run)
            on.gatherer.want()
            assert [each async for each in on.gatherer.found] == []
        assert isinstance(on.gatherer.failure, NoPeerError)

    run(main)


def test_where_nobody_can_be_asked_that_is_the_failure():
    async def main():
        on = Stage()
        on.gatherer.want()
        await on.gatherer.run()
        assert isinstance(on.gatherer.failure, NoPeerError)

    run(main)


def test_it_ends_when_no_more_are_wanted():
    async def main():
        on = Stage([track("Song", PEERS[1])], opens_in_s=60.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.gatherer.run)
            on.gatherer.want()
            await trio.sleep(1)
            on.gatherer.scope.cancel()
        assert trio.current_time() == 1
        assert on.gatherer.failure is None

    run(main)
