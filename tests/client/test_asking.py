"""How long whoever is asked is waited for, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.asking import UNHEARD_S, Inquiries, Inquiry, wait_for
from lightpeer.client.setbacks import Setbacks
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.head_start import HEAD_START_S, LONGEST_HEAD_START_S, ROUND_TRIPS
from lightpeer.errors import RpcError, SealError
from tests.rpc.service import run


@pytest.mark.parametrize(
    ("rtt_s", "waits_s"),
    [(None, HEAD_START_S), (0.1, HEAD_START_S), (1.2, 1.2 * ROUND_TRIPS), (9.0, LONGEST_HEAD_START_S)],
)
def test_a_silent_peer_has_the_time_that_its_round_trips_take(rtt_s, waits_s):
    async def main():
        reach, peer = SimpleNamespace(received_bytes=0), SimpleNamespace(rtt_s=rtt_s)
        await wait_for(trio.Event(), reach, peer, LONGEST_HEAD_START_S)
        assert trio.current_time() == pytest.approx(waits_s)

    run(main)


class FakeReach:
    """Gives peers to ask, and notes who is found silent and who fails."""

    received_bytes = 0

    def __init__(self, *peers: object, further: tuple[object, ...] = ()) -> None:
        self._peers = peers
        self._further = further  # that are found once nobody at hand is hoped for
        self.silent: list[object] = []
        self.failed: list[object] = []
        self.warned: list[Setbacks] = []

    async def peers(
        self, setbacks: Setbacks, *, all_answered: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[object]:
        for peer in self._peers:
            yield peer
        await all_answered()
        for peer in self._further:
            yield peer

    def warn(self, setbacks: Setbacks) -> None:
        self.warned.append(setbacks)

    def on_silence(self, peer: object) -> None:
        self.silent.append(peer)

    def on_error(self, peer: object, error: Exception, setbacks: Setbacks) -> None:
        self.failed.append(peer)


class FakePeer:
    rtt_s = None


X, Y = FakePeer(), FakePeer()
SILENCE = RpcError(StatusCode.DEADLINE_EXCEEDED, "it says nothing")


class Script:
    """The outcome of each inquiry: an answer, an error, or nothing for long."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)

    async def ask(self, inquiry: Inquiry) -> None:
        comes = self._outcomes.pop(0)
        if comes is None:
            await trio.sleep_forever()
        if isinstance(comes, Exception):
            await trio.sleep(HEAD_START_S + 1)
            raise comes
        inquiry.on_answer()


@pytest.mark.parametrize(
    ("peers", "comes", "failed"),
    [
        ([X, Y], [None, "answer"], [X]),  # others answered without it
        ([X, X], [None, "answer"], []),  # it was the connection
        ([X, X], [SILENCE, "answer"], []),
        ([X, X], [SealError("broken", "a lie"), "answer"], [X]),
    ],
)
def test_who_answers_over_another_connection_is_not_scored_for_the_one_that_hung(peers, comes, failed):
    async def main():
        reach = FakeReach(*peers)
        inquiries = Inquiries(reach, Script(*comes).ask)
        with trio.move_on_after(10):
            await inquiries.run(lambda: inquiries.answered and comes[0] is None)
        assert (reach.silent, reach.failed) == ([X], failed)

    run(main)


def test_a_search_that_is_given_up_blames_nobody_for_silence():
    async def main():
        reach = FakeReach(X, Y)
        with trio.move_on_after(HEAD_START_S * 1.5):
            await Inquiries(reach, Script(None, None).ask).run(lambda: False)
        assert (reach.silent, reach.failed) == ([X], [])

    run(main)


def test_who_never_comes_to_a_reply_holds_up_the_search_for_others_for_ten_seconds():
    async def main():
        inquiries = Inquiries(FakeReach(X, further=(Y,)), Script(None, "answer").ask)
        await inquiries.run(lambda: inquiries.answered > 0)
        assert trio.current_time() == pytest.approx(HEAD_START_S + UNHEARD_S)

    run(main)


def test_others_are_looked_for_once_those_heard_are_through():
    async def slow(inquiry: Inquiry) -> None:
        inquiry.on_answer()
        await trio.sleep(2 * UNHEARD_S)

    async def main():
        began = []

        async def ask(inquiry: Inquiry) -> None:
            began.append(trio.current_time())
            await slow(inquiry)

        await Inquiries(FakeReach(X, further=(Y,)), ask).run(lambda: len(began) > 1)
        assert began == [0, pytest.approx(2 * UNHEARD_S)]

    run(main)


@pytest.mark.parametrize(("comes", "is_warned"), [(["answer"], True), ([SILENCE], False)])
def test_what_was_passed_over_is_told_where_anybody_answered(comes, is_warned):
    async def main():
        reach = FakeReach(X)
        inquiries = Inquiries(reach, Script(*comes).ask)
        await inquiries.run(lambda: False)
        assert reach.warned == [inquiries.setbacks] * is_warned

    run(main)
