"""The way of one search from peer to peer."""

from __future__ import annotations

from types import SimpleNamespace

from lightpeer.client.rounds import RACING, Rounds
from lightpeer.core.trust.contact import Contact
from tests.rpc.service import run

CONTACTS = [Contact((f"10.0.0.{n}", 1)) for n in range(6)]


class Stage:
    """Some peers at addresses; each gives others as it is asked for its neighbours."""

    def __init__(self, *at_hand: Contact, neighbours: dict[Contact, list[Contact]] | None = None) -> None:
        self.known = list(at_hand)
        self.neighbours = neighbours or {}
        self.dead: set[Contact] = set()
        self.moved: set[tuple[str, int]] = set()
        self.log: list[object] = []
        self.peers: dict[Contact, SimpleNamespace] = {}

    # Candidates.

    def ordered(self) -> list[Contact]:
        return list(self.known)

    async def look_around(self) -> None:
        self.log.append("look around")
        self.known = [CONTACTS[5]]

    async def resolve_names(self, met: set[str]) -> None:
        self.log.append(("resolve", met))

    def take_moved(self, address: tuple[str, int]) -> bool:
        was_there = address in self.moved
        self.moved.discard(address)
        return was_there

    # Connections.

    def holds(self, peer: SimpleNamespace) -> bool:
        return peer.contact not in self.dead

    async def connect(self, contacts: list[Contact], tried: set[Contact]) -> SimpleNamespace | None:
        assert len(contacts) <= RACING
        contact = contacts[0]
        tried.add(contact)
        if contact in self.dead:
            return None
        made = SimpleNamespace(
            contact=contact, address=contact.address, host=contact.address[0], peer_id=None, was_silent=False
        )
        return self.peers.setdefault(contact, made)

    async def exchange(self, peer: SimpleNamespace) -> None:
        self.log.append(("exchange", peer.contact))
        peer.peer_id = peer.host.encode()
        self.known += self.neighbours.get(peer.contact, [])

    async def met(self, limit: int = 8, on_peer=lambda _peer: None) -> list[Contact]:
        found = []
        async for peer in Rounds(self, self, self.connect, self.exchange, limit).run():
            found.append(peer.contact)
            on_peer(peer)
        return found


def test_peers_at_hand_then_their_neighbours_then_theirs():
    async def main():
        a, b, c, d, e, _ = CONTACTS
        on = Stage(a, b, neighbours={a: [c], c: [d], b: [], d: [e]})
        assert await on.met() == [a, b, c]
        assert on.log == [
            ("resolve", {"10.0.0.0", "10.0.0.1"}),
            ("exchange", a),  # it names somebody new: the second is not asked
            ("exchange", a),  # once more, and now the second too
            ("exchange", b),
        ]

    run(main)


def test_the_second_is_asked_for_neighbours_where_the_first_names_nobody_new():
    async def main():
        a, b, c, *_ = CONTACTS
        on = Stage(a, b, neighbours={b: [c]})
        assert await on.met() == [a, b, c]
        assert on.log[1:3] == [("exchange", a), ("exchange", b)]

    run(main)


def test_no_more_than_the_limit_are_met():
    async def main():
        on = Stage(*CONTACTS)
        assert await on.met(limit=2) == CONTACTS[:2]
        assert on.log == []

    run(main)


def test_those_that_cannot_be_reached_are_passed_over_and_not_asked():
    async def main():
        on = Stage(*CONTACTS[:3])
        on.dead = {CONTACTS[0]}
        assert await on.met() == CONTACTS[1:3]
        assert [entry[1] for entry in on.log[1:3]] == CONTACTS[1:3]

    run(main)


def test_a_client_that_knows_nobody_looks_around():
    async def main():
        on = Stage()
        assert await on.met() == [CONTACTS[5]]
        assert on.log[0] == "look around"

    run(main)


def test_a_client_that_reaches_nobody_whom_it_knows_looks_around():
    async def main():
        on = Stage(*CONTACTS[:2])
        on.dead = set(CONTACTS[:2])
        assert await on.met() == [CONTACTS[5]]
        assert on.log[:2] == [("resolve", set()), "look around"]

    run(main)


def test_one_that_was_silent_is_met_again_over_a_new_connection_and_another_is_not():
    async def main():
        a, b, again, _, _, _ = CONTACTS
        on = Stage(a, b, again)
        on.peers[again] = on.peers[a] = SimpleNamespace(
            contact=a, address=a.address, host="10.0.0.0", peer_id=None, was_silent=True
        )
        assert await on.met() == [a, b, a]
        on = Stage(a, b, again)
        on.peers[again] = on.peers[a] = SimpleNamespace(
            contact=a, address=a.address, host="10.0.0.0", peer_id=None, was_silent=False
        )
        assert await on.met() == [a, b]

    run(main)


def test_where_another_peer_has_moved_in_it_may_be_met_too():
    async def main():
        a = CONTACTS[0]
        on = Stage(a)

        def move_in(peer: SimpleNamespace) -> None:
            if not on.log and not peer.was_silent:
                peer.was_silent = True  # so that it may be met again
                on.moved.add(a.address)

        assert await on.met(on_peer=move_in) == [a, a]

    run(main)
