"""The light client on a simulated network: whom it asks, what it remembers, what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import SOUND_FIRST_S, Client, open_client
from lightpeer.client.models import Hit
from lightpeer.client.start import Start
from lightpeer.client.stream import INLINE_BYTES  # which TCP sends at once
from lightpeer.core.guard.rules import Rules
from lightpeer.core.lists.rule_lists import DENIABLE, RuleList
from lightpeer.core.search.head_start import HEAD_START_S
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import NoPeerError, NothingFoundError
from lightpeer.rpc.server import Context
from lightpeer.serve.services.search import Search
from lightpeer.state.peers import PEERS_FILE
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings
from tests.sim.swarm import introduce, replace_search, swarm

PHONE = "10.0.9.1"
ROUND_TRIP_S = 0.04  # of the simulated network's default links


async def found(client: Client, query: str, limit: int = 10) -> list[Hit]:
    return [hit async for hit in client.search(query, limit)]


def test_a_search_gives_hits_with_their_holders(tmp_path: Path) -> None:
    made = made_track(30, kbps=(24, 48), title="Copper Rain")

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            (hit,) = await found(client, "copper")
            assert (hit.track_id, hit.uri) == (made.track.track_id, made.track.uri)
            assert (hit.title, hit.artist, hit.duration_s) == ("Copper Rain", "Somebody", 30.0)
            assert hit.bitrates_kbps == [24, 48]
            assert hit.holders == [format_peer_id(server.identity.peer_id)]
            assert await found(client, "nothing like it") == []

    simulate(main)


def test_words_to_play_cost_one_round_trip_once_the_connection_stands(tmp_path: Path) -> None:
    made = made_track(30)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            _, opened = await client.open_query("song", Start(inline_bytes=INLINE_BYTES))
            assert trio.current_time() == pytest.approx(2 * ROUND_TRIP_S, abs=0.001)
            assert opened.track == made.track
            *whole, last = [chunk.data for chunk in opened.chunks[1:]]
            assert len(whole) >= 1
            assert whole == made.segments[0][: len(whole)]
            assert made.segments[0][len(whole)].startswith(last), "there may be a part of the last"
            assert (server.shelf.searches, len(server.streams)) == (1, 1)

    simulate(main)


def test_neighbours_are_asked_when_the_first_peer_has_nothing(tmp_path: Path) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as first,
            serving(net.host("10.0.0.2"), [made]) as second,
            open_client(settings(tmp_path, first), net.host(PHONE)) as client,
        ):
            introduce(second, first)
            assert [hit.track_id for hit in await found(client, "song")] == [made.track.track_id]
            peer, _ = await client.open_query("song")
            assert peer.peer_id == second.identity.peer_id

    simulate(main)


def test_nothing_found_and_nobody_there_are_two_things(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1")) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            with pytest.raises(NothingFoundError, match="'song'"):
                await client.open_query("song")
            with pytest.raises(NothingFoundError, match="loud:"):
                [_ async for _ in client.open_track(bytes(32))]
        async with open_client(settings(tmp_path / "other"), phone) as client:
            with pytest.raises(NoPeerError, match="--bootstrap"):
                await found(client, "song")
        server.kill()
        async with open_client(settings(tmp_path / "third", server), phone) as client:
            for attempt in (found(client, "song"), client.open_query("song"), client.peers()):
                with pytest.raises(NoPeerError):
                    await attempt

    simulate(main)


@pytest.mark.parametrize("hours", [0, 12])
def test_what_was_learnt_is_there_at_the_next_start_without_a_bootstrap_peer(
    tmp_path: Path, hours: int
) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with serving(net.host("10.0.0.1")) as first, serving(net.host("10.0.0.2"), [made]) as second:
            introduce(second, first)
            async with open_client(settings(tmp_path, first, peers_asked=1), phone) as client:
                known = {info.peer_id for info in await client.peers()}
            assert known == {format_peer_id(s.identity.peer_id) for s in (first, second)}
            first.kill()
            await trio.sleep(hours * 3600)
            async with open_client(settings(tmp_path), phone) as client:
                assert len(await found(client, "song")) == 1

    simulate(main)


def test_whom_hits_name_is_remembered_once_it_has_served(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [made_track(3, seed=1)], [made_track(3, seed=2)]) as servers:
            servers[0].gossip.sample = lambda *_: []
            for server in servers[1:]:
                introduce(server, servers[0])
            async with open_client(settings(tmp_path, servers[0]), net.host(PHONE)) as client:
                assert len(await found(client, "song")) == 2
                assert [entry.record.peer_id for entry in client.cache.entries()] == [
                    servers[0].identity.peer_id
                ]
                peer, _ = await client.open_query("song", Start(inline_bytes=INLINE_BYTES))
                entry = client.cache.get(peer.peer_id)
                assert entry.tried
                assert entry.rtt_s == pytest.approx(ROUND_TRIP_S, rel=0.1)
                assert len(client.cache) == 2

    simulate(main)


def test_who_searches_and_knows_few_gets_to_know_others_once(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        made = made_track(3)
        async with swarm(net, [made], [made], [], []) as servers:
            for server in servers[1:]:
                introduce(server, servers[0])
            phone = net.host(PHONE)
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                for _ in range(2):
                    shown = [
                        (hit, trio.current_time(), len(client.cache)) async for hit in client.search("song")
                    ]
                assert len(shown) == 1
                assert len(client.cache) == 4
                assert trio.current_time() == shown[0][1], "the second time, nothing comes after the hits"
            servers[0].kill()
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                assert len(await found(client, "song")) == 1

    simulate(main)


def test_who_plays_and_knows_few_gets_to_know_others_after_the_first_sound(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [made_track(3)], [], []) as servers:
            for server in servers[1:]:
                introduce(server, servers[0])
            async with open_client(settings(tmp_path, servers[0]), net.host(PHONE)) as client:
                await client.open_query("song")
                await trio.sleep(SOUND_FIRST_S)
                assert len(client.cache) == 1
                await trio.sleep(2 * ROUND_TRIP_S)
                assert len(client.cache) == 3

    simulate(main)


def test_a_peer_that_does_not_answer_costs_a_head_start_and_no_more(tmp_path: Path) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with serving(net.host("10.0.0.1")) as silent, serving(net.host("10.0.0.2"), [made]) as second:
            silent.scope.cancel()
            silent.host.kill(silently=True)
            async with open_client(settings(tmp_path, silent, second), phone) as client:
                assert len(await found(client, "song", 1)) == 1
                assert trio.current_time() == pytest.approx(HEAD_START_S + 2 * ROUND_TRIP_S, abs=0.1)

    simulate(main)


def test_a_corrupt_cache_is_set_aside_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / PEERS_FILE).write_bytes(b"junk")

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            assert await client.peers()
        assert (tmp_path / (PEERS_FILE + ".corrupt")).read_bytes() == b"junk"
        assert "corrupt" in caplog.text

    simulate(main)


@pytest.mark.parametrize("offset_s", [-86_400 * 365 * 20, 86_400])
def test_a_clock_that_is_wrong_costs_a_round_trip_once(tmp_path: Path, offset_s: int) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        phone.clock_offset_s = offset_s
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            await client.open_query("song", Start(inline_bytes=INLINE_BYTES))
            first = trio.current_time()
            assert first == pytest.approx(3 * ROUND_TRIP_S, abs=0.001)
            await client.open_query("song", Start(inline_bytes=INLINE_BYTES))
            assert trio.current_time() - first == pytest.approx(ROUND_TRIP_S, abs=0.001)

    simulate(main)


def test_a_light_client_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_track(10)
    listening: list[str] = []
    listen_tcp = SimHost.listen_tcp

    async def noted(self: SimHost, host: str, port: int) -> object:
        listening.append(self.address)
        return await listen_tcp(self, host, port)

    monkeypatch.setattr(SimHost, "listen_tcp", noted)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            await client.peers()
            await found(client, "song")
            await client.open_query("song")
        assert listening == ["10.0.0.1"]
        assert len(server.gossip.view) == 0, "nobody remembers a light client"

    simulate(main)


@pytest.mark.parametrize(("kind", "sentence"), [("allow", "is private: ask"), ("deny", "has shut it out")])
def test_a_private_peer_is_told_of_where_nobody_else_has_it(tmp_path: Path, kind: str, sentence: str) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as private,
            serving(net.host("10.0.0.2")) as other,
            open_client(settings(tmp_path, private, other), net.host(PHONE)) as client,
        ):
            own = format_peer_id(client.identity.peer_id)
            everybody = RuleList()
            everybody.add("0.0.0.0/0", DENIABLE)
            everybody.flush()
            rules = {"allow": (RuleList(),)} if kind == "allow" else {"deny": (everybody,)}
            private.access.rules = Rules(private.identity.peer_id, **rules)
            for ask in (
                lambda: found(client, "song"),
                lambda: client.open_query("song"),
                lambda: anext(client.open_track(made.track.track_id)),
            ):
                with pytest.raises(NothingFoundError, match=rf"10\.0\.0\.1:\d+ .*{sentence}") as caught:
                    await ask()
                assert own in str(caught.value)
            assert private.shelf.searches == 0
            assert other.shelf.searches > 0
            other.shelf.tracks[made.track.track_id] = made
            assert len(await found(client, "song")) == 1
            assert (await client.open_query("song"))[0].peer_id == other.identity.peer_id

    simulate(main)


def test_searches_that_overlap_tell_each_of_who_refused_itself(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as server,
            serving(net.host("10.0.0.2")) as slow,
            open_client(settings(tmp_path, server, slow), net.host(PHONE)) as client,
        ):

            async def search_slowly(own: Search, data: bytes, context: Context) -> None:
                await trio.sleep(0.8)  # it is not silent yet
                await own.search(data, context)

            async def refused() -> None:
                with pytest.raises(NothingFoundError, match="is private"):
                    await found(client, "song")

            replace_search(slow, search_slowly)
            server.access.rules = Rules(server.identity.peer_id, allow=(RuleList(),))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(refused)
                await trio.sleep(0.5)
                server.access.rules = Rules(server.identity.peer_id)
                assert await found(client, "song") == []

    simulate(main)


def test_a_private_peer_that_nobody_named_is_passed_over(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as first,
            serving(net.host("10.0.0.2")) as private,
            open_client(settings(tmp_path, first), net.host(PHONE)) as client,
        ):
            introduce(private, first)
            refused: list[bytes] = []
            require = private.access.require

            def note(caller: PeerId, host: str) -> None:
                refused.append(caller)
                require(caller, host)

            private.access.require = note
            private.access.rules = Rules(private.identity.peer_id, allow=(RuleList(),))
            assert await found(client, "song") == []
            assert client.identity.peer_id in refused, "it was asked all the same"

    simulate(main)
