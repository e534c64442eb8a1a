"""Which addresses are tried, and in what order."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.candidates import LOOK_AGAIN_S, MAX_FURTHER, Candidates
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.net.found import Lan
from tests.rpc.service import run

NOW = 1_750_000_000
THEM = Identity(b"\x02" * 32)
A, B = Contact(("1.1.1.1", 1)), Contact(("peers.example", 2))
CONNECTED = Contact(("3.3.3.3", 3))


class Stage:
    def __init__(self, *bootstrap: Contact) -> None:
        self.cache = PeerCache()
        self.names: dict[str, list[str]] = {}
        self.connected: list[Contact] = []
        self.their_connections: list[object] = []
        self.lan = Lan()
        network = SimpleNamespace(unix_time=lambda: NOW, resolve=self._resolve, lan=self._look)
        connections = SimpleNamespace(
            alive=lambda: self.connected, peers=lambda _peer_id: self.their_connections
        )
        remembered = SimpleNamespace(cache=self.cache)
        self.candidates = Candidates(bootstrap, network, connections, remembered)

    def remember(self, *hosts: str, identity: Identity = THEM) -> None:
        data = build_record(identity, [(host, 9) for host in hosts], Role.SERVES, NOW, NOW + 600)
        self.cache.add(parse_record_untrusted(data, NOW), identity.peer_id, NOW)

    async def _resolve(self, host: str) -> list[str]:
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    @asynccontextmanager
    async def _look(self):
        yield self.lan


def test_the_connected_come_first_then_the_list_then_two_addresses_of_each_known_peer():
    on = Stage(A)
    on.connected = [CONNECTED]
    on.remember("5.5.5.5", "2001:db8::5", "6.6.6.6")
    known = [Contact((host, 9), THEM.peer_id) for host in ("5.5.5.5", "2001:db8::5")]
    assert on.candidates.ordered() == [CONNECTED, A, *known]


def test_the_list_is_ordered_by_what_is_known_of_who_was_there():
    on = Stage(A, Contact(("5.5.5.5", 9)))
    on.remember("5.5.5.5")
    on.cache.on_success(THEM.peer_id, 0.01, NOW)
    assert on.candidates.given() == [Contact(("5.5.5.5", 9)), A]


def test_a_list_of_one_needs_no_cache():
    on = Stage(A)
    on.candidates._remembered = None
    assert on.candidates.given() == [A]


def test_who_is_named_by_the_person():
    on = Stage(A, Contact(("2.2.2.2", 2), THEM.peer_id))
    assert on.candidates.is_given(A.address)
    assert not on.candidates.is_given(B.address)
    assert [on.candidates.rank(a) for a in (A.address, ("2.2.2.2", 2), B.address)] == [0, 1, None]
    assert on.candidates.was_given(THEM.peer_id)
    other = Identity(b"\x03" * 32).peer_id
    assert not on.candidates.was_given(other)
    on.their_connections = [SimpleNamespace(address=A.address)]
    assert on.candidates.was_given(other), "it answers at an address that was named"


@pytest.mark.parametrize(("bootstrap", "hosts"), [((), ()), ((A,), ()), ((), ("5.5.5.5",))])
def test_whether_anybody_is_known(bootstrap, hosts):
    on = Stage(*bootstrap)
    if hosts:
        on.remember(*hosts)
    assert on.candidates.is_any_known == bool(bootstrap or hosts)


def test_further_addresses_of_names_are_found_once_and_those_met_left_out():
    async def main():
        on = Stage(Contact(("gone.example", 2)), B)
        on.names["peers.example"] = ["7.7.7.7", "8.8.8.8"]
        await on.candidates.resolve_names({"7.7.7.7"})
        assert on.candidates.ordered()[2:] == [Contact(("8.8.8.8", 2))]
        on.names["peers.example"] = ["9.9.9.9"]
        await on.candidates.resolve_names(set())
        assert on.candidates.ordered()[2:] == [Contact(("8.8.8.8", 2))]

    run(main)


def test_those_on_the_local_network_are_candidates():
    async def main():
        on = Stage()
        on.lan.put("nas", [CONNECTED])
        await on.candidates.look_around()
        assert on.candidates.ordered() == [CONNECTED]
        on.lan.put("nas", [B])
        await on.candidates.look_around()
        assert on.candidates.ordered() == [CONNECTED], "once a minute"
        await trio.sleep(LOOK_AGAIN_S)
        await on.candidates.look_around()
        assert on.candidates.ordered() == [B, CONNECTED]
        on.lan.put("nas", [Contact(("9.9.9.9", port)) for port in range(2 * MAX_FURTHER)])
        await trio.sleep(LOOK_AGAIN_S)
        await on.candidates.look_around()
        assert len(on.candidates.ordered()) == MAX_FURTHER

    run(main)


def test_who_knows_nobody_looks_each_time_unless_that_is_not_wanted():
    async def main():
        on = Stage()
        await on.candidates.look_around()
        on.lan.put("nas", [B])
        on.candidates._looks_around = False
        await on.candidates.look_around()
        assert on.candidates.ordered() == []
        on.candidates._looks_around = True
        await on.candidates.look_around()
        assert on.candidates.ordered() == [B]

    run(main)


def test_an_address_that_changed_hands_is_told_once():
    on = Stage(A)
    on.candidates.note_moved(A.address)
    assert not on.candidates.take_moved(B.address)
    assert on.candidates.take_moved(A.address)
    assert not on.candidates.take_moved(A.address)
