"""How long an answer may go on, on virtual time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.client.asking import Inquiry
from lightpeer.client.query import ANSWER_S, Asker, Query
from lightpeer.core.search.walks import NO_BUDGET
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.rpc.service import run

REPLIES = 6


def asked(search):
    """Return the replies of a peer that answers so, itself, and who is noted as having failed."""
    failed: list[object] = []
    reach = SimpleNamespace(
        scores=SimpleNamespace(record_time=lambda _: 0.0, learn=lambda *_: None, on_answer=lambda *_: None),
        on_error=lambda peer, _: failed.append(peer),
    )
    peer = SimpleNamespace(host="20.0.0.1", peer_id=b"p" * 20, search=search)
    query = Query("song", REPLIES, NO_BUDGET, records=1)
    return Asker(reach, bytes).replies(Inquiry(peer), query), peer, failed


@pytest.mark.parametrize(
    ("gap_s", "taken_s", "come"),
    [
        (ANSWER_S / REPLIES, 0, REPLIES),
        (ANSWER_S / REPLIES, 10 * ANSWER_S, REPLIES),  # what they wait to be taken is not the peer's time
        (ANSWER_S / 2.5, 0, 3),
    ],
)
def test_an_answer_has_ten_seconds_from_its_first_reply_on(gap_s, taken_s, come):
    async def search(request, *, first_reply_s):
        for number in range(REPLIES):
            if number:
                await trio.sleep(gap_s)
            yield pb.SearchReply(hits=[pb.Hit(track_id=bytes([number]) * 32)])

    async def main():
        replies, peer, failed = asked(search)
        number = 0
        async for _ in replies:
            number += 1
            await trio.sleep(taken_s)
        assert (number, failed) == (come, [peer] if come < REPLIES else [])

    run(main)


def test_a_reply_that_takes_the_processor_past_the_end_is_the_last():
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def search(request, *, first_reply_s):
        yield pb.SearchReply(hits=[pb.Hit(track_id=bytes(32))])
        await trio.sleep(ANSWER_S - 0.01)
        clock.jump(0.02)  # to open its seal takes so long
        yield pb.SearchReply(hits=[pb.Hit(track_id=bytes(31) + b"1")])
        await trio.sleep(1)
        yield pb.SearchReply(hits=[pb.Hit(track_id=bytes(31) + b"2")])

    async def main():
        replies, peer, failed = asked(search)
        assert len([reply async for reply in replies]) == 2
        assert failed == [peer]

    trio.run(main, clock=clock)
