"""Peers that lie about others, or answer with more than was asked for: they cost us next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.choosing import TRACKS_WANTED
from lightpeer.client.client import open_client
from lightpeer.client.query import ANSWER_S
from lightpeer.core.trust.bounds import MAX_PEERS
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import StreamFailedError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.server import Context
from lightpeer.serve.services.search import Search
from lightpeer.testing.host import EPOCH_S
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import PHONE
from tests.pair import PORT, made_track, serving, settings
from tests.sim.swarm import replace_search

LIAR = Identity(b"L" * 32)


def record(host: str, who: Identity = LIAR) -> bytes:
    return build_record(who, [(host, PORT)], Role.SERVES, EPOCH_S, EPOCH_S + 3600)


def test_a_record_with_the_address_of_another_does_not_make_that_other_unreachable(tmp_path: Path) -> None:
    made = made_track(4)

    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [made]) as honest:
            config = settings(tmp_path)  # the liar's record is all that is known at first
            async with open_client(config, net.host(PHONE)) as client:
                lie = parse_record_untrusted(record("10.0.0.1"), EPOCH_S)
                client.cache.add(lie, honest.identity.peer_id, EPOCH_S)
                with pytest.raises(Exception):  # noqa: B017, PT011 - nobody is there, however that is told
                    _ = [hit async for hit in client.search("song")]
                own = record("10.0.0.1", honest.identity)
                client.cache.add(parse_record_untrusted(own, EPOCH_S), honest.identity.peer_id, EPOCH_S)
                assert [hit.title async for hit in client.search("song")] == ["Song"]

    simulate(main)


def test_a_message_without_anything_in_it_is_no_end_of_a_search(tmp_path: Path) -> None:
    """It has no seal, so it is no answer: whoever sent it is scored down, and another is asked."""

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as liar,
            serving(net.host("10.0.0.2"), [made_track(4)]) as honest,
        ):

            async def say_nothing(own: Search, data: bytes, context: Context) -> None:
                await context.write(b"")

            replace_search(liar, say_nothing)
            async with open_client(
                settings(tmp_path, liar, honest, peers_asked=1), net.host(PHONE)
            ) as client:
                await client.peers()
                assert [hit.title async for hit in client.search("song")] == ["Song"]
                assert round(client.cache.get(liar.identity.peer_id).misbehaviour) == 1

    simulate(main)


def test_an_answer_without_end_holds_up_a_search_for_ten_seconds(tmp_path: Path) -> None:
    """Each of its replies is sound, and comes before anybody would take it for silent."""
    made = made_track(4)

    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1")) as liar, serving(net.host("10.0.0.2"), [made]) as honest:

            async def drag_on(own: Search, data: bytes, context: Context) -> None:
                call = own._calls.begin(context)
                call.open(data, pb.SearchRequest)
                await context.write(call.seal(pb.SearchReply(peers=[liar.gossip.own.current()])))
                for number in range(TRACKS_WANTED):
                    await trio.sleep(8)
                    hit = pb.Hit(track_id=bytes([number]) * 32, title="Song", bitrates_kbps=[24])
                    await context.write(call.seal(pb.SearchReply(hits=[hit])))
                await trio.sleep_forever()

            replace_search(liar, drag_on)
            async with open_client(settings(tmp_path, liar, honest), net.host(PHONE)) as client:
                peer, opened = await client.open_query("song")
                assert (peer.peer_id, opened.track.track_id) == (honest.identity.peer_id, made.track.track_id)
                assert 9 < trio.current_time() < ANSWER_S + 2
                assert client.cache.get(liar.identity.peer_id).failures > 0

    simulate(main)


@pytest.mark.parametrize(("host", "kept"), [("127.0.0.1", 0), ("localhost", 0), ("10.0.0.7", 1)])
def test_a_record_of_a_narrower_network_than_it_came_from_is_left_out(
    tmp_path: Path, host: str, kept: int
) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            stranger = parse_record_untrusted(record(host), EPOCH_S)
            server.gossip.view.add(stranger)
            await client.peers()
            assert (LIAR.peer_id in client.cache) == kept

    simulate(main)


def search_at(tmp_path: Path, answer: list[pb.SearchReply], monkeypatch: pytest.MonkeyPatch) -> None:
    """Search at a server that answers so."""

    async def search(self: Search, data: bytes, context: Context) -> None:
        call = self._calls.begin(context)
        call.open(data, pb.SearchRequest)
        for reply in answer:
            await context.write(call.seal(reply))

    monkeypatch.setattr(Search, "search", search)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1")) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            _ = [hit async for hit in client.search("song", limit=3)]

    simulate(main)


@pytest.mark.parametrize(
    "answer",
    [
        [pb.SearchReply()] * 2,
        [pb.SearchReply(hits=[pb.Hit(track_id=bytes(32))] * 4)],
        [pb.SearchReply(peers=[record("10.0.0.3")] * (MAX_PEERS + 1))],
    ],
)
def test_search_replies_without_end_are_cut_off(
    tmp_path: Path, answer: list[pb.SearchReply], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        search_at(tmp_path, answer, monkeypatch)
    assert caught.group_contains(StreamFailedError)
