"""Searches that go on from server to server: what they find, what they cost, and that they end."""

from __future__ import annotations

from contextlib import aclosing
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import trio

from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import DENIABLE, read_list
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import Findings, FoundTrack
from lightpeer.core.search.replies import ReplyReader
from lightpeer.core.search.walks import DEFAULT_BUDGET, Budget
from lightpeer.core.trust.bounds import MAX_PEERS
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.rpc.server import Context
from lightpeer.serve.overlay import walkers
from lightpeer.serve.overlay.walkers import AVOID_S, NEIGHBOUR_REPLY_S
from lightpeer.serve.services import search as search_module
from lightpeer.serve.services.search import Search
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import PORT, MadeTrack, Serving, made_track
from tests.sim.swarm import connected, introduce, never_end, record_of, replace_search, swarm

PHONE = "10.9.0.1"
ROUND_TRIP_S = 0.04  # of the simulated network's default links
SONG, OTHER = made_track(3, title="Song", seed=1), made_track(3, title="Song too", seed=2)


def request(
    query: str = "song", *, limit: int = 10, budget: Budget = DEFAULT_BUDGET, **more: Any
) -> pb.SearchRequest:
    more.setdefault("query_id", b"12345678")
    more.setdefault("records", MAX_PEERS)
    return pb.SearchRequest(query=query, limit=limit, walkers=budget.walkers, hops=budget.hops, **more)


async def search(peer: Peer, asked: pb.SearchRequest) -> list[FoundTrack]:
    """Search to the end; return what was found, merged."""
    reader = ReplyReader(asked.query, asked.limit, asked.records, peer.host)
    findings = Findings(asked.query, asked.limit)
    async for reply in peer.search(asked):
        for track in reader.read_untrusted(reply, peer.unix_time()):
            findings.add(track)
    return list(findings.tracks.values())


def holders(track: FoundTrack) -> list[str]:
    return [holder.record.endpoints[0][0] for holder in track.holders]


def chain(servers: list[Serving]) -> None:
    """Each knows the next."""
    for server, following in pairwise(servers):
        introduce(following, server)


def calls(server: Serving) -> int:
    """How many calls a server is at."""
    return sum(client.core.active_calls for client in server.rpc._intake.clients)


def test_a_walk_brings_back_what_servers_further_on_have() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            chain(servers)
            (found,) = await search(peer, request())
            assert (found.track_id, found.title) == (SONG.track.track_id, "Song")
            assert found.holders[0].peer_id == servers[2].identity.peer_id
            assert await search(peer, request(query_id=b"another1", budget=Budget(9, 1))) == []

    simulate(main)


def test_a_query_goes_no_further_than_its_hops_and_each_server_looks_once() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, *[[]] * 6) as servers, connected(net.host(PHONE), servers[0]) as peer:
            for server in servers:
                introduce(server, *(other for other in servers if other is not server))
            await search(peer, request())
            assert [server.shelf.searches for server in servers] == [1] * 6
            await search(peer, request(budget=Budget(2, 1), query_id=b"another1"))
            assert sum(server.shelf.searches for server in servers) == 6 + 3

    simulate(main)


@pytest.mark.parametrize("more", [{"query_id": b""}, {"budget": Budget(0, 5)}, {"limit": 1}])
def test_what_needs_no_walk_or_may_have_none_is_not_forwarded(more) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [OTHER]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            chain(servers)
            (found,) = await search(peer, request(**more))
            assert found.title == "Song"
            assert servers[1].shelf.searches == 0

    simulate(main)


def test_a_track_that_many_hold_comes_once_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "FEW_TRACKS", 1)  # so that two are for show, and may be waited for

    async def main(net: SimInternet) -> None:
        shelves = [[SONG], [SONG, OTHER], [SONG]]
        async with swarm(net, *shelves) as servers, connected(net.host(PHONE), servers[0]) as peer:
            introduce(servers[1], servers[0])
            introduce(servers[2], servers[0])
            replies = [reply async for reply in peer.search(request())]
            titles = [hit.title for reply in replies for hit in reply.hits if hit.title]
            assert sorted(titles) == ["Song", "Song too"]
            assert len(replies) <= 3
            assert sum(len(reply.peers) for reply in replies) == 3, "each once"
            again = await search(peer, request(query_id=b"another1", limit=2))
            assert sorted(len(track.holders) for track in again) == [1, 3], "what comes at once is waited for"
            song, other = await search(peer, request(query_id=b"another2"))
            assert sorted(holders(song)) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
            assert holders(other) == ["10.0.0.2"]

    simulate(main)


def test_a_uri_finds_as_many_holders_as_are_wanted() -> None:
    async def main(net: SimInternet) -> None:
        shelves = [[], *[[SONG, OTHER]] * 5]
        async with swarm(net, *shelves) as servers, connected(net.host(PHONE), servers[0]) as peer:
            for server in servers[1:]:
                introduce(server, servers[0])
            (found,) = await search(peer, request(SONG.track.uri, limit=3))
            assert found.track_id == SONG.track.track_id
            assert len(set(holders(found))) == 3

    simulate(main)


@pytest.mark.parametrize("told_from", ["9.8.7.6", "10.0.0.9"])
def test_a_walker_follows_a_name_home_only_by_the_word_of_somebody_there(told_from: str) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            asked, holder = servers
            net.names["music.example"] = holder.host.address
            now = int(holder.host.unix_time())
            places = [("music.example", PORT)]
            data = build_record(holder.identity, places, Role.SERVES, now, now + 3600)
            record = parse_record_untrusted(data, now)
            asked.gossip._peers.add(record, holder.identity.peer_id, now, told_from)
            asked.gossip.view.add(record)
            found = await search(peer, request())
            assert len(found) == holder.shelf.searches == (told_from == "10.0.0.9")

    simulate(main)


async def silent(_host: str) -> list[str]:
    """A name server that does not answer."""
    await trio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize("leads", ["nowhere", "to a name server that is silent"])
def test_the_walker_of_a_neighbour_whose_name_is_gone_goes_elsewhere(
    leads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            asked, holder = servers
            now = int(holder.host.unix_time())
            data = build_record(Identity(b"G" * 32), [("gone.example", PORT)], Role.SERVES, now, now + 3600)
            asked.gossip.view.add(parse_record_untrusted(data, now))
            introduce(holder, asked)
            if leads != "nowhere":
                monkeypatch.setattr(asked.host, "resolve", silent)
            assert len(await search(peer, request())) == 1

    simulate(main)


def test_a_liar_on_the_walk_does_not_hide_the_track_that_was_named() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            asked, liar, honest = servers

            async def lie_to(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                call.open(data, pb.SearchRequest)
                hit = pb.Hit(track_id=bytes(32), title="x", holders=[0])
                await context.write(call.seal(pb.SearchReply(hits=[hit], peers=[liar.gossip.own.current()])))

            replace_search(liar, lie_to)
            introduce(liar, asked)
            introduce(honest, asked)
            honest.host.up.delay_s = 0.05  # so that the lie comes first
            (found,) = await search(peer, request(SONG.track.uri, limit=3))
            assert (found.track_id, holders(found)) == (SONG.track.track_id, [honest.host.address])
            assert liar.identity.peer_id not in asked.gossip.view

    simulate(main)


@pytest.mark.parametrize("query", ["song", SONG.track.uri])
def test_a_neighbour_that_gives_all_that_is_wanted_does_not_end_the_walk(query: str) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            asked, liar, honest = servers
            strangers = [
                record_of(net.host(f"10.7.0.{n}"), Identity(bytes([n]) * 32)).data for n in range(1, 5)
            ]
            if query == "song":
                hits = [pb.Hit(track_id=bytes([n]) * 32, title="Song", holders=[n]) for n in range(4)]
            else:
                hits = [pb.Hit(track_id=SONG.track.track_id, title="Song", holders=range(4))]

            async def lie_to(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                call.open(data, pb.SearchRequest)
                await context.write(call.seal(pb.SearchReply(hits=hits, peers=strangers)))

            replace_search(liar, lie_to)
            introduce(liar, asked)
            introduce(honest, asked)
            honest.host.up.delay_s = 0.2  # so that the lie comes first
            found = await search(peer, request(query, limit=4))
            who = [holder.peer_id for track in found for holder in track.holders]
            assert honest.identity.peer_id in who
            assert len(who) == 4, "the rest is the liar's, once others had their time"

    simulate(main)


def test_what_others_say_that_a_server_holds_is_not_passed_on() -> None:
    """It would be its own word, and it has said already what it holds."""

    async def main(net: SimInternet) -> None:
        async with swarm(net, [], []) as servers, connected(net.host(PHONE), servers[0]) as peer:
            asked, liar = servers

            async def lie_to(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                call.open(data, pb.SearchRequest)
                hit = pb.Hit(track_id=bytes(32), title="Song", holders=[0])
                await context.write(call.seal(pb.SearchReply(hits=[hit], peers=[asked.gossip.own.current()])))

            replaced = replace_search(liar, lie_to)
            introduce(liar, asked)
            assert await search(peer, request()) == []
            assert replaced.asked == 1

    simulate(main)


def test_a_caller_that_cancels_ends_the_walks_all_the_way_down() -> None:

    async def main(net: SimInternet) -> None:
        async with swarm(net, *[[]] * 4) as servers, connected(net.host(PHONE), servers[0]) as peer:
            chain(servers)
            replace_search(servers[3], never_end)
            async with aclosing(peer.search(request())) as replies:
                assert not (await anext(replies)).hits
                await trio.sleep(3 * ROUND_TRIP_S + 1)
                assert [calls(server) for server in servers] == [1, 1, 1, 1]
            await trio.sleep(4 * ROUND_TRIP_S)
            assert [calls(server) for server in servers] == [0, 0, 0, 0]

    simulate(main)


def test_enough_ends_the_walks_that_still_run() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            introduce(servers[1], servers[0])
            introduce(servers[2], servers[0])
            replace_search(servers[1], never_end)
            assert len(await search(peer, request(limit=1))) == 1
            assert trio.current_time() < 1
            await trio.sleep(2 * ROUND_TRIP_S)
            assert [calls(server) for server in servers] == [0, 0, 0]

    simulate(main)


def test_enough_in_the_first_moment_ends_them_too() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [], [OTHER]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            introduce(servers[1], servers[0])
            introduce(servers[2], servers[0])
            replace_search(servers[1], never_end)
            assert len(await search(peer, request(limit=2))) == 2
            assert trio.current_time() < 1

    simulate(main)


def test_a_walk_ends_before_the_callers_deadline() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], []) as servers, connected(net.host(PHONE), servers[0]) as peer:
            chain(servers)
            replace_search(servers[1], never_end)
            asked, found = request(), []
            async for reply in peer.search(asked, timeout_s=3.0):
                found += reply.hits
            assert [hit.title for hit in found] == ["Song"]
            assert 2.5 < trio.current_time() < 3.0
            await trio.sleep(1)
            assert [calls(server) for server in servers] == [0, 0]

    simulate(main)


@pytest.mark.parametrize("kind", ["killed", "gone", "mute"])
def test_the_walker_of_a_neighbour_that_does_not_answer_goes_elsewhere(kind: str) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            silent = servers[1]
            introduce(silent, servers[0])
            if kind == "mute":
                silent.scope.cancel()
                silent.host.kill()
                mute = net.host("10.0.0.2")
                await mute.listen_tcp("", PORT)
            else:
                silent.scope.cancel()
                silent.host.kill(silently=kind == "gone")
            started = trio.current_time()
            introduce(servers[2], servers[0])
            found = await search(peer, request(budget=Budget(1, 3)))
            if not found:  # the walker met the living one first
                found = await search(peer, request(budget=Budget(1, 3), query_id=b"another1"))
            assert [track.title for track in found] == ["Song"]
            assert trio.current_time() - started < 2 * NEIGHBOUR_REPLY_S + 1
            started = trio.current_time()
            assert await search(peer, request(budget=Budget(1, 3), query_id=b"another2"))
            assert trio.current_time() - started < 1, "who did not answer is left alone"

    simulate(main)


def test_whoever_was_left_alone_is_asked_again_later() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            introduce(servers[1], servers[0])
            net.partition(servers[0].host, servers[1].host)
            assert await search(peer, request()) == []
            net.heal()
            assert await search(peer, request(query_id=b"another1")) == []
            await trio.sleep(AVOID_S)
            assert len(await search(peer, request(query_id=b"another2"))) == 1

    simulate(main)


FLOOD = [pb.Hit(track_id=bytes([n]) * 32, title="Song", holders=[0]) for n in range(50)]


@pytest.mark.parametrize(
    "lie",
    [
        pb.SearchReply(hits=FLOOD),
        pb.SearchReply(hits=[pb.Hit(track_id=b"short")]),
        pb.SearchReply(hits=[pb.Hit(track_id=bytes(32), holders=[7])]),
        pb.SearchReply(peers=[b"junk"] * 100),
    ],
)
def test_a_neighbour_that_breaks_the_protocol_is_cut_off_and_not_asked_again(
    lie: pb.SearchReply,
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            liar = servers[1]

            async def lie_to(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                call.open(data, pb.SearchRequest)
                await context.write(call.seal(lie))

            replaced = replace_search(liar, lie_to)
            introduce(liar, servers[0])
            introduce(servers[2], servers[0])
            for query_id in (b"12345678", b"another1"):
                found = await search(peer, request(query_id=query_id))
                assert [holders(track) for track in found] == [["10.0.0.3"]]
            assert replaced.asked == 1
            assert liar.identity.peer_id not in servers[0].gossip.view

    simulate(main)


def test_hits_of_a_server_that_nobody_can_reach_are_left_out() -> None:
    """A server that lies about its place to be out of reach costs its own hits."""

    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            introduce(servers[1], servers[0])
            nowhere = record_of(net.host("127.0.0.9"), servers[1].identity)

            async def search_there(own: Search, data: bytes, context: Context) -> None:
                own._own_records = lambda: [nowhere.data]
                await own.search(data, context)

            replaced = replace_search(servers[1], search_there)
            assert await search(peer, request()) == []
            assert replaced.asked == 1

    simulate(main)


def test_a_caller_gets_its_share_and_others_are_served_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "VISITS_PER_S", 100.0)
    monkeypatch.setattr(search_module, "VISITS_AT_ONCE", 1200.0)
    monkeypatch.setattr(search_module, "ANSWERS_AT_ONCE", 50.0)
    monkeypatch.setattr(search_module, "ANSWERS_PER_S", 10.0)

    async def main(net: SimInternet) -> None:
        async with (
            swarm(net, [SONG], []) as servers,
            connected(net.host(PHONE), servers[0]) as greedy,
            connected(net.host("10.9.0.2"), servers[0], b"Q" * 32) as modest,
        ):
            chain(servers)
            outcomes: list[object] = []

            async def search_once(number: int) -> None:
                try:
                    outcomes.append(len(await search(greedy, request(query_id=number.to_bytes(8, "big")))))
                except RpcError as error:
                    outcomes.append(error.code())

            async with trio.open_nursery() as nursery:
                for number in range(90):
                    nursery.start_soon(search_once, number)
            refused = outcomes.count(StatusCode.RESOURCE_EXHAUSTED)
            assert outcomes.count(1) + refused == 90
            assert 30 < refused <= 40
            assert servers[1].shelf.searches == 3, "more were answered from the index alone"
            assert len(await search(modest, request(query_id=b"another1"))) == 1
            assert servers[1].shelf.searches == 4
            await trio.sleep(60)
            assert len(await search(greedy, request(query_id=b"another2"))) == 1
            assert servers[1].shelf.searches == 5

    simulate(main)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_a_random_network_one_copy_is_found_within_the_budget(seed: int) -> None:
    peers, degree = 48, 4

    async def main(net: SimInternet) -> None:
        random = Random(seed)
        shelves: list[list[MadeTrack]] = [[] for _ in range(peers)]
        shelves[random.randrange(1, peers)] = [SONG]
        async with swarm(net, *shelves) as servers, connected(net.host(PHONE), servers[0]) as peer:
            for server in servers:
                for other in random.sample([s for s in servers if s is not server], degree):
                    introduce(other, server)
                    introduce(server, other)
            (found,) = await search(peer, request(limit=1))
            assert found.title == "Song"
            assert sum(server.shelf.searches for server in servers) <= DEFAULT_BUDGET.visits
            await trio.sleep(2)
            assert all(calls(server) == 0 for server in servers), "nothing goes on"

    simulate(main, seed=seed)


def test_there_are_never_more_calls_under_way_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walkers, "MAX_CALLS", 2)

    async def main(net: SimInternet) -> None:
        async with (
            swarm(net, [SONG], [], []) as servers,
            connected(net.host(PHONE), servers[0]) as peer,
            connected(net.host("10.9.0.2"), servers[0], b"Q" * 32) as other,
            trio.open_nursery() as nursery,
        ):
            for server in servers[1:]:
                introduce(server, servers[0])
                replace_search(server, never_end)
            nursery.start_soon(search, peer, request())
            await trio.sleep(0.5)
            assert [calls(server) for server in servers] == [1, 1, 1]
            started = trio.current_time()
            assert len(await search(other, request(query_id=b"another1"))) == 1
            assert trio.current_time() - started < 0.5, "from the index alone"
            nursery.cancel_scope.cancel()

    simulate(main)


def test_a_neighbour_that_is_busy_is_asked_again_the_next_time() -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            chain(servers)

            async def be_busy(own: Search, data: bytes, context: Context) -> None:
                if len(searches) < 1:
                    searches.append(data)
                    raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "too many searches")
                await own.search(data, context)

            searches: list[bytes] = []
            replace_search(servers[1], be_busy)
            assert await search(peer, request()) == []
            assert len(await search(peer, request(query_id=b"another1"))) == 1

    simulate(main)


def test_who_was_left_alone_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walkers, "MAX_AVOIDED", 1)

    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            for server in servers[1:]:
                introduce(server, servers[0])
            for server in servers[1:3]:
                server.kill()
            assert len(await search(peer, request())) == 1
            assert len(replace_search(servers[0], never_end).own._walkers._avoided) == 1

    simulate(main)


def test_identities_of_strangers_do_not_matter() -> None:
    """A record in the view whose id answers elsewhere: the call is refused, and the walker goes on."""

    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers, connected(net.host(PHONE), servers[0]) as peer:
            stranger = Identity(b"X" * 32)
            servers[0].gossip.view.add(record_of(servers[1].host, stranger))
            introduce(servers[2], servers[0])
            assert len(await search(peer, request())) == 1
            assert servers[1].shelf.searches == 0
            assert stranger.peer_id in servers[0].gossip.view, "nobody knows who is to blame"

    simulate(main)


@pytest.mark.parametrize("seed", range(2))
def test_servers_that_die_during_searches_leave_nothing_behind(seed: int) -> None:
    """A quarter of a network is killed while searches run, some of which are given up by their callers."""

    async def main(net: SimInternet) -> None:
        random = Random(seed)
        shelves: list[list[MadeTrack]] = [
            [random.choice((SONG, OTHER))] if n % 6 == 5 else [] for n in range(32)
        ]
        async with (
            swarm(net, *shelves) as servers,
            connected(net.host(PHONE), servers[0]) as peer,
            trio.open_nursery() as nursery,
        ):
            for server in servers:
                for other in random.sample([s for s in servers if s is not server], 3):
                    introduce(other, server)
                    introduce(server, other)

            async def search_for_a_while(number: int) -> None:
                with trio.move_on_after(random.choice((0.05, 0.2, 30))) as patience:
                    found = await search(peer, request(query_id=number.to_bytes(8, "big")))
                    assert {track.title for track in found} <= {"Song", "Song too"}
                assert patience.cancelled_caught or found

            for number in range(5):
                nursery.start_soon(search_for_a_while, number)
            for server in random.sample(servers[1:], 4):
                await trio.sleep(random.uniform(0, 0.1))
                server.kill()
            await trio.sleep(15)
            assert all(calls(server) == 0 for server in servers if server.host.alive)
            nursery.cancel_scope.cancel()

    simulate(main, seed=seed)


@pytest.mark.parametrize(
    ("entry", "others_have", "asked", "titles"),
    [
        ("song", [SONG, OTHER], True, ["Song too"]),
        ("neighbour", [SONG, OTHER], False, []),
        ("10.0.0.2", [SONG, OTHER], False, []),
        ("publisher", [SONG, OTHER], False, []),
        ("third", [SONG], True, ["Song"]),  # which the second would name as well
    ],
)
def test_what_is_denied_is_not_walked_to_nor_passed_on(entry, others_have, asked, titles) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            swarm(net, [], others_have, [SONG]) as servers,
            connected(net.host(PHONE), servers[0]) as peer,
        ):
            chain(servers)
            first, second, third = servers
            text = {
                "song": SONG.track.uri,
                "neighbour": format_peer_id(second.identity.peer_id),
                "publisher": f"publisher:{format_peer_id(second.identity.peer_id)}",
                "third": format_peer_id(third.identity.peer_id),
            }.get(entry, entry)
            rules = Rules(first.identity.peer_id, deny=(read_list([text.encode()], DENIABLE),))
            first.access.rules = rules
            found = await search(peer, request(records=0))
            assert [track.title for track in found] == titles
            assert [holder.peer_id for track in found for holder in track.holders] == (
                [second.identity.peer_id] * len(titles)
            )
            assert bool(second.shelf.searches) == asked
            assert bool(first.gossip.neighbours(9)) == asked

    simulate(main)
