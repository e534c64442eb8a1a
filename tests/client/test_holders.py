"""Opens at alleged holders: what comes of them, and who is scored for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.holders import (
    HOLDERS_S,
    Holders,
    Leads,
    Outcome,
    accept_with_hit_untrusted,
    within_reach,
)
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import FoundTrack, Holder
from lightpeer.errors import BadMessageError, RpcError
from tests.core.search.made import PEERS, track
from tests.pair import made_track
from tests.rpc.service import run

MADE = made_track(1, title="Song", artist="Somebody", album="Album").track
OTHER_TITLE = made_track(1, title="Spam", artist="Somebody", album="Album").track
TOLD_BY = PEERS[0]


def peer(peer_id: bytes) -> SimpleNamespace:
    return SimpleNamespace(peer_id=peer_id, name=peer_id.hex())


class Stage:
    """A reach that connects to anybody, unless told otherwise, and an opener that opens or raises."""

    def __init__(self, outcome: object = MADE, *, is_there: bool = True, takes_s: float = 0.0) -> None:
        self.outcome, self.is_there, self.takes_s = outcome, is_there, takes_s
        self.tried: set[bytes] = {TOLD_BY.peer_id}
        self.errors: list[object] = []
        self.learnt: list[object] = []
        self.answered: list[object] = []
        self.failed: list[object] = []
        self.scores = SimpleNamespace(
            learn=lambda records, _source: self.learnt.extend(records),
            on_answer=lambda who, _rtt_s: self.answered.append(who.peer_id),
            on_failure=self.failed.append,
        )
        self.holders = Holders(self, self)
        self.leads = Leads(peer(TOLD_BY.peer_id))

    async def holder(self, record: object, _source: object) -> SimpleNamespace | None:
        await trio.sleep(self.takes_s)
        return peer(record.peer_id) if self.is_there else None

    def on_error(self, who: object, error: Exception) -> None:
        self.errors.append((who.peer_id, type(error)))

    async def open_at(self, _peer: object, _track_id: bytes) -> SimpleNamespace:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return SimpleNamespace(track=self.outcome)

    async def open(self, number: int, found: FoundTrack | None = None) -> Outcome:
        holder = Holder(PEERS[number].peer_id, PEERS[number])
        return await self.holders.open(found or track("Song"), holder, self.leads)


def test_one_that_serves_it_is_remembered_and_scored():
    async def main():
        on = Stage()
        outcome = await on.open(1)
        assert outcome.source[0].peer_id == PEERS[1].peer_id
        assert (outcome.is_refuted, outcome.is_false) == (False, False)
        assert (on.learnt, on.answered) == ([PEERS[1]], [PEERS[1].peer_id])
        assert (on.leads.led_somewhere, on.leads.led_nowhere) == (True, False)
        on.holders.judge(on.leads)
        assert on.failed == []

    run(main)


def test_the_asked_peer_itself_is_not_met_anew():
    async def main():
        on = Stage(is_there=False)
        assert (await on.open(0)).source is not None
        assert on.learnt == []

    run(main)


@pytest.mark.parametrize(
    ("outcome", "is_there"),
    [(MADE, False), (RpcError(StatusCode.NOT_FOUND, "no such track"), True)],
    ids=["away", "refuted"],
)
def test_holders_that_are_not_there_or_hold_nothing_cost_who_named_them(outcome, is_there):
    async def main():
        on = Stage(outcome, is_there=is_there)
        assert await on.open(1) == Outcome(None, is_refuted=True, is_away=not is_there)
        assert on.holders.is_any_away is not is_there, "one that answers is not away"
        assert on.errors == []
        on.holders.judge(on.leads)
        assert on.failed == [TOLD_BY.peer_id]

    run(main)


def test_one_lead_to_somewhere_is_enough():
    async def main():
        on = Stage()
        await on.open(1)
        on.is_there = False
        await on.open(2)
        on.holders.judge(on.leads)
        assert on.failed == []

    run(main)


@pytest.mark.parametrize("error", [RpcError(StatusCode.UNAVAILABLE, "gone"), BadMessageError("a lie")])
def test_the_failure_of_a_holder_is_its_own(error):
    async def main():
        on = Stage(error)
        assert await on.open(1) == Outcome(None, is_away=isinstance(error, RpcError))
        assert on.errors == [(PEERS[1].peer_id, type(error))]

    run(main)


def test_an_asked_peer_that_goes_away_may_be_tried_again_and_has_not_answered():
    async def main():
        gone = RpcError(StatusCode.UNAVAILABLE, "gone")
        on = Stage(gone)
        assert await on.open(0) == Outcome(None, is_away=True)
        assert on.errors == []
        assert on.tried == set()
        with pytest.raises(RpcError, match="gone"):
            on.holders.judge(on.leads)

    run(main)


def test_another_title_is_false_and_a_lie_where_the_liar_serves_it():
    async def main():
        on = Stage(OTHER_TITLE)
        outcome = await on.open(1)
        assert outcome.is_false
        assert outcome.source is not None
        assert (on.leads.led_somewhere, on.leads.led_nowhere) == (False, True)
        assert await on.open(0) == Outcome(None)
        assert on.errors == [(TOLD_BY.peer_id, BadMessageError)]

    run(main)


def test_the_holders_of_one_peer_have_a_time_together():
    async def main():
        on = Stage(takes_s=HOLDERS_S - 1)
        assert (await on.open(1)).source is not None
        assert not on.leads.are_used_up
        assert (await on.open(2)).is_refuted
        assert trio.current_time() == HOLDERS_S
        assert on.leads.are_used_up

    run(main)


def test_what_comes_opened_with_its_hit_must_agree_with_it():
    opener = SimpleNamespace(accept_untrusted=lambda *_given: SimpleNamespace(track=MADE))
    reply = SimpleNamespace(open=None)
    opened = accept_with_hit_untrusted(None, reply, track("Song"), None, opener)
    assert opened.track is MADE
    with pytest.raises(BadMessageError, match="contradicts"):
        accept_with_hit_untrusted(None, reply, track("Spam"), None, opener)


def test_holders_within_reach_have_an_address_or_are_the_asked_peer():
    told_by = peer(TOLD_BY.peer_id)
    assert within_reach(track("Song"), told_by) == [Holder(TOLD_BY.peer_id)]
    by_id = Holder(PEERS[3].peer_id)
    found = FoundTrack(bytes(32), "Song", "", "", 1, (), (Holder(TOLD_BY.peer_id), by_id))
    assert within_reach(found, told_by) == [Holder(TOLD_BY.peer_id)]
    assert within_reach(track("Song", PEERS[1]), told_by) == [Holder(PEERS[1].peer_id, PEERS[1])]
