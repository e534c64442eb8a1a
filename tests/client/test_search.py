"""Searches, with peers that answer as they are told."""

from __future__ import annotations

import pytest
import trio

from lightpeer.client.search import PATIENCE_S, RECORDS_TO_SHOW, Searcher
from lightpeer.core.search.walks import DEFAULT_BUDGET, GREATEST_BUDGET, NO_BUDGET
from lightpeer.errors import NoPeerError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.core.search.made import PEERS, track
from tests.rpc.service import run


class FakePeer:
    rtt_s = None

    def __init__(self, number: int) -> None:
        self.number = number


class Stage:
    """Peers that are asked in turn; each answers with some hits after a while, or fails."""

    received_bytes = 0

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[object] = []
        self.budgets: list[object] = []
        self.errors: list[object] = []
        self.spares: list[object] = []
        self.peer_of = [FakePeer(n) for n in range(len(answers))]
        self.searcher = Searcher(self, bytes)
        self.searcher._asker.replies = self.replies

    async def peers(self, _setbacks, *, all_answered):
        for peer in self.peer_of:
            yield peer
        await all_answered()

    def on_error(self, peer, error, _setbacks) -> None:
        self.errors.append((peer.number, error))

    def warn(self, setbacks) -> None:
        assert setbacks.warning is None

    def on_silence(self, peer) -> None:
        self.errors.append((peer.number, "silence"))

    def nobody(self, _setbacks) -> NoPeerError:
        return NoPeerError("no peer can be reached")

    async def find_spares(self, peer) -> None:
        self.spares.append((trio.current_time(), peer))

    async def replies(self, inquiry, query):
        number = inquiry.peer.number
        assert query.records == RECORDS_TO_SHOW
        self.asked.append(number)
        self.budgets.append(query.budget)
        answer = self.answers[number]
        if isinstance(answer, Exception):
            raise answer
        inquiry.on_answer()
        for wait_s, *found in answer:
            await trio.sleep(wait_s)
            yield found, pb.SearchReply()

    async def titles(self, limit: int = 10, most_asked: int = 2) -> list[str]:
        findings = await self.searcher.find("words", limit, most_asked)
        return [each.title for each in findings.ranked()]


def test_one_peer_that_finds_something_is_enough():
    async def main():
        on = Stage([(0, track("One", PEERS[0])), (0.5, track("Two", PEERS[1]))], [])
        assert await on.titles() == ["One", "Two"]
        assert on.asked == [0]
        assert on.budgets == [DEFAULT_BUDGET]

    run(main)


def test_a_second_is_asked_further_where_the_first_finds_nothing_and_no_third():
    async def main():
        on = Stage([(0,)], [(0,)], [(0, track("Song"))])
        assert await on.titles() == []
        assert on.asked == [0, 1]
        assert on.budgets == [DEFAULT_BUDGET, GREATEST_BUDGET]
        on = Stage([(0,)], [(0,)], [(0, track("Song"))])
        assert await on.titles(most_asked=3) == ["Song"]
        assert on.budgets[-1] == NO_BUDGET

    run(main)


def test_it_ends_once_there_is_enough_and_is_not_waited_for_long():
    async def main():
        on = Stage([(0, track("One"), track("Two")), (9, track("Three"))])
        assert await on.titles(limit=2) == ["One", "Two"]
        assert trio.current_time() == 0
        assert await on.titles(limit=3) == ["One", "Two"]
        assert trio.current_time() == PATIENCE_S

    run(main)


def test_where_nobody_answers_it_says_so():
    async def main():
        error = RpcError(14, "gone")
        on = Stage(error, error)
        with pytest.raises(NoPeerError):
            await on.titles()
        assert on.errors == [(0, error), (1, error)]

    run(main)


def test_others_are_got_to_know_from_the_first_that_answered():
    async def main():
        on = Stage()
        await on.searcher.know_others(1.0)
        assert on.spares == []
        on.searcher._asker.first_to_answer = "first"
        await on.searcher.know_others(1.0)
        assert on.spares == [(2.0, "first")]

    run(main)
