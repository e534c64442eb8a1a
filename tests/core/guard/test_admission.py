from __future__ import annotations

from dataclasses import dataclass

import pytest

from lightpeer.core.guard.admission import MAX_NETWORKS, Admission, Placing
from lightpeer.core.rpc.frame_gate import FLOOD_BUDGET
from lightpeer.errors import FramingError


@dataclass(eq=False)
class Client:
    network: str
    group: str = "group"
    is_at_work: bool = False
    idle_since_s: float = 0.0


def admission(places: int = 4, places_per_network: int = 3, per_s: float = 100.0) -> Admission[Client]:
    return Admission(places=places, places_per_network=places_per_network, connections_per_s=per_s)


def let_in(door: Admission[Client], *clients: Client) -> None:
    for client in clients:
        assert door.admit(client, 0.0) == Placing(is_admitted=True, gives_way=None)


REFUSED = Placing(is_admitted=False, gives_way=None)


def test_while_there_are_places_everybody_gets_one():
    door = admission()
    clients = [Client("a"), Client("a"), Client("a"), Client("b")]
    let_in(door, *clients)
    assert len(door) == 4
    door.leave(clients[0])
    door.leave(clients[0])
    assert len(door) == 3
    let_in(door, Client("c"))


def test_a_network_that_has_all_its_places_gives_up_the_one_that_was_idle_for_longest():
    door = admission(places=9)
    clients = [Client("a", idle_since_s=at) for at in (3.0, 1.0, 2.0)]
    let_in(door, Client("b", idle_since_s=0.5), *clients)
    newcomer = Client("a", idle_since_s=9.0)
    assert door.admit(newcomer, 0.0) == Placing(is_admitted=True, gives_way=clients[1])
    clients[2].is_at_work = True
    assert door.admit(Client("a", is_at_work=True), 0.0).gives_way is clients[0]
    assert door.admit(Client("a", is_at_work=True), 0.0).gives_way is newcomer
    assert door.admit(Client("a"), 0.0) == REFUSED
    assert len(door) == 4


def test_when_all_places_are_taken_the_idle_of_the_group_and_network_with_most_give_way():
    door = admission(places=6)
    alone = Client("x", "ten", idle_since_s=0.0)
    two = [Client("a", "one", idle_since_s=at) for at in (1.0, 2.0)]
    three = [Client("b", "one", idle_since_s=at) for at in (5.0, 4.0, 6.0)]
    let_in(door, alone, *two, *three)
    assert door.admit(Client("y", "ten", idle_since_s=9.0), 0.0).gives_way is three[1]
    assert door.admit(Client("z", "nine", idle_since_s=9.0), 0.0).gives_way is two[0]  # they are two and two
    assert len(door) == 6


def test_when_all_are_at_work_the_network_with_most_gives_up_its_oldest():
    door = admission()
    clients = [Client(network, is_at_work=True) for network in ("b", "a", "a", "a")]
    let_in(door, *clients)
    assert door.admit(Client("b", is_at_work=True), 0.0) == Placing(is_admitted=True, gives_way=clients[1])
    assert door.admit(Client("c", is_at_work=True), 0.0) == Placing(is_admitted=True, gives_way=clients[0])


def test_who_has_as_many_places_as_any_gets_no_other_at_work():
    door = admission()
    let_in(door, *(Client(network, is_at_work=True) for network in "aabb"))
    assert door.admit(Client("a"), 0.0) == REFUSED
    assert door.admit(Client("c"), 0.0).is_admitted


def test_a_network_connects_so_often_and_no_more():
    door = admission(places=100, places_per_network=10, per_s=2.0)
    assert all(door.admit(Client("a"), 0.0).is_admitted for _ in range(2 * 10))
    assert door.admit(Client("a"), 0.0) == REFUSED
    let_in(door, Client("b"))
    assert door.admit(Client("a"), 0.4) == REFUSED
    assert door.admit(Client("a"), 0.5).is_admitted
    assert door.admit(Client("a"), 0.5) == REFUSED


def test_what_a_network_has_spent_stays_spent_when_it_connects_anew():
    door = admission()
    budget = door.budget("a")
    budget.refill(0.0)
    budget.charge(FLOOD_BUDGET)
    assert door.budget("a") is budget
    assert door.admit(Client("a"), 0.0) == REFUSED
    assert door.admit(Client("b"), 0.0).is_admitted
    with pytest.raises(FramingError):
        door.budget("a").charge(1)
    assert door.admit(Client("a"), 0.1).is_admitted


def test_the_budgets_of_networks_are_bounded_and_who_came_least_lately_gives_way():
    door = admission()
    first, second = door.budget("first"), door.budget("second")
    for number in range(MAX_NETWORKS - 2):
        door.budget(str(number))
    assert door.budget("first") is first
    door.budget("more")
    assert len(door._budgets) == MAX_NETWORKS
    assert door.budget("first") is first
    assert door.budget("second") is not second
