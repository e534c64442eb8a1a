"""Whom a light client asks when the first address leads nowhere, to somebody else, or is not given at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from lightpeer.client.candidates import LOOK_S
from lightpeer.client.client import open_client
from lightpeer.config import Settings
from lightpeer.core.lan.services import Own
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import NoPeerError, NothingFoundError
from lightpeer.serve.overlay.gossip import ASKS_AT_ONCE
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import PORT, Serving, made_track, serving, settings
from tests.sim.swarm import introduce, swarm

PHONE = "10.0.9.1"
STRANGER = Identity(b"\x09" * 32)


async def titles(client) -> list[str]:
    return [hit.title async for hit in client.search("song")]


def named(tmp_path: Path, *contacts: Contact) -> Settings:
    return Settings(state_dir=tmp_path, bootstrap=contacts)


def test_all_addresses_of_a_name_are_asked_when_the_first_has_nothing(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1")), serving(net.host("10.0.0.2"), [made_track(3)]):
            net.names["peers.example"] = ["10.0.0.9", "10.0.0.1", "10.0.0.2"]
            net.host("10.0.0.9")  # where nobody listens
            config = named(tmp_path, Contact(("gone.example", PORT)), Contact(("peers.example", PORT)))
            async with open_client(config, net.host(PHONE)) as client:
                assert await titles(client) == ["Song"]
                assert await titles(client) == ["Song"]

    simulate(main)


def test_who_was_named_by_id_is_met_or_nobody(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [made_track(3)]) as server:
            right = Contact(server.address, server.identity.peer_id)
            async with open_client(named(tmp_path / "right", right), net.host(PHONE)) as client:
                assert await titles(client) == ["Song"]
            wrong = named(tmp_path / "wrong", Contact(server.address, STRANGER.peer_id))
            name = format_peer_id(STRANGER.peer_id)
            says = f"another peer than {name} answers at 10.0.0.1:{PORT}: check the id"
            async with open_client(wrong, net.host("10.0.9.2")) as client:
                for attempt in (partial(titles, client), partial(client.open_query, "song"), client.peers):
                    with pytest.raises(NoPeerError, match=says):
                        await attempt()

    simulate(main)


def test_a_wrong_id_is_told_once_where_others_are_known(tmp_path: Path, caplog) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made_track(3)]) as server,
            serving(net.host("10.0.0.2"), [made_track(3)]) as other,
        ):
            wrong = Contact(server.address, STRANGER.peer_id)
            async with open_client(named(tmp_path, wrong, Contact(other.address)), net.host(PHONE)) as client:
                assert await titles(client) == ["Song"]
                assert await titles(client) == ["Song"]
                assert await client.peers()

    simulate(main)
    name = format_peer_id(STRANGER.peer_id)
    says = f"another peer than {name} answers at 10.0.0.1:{PORT}: check the id in --bootstrap"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [says]


def test_a_wrong_id_is_told_where_peers_are_asked_for(tmp_path: Path, caplog) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1")) as server, serving(net.host("10.0.0.2")) as other:
            wrong = Contact(server.address, STRANGER.peer_id)
            async with open_client(named(tmp_path, wrong, Contact(other.address)), net.host(PHONE)) as client:
                assert await client.peers()

    simulate(main)
    assert "check the id in --bootstrap" in caplog.text


def test_the_local_network_is_looked_at_when_nobody_else_is_known(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made_track(3)]) as server,
            server.host.lan(Own(server.identity.peer_id, None, PORT)),
            open_client(named(tmp_path), net.host(PHONE)) as client,
        ):
            assert await titles(client) == ["Song"]
            assert trio.current_time() < 1

    simulate(main)


@pytest.mark.parametrize(("is_looking", "takes_s"), [(True, LOOK_S), (False, 0)])
def test_where_nobody_is_found_there_it_is_told_as_ever(tmp_path: Path, is_looking, takes_s) -> None:
    async def main(net: SimInternet) -> None:
        net.lan.is_looking = is_looking
        async with open_client(named(tmp_path), net.host(PHONE)) as client:
            with pytest.raises(NoPeerError, match="no peer is known"):
                await titles(client)
            assert trio.current_time() == takes_s

    simulate(main)


def test_who_knows_somebody_does_not_look_around(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [made_track(3)]) as server:
            phone = net.host(PHONE)
            phone.lan = None
            async with open_client(settings(tmp_path, server), phone) as client:
                assert await titles(client) == ["Song"]
            async with open_client(named(tmp_path), phone) as client:
                assert await titles(client) == ["Song"]

    simulate(main)


def asked_for_records(servers: list[Serving]) -> list[int]:
    """Have it noted which of some servers are asked for records, from now on."""
    asked: list[int] = []
    for number, server in enumerate(servers):

        def sample(*args, number=number, sample=server.gossip.sample):
            asked.append(number)
            return sample(*args)

        server.gossip.sample = sample
    return asked


def test_the_hearsay_of_one_peer_is_enough_and_another_is_asked_when_it_is_gone(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, *[[]] * 15) as servers:
            for server in servers[1:]:
                introduce(server, servers[0])
            asked = asked_for_records(servers)
            phone = net.host(PHONE)
            for _ in range(2):
                async with open_client(settings(tmp_path, servers[0]), phone) as client:
                    assert len(await client.peers()) == 15
            assert asked == [0, 0]
            servers[0].kill()
            async with open_client(settings(tmp_path, servers[0]), phone) as client:
                await client.peers()
            assert len(asked) == 3
            assert asked[2] > 0

    simulate(main)


def test_another_peer_is_asked_for_records_while_few_are_known(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, *[[]] * 4) as servers:
            introduce(servers[1], servers[0])
            introduce(servers[2], servers[1])
            asked = asked_for_records(servers)
            async with open_client(settings(tmp_path, servers[0]), net.host(PHONE)) as client:
                assert len(await client.peers()) == 3
            assert asked == [0, 1]

    simulate(main)


def test_a_peer_that_was_asked_for_records_too_often_is_not_to_blame(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [made_track(3)]) as server:
            phone = net.host(PHONE)
            for n in range(ASKS_AT_ONCE + 2):
                async with open_client(settings(tmp_path, server), phone) as client:
                    assert await titles(client) == ["Song"]
                    entry = client.cache.get(server.identity.peer_id)
                    assert (entry.failures_in_row, round(entry.successes)) == (
                        0,
                        n + 1 + min(n + 1, ASKS_AT_ONCE),
                    )

    simulate(main)


def test_a_search_in_vain_goes_on_with_whom_one_peer_names(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with swarm(net, [], [], []) as servers:
            introduce(servers[2], servers[0])
            asked = asked_for_records(servers)
            contacts = [Contact(server.address) for server in servers[:2]]
            async with open_client(named(tmp_path, *contacts), net.host(PHONE)) as client:
                with pytest.raises(NothingFoundError):
                    await client.open_query("song")
            assert servers[2].shelf.searches == 2  # for the walk of the first, and for us
            assert asked == [0, 0, 1]  # the others when it names nobody new

    simulate(main)


@pytest.mark.parametrize("told_at_home", [True, False])
def test_a_remembered_name_leads_as_far_in_as_whoever_told_of_it_was(
    tmp_path: Path, told_at_home: bool
) -> None:
    async def main(net: SimInternet) -> None:
        async with serving(net.host("192.168.0.5"), [made_track(3)]) as server:
            net.names["nas.example"] = server.host.address
            phone = net.host("192.168.0.9")
            now = int(phone.unix_time())
            data = build_record(server.identity, [("nas.example", PORT)], Role.SERVES, now, now + 3600)
            source_host = "192.168.0.7" if told_at_home else "9.8.7.6"
            async with open_client(named(tmp_path), phone) as client:
                client.cache.add(parse_record_untrusted(data, now), STRANGER.peer_id, now, source_host)
                if told_at_home:
                    assert await titles(client) == ["Song"]
                else:
                    with pytest.raises(NoPeerError):
                        await titles(client)

    simulate(main)
