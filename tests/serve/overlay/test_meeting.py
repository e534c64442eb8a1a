from __future__ import annotations

import pytest
import trio

from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.records import PeerRecord, build_record, parse_record_untrusted
from lightpeer.core.trust.replay import WINDOW_PAST_MS
from lightpeer.errors import BadMessageError, RemoteError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.access import node as access_node
from lightpeer.serve.overlay.agreed_clock import AgreedClock
from lightpeer.serve.overlay.meeting import (
    KNOCK_AGAIN_S,
    KNOCKS_IN_ALL,
    KNOCKS_PER_NETWORK,
    MAX_NAMED,
    MET_LATELY_S,
    PROOF_S,
    Meetings,
)
from lightpeer.serve.overlay.place import Place
from lightpeer.testing.host import EPOCH_S, SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.serve.servers import PORT, Node, identity, node

US, SOURCE, SOURCE_HOST = identity(500), identity(501).peer_id, "50.0.0.1"
LIAR = identity(666)
ASK = pb.ExchangeRequest(want=9)


def record(host: str, who=LIAR, *, sequence: int = EPOCH_S, roles: int = 1) -> PeerRecord:
    data = build_record(who, [(host, PORT)], roles, sequence, EPOCH_S + 86_400)
    return parse_record_untrusted(data, EPOCH_S)


def meetings(host: SimHost, peers: PeerCache | None = None, place: OwnAddress | None = None) -> Meetings:
    memory = PeerCache() if peers is None else peers
    where = Place(place or OwnAddress(host.address), PORT)
    return Meetings(access_node.Node.open_to_all(US, host), memory, where, AgreedClock(host))


def among(*places: int, test, seed: int = 1) -> None:
    """Run a test on a host of ours, beside servers that answer."""

    async def main(net: SimInternet) -> None:
        nodes = [node(net, n) for n in places]
        async with trio.open_nursery() as nursery:
            for one in nodes:
                await nursery.start(one.serve)
            await test(net.host("9.0.0.1"), *nodes)
            nursery.cancel_scope.cancel()

    simulate(main, seed)


def test_who_answers_where_its_record_says_is_verified() -> None:
    async def test(host: SimHost, server: Node) -> None:
        peers = PeerCache()
        found = await meetings(host, peers).verify(server.record, SOURCE, SOURCE_HOST)
        assert found == server.record
        assert peers.get(server.identity.peer_id).tried

    among(1, test=test)


def test_who_does_not_is_not() -> None:
    async def test(host: SimHost, server: Node) -> None:
        peers = PeerCache()
        meet = meetings(host, peers)
        assert await meet.verify(record(server.host.address), SOURCE, SOURCE_HOST) is None  # another is there
        assert await meet.verify(record("60.0.0.1"), SOURCE, SOURCE_HOST) is None  # nobody is there
        assert await meet.verify(record("name.example", identity(3)), SOURCE, SOURCE_HOST) is None
        assert await meet.verify(record("9.0.0.1", US), SOURCE, SOURCE_HOST) is None  # it is ours
        assert len(peers) == 0

    among(1, test=test)


def test_a_server_that_has_moved_or_stopped_says_so_itself() -> None:
    async def test(host: SimHost, moved: Node, stopped: Node) -> None:
        old = [record(n.host.address, n.identity, sequence=EPOCH_S - 100) for n in (moved, stopped)]
        moved.gossip.own.place.address._chosen = ("70.0.0.1",)
        stopped.gossip.own.roles = 0
        meet = meetings(host)
        assert [await meet.verify(one, SOURCE, SOURCE_HOST) for one in old] == [None, None]

    among(1, 2, test=test)


def test_what_is_known_to_have_stopped_is_not_asked_again_for_an_older_record() -> None:
    async def test(host: SimHost, server: Node) -> None:
        peers = PeerCache()
        peers.add(
            record(server.host.address, server.identity, sequence=EPOCH_S + 9, roles=0), SOURCE, EPOCH_S
        )
        assert await meetings(host, peers).verify(server.record, SOURCE, SOURCE_HOST) is None
        assert host.counters.tx_bytes() == 0
        assert not server.host.streams

    among(1, test=test)


@pytest.mark.parametrize(
    ("target", "source_host", "taken"),
    [
        ("127.0.0.1", "50.0.0.1", False),
        ("192.168.0.7", "50.0.0.1", False),
        ("inside.example", "50.0.0.1", False),
        ("loop.example", "192.168.0.2", False),
        ("inside.example", "192.168.0.2", True),
        ("192.168.0.7", "192.168.0.2", True),
    ],
)
def test_no_stranger_sends_us_into_a_network_of_our_own_by_address_or_by_name(
    target, source_host, taken
) -> None:
    async def main(net: SimInternet) -> None:
        net.names |= {"inside.example": "192.168.0.7", "loop.example": "127.0.0.1"}
        inside = node(net, 7, address="192.168.0.7", place=target)
        connected = []
        inside.gossip.own.place.address.reached = lambda *hosts: connected.append(hosts)
        async with trio.open_nursery() as nursery:
            await nursery.start(inside.serve)
            host = net.host("9.0.0.1")
            found = await meetings(host).verify(record(target, inside.identity), SOURCE, source_host)
            assert (found is not None, bool(connected)) == (taken, taken)
            nursery.cancel_scope.cancel()

    simulate(main)


def test_a_victim_is_knocked_at_once_a_minute_and_one_network_causes_few_knocks() -> None:
    async def main(net: SimInternet) -> None:
        host = net.host("9.0.0.1")
        knocks = []

        async def refused(where: str, port: int):
            knocks.append(where)
            raise OSError

        host.connect_tcp = refused
        meet = meetings(host)
        for n in range(10):
            await meet.verify(record("60.0.0.1", identity(n)), SOURCE, f"{50 + n}.0.0.1")
        assert knocks == ["60.0.0.1"]
        await trio.sleep(KNOCK_AGAIN_S)
        await meet.verify(record("60.0.0.1"), SOURCE, SOURCE_HOST)
        assert knocks == ["60.0.0.1"] * 2
        await trio.sleep(KNOCK_AGAIN_S)
        for n in range(100):
            await meet.verify(record(f"{100 + n}.0.0.1", identity(n)), SOURCE, SOURCE_HOST)
        assert len(knocks) == 2 + KNOCKS_PER_NETWORK
        for n in range(200):
            await meet.verify(record(f"70.{n}.0.1", identity(n)), SOURCE, f"{n}.0.0.1")
        assert len(knocks) == 2 + KNOCKS_IN_ALL

    simulate(main)


def test_a_victim_with_many_names_is_knocked_at_once() -> None:
    async def main(net: SimInternet) -> None:
        host = net.host("9.0.0.1")
        knocks = []

        async def refused(where: str, port: int):
            knocks.append(where)
            raise OSError

        host.connect_tcp = refused
        meet = meetings(host)
        for n in range(10):
            net.names[f"a{n}.example"] = "77.0.0.1"
            await meet.verify(record(f"a{n}.example", identity(n)), SOURCE, f"{50 + n}.0.0.1")
        assert knocks == ["77.0.0.1"]

    simulate(main)


def test_who_answered_lately_is_believed_at_the_same_address() -> None:
    async def test(host: SimHost, server: Node) -> None:
        meet = meetings(host)
        assert await meet.verify(server.record, SOURCE, SOURCE_HOST)
        server.kill()
        assert await meet.verify(server.record, SOURCE, "70.0.0.1")
        elsewhere = record("80.0.0.1", server.identity, sequence=EPOCH_S + 50)
        assert await meet.verify(elsewhere, SOURCE, "70.0.0.1") is None
        await trio.sleep(MET_LATELY_S)
        assert await meet.verify(server.record, SOURCE, "70.0.0.1") is None

    among(1, test=test)


def test_an_answer_counts_for_the_address_that_it_came_from_and_no_other() -> None:
    async def test(host: SimHost, server: Node) -> None:
        server.gossip.own.place.address._chosen = ("70.0.0.1",)
        peers = PeerCache()
        met = await meetings(host, peers).meet(server.contact, ASK)
        assert met.own == server.record
        assert not peers.get(server.identity.peer_id).tried

    among(1, test=test)


def test_a_record_of_another_is_not_the_answering_peers_own() -> None:
    async def test(host: SimHost, server: Node) -> None:
        server.gossip.own_records = lambda: [record("80.0.0.1").data]
        met = await meetings(host).meet(server.contact, ASK)
        assert (met.own, [other.peer_id for other in met.others]) == (None, [LIAR.peer_id])

    among(1, test=test)


def test_the_peer_that_was_named_or_none() -> None:
    async def test(host: SimHost, server: Node) -> None:
        peers = PeerCache()
        meet = meetings(host, peers)
        right = Contact((server.host.address, PORT), server.identity.peer_id)
        assert (await meet.meet(right, ASK)).own == server.record
        with pytest.raises(BadMessageError, match=r"another peer than L\w+ answers at 21\.0\.0\.1:47474"):
            await meet.meet(Contact((server.host.address, PORT), LIAR.peer_id), ASK)

    among(1, test=test)


def lying(monkeypatch: pytest.MonkeyPatch, observed: str) -> None:
    monkeypatch.setattr("lightpeer.serve.services.discovery.format_endpoint", lambda _: f"{observed}:999")


@pytest.mark.parametrize("is_named", [False, True])
def test_two_liars_do_not_decide_our_address_and_three_networks_do(monkeypatch, is_named: bool) -> None:
    """It is enough if one is met where our operator said that it is, and then at its own word as well."""

    async def test(host: SimHost, *nodes: Node) -> None:
        place = OwnAddress()
        meet = meetings(host, place=place)
        lying(monkeypatch, "66.6.6.6")
        for liar in nodes[:2] * 2:
            await meet.meet(liar.contact, ASK)
        assert not place.hosts
        lying(monkeypatch, "9.0.0.1")
        await meet.meet(nodes[2].contact, ASK, is_named=is_named)
        await meet.meet(nodes[2].contact, ASK)
        assert not place.hosts, "nobody listens there that could prove it"
        await meet.meet(nodes[3].contact, ASK)
        assert place.hosts == (("9.0.0.1",) if is_named else ())
        await meet.meet(nodes[4].contact, ASK)
        assert place.hosts == ("9.0.0.1",)

    among(1, 2, 3, 4, 5, test=test)


def test_no_more_named_hosts_are_remembered_than_there_may_be() -> None:
    async def test(host: SimHost) -> None:
        meet = meetings(host)
        for number in range(2 * MAX_NAMED):
            meet._note_named(f"20.0.0.{number}")
        assert len(meet._named) == MAX_NAMED

    among(test=test)


def test_what_leads_to_ourselves_is_our_address(monkeypatch) -> None:
    async def main(net: SimInternet) -> None:
        bootstrap, us = node(net, 1), node(net, 2, place=None)
        async with trio.open_nursery() as nursery:
            us.gossip.own.place.address.reached = lambda *_: None
            for one in (bootstrap, us):
                await nursery.start(one.serve)
            lying(monkeypatch, "21.0.0.1")  # that is the liar's own
            await us.gossip._meetings.meet(bootstrap.contact, ASK)
            assert not us.gossip.own.place.address.hosts
            monkeypatch.undo()
            await us.gossip._meetings.meet(bootstrap.contact, ASK)
            assert us.gossip.own.place.address.hosts == (us.host.address,)
            nursery.cancel_scope.cancel()

    simulate(main)


def test_a_liar_aims_no_proofs_at_a_victim_and_holds_nothing_up(monkeypatch) -> None:
    async def test(host: SimHost, *liars: Node) -> None:
        meet = meetings(host, place=OwnAddress())
        connect, knocks = host.connect_tcp, []

        async def watched(where: str, port: int):
            if where.startswith("77."):
                knocks.append(where)
                await trio.sleep_forever()
            return await connect(where, port)

        host.connect_tcp = watched
        lying(monkeypatch, "77.0.0.1")
        for liar in liars:
            for _ in range(4):
                await meet.meet(liar.contact, ASK)
            meet._place.address._found.clear()  # that two agree is another matter
        assert knocks == ["77.0.0.1"]
        liars[0].gossip._asked.admit = lambda *_: True
        for n in range(3 * KNOCKS_PER_NETWORK):
            lying(monkeypatch, f"77.0.1.{n}")
            await meet.meet(liars[0].contact, ASK)
        assert len(knocks) <= KNOCKS_PER_NETWORK * (1 + trio.current_time() / KNOCK_AGAIN_S)
        assert trio.current_time() < len(knocks) * PROOF_S + 10

    among(1, 2, test=test)


@pytest.mark.parametrize("observed", ["", "junk", "127.0.0.1", "192.168.1.1", "a..b"])
def test_nonsense_about_our_address_is_passed_over(monkeypatch, observed) -> None:
    async def test(host: SimHost, server: Node) -> None:
        place = OwnAddress()
        lying(monkeypatch, observed)
        await meetings(host, place=place).meet(server.contact, ASK)
        assert not place.hosts

    among(1, test=test)


@pytest.mark.parametrize("is_named", [False, True])
def test_the_right_time_is_what_three_networks_say(is_named: bool) -> None:
    async def test(host: SimHost, *nodes: Node) -> None:
        meet = meetings(host)
        ahead_s = 10 * WINDOW_PAST_MS / 1000
        for number, each in enumerate(nodes):
            assert meet.clock.unix_time() == host.unix_time()
            each.host.clock_offset_s = ahead_s + 30 * number
            for _ in range(2):
                await meet.meet(each.contact, ASK, is_named=is_named and not number)
        latest = ahead_s + 30 * number
        assert meet.clock.unix_time() == pytest.approx(host.unix_time() + latest, abs=1)

    among(*range(2 if is_named else 3), test=test)


def test_a_clock_that_was_never_set_takes_anybodys_word() -> None:
    async def test(host: SimHost, server: Node) -> None:
        host.clock_offset_s = -EPOCH_S
        meet = meetings(host)
        await meet.meet(server.contact, ASK)
        assert meet.clock.unix_time() == pytest.approx(server.host.unix_time(), abs=1)

    among(1, test=test)


def test_a_clock_that_has_been_set_is_believed_again() -> None:
    async def test(host: SimHost, server: Node) -> None:
        host.clock_offset_s = -EPOCH_S
        meet = meetings(host)
        await meet.meet(server.contact, ASK)
        host.clock_offset_s = 0.0
        assert meet.clock.unix_time() == host.unix_time()

    among(1, test=test)


def test_a_clock_that_was_never_set_is_not_turned_by_the_next_liar() -> None:
    async def test(host: SimHost, honest: Node, liar: Node) -> None:
        host.clock_offset_s = -EPOCH_S
        meet = meetings(host)
        liar.host.clock_offset_s = 1e6
        for each in (honest, liar, liar):
            await meet.meet(each.contact, ASK)
        assert meet.clock.unix_time() == pytest.approx(honest.host.unix_time(), abs=1)

    among(1, 2, test=test)


def test_a_neighbour_that_cannot_be_told_is_no_error(caplog) -> None:
    caplog.set_level("INFO")

    async def test(host: SimHost) -> None:
        await meetings(host).announce(record("60.0.0.1"), b"")
        assert "cannot announce at 60.0.0.1" in caplog.text

    among(test=test)


def test_failures_are_remembered() -> None:
    async def test(host: SimHost, server: Node) -> None:
        peers = PeerCache()
        meet = meetings(host, peers)
        await meet.verify(server.record, SOURCE, SOURCE_HOST)
        server.kill()
        with pytest.raises(RemoteError):
            await meet.meet(Contact(server.contact.address, server.identity.peer_id), ASK)
        assert peers.get(server.identity.peer_id).failures_in_row == 1

    among(1, test=test)
