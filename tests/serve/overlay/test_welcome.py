"""What an operator hears of the way to the server."""

from __future__ import annotations

import pytest
import trio

from lightpeer.core.overlay.invitation import UNHEARD_S
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.trust.contact import format_invite
from lightpeer.core.trust.identity import PeerId
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.operator.events import Invited, NotReached, OnlyHere, Reached, ServerEvent
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.overlay.welcome import LOOK_S, Welcome
from lightpeer.testing.network import SimInternet, simulate
from tests.serve.overlay.test_own_record import ME  # the identity of a server

PORT = 5


def told_of(
    listens_at: str, *stated: str, come: tuple[tuple[float, str, str], ...] = ()
) -> list[ServerEvent]:
    """What is told within two minutes at 192.168.1.2, where connections come at these times."""
    told: list[ServerEvent] = []

    async def main(net: SimInternet) -> None:
        host = net.host("192.168.1.2")
        welcome = Welcome(Node(ME, host, Access(ME.peer_id)), Place(OwnAddress(*stated), PORT), told.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(welcome.run, listens_at)
            for at, local, remote in come:
                await trio.sleep_until(at)
                welcome.on_connection(local, remote)
            await trio.sleep_until(2 * UNHEARD_S + LOOK_S)
            nursery.cancel_scope.cancel()

    simulate(main)
    return told


def invite(*hosts: str) -> Invited:
    return Invited(format_invite(PeerId(ME.peer_id), [(host, PORT) for host in hosts]))


def test_at_loopback_it_is_for_this_machine_alone():
    assert told_of("127.0.0.1", "127.0.0.1") == [OnlyHere(PORT)]


@pytest.mark.parametrize("listens_at", ["::", "0.0.0.0", ""])
def test_at_all_addresses_the_local_one_is_in_the_invite_and_silence_is_told(listens_at):
    assert told_of(listens_at) == [invite("192.168.1.2"), NotReached(PORT)]


def test_behind_a_router_the_stated_address_is_told():
    assert told_of("127.0.0.1", "198.51.100.7")[0] == invite("198.51.100.7")


def test_an_address_that_others_came_by_is_told_and_joins_the_invite():
    come = ((5.0, "198.51.100.2", "198.51.100.2"), (6.0, "198.51.100.2", "203.0.113.5"))
    assert told_of("::", come=come) == [
        invite("192.168.1.2"),
        Reached(("198.51.100.2", PORT)),
        invite("198.51.100.2", "192.168.1.2"),
    ]
