"""Where a peer is, by its own word."""

from __future__ import annotations

import pytest

from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.testing.host import EPOCH_S
from lightpeer.testing.network import SimInternet, simulate


class FakeChannel:
    """Knows where it led."""

    def __init__(self, host: str) -> None:
        self.remote_address = (host, 47474)
        self.others: list[tuple[str, int]] = []

    def also_at(self, addresses: list[tuple[str, int]]) -> None:
        self.others = addresses


@pytest.mark.parametrize(
    ("reached", "says", "hosts", "others"),
    [
        ("8.8.8.8", ["8.8.8.8", "2620:fe::9"], ["8.8.8.8", "2620:fe::9"], ["8.8.8.8", "2620:fe::9"]),
        ("2620:fe::9", ["8.8.8.8", "2620:fe::9"], ["2620:fe::9", "8.8.8.8"], ["8.8.8.8", "2620:fe::9"]),
        ("8.8.8.8", ["2620:fe::9", "2620:fe::a"], ["8.8.8.8", "2620:fe::9"], ["2620:fe::9"]),
        ("8.8.8.8", ["music.example"], ["8.8.8.8"], []),
        ("8.8.8.8", ["::1", "fd00::1", "192.168.0.1"], ["8.8.8.8"], []),
        ("192.168.0.5", ["fd00::1"], ["192.168.0.5", "fd00::1"], ["fd00::1"]),
    ],
)
def test_where_else_a_peer_is_by_its_own_word(reached, says, hosts, others) -> None:
    """An address of each family: no name, which may lead anywhere, and in no narrower network."""

    async def main(net: SimInternet) -> None:
        channel, me = FakeChannel(reached), Identity(b"\x01" * 32)
        host = net.host("10.0.0.1")
        peer = Peer(channel, Sealer(me, host), address=channel.remote_address)
        assert peer.hosts == [reached]
        data = build_record(me, [(name, 47474) for name in says], Role.SERVES, EPOCH_S, EPOCH_S + 60)
        peer.learn_places(parse_record_untrusted(data, EPOCH_S))
        assert peer.hosts == hosts
        assert channel.others == [(name, 47474) for name in others]

    simulate(main)
