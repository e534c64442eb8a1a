from __future__ import annotations

import pytest
import trio

from lightpeer.core.identity import Identity
from lightpeer.core.peers import PeerCache, build_record, parse_record_untrusted
from lightpeer.errors import UsageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.announcer import (
    MAX_AGAIN_S,
    MAX_RETRY_S,
    MIN_AGAIN_S,
    RECORD_LIFETIME_S,
    Announcer,
    OwnRecord,
    is_wildcard,
)
from lightpeer.serve.discovery import ANNOUNCE_AGAIN_S
from lightpeer.serve.rpc import RpcServer
from lightpeer.serve.service import Services
from lightpeer.serve.streams import StreamTable
from lightpeer.wire.peer import SealClock
from tests.serve.tracks import MemoryLibrary
from tests.sim.network import EPOCH_S, SimHost, simulate

BOOTSTRAP = Identity(b"\x01" * 32)
NEWCOMER = Identity(b"\x02" * 32)
KNOWN = Identity(b"\x03" * 32)
PORT = 47474


async def bootstrap_peer(host: SimHost, nursery: trio.Nursery) -> PeerCache:
    """Start a peer that others announce themselves at; return whom it knows."""
    peers = PeerCache()
    record = build_record(BOOTSTRAP, [(host.address, PORT)], 1, 1, EPOCH_S + 86_400)
    services = Services(
        identity=BOOTSTRAP,
        network=host,
        library=MemoryLibrary(),
        index=MemoryLibrary(),
        streams=StreamTable(host, BOOTSTRAP),
        peers=peers,
        own_record=lambda: record,
    )
    listener = await host.listen_tcp("", PORT)
    await nursery.start(RpcServer(services.handlers()).serve, [listener])
    return peers


def announcer(host: SimHost, own: OwnRecord | None = None) -> Announcer:
    clock = SealClock(host)
    own = own or OwnRecord(NEWCOMER, clock)
    return Announcer(
        network=host,
        identity=NEWCOMER,
        clock=clock,
        own=own,
        port=PORT,
        peers=PeerCache(own=NEWCOMER.peer_id),
    )


def test_a_newcomer_is_known_where_it_was_seen_and_stays_known() -> None:
    async def main(net):
        async with trio.open_nursery() as nursery:
            peers = await bootstrap_peer(net.host("10.0.0.1"), nursery)
            known = build_record(KNOWN, [("10.0.0.3", 1)], 1, 1, EPOCH_S + 86_400)
            peers.add(parse_record_untrusted(known, EPOCH_S), KNOWN.peer_id, EPOCH_S)
            peers.on_success(KNOWN.peer_id, None, EPOCH_S)
            newcomer = announcer(net.host("10.0.0.2"))
            nursery.start_soon(newcomer.run, ("10.0.0.1", PORT))
            await trio.sleep(1)
            record = peers.get(NEWCOMER.peer_id).record
            assert (record.endpoints, record.serves) == ((("10.0.0.2", PORT),), True)
            assert newcomer._peers.get(BOOTSTRAP.peer_id).tried
            assert not newcomer._peers.get(KNOWN.peer_id).tried
            await trio.sleep(3 * RECORD_LIFETIME_S)
            now = EPOCH_S + trio.current_time()
            assert NEWCOMER.peer_id in [r.peer_id for r in peers.sample(9, bytes, now)]
            nursery.cancel_scope.cancel()

    simulate(main)


def test_a_bootstrap_peer_that_comes_back_is_told_within_the_longest_pause() -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(announcer(net.host("10.0.0.2")).run, ("10.0.0.1", PORT))
            await trio.sleep(10_000)
            assert host.counters.rx_bytes() == 0
            peers = await bootstrap_peer(host, nursery)
            await trio.sleep(MAX_RETRY_S + 1)
            assert NEWCOMER.peer_id in peers
            nursery.cancel_scope.cancel()

    simulate(main)


@pytest.mark.parametrize(
    ("again_s", "pause_s"), [(0, MIN_AGAIN_S), (ANNOUNCE_AGAIN_S, ANNOUNCE_AGAIN_S), (2**32 - 1, MAX_AGAIN_S)]
)
def test_a_peer_says_when_it_wants_to_hear_again_within_bounds(again_s, pause_s, monkeypatch) -> None:
    async def main(net):
        monkeypatch.setattr("lightpeer.serve.discovery.ANNOUNCE_AGAIN_S", again_s)
        async with trio.open_nursery() as nursery:
            await bootstrap_peer(net.host("10.0.0.1"), nursery)
            assert await announcer(net.host("10.0.0.2"))._announce(("10.0.0.1", PORT)) == pause_s
            nursery.cancel_scope.cancel()

    simulate(main)


def test_bad_records_in_a_reply_are_passed_over(caplog) -> None:
    caplog.set_level("INFO")

    async def main(net):
        class FakePeer:
            name = "peer"
            peer_id = BOOTSTRAP.peer_id

        newcomer = announcer(net.host("10.0.0.2"))
        good = build_record(KNOWN, [("10.0.0.3", 1)], 1, 1, EPOCH_S + 10)
        newcomer._learn_untrusted(pb.ExchangeReply(records=[b"junk", good]), FakePeer())
        assert KNOWN.peer_id in newcomer._peers
        assert "bad record" in caplog.text

    simulate(main)


def test_the_own_record_is_sealed_anew_in_time_and_after_a_jump_of_the_clock() -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        own = OwnRecord(NEWCOMER, SealClock(host))
        assert own.current() is None
        own.settle(("10.0.0.1", 1))
        own.settle(("10.0.0.9", 9))
        first = own.current()
        assert parse_record_untrusted(first, EPOCH_S).endpoints == (("10.0.0.1", 1),)
        await trio.sleep(RECORD_LIFETIME_S / 2 - 1)
        assert own.current() == first
        await trio.sleep(2)
        second = own.current()
        now = EPOCH_S + trio.current_time()
        assert parse_record_untrusted(second, now).sequence > parse_record_untrusted(first, now).sequence
        host.clock_offset_s = -86_400
        third = own.current()
        assert parse_record_untrusted(third, now - 86_400)

    simulate(main)


def test_an_address_that_nobody_could_use_is_not_announced() -> None:
    async def main(net):
        with pytest.raises(UsageError, match="cannot announce"):
            OwnRecord(NEWCOMER, SealClock(net.host("10.0.0.1")), ("0.0.0.0", 1))

    simulate(main)


@pytest.mark.parametrize(
    ("host", "wildcard"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("name", False)]
)
def test_wildcards(host, wildcard) -> None:
    assert is_wildcard(host) is wildcard
