from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import RuleList
from lightpeer.core.overlay.view import CAPACITY
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust import records as trust_records
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel
from lightpeer.serve.overlay.gossip import (
    ACCEPTED_IN_ALL,
    ASKS_AT_ONCE,
    ASKS_PER_S,
    DIAL_BACK_S,
    MAX_TO_VERIFY,
    PERIOD_S,
)
from lightpeer.serve.overlay.joining import (
    JOIN_AGAIN_S,
    JOIN_THROUGH_S,
    MAX_JOIN_AGAIN_S,
    OUTSIDE_S,
    REMEMBERED_ASKED,
)
from lightpeer.testing.host import EPOCH_S, SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.serve.servers import PORT, Node, identity, node


def running(test: Callable[[SimInternet, trio.Nursery, Callable], Awaitable[None]], seed: int = 1) -> None:
    """Run a test that starts servers with `await start(node)`."""

    async def main(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:

            async def start(*nodes: Node) -> None:
                for one in nodes:
                    await nursery.start(one.run)

            await test(net, nursery, start)
            nursery.cancel_scope.cancel()

    simulate(main, seed)


async def exchange(host: SimHost, server: Node, request: pb.ExchangeRequest, who=None) -> pb.ExchangeReply:
    async with open_channel(host, *server.contact.address) as channel:
        peer = Peer(channel, Sealer(who or identity(99), host), address=server.contact.address)
        return await peer.exchange(request)


def ids(*nodes: Node) -> set[bytes]:
    return {one.identity.peer_id for one in nodes}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_grows_from_one_bootstrap_peer_and_outlives_it(seed) -> None:
    async def test(net, nursery, start) -> None:
        bootstrap = node(net, 0)
        others = [node(net, n, bootstrap.contact) for n in range(1, 6)]
        await start(bootstrap, *others)
        await trio.sleep(30)
        bootstrap.kill()
        late = node(net, 20, others[3].contact)
        await start(late)
        await trio.sleep(10 * PERIOD_S)
        everybody = [*others, late]
        for one in everybody:
            assert len(one.neighbours) >= 4
            assert bootstrap.identity.peer_id not in one.neighbours
        assert reachable(late, everybody) == ids(*everybody)
        assert reachable(others[0], everybody) == ids(*everybody)

    running(test, seed)


def reachable(start: Node, nodes: list[Node]) -> set[bytes]:
    """Whom a walk along the views can get to."""
    by_id = {one.identity.peer_id: one for one in nodes}
    seen, queue = {start.identity.peer_id}, [start]
    while queue:
        for found in queue.pop().neighbours & by_id.keys() - seen:
            seen.add(found)
            queue.append(by_id[found])
    return seen


def test_two_servers_keep_knowing_each_other() -> None:
    async def test(net, nursery, start) -> None:
        first = node(net, 1)
        second = node(net, 2, first.contact)
        await start(first, second)
        for _ in range(10):
            await trio.sleep(1.5 * PERIOD_S)
            assert (first.neighbours, second.neighbours) == (ids(second), ids(first))

    running(test)


def test_a_peer_that_comes_back_at_another_address_is_the_same_peer() -> None:
    async def test(net, nursery, start) -> None:
        bootstrap = node(net, 0)
        others = [node(net, n, bootstrap.contact) for n in (1, 2, 3)]
        await start(bootstrap, *others)
        await trio.sleep(10 * PERIOD_S)
        others[0].kill()
        moved = node(net, 50, bootstrap.contact, key=1)
        await start(moved)
        await trio.sleep(10 * PERIOD_S)
        places = [
            record.endpoints[0][0]
            for one in (bootstrap, *others[1:])
            for record in one.gossip.view.records
            if record.peer_id == moved.identity.peer_id
        ]
        assert set(places) == {"70.0.0.1"}
        known = bootstrap.gossip._peers.get(moved.identity.peer_id)
        assert known.record.endpoints[0][0] == "70.0.0.1"

    running(test)


def test_a_light_client_gets_a_sample_and_is_in_nobodys_view() -> None:
    async def test(net, nursery, start) -> None:
        bootstrap = node(net, 0)
        await start(bootstrap, *(node(net, n, bootstrap.contact) for n in range(1, 6)))
        await trio.sleep(60)
        reply = await exchange(net.host("99.0.0.1"), bootstrap, pb.ExchangeRequest(want=3))
        assert len(reply.records) == 4
        assert parse_record_untrusted(reply.records[0], EPOCH_S + 60).peer_id == bootstrap.identity.peer_id
        await trio.sleep(10 * PERIOD_S)
        assert identity(99).peer_id not in bootstrap.neighbours

    running(test)


def record_of(n: int, host: str, *, roles: int = Role.SERVES, sequence: int = EPOCH_S) -> bytes:
    return build_record(identity(n), [(host, PORT)], roles, sequence, EPOCH_S + 3600)


def test_who_cannot_be_dialled_back_is_recommended_to_nobody() -> None:
    async def test(net, nursery, start) -> None:
        server, real = node(net, 0), node(net, 1)
        await start(server, real)
        host = net.host("99.0.0.1")
        forged = record_of(99, real.host.address)  # our id, somebody else's address
        for records in [
            [real.gossip.own.current()],  # not the caller's own
            [forged],
            [forged, real.gossip.own.current()],
        ]:
            await exchange(host, server, pb.ExchangeRequest(records=records, want=9), identity(99))
            await trio.sleep(5)
            assert not server.neighbours

    running(test)


@pytest.mark.parametrize(("want", "verified"), [(0, 1), (1, 1)])
def test_of_an_introduction_one_record_is_verified(want, verified, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a small computer a millisecond or two, and those behind the first are ignored."""
    read: list[bytes] = []

    def note(data: bytes, now: float) -> object:
        read.append(data)
        return parse_record_untrusted(data, now)

    async def test(net, nursery, start) -> None:
        server, caller = node(net, 0), node(net, 1)
        await nursery.start(server.serve)
        records = [caller.gossip.own.fresh(), *(record_of(n, f"{n}.0.0.1") for n in range(2, 17))]
        monkeypatch.setattr(trust_records, "parse_record_untrusted", note)
        request = pb.ExchangeRequest(records=records, want=want)
        await exchange(caller.host, server, request, caller.identity)
        assert len(read) == verified
        stranger = pb.ExchangeRequest(records=[records[1], records[0]])
        await exchange(caller.host, server, stranger, caller.identity)
        assert len(server.gossip._to_verify) == 1

    running(test)


@pytest.mark.parametrize(("want", "verified"), [(0, 1), (2, 3)])
def test_of_a_reply_no_more_is_verified_than_was_wanted(
    want, verified, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def note(data: bytes, now: float) -> object:
        read.append(data)
        return parse_record_untrusted(data, now)

    async def test(net, nursery, start) -> None:
        server, asker = node(net, 0), node(net, 1)
        await nursery.start(server.serve)
        server.gossip.sample = lambda *_: [
            parse_record_untrusted(record_of(n, f"{n}.0.0.1"), EPOCH_S) for n in range(2, 17)
        ]
        monkeypatch.setattr(trust_records, "parse_record_untrusted", note)
        met = await asker.gossip._meetings.meet(server.contact, pb.ExchangeRequest(want=want))
        assert (len(read), len(met.others)) == (verified, want)

    running(test)


def test_few_introductions_are_accepted_at_once() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        crowd = [node(net, n) for n in range(1, CAPACITY)]
        await start(server)
        for one in crowd:
            await nursery.start(one.serve)
            request = pb.ExchangeRequest(records=[one.gossip.own.fresh()])
            await exchange(one.host, server, request, one.identity)
        await trio.sleep(5)
        assert len(server.neighbours) == 2 * ACCEPTED_IN_ALL

    running(test)


def test_one_network_cannot_fill_what_is_accepted() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        sybils = [node(net, n, address=f"66.6.0.{n}") for n in range(1, 10)]
        honest = node(net, 1, key=100)
        await start(server)
        for one in (*sybils, honest):
            await nursery.start(one.serve)
            request = pb.ExchangeRequest(records=[one.gossip.own.fresh()])
            await exchange(one.host, server, request, one.identity)
        await trio.sleep(5)
        assert 1 <= len(server.neighbours & ids(*sybils)) <= 4
        assert honest.identity.peer_id in server.neighbours

    running(test)


def test_a_network_whose_members_take_their_time_holds_up_nobody_else() -> None:
    async def test(net, nursery, start) -> None:
        server, honest = node(net, 0), node(net, 1)
        await start(server)
        await nursery.start(honest.serve)
        for n in range(4):
            silent = record_of(50 + n, f"66.6.0.{n + 1}")  # where nothing ever answers
            server.gossip.introduce(parse_record_untrusted(silent, EPOCH_S), "66.6.0.9", wants_name=False)
        server.gossip.introduce(honest.record, honest.host.address, wants_name=False)
        await trio.sleep(1)
        assert server.neighbours == ids(honest)

    running(test)


def test_who_asks_too_often_is_told_so() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        for _ in range(ASKS_AT_ONCE):
            server.gossip.sample(1, identity(1).peer_id, "30.0.0.1")
        with pytest.raises(RpcError) as caught:
            server.gossip.sample(1, identity(1).peer_id, "30.0.0.1")
        assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
        await trio.sleep(1 / ASKS_PER_S + 1)
        server.gossip.sample(1, identity(1).peer_id, "30.0.0.1")

    running(test)


def test_introductions_that_wait_are_bounded() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)  # does not run, so nobody is dialled back
        server.gossip._accepted.admit = lambda *_: True
        data = [record_of(n, f"{n}.0.0.1") for n in range(1, MAX_TO_VERIFY + 20)]
        for one in data:
            record = parse_record_untrusted(one, EPOCH_S)
            server.gossip.introduce(record, record.endpoints[0][0], wants_name=True)
        assert len(server.gossip._to_verify) == MAX_TO_VERIFY

    running(test)


def test_a_newcomer_is_recommended_soon_though_others_hang_when_they_are_dialled_back() -> None:
    """Some in a few networks introduce themselves all the time, and say nothing where they are."""

    async def test(net, nursery, start) -> None:
        server, newcomer = node(net, 0), node(net, 1)
        await start(server)
        server.gossip._accepted.admit = lambda *_: True
        places = [f"{network}.0.0.{n}" for n in range(1, 9) for network in range(101, 105)]
        for place in places:
            await net.host(place).listen_tcp("", PORT)  # nobody accepts
        key = 0

        async def introduce_themselves() -> None:
            nonlocal key
            while True:
                for place in places:
                    key += 1
                    record = parse_record_untrusted(record_of(1000 + key, place), EPOCH_S)
                    server.gossip.introduce(record, place, wants_name=False)
                await trio.sleep(1)

        nursery.start_soon(introduce_themselves)
        await trio.sleep(10)
        await nursery.start(newcomer.serve)
        began_s = trio.current_time()
        request = pb.ExchangeRequest(records=[newcomer.gossip.own.fresh()])
        await exchange(newcomer.host, server, request, newcomer.identity)
        while newcomer.identity.peer_id not in server.neighbours:
            await trio.sleep(0.1)
            assert trio.current_time() < began_s + 75
        assert trio.current_time() - began_s <= DIAL_BACK_S + 1
        assert len(server.gossip._to_verify) <= MAX_TO_VERIFY

    running(test)


def test_a_caller_is_told_only_what_means_something_where_it_is() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        for n, host in [(1, "192.168.0.1"), (2, "30.0.0.1")]:
            server.gossip.view.add(parse_record_untrusted(record_of(n, host), EPOCH_S))
        far = server.gossip.sample(9, identity(9).peer_id, "40.0.0.1")
        near = server.gossip.sample(9, identity(9).peer_id, "192.168.0.9")
        assert ([r.peer_id for r in far], len(near)) == ([identity(2).peer_id], 2)

    running(test)


def test_a_server_that_stops_serving_is_asked_no_more_and_comes_back() -> None:
    async def test(net, nursery, start) -> None:
        bootstrap = node(net, 0)
        others = [node(net, n, bootstrap.contact) for n in range(1, 5)]
        await start(bootstrap, *others)
        await trio.sleep(3 * PERIOD_S)
        quitter = others[0]
        quitter.gossip.own.roles = 0
        told = quitter.neighbours
        await quitter.gossip.tell_neighbours()
        await trio.sleep(1)
        for one in (bootstrap, *others[1:]):
            if one.identity.peer_id in told:
                assert quitter.identity.peer_id not in one.neighbours
                assert not one.gossip._peers.get(quitter.identity.peer_id).record.serves
        await trio.sleep(8 * PERIOD_S)
        everybody = (bootstrap, *others[1:])
        assert not any(quitter.identity.peer_id in one.neighbours for one in everybody)
        quitter.gossip.own.roles = Role.SERVES
        await quitter.gossip.tell_neighbours()
        await trio.sleep(5 * PERIOD_S)
        assert any(quitter.identity.peer_id in one.neighbours for one in everybody)

    running(test)


def test_who_has_stopped_without_a_word_is_found_out_when_it_is_met() -> None:
    async def test(net, nursery, start) -> None:
        first = node(net, 1)
        second = node(net, 2, first.contact)
        await start(first, second)
        await trio.sleep(10)
        assert first.neighbours == ids(second)
        second.gossip.own.roles = 0
        await trio.sleep(PERIOD_S)
        assert not first.neighbours

    running(test)


def test_an_old_record_does_not_bring_back_who_has_stopped() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        old, new, older = (
            parse_record_untrusted(record_of(1, "30.0.0.1", roles=roles, sequence=EPOCH_S + at), EPOCH_S)
            for roles, at in [(1, 5), (0, 9), (0, 1)]
        )
        server.gossip.view.add(old)
        server.gossip._peers.add(old, old.peer_id, EPOCH_S)
        server.gossip.introduce(older, "30.0.0.1", wants_name=False)
        assert server.neighbours
        server.gossip.introduce(new, "30.0.0.1", wants_name=False)
        assert not server.neighbours
        assert server.gossip._peers.best(9, EPOCH_S) == []

    running(test)


def test_a_bootstrap_peer_that_comes_back_is_joined_within_the_longest_pause() -> None:
    async def test(net, nursery, start) -> None:
        newcomer = node(net, 1, Contact(("20.0.0.1", PORT)))
        await start(newcomer)
        await trio.sleep(10_000)
        bootstrap = node(net, 0)
        await start(bootstrap)
        await trio.sleep(MAX_JOIN_AGAIN_S + 10)
        assert newcomer.identity.peer_id in bootstrap.neighbours

    running(test)


def test_a_name_with_several_addresses_leads_to_all_of_them_and_one_that_leads_nowhere_to_none() -> None:
    async def test(net, nursery, start) -> None:
        first, second = node(net, 1), node(net, 2)
        net.names["peers.example"] = ["200.0.0.1", first.host.address, second.host.address]
        newcomer = node(net, 3, Contact(("gone.example", PORT)), Contact(("peers.example", PORT)))
        await start(first, second, newcomer)
        await trio.sleep(30)
        assert newcomer.neighbours == ids(first, second)

    running(test)


def test_a_name_that_led_to_a_server_leads_nobody_home_later() -> None:
    """Each contact after the dial-back too: introductions, announcements, joins and looks outside."""

    async def test(net, nursery, start) -> None:
        net.names["turning.example"] = "21.0.0.1"
        honest, turning = node(net, 0), node(net, 1, place="turning.example")
        at_home = node(net, 2, address="192.168.0.7")
        knocks: list[tuple[str, str]] = []
        at_home.gossip.own.place.address.reached = lambda *hosts: knocks.append(hosts)
        honest.contacts.append(turning.contact)
        await start(honest, turning)
        nursery.start_soon(at_home.serve)
        await trio.sleep(60)
        assert turning.identity.peer_id in honest.neighbours
        assert honest.gossip.view.get(turning.identity.peer_id).endpoints == (("turning.example", PORT),)
        net.names["turning.example"] = "192.168.0.7"
        honest.contacts.clear()
        await honest.gossip.tell_neighbours()
        await trio.sleep(3 * OUTSIDE_S)
        assert not knocks

    running(test)


def test_a_bootstrap_peer_with_another_id_than_was_named_is_not_used() -> None:
    async def test(net, nursery, start) -> None:
        bootstrap = node(net, 0)
        newcomer = node(net, 1, Contact(bootstrap.contact.address, identity(7).peer_id))
        await start(bootstrap, newcomer)
        await trio.sleep(60)
        assert not newcomer.neighbours
        assert not bootstrap.neighbours

    running(test)


def test_who_is_remembered_is_enough_to_join() -> None:
    async def test(net, nursery, start) -> None:
        known = [node(net, n) for n in range(1, 4)]
        back = node(net, 9)
        for one in known:
            back.gossip._peers.add(one.record, one.identity.peer_id, EPOCH_S)
        await start(*known, back)
        await trio.sleep(20)
        assert back.neighbours == ids(*known)
        assert all(back.identity.peer_id in one.neighbours for one in known)
        assert len(known) <= REMEMBERED_ASKED

    running(test)


def test_a_server_on_every_address_is_known_where_it_is_seen() -> None:
    async def test(net, nursery, start) -> None:
        bootstrap, newcomer = node(net, 0), node(net, 1, place=None)
        newcomer.contacts.append(bootstrap.contact)
        await start(bootstrap, newcomer)
        await trio.sleep(30)
        assert bootstrap.neighbours == ids(newcomer)
        assert newcomer.record.endpoints == ((newcomer.host.address, PORT),)

    running(test)


def test_the_first_contact_shows_where_we_are() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0, place=None)
        await start(server)
        assert server.gossip.own_records() == []
        reply = await exchange(net.host("99.0.0.1"), server, pb.ExchangeRequest(want=1))
        assert parse_record_untrusted(reply.records[0], EPOCH_S).endpoints == (("20.0.0.1", PORT),)

    running(test)


def test_servers_that_know_only_each_other_find_the_internet_again() -> None:
    async def test(net, nursery, start) -> None:
        outside = [node(net, 100 + n) for n in range(3)]
        home = [node(net, n, outside[0].contact) for n in range(5)]
        for one in home:
            for other in home:
                one.gossip.view.add(other.record)
        await start(*home)
        await trio.sleep(OUTSIDE_S)
        await start(outside[0], *outside[1:])
        await trio.sleep(OUTSIDE_S + 10 * PERIOD_S)
        assert any(outside[0].identity.peer_id in one.neighbours for one in home)
        assert reachable(outside[0], [*home, *outside]) >= ids(*home)

    running(test)


def test_halves_of_a_network_that_forgot_each_other_merge_by_what_they_remember() -> None:
    async def test(net, nursery, start) -> None:
        halves = [[node(net, 10 * half + n) for n in range(5)] for half in range(2)]
        for half in halves:
            for one in half:
                for other in half:
                    one.gossip.view.add(other.record)
        for one in halves[0]:
            one.gossip._peers.add(halves[1][0].record, identity(7).peer_id, EPOCH_S)
        everybody = halves[0] + halves[1]
        await start(*everybody)
        await trio.sleep(OUTSIDE_S + 10 * PERIOD_S)
        assert reachable(halves[0][0], everybody) == ids(*everybody)

    running(test)


def test_a_bootstrap_peer_that_recommends_the_dead_does_not_hold_up_a_join() -> None:
    async def test(net, nursery, start) -> None:
        hostile, honest = node(net, 0), node(net, 1)
        for n in range(15):
            dead = record_of(50 + n, f"{150 + n}.0.0.1")
            hostile.gossip.view.add(parse_record_untrusted(dead, EPOCH_S))
        newcomer = node(net, 2, hostile.contact, honest.contact)
        await nursery.start(hostile.serve)
        await nursery.start(honest.serve)
        await start(newcomer)
        await trio.sleep(JOIN_THROUGH_S + 10)
        assert honest.identity.peer_id in newcomer.neighbours

    running(test)


def test_the_word_of_a_bootstrap_peer_on_us_counts_for_more_than_of_whom_it_names() -> None:
    async def test(net, nursery, start) -> None:
        given, other = node(net, 0), node(net, 1)
        given.gossip.view.add(parse_record_untrusted(other.gossip.own.current(), EPOCH_S))
        newcomer = node(net, 2, given.contact)
        for each in (given, other):
            each.host.clock_offset_s = 5000
            await nursery.start(each.serve)
        await start(newcomer)
        await trio.sleep(10)
        assert newcomer.gossip.unix_time() == pytest.approx(newcomer.host.unix_time() + 5000, abs=1)
        assert list(newcomer.gossip._meetings._named) == [given.host.address]

    running(test)


def test_a_peer_that_comes_and_goes_on_the_local_network_does_not_have_us_join_without_pause() -> None:
    async def test(net, nursery, start) -> None:
        lonely = node(net, 1)
        rounds = []

        def contacts() -> list[Contact]:
            rounds.append(trio.current_time())
            return []

        nursery.start_soon(lonely.gossip.run, contacts)
        for _ in range(600):
            await trio.sleep(0.1)
            lonely.gossip.join_soon()
        assert len(rounds) <= 60 / JOIN_AGAIN_S + 1

    running(test)


def test_shares_are_counted_by_a_clock_that_nobody_sets() -> None:
    async def test(net, nursery, start) -> None:
        server = node(net, 0)
        for _ in range(ASKS_AT_ONCE):
            server.gossip.sample(1, identity(1).peer_id, "30.0.0.1")
        server.host.clock_offset_s = 10_000
        with pytest.raises(RpcError):
            server.gossip.sample(1, identity(1).peer_id, "30.0.0.1")

    running(test)


def test_who_is_not_told_that_a_server_has_stopped_hears_it_when_it_names_or_meets_it() -> None:
    async def test(net, nursery, start) -> None:
        quitter, teller, asker = (node(net, n) for n in range(3))
        teller.gossip.view.add(quitter.record)
        for one in (quitter, teller):
            await nursery.start(one.serve)
        quitter.gossip.own.roles = 0
        await quitter.gossip.tell_neighbours()
        assert teller.neighbours == ids(quitter), "the quitter does not know who knows it"
        asker.contacts.append(teller.contact)
        await start(asker)
        await trio.sleep(10)
        assert asker.neighbours == ids(teller), "named, but dialled before it is believed"
        nursery.start_soon(teller.gossip.run, list)
        await trio.sleep(2 * PERIOD_S)
        assert quitter.identity.peer_id not in teller.neighbours

    running(test)


def test_a_private_server_gets_to_know_others_and_is_not_made_known() -> None:
    async def test(net, nursery, start) -> None:
        public = node(net, 1)
        private, other = node(net, 2, public.contact), node(net, 3, public.contact)
        access = private.gossip._access
        access.rules = Rules(private.identity.peer_id, allow=(RuleList(),))
        await start(public, private, other)
        await trio.sleep(10 * PERIOD_S)
        assert private.neighbours == ids(public, other)
        assert not (public.neighbours | other.neighbours) & ids(private)
        access.rules = Rules(private.identity.peer_id)
        await trio.sleep(10 * PERIOD_S)
        assert public.neighbours == ids(private, other)

    running(test)
