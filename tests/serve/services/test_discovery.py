from __future__ import annotations

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_RECORDS
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.services.discovery import ANNOUNCE_AGAIN_S
from lightpeer.testing.host import EPOCH_S
from tests.serve.services.desk import CLIENT, refused, with_desk


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


def test_an_announcement_introduces_the_caller_and_is_wanted_again_later() -> None:
    async def test(desk):
        introduced = []

        def introduce(record, host, *, wants_name):
            introduced.append((record.peer_id, host, wants_name))

        desk.gossip.introduce = introduce
        identity, request = announcement(1)
        reply = await desk.one("Discovery/Announce", request, identity=identity, reply=pb.AnnounceReply)
        assert reply.again_s == ANNOUNCE_AGAIN_S
        assert introduced == [(identity.peer_id, "10.0.0.2", False)]

    with_desk(test)


@pytest.mark.parametrize(("want", "wants_name"), [(0, False), (1, True)])
def test_an_exchange_with_the_callers_own_record_introduces_it(want, wants_name) -> None:
    async def test(desk):
        introduced = []

        def introduce(record, host, *, wants_name):
            introduced.append((record.peer_id, host, wants_name))
            return []

        desk.gossip.introduce = introduce
        identity, announced = announcement(1)
        _, foreign = announcement(2)
        for first, caller in [(announced, identity), (foreign, identity)]:
            request = pb.ExchangeRequest(records=[first.record], want=want)
            reply = await desk.one("Discovery/Exchange", request, identity=caller, reply=pb.ExchangeReply)
            assert list(reply.records) == [desk.own_record]
        assert introduced == [(identity.peer_id, "10.0.0.2", wants_name)]

    with_desk(test)
