"""What finding things costs a light client: round trips, bytes, and nothing when it is not asked."""

from __future__ import annotations

from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from bench.finding import CASES, TEN
from lightpeer.client.client import Client, open_client
from lightpeer.client.holders import HOLDERS_S
from lightpeer.client.kept import first_source
from lightpeer.client.models import Hit
from lightpeer.client.query import RECORDS_TO_OPEN
from lightpeer.client.search import PATIENCE_S
from lightpeer.client.start import Start
from lightpeer.client.stream import (
    INLINE_BYTES,  # which TCP sends at once
    new_download,
    new_session,
)
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.search.head_start import HEAD_START_S
from lightpeer.core.search.walks import DEFAULT_BUDGET, GREATEST_BUDGET
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import NoPeerError, NothingFoundError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.rpc.server import Context, unary_unary
from lightpeer.serve.services.search import GATHER_HITS_S, Search
from lightpeer.testing.host import EPOCH_S, SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import stream
from tests.pair import PORT, MadeTrack, Serving, made_track, serving, settings
from tests.sim.swarm import introduce, never_end, record_of, replace_search, swarm

PHONE = "10.9.0.1"
ONE_WAY_S = 0.1  # of the phone's link; the servers are a hundredth of that from each other
NEAR = 0.0005
ACKS, ACK_BYTES = 3, 32  # which the simulated TCP does not send; a real one does for every second segment

SONG = made_track(5, title="Song")


def phone_on(net: SimInternet) -> SimHost:
    """A phone at 200 ms of round trip from everybody; everybody else is near everybody."""
    for host in net.hosts.values():
        host.up.delay_s = host.down.delay_s = NEAR / 2
    return net.host(PHONE, up=Link(delay_s=ONE_WAY_S), down=Link(delay_s=ONE_WAY_S))


async def found(client: Client, query: str = "song", limit: int = 10) -> list[Hit]:
    return [hit async for hit in client.search(query, limit)]


def star(servers: list[Serving]) -> None:
    """The first knows all others."""
    for server in servers[1:]:
        introduce(server, servers[0])


# --- round trips ------------------------------------------------------------------------------------


async def first_segment_at(client: Client, item: str | bytes) -> float:
    """Open a track by words or id; return when the first verified segment is there."""
    if isinstance(item, str):
        peer, opened = await client.open_query(item, Start(inline_bytes=INLINE_BYTES))
    else:
        peer, opened = await first_source(client.open_track(item, Start(inline_bytes=INLINE_BYTES)))
    session = new_session(client, new_download(opened.track, client.settings, Bandwidth(), realtime=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, (peer, opened))
        await session.wait_until(lambda: session.buffer_s > 0)
        nursery.cancel_scope.cancel()
    return trio.current_time()


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(
    ("shelves", "round_trips"),
    [([[SONG]], 2), ([[], [SONG]], 4), ([[], [], [], [SONG]], 4)],
    ids=["the asked peer holds it", "its neighbour does", "somebody further on does"],
)
def test_from_the_first_syn_to_the_first_verified_segment(
    tmp_path: Path, shelves: list[list[MadeTrack]], round_trips: int, by_id: bool
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, *shelves) as servers:
            for server, following in pairwise(servers):
                introduce(following, server)
            chosen = settings(tmp_path, servers[0])
            async with open_client(chosen, phone_on(net)) as client:
                item = SONG.track.track_id if by_id else "song"
                took_s = await first_segment_at(client, item)
        between_servers_s = 0.2  # connections among them, and the moment in which hits are gathered
        assert round_trips * 2 * ONE_WAY_S <= took_s < round_trips * 2 * ONE_WAY_S + between_servers_s

    simulate(main)


# --- bytes ------------------------------------------------------------------------------------------


def search_bytes(tmp_path: Path, *shelves: list[MadeTrack]) -> tuple[int, int]:
    """Return what a search for ten songs costs on a connection that stands, and what the first did."""
    result: list[int] = []

    async def main(net: SimInternet) -> None:
        async with swarm(net, *shelves) as servers:
            star(servers)
            phone = phone_on(net)
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                assert await found(client, "nothing") == []
                cold = phone.counters.rx_bytes() + phone.counters.tx_bytes()
                await trio.sleep(5)
                before = phone.counters.rx_bytes() + phone.counters.tx_bytes()
                assert len(await found(client)) == 10
                await trio.sleep(5)
                after = phone.counters.rx_bytes() + phone.counters.tx_bytes()
                result.extend((after - before + ACKS * ACK_BYTES, cold))

    simulate(main)
    return result[0], result[1]


@pytest.mark.parametrize("shelves", CASES.values(), ids=CASES)
def test_ten_hits_cost_two_kilobytes_at_most(tmp_path: Path, shelves: list[list[MadeTrack]]) -> None:
    warm, cold = search_bytes(tmp_path, *shelves)
    assert warm <= 2000, warm
    assert cold <= 4000, "with the connection, and nothing found: a second peer is asked"


@pytest.mark.parametrize("paused", [False, True])
def test_an_hour_without_anything_to_do_is_silent(tmp_path: Path, paused: bool) -> None:
    """Playing has ended, or stands still: goodbyes come while the radio is still up, then nothing does."""

    async def main(net: SimInternet) -> None:
        made = made_track(40)
        async with swarm(net, [made], [made]) as servers:
            star(servers)
            phone = phone_on(net)
            async with (
                open_client(settings(tmp_path, servers[0]), phone) as client,
                trio.open_nursery() as tasks,
            ):
                if paused:
                    peer, opened = await client.open_query("song")
                    download = new_download(opened.track, client.settings, Bandwidth(), realtime=True)
                    session = new_session(client, download)
                    tasks.start_soon(session.run, (peer, opened))
                    await session.wait_until(lambda: session.complete)
                else:
                    await stream(client, made)
                ended = phone.counters.rx_bytes() + phone.counters.tx_bytes()
                await trio.sleep(15)
                silent = phone.counters.rx_bytes() + phone.counters.tx_bytes()
                await trio.sleep(3600)
                assert phone.counters.rx_bytes() + phone.counters.tx_bytes() == silent
                assert silent - ended < 5000, "of the 20 kB that an hour may cost"
                tasks.cancel_scope.cancel()
            assert not phone.listeners
            assert all(client.identity.peer_id not in server.gossip.view for server in servers)

    simulate(main)


# --- whom it asks -----------------------------------------------------------------------------------


def test_who_found_something_is_the_only_one_asked(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [SONG]) as servers:
            async with open_client(settings(tmp_path, *servers), phone_on(net)) as client:
                assert len(await found(client)) == 1
            assert [server.shelf.searches for server in servers] == [1, 0]

    simulate(main)


def test_a_search_makes_its_peer_known_with_its_round_trip(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], []) as servers:
            star(servers)
            async with open_client(settings(tmp_path, servers[0]), phone_on(net)) as client:
                assert len(await found(client)) == 1
                entry = client.cache.get(servers[0].identity.peer_id)
                assert entry.tried
                assert entry.rtt_s == pytest.approx(2 * ONE_WAY_S, abs=0.01)

    simulate(main)


def test_what_was_not_found_is_searched_for_further_away_by_another(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], []) as servers:
            noted = []

            async def note(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                request = call.open(data, pb.SearchRequest)
                noted.append((request.walkers, request.hops, request.query_id))
                await context.write(call.seal(pb.SearchReply()))

            for server in servers:
                replace_search(server, note)
            async with open_client(settings(tmp_path, *servers), phone_on(net)) as client:
                assert await found(client) == []
            wanted = [(budget.walkers, budget.hops) for budget in (DEFAULT_BUDGET, GREATEST_BUDGET)]
            assert [(walkers, hops) for walkers, hops, _ in noted] == wanted
            assert noted[0][2] != noted[1][2], "the first may have burnt its id"

    simulate(main)


def test_who_looks_for_further_sources_has_one_walk_made_and_asks_others_alone(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [], []) as servers:
            noted = []

            async def note(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                request = call.open(data, pb.SearchRequest)
                noted.append(request.walkers)
                await context.write(call.seal(pb.SearchReply()))

            for server in servers:
                replace_search(server, note)
            async with open_client(settings(tmp_path, *servers), phone_on(net)) as client:
                with pytest.raises(NothingFoundError):
                    await anext(client.open_track(bytes(32), exclude=[servers[0].identity.peer_id]))
            assert noted == [DEFAULT_BUDGET.walkers, 0, 0]

    simulate(main)


def test_hits_are_shown_though_a_walk_goes_on_and_on(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], []) as servers:
            star(servers)
            replace_search(servers[1], never_end)
            async with open_client(settings(tmp_path, servers[0]), phone_on(net)) as client:
                async with aclosing(client.search("song")) as hits:
                    hit = await anext(hits)
                assert hit.holders == [format_peer_id(servers[0].identity.peer_id)]
                took_s = 4 * ONE_WAY_S + GATHER_HITS_S + PATIENCE_S
                assert trio.current_time() == pytest.approx(took_s, abs=0.05)

    simulate(main)


def test_a_peer_that_says_nothing_costs_its_patience_once(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:

            async def say_nothing(own: Search, data: bytes, context: Context) -> None:
                await trio.sleep_forever()

            mute = replace_search(servers[0], say_nothing)
            async with open_client(settings(tmp_path, *servers), phone_on(net)) as client:
                await client.peers()
                started = trio.current_time()
                assert len(await found(client)) == 1
                assert trio.current_time() - started == pytest.approx(HEAD_START_S + 4 * ONE_WAY_S, abs=0.3)
                started = trio.current_time()
                assert len(await found(client)) == 1
                assert trio.current_time() - started < 1, (
                    "the other one is at hand now, and the mute one is not"
                )
                assert mute.asked == 1
                entry = client.cache.get(servers[0].identity.peer_id)
                assert entry.failures_in_row == 1

    simulate(main)


def test_a_phone_without_a_clock_finds_what_is_held_by_others(tmp_path: Path) -> None:
    """Records have a time of their own; the asked peer's is gone by, since it took that to our seals."""

    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            star(servers)
            phone = phone_on(net)
            phone.clock_offset_s = -EPOCH_S
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                peer, _ = await client.open_query("song")
                assert peer.peer_id == servers[1].identity.peer_id
            assert [server.shelf.opens for server in servers] == [0, 1], "it was led there"

    simulate(main)


def test_a_peer_that_lies_about_the_time_has_no_old_record_taken_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            liar, holder = servers
            phone = phone_on(net)
            sealed_s = int(phone.unix_time()) - 10 * 86_400
            places = [(holder.host.address, PORT)]
            expired = build_record(holder.identity, places, Role.SERVES, sealed_s, sealed_s + 3600)
            lie(liar, hit_at(expired))
            monkeypatch.setattr(Peer, "unix_time", lambda _: float(sealed_s))
            async with open_client(settings(tmp_path, liar), phone) as client:
                with pytest.raises(NothingFoundError):
                    await client.open_query("song")
                assert holder.identity.peer_id not in client.cache

    simulate(main)


# --- hits that lead nowhere -------------------------------------------------------------------------


def lie(server: Serving, *replies: pb.SearchReply) -> None:
    """Let a server answer every search so."""

    async def lying(own: Search, data: bytes, context: Context) -> None:
        call = own._calls.begin(context)
        call.open(data, pb.SearchRequest)
        for reply in replies:
            await context.write(call.seal(reply))

    replace_search(server, lying)


def hit_at(holder: bytes, track: MadeTrack = SONG) -> pb.SearchReply:
    hit = pb.Hit(track_id=track.track.track_id, title="Song", holders=[0])
    return pb.SearchReply(hits=[hit], peers=[holder])


def test_a_hit_whose_holder_has_nothing_costs_its_teller_score_and_another_is_asked(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [SONG]) as servers:
            liar, empty, honest = servers
            lie(liar, hit_at(empty.gossip.own.current()))
            introduce(empty, liar)
            async with open_client(settings(tmp_path, liar, honest), phone_on(net)) as client:
                await client.peers()
                peer, _ = await client.open_query("song")
                assert peer.peer_id == honest.identity.peer_id
                assert client.cache.get(liar.identity.peer_id).failures_in_row == 1
                assert client.cache.get(empty.identity.peer_id).failures_in_row == 0, "it did nothing"

    simulate(main)


def test_a_peer_that_serves_another_track_than_the_one_named_is_refused_and_another_asked(
    tmp_path: Path,
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [TEN[0]], [SONG]) as servers:
            liar, honest = servers

            async def lying(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                wanted = call.open(data, pb.SearchRequest).open
                wanted.track_id = TEN[0].track.track_id
                reply = hit_at(liar.gossip.own.current(), TEN[0])
                reply.open.CopyFrom(await own._open_track(wanted, call.peer_id, context))
                await context.write(call.seal(reply))

            replace_search(liar, lying)
            async with open_client(settings(tmp_path, liar, honest), phone_on(net)) as client:
                peer, opened = await first_source(client.open_track(SONG.track.track_id))
                assert opened.track.track_id == SONG.track.track_id
                assert peer.peer_id == honest.identity.peer_id

    simulate(main)


def test_who_serves_a_track_under_another_name_has_lied_and_who_passed_that_on_may_not_have(
    tmp_path: Path,
) -> None:
    async def main(net: SimInternet) -> None:
        spam = made_track(5, title="Buy this")
        async with swarm(net, [], [spam], [SONG]) as servers:
            asked, liar, honest = servers
            false = pb.Hit(track_id=spam.track.track_id, title="Song", artist="Somebody", holders=[0])
            phone = phone_on(net)
            for teller, misbehaved, failed in ((asked, 0, 1), (liar, 1, 0)):
                lie(teller, pb.SearchReply(hits=[false], peers=[liar.gossip.own.current()]))
                at = tmp_path / str(misbehaved)
                async with open_client(settings(at, teller, honest), phone) as client:
                    now = phone.unix_time()
                    record = parse_record_untrusted(teller.gossip.own.current(), now)
                    client.cache.add(record, teller.identity.peer_id, now)
                    peer, opened = await client.open_query("song")
                    assert (peer.peer_id, opened.track) == (honest.identity.peer_id, SONG.track)
                    entry = client.cache.get(teller.identity.peer_id)
                    assert (round(entry.misbehaviour), entry.failures_in_row) == (misbehaved, failed)

    simulate(main)


def test_a_song_that_a_liar_gave_another_name_is_played_all_the_same(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            liar, honest = servers
            false = pb.Hit(track_id=SONG.track.track_id, title="Buy this", holders=[0])
            lie(liar, pb.SearchReply(hits=[false], peers=[honest.gossip.own.current()]))
            async with open_client(settings(tmp_path, liar), phone_on(net)) as client:
                await client.peers()
                peer, _ = await client.open_query("song")
                assert peer.peer_id == honest.identity.peer_id
                assert client.cache.get(liar.identity.peer_id).failures_in_row == 1
                assert client.cache.get(honest.identity.peer_id).failures == 0

    simulate(main)


def test_holders_that_hang_cost_a_second_each_and_no_more(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG], [SONG]) as servers:
            asked, hanging, honest = servers
            star(servers)

            async def hang(*_: object) -> bytes:
                await trio.sleep_forever()
                raise AssertionError

            (path,) = (path for path in hanging.rpc._handlers if path.endswith("Streams/Open"))
            hanging.rpc._handlers[path] = unary_unary(hang)
            by_id = SONG.track.track_id
            for name, item in (("words", "song"), ("id", by_id)):
                async with open_client(settings(tmp_path / name, asked), phone_on(net)) as client:
                    began_s = trio.current_time()
                    if isinstance(item, str):
                        peer, _ = await client.open_query(item)
                    else:
                        peer, _ = await first_source(client.open_track(item))
                    assert peer.peer_id == honest.identity.peer_id
                    assert trio.current_time() - began_s < HEAD_START_S + 10 * ONE_WAY_S
                net.hosts[PHONE].kill()
                del net.hosts[PHONE]

    simulate(main)


def test_who_is_asked_again_while_it_is_silent_is_one_source(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG]) as servers:
            slow = servers[0]

            async def think(own: Search, data: bytes, context: Context) -> None:
                await trio.sleep(HEAD_START_S + 2 * ONE_WAY_S)
                await own.search(data, context)

            replaced = replace_search(slow, think)
            async with open_client(settings(tmp_path, slow), phone_on(net)) as client:
                await client.peers()  # so that its record is there, which is another way to it
                found = [peer.peer_id async for peer, _ in client.open_track(SONG.track.track_id)]
            assert replaced.asked == 2
            assert found == [slow.identity.peer_id]

    simulate(main)


def test_the_bootstrap_peer_that_did_best_is_asked_first(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [SONG]) as servers:
            mute, good = servers

            async def say_nothing(own: Search, data: bytes, context: Context) -> None:
                await trio.sleep_forever()

            replaced = replace_search(mute, say_nothing)
            phone = phone_on(net)
            took_s = []
            for _ in range(2):
                async with open_client(settings(tmp_path, mute, good), phone) as client:
                    began_s = trio.current_time()
                    peer, _ = await client.open_query("song")
                    took_s.append(trio.current_time() - began_s)
                    assert peer.peer_id == good.identity.peer_id
            assert replaced.asked == 1
            assert took_s[0] == pytest.approx(HEAD_START_S + 8 * ONE_WAY_S, abs=0.3)
            assert took_s[1] == pytest.approx(6 * ONE_WAY_S, abs=0.05)

    simulate(main)


@pytest.mark.parametrize("is_somebody_else", [False, True])
def test_a_hit_whose_holder_is_not_there_leads_to_another_peer(
    tmp_path: Path, is_somebody_else: bool
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            liar, honest = servers
            place = honest.host if is_somebody_else else net.host("10.0.0.77")
            lie(liar, hit_at(record_of(place, Identity(b"S" * 32)).data))
            async with open_client(settings(tmp_path, liar, honest), phone_on(net)) as client:
                peer, _ = await client.open_query("song")
                assert peer.peer_id == honest.identity.peer_id

    simulate(main)


def dialled_by(phone: SimHost, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that a phone tries to connect to, from now on."""
    hosts: list[str] = []
    connect = SimHost.connect_tcp

    async def noted(self: SimHost, host: str, port: int) -> trio.abc.Stream:
        if self is phone:
            hosts.append(host)
        return await connect(self, host, port)

    monkeypatch.setattr(SimHost, "connect_tcp", noted)
    return hosts


def test_a_liar_sends_us_to_few_strangers_and_does_not_keep_us_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            liar, honest = servers
            phone = phone_on(net)
            now = int(phone.unix_time())
            records = [
                build_record(
                    Identity(bytes([n + 1]) * 32),
                    [(f"10.7.{n}.{place}", PORT) for place in range(4)],
                    Role.SERVES,
                    now,
                    now + 3600,
                )
                for n in range(RECORDS_TO_OPEN)
            ]
            hit = pb.Hit(track_id=SONG.track.track_id, title="Song", holders=range(RECORDS_TO_OPEN))
            lie(liar, pb.SearchReply(hits=[hit], peers=records))
            dialled = dialled_by(phone, monkeypatch)
            async with open_client(settings(tmp_path, liar, honest), phone) as client:
                peer, _ = await client.open_query("song")
            assert peer.peer_id == honest.identity.peer_id
            assert trio.current_time() < HOLDERS_S + 3
            assert sum(host.startswith("10.7.") for host in dialled) <= 16

    simulate(main)


def test_who_relays_many_hollow_hits_is_scored_down_once(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], [], [], [], []) as servers:
            asked, liar, *empty = servers
            introduce(liar, asked)
            hit = pb.Hit(track_id=SONG.track.track_id, title="Song", holders=range(4))
            lie(liar, pb.SearchReply(hits=[hit], peers=[each.gossip.own.current() for each in empty]))
            async with open_client(settings(tmp_path, asked), phone_on(net)) as client:
                await client.peers()
                with pytest.raises(NothingFoundError):
                    await client.open_query("song")
                assert round(client.cache.get(asked.identity.peer_id).failures) == 1
                for each in empty:
                    assert client.cache.get(each.identity.peer_id).failures == 0, "they did nothing"

    simulate(main)


def test_an_older_record_that_is_relayed_does_not_lead_astray(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [SONG]) as servers:
            liar, honest = servers
            phone = phone_on(net)
            now = int(phone.unix_time())
            places = [(honest.host.address, PORT), ("fd00::7", PORT)]
            data = build_record(honest.identity, places, Role.SERVES, now, now + 3600)
            newest = parse_record_untrusted(data, now)
            left = [("10.0.0.77", PORT)]
            old = build_record(honest.identity, left, Role.SERVES, now - 60, now + 3600)
            lie(liar, hit_at(old))
            async with open_client(settings(tmp_path, liar), phone) as client:
                client.cache.add(newest, honest.identity.peer_id, phone.unix_time())
                peer, _ = await client.open_query("song")
                assert peer.peer_id == honest.identity.peer_id
                assert peer.hosts == [honest.host.address, "fd00::7"]
                assert client.cache.get(honest.identity.peer_id).failures == 0

    simulate(main)


def test_a_remembered_name_that_leads_home_is_not_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG]) as servers:
            at_home = servers[0]
            net.names["innocent.example"] = at_home.host.address
            phone = phone_on(net)
            now = int(phone.unix_time())
            data = build_record(at_home.identity, [("innocent.example", PORT)], Role.SERVES, now, now + 3600)
            async with serving(net.host("9.8.7.6")) as teller:
                lie(teller, hit_at(data))
                teller.gossip.view.add(parse_record_untrusted(data, now))
                dialled = dialled_by(phone, monkeypatch)
                async with open_client(settings(tmp_path, teller), phone) as client:
                    await client.peers()
                    assert at_home.identity.peer_id in client.cache
                    with pytest.raises(NoPeerError):
                        await client.open_query("song")
                assert set(dialled) == {"9.8.7.6"}

    simulate(main)


def test_a_holder_whose_name_leads_home_is_not_met(tmp_path: Path) -> None:
    """A record may have a name; if that resolves to a narrower network, it is an attempt on what is there."""

    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG]) as servers:
            at_home = servers[0]
            teller_host = net.host("9.8.7.6")
            net.names["innocent.example"] = at_home.host.address
            phone = phone_on(net)
            now = int(phone.unix_time())
            data = build_record(at_home.identity, [("innocent.example", PORT)], Role.SERVES, now, now + 3600)
            async with serving(teller_host) as teller:
                lie(teller, hit_at(data))
                async with open_client(settings(tmp_path, teller), phone) as client:
                    with pytest.raises(NoPeerError):
                        await client.open_query("song")
                assert at_home.shelf.opens == 0

    simulate(main)


def test_nobody_there_is_told_apart_from_nothing_found(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, []) as servers:
            phone = phone_on(net)
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                with pytest.raises(NothingFoundError):
                    await client.open_query("song")
                servers[0].kill()
                await trio.sleep(1)
                with pytest.raises(NoPeerError):
                    await client.open_query("song")

    simulate(main)


def test_further_sources_are_found_by_a_walk_and_each_is_opened_once(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [SONG], [SONG], [], [SONG]) as servers:
            star(servers)
            async with open_client(settings(tmp_path, servers[0]), phone_on(net)) as client:
                first, opened = await client.open_query("song")
                others = [
                    peer.peer_id
                    async for peer, _ in client.open_track(
                        SONG.track.track_id,
                        Start(inline_bytes=0),
                        exclude=[first.peer_id],
                        track=opened.track,
                    )
                ]
            assert sorted(others) == sorted(servers[n].identity.peer_id for n in (1, 3))
            assert [server.shelf.opens for server in servers] == [1, 1, 0, 1]

    simulate(main)
