"""Peers on one local network, where datagrams get lost, come twice and late: whom they find, and when."""

from __future__ import annotations

import heapq
from ipaddress import ip_network
from itertools import count
from random import Random

import pytest

from lightpeer.core.addresses import Endpoint
from lightpeer.core.lan.mdns import PORT, Mdns
from lightpeer.core.lan.services import Heard, Own
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity

LINK = (ip_network("192.168.1.0/24"),)
PEERS = [Own(Identity(bytes([n]) * 32).peer_id, None, 47474 + n) for n in range(1, 6)]


class Network:
    """A network on a literal clock.

    Attributes:
        now: the time in seconds.
        sent: how many datagrams were sent.
        contacts: what each node has found, by the name of the service.
    """

    def __init__(self, seed: int, loss: float = 0.0, twice: float = 0.0) -> None:
        self.now = 0.0
        self.sent = 0
        self.contacts: dict[str, dict[tuple[bytes, ...], list[Contact]]] = {}
        self._random = Random(seed)
        self._loss, self._twice = loss, twice
        self._nodes: dict[str, Mdns] = {}
        self._on_way: list[tuple[float, int, bytes, str, Endpoint | None]] = []
        self._number = count()

    def join(self, host: str, own: Own | None) -> None:
        """Put a node on the network; without a service it is a client."""
        heard = Heard(LINK, own.name if own else None)
        self._nodes[host] = Mdns(heard, own, host, self._random.randbytes, self.now)
        self.contacts[host] = {}

    def leave(self, host: str, *, says_goodbye: bool) -> None:
        """Take a node off the network."""
        node = self._nodes.pop(host)
        if says_goodbye:
            node.stop()
            self._collect(host, node)
        del self.contacts[host]

    def found_by(self, host: str) -> set[Contact]:
        """Return the contacts that a node has now."""
        return {contact for contacts in self.contacts[host].values() for contact in contacts}

    def run(self, until: float) -> None:
        """Go on until a time."""
        while True:
            due = [(node.next_deadline(), host) for host, node in self._nodes.items()]
            deadline_s, host = min(due)
            arrival_s = self._on_way[0][0] if self._on_way else float("inf")
            if min(deadline_s, arrival_s) > until:
                self.now = until
                return
            if arrival_s <= deadline_s:
                self._deliver()
            else:
                self.now = max(self.now, deadline_s)
                self._nodes[host].handle_timeout(self.now)
                self._collect(host, self._nodes[host])

    def _deliver(self) -> None:
        self.now, _, data, sender, place = heapq.heappop(self._on_way)
        for host, node in self._nodes.items():
            if host != sender and place in {None, (host, PORT)} and self._random.random() >= self._loss:
                for _ in range(1 + (self._random.random() < self._twice)):
                    node.receive(data, (sender, PORT), self.now)
                self._collect(host, node)

    def _collect(self, host: str, node: Mdns) -> None:
        while (datagram := node.next_datagram()) is not None:
            self.sent += 1
            late_s = self._random.uniform(0.001, 0.05)
            heapq.heappush(
                self._on_way, (self.now + late_s, next(self._number), datagram[0], host, datagram[1])
            )
        while (found := node.next_found()) is not None:
            self.contacts[host][found[0]] = found[1]


def host_of(number: int) -> str:
    return f"192.168.1.{number}"


def servers(network: Network, how_many: int) -> dict[str, Contact]:
    """Put servers on the network; return how each is to be found."""
    for number, own in enumerate(PEERS[:how_many], 1):
        network.join(host_of(number), own)
    return {
        host_of(number): Contact((host_of(number), own.port), own.peer_id)
        for number, own in enumerate(PEERS[:how_many], 1)
    }


def others(contacts: dict[str, Contact], host: str) -> set[Contact]:
    return set(contacts.values()) - {contacts.get(host)}


def test_all_find_all_others_within_a_second_and_none_itself() -> None:
    network = Network(1)
    contacts = servers(network, 5)
    network.run(1.0)
    for host in contacts:
        assert network.found_by(host) == others(contacts, host)


@pytest.mark.parametrize("seed", range(8))
def test_a_third_that_is_lost_or_comes_twice_costs_a_minute_at_most(seed: int) -> None:
    network = Network(seed, loss=0.33, twice=0.33)
    contacts = servers(network, 4)
    network.join(host_of(99), None)
    network.run(60.0)
    for host in (*contacts, host_of(99)):
        assert network.found_by(host) == others(contacts, host)


def test_a_client_that_comes_later_is_answered_at_once_though_nobody_announces_any_more() -> None:
    network = Network(2)
    contacts = servers(network, 3)
    network.run(1000.0)
    network.join(host_of(99), None)
    network.run(1000.5)
    assert network.found_by(host_of(99)) == set(contacts.values())


def test_a_goodbye_is_heard_and_the_peer_may_come_back() -> None:
    network = Network(3)
    contacts = servers(network, 3)
    network.run(100.0)
    network.leave(host_of(1), says_goodbye=True)
    network.run(102.0)
    assert network.found_by(host_of(2)) == {contacts[host_of(3)]}
    network.join(host_of(1), PEERS[0])
    network.run(104.0)
    assert network.found_by(host_of(2)) == others(contacts, host_of(2))


def test_who_leaves_without_a_word_is_forgotten_when_its_time_is_over() -> None:
    network = Network(4)
    contacts = servers(network, 3)
    network.run(100.0)
    network.leave(host_of(1), says_goodbye=False)
    network.run(3000.0)
    assert contacts[host_of(1)] in network.found_by(host_of(2)), "75 minutes are not over"
    network.run(15_000.0)
    assert network.found_by(host_of(2)) == {contacts[host_of(3)]}


def test_who_stays_is_known_for_a_day_with_few_datagrams() -> None:
    network = Network(5)
    contacts = servers(network, 5)
    network.run(3600.0)
    settled = network.sent
    network.run(25 * 3600.0)
    for host in contacts:
        assert network.found_by(host) == others(contacts, host)
    assert network.sent - settled < 5 * 24 * 6, "an hour: a question each, and few answers"


def test_one_that_moves_to_another_address_is_found_there() -> None:
    network = Network(6)
    contacts = servers(network, 2)
    network.run(10.0)
    network.leave(host_of(1), says_goodbye=True)
    network.join(host_of(50), PEERS[0])
    network.run(15.0)
    moved = Contact((host_of(50), PEERS[0].port), PEERS[0].peer_id)
    assert moved in network.found_by(host_of(2))
    assert network.found_by(host_of(50)) == {contacts[host_of(2)]}
