"""What a peer says of the time is taken for seals to that peer, and for nothing else."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
from lightpeer.errors import RpcError
from lightpeer.peering.peer import TIME_METADATA, Peer, SealClock, _watch
from lightpeer.testing.host import EPOCH_S
from lightpeer.testing.network import SimInternet, simulate


def stale(time_ms: str) -> RpcError:
    return RpcError(StatusCode.UNAUTHENTICATED, "stale", ((TIME_METADATA, time_ms),))


@pytest.mark.parametrize("lie", ["0", "1", "9" * 16, "9" * 4000])
def test_a_lie_about_the_time_gives_times_that_can_be_sealed(lie: str) -> None:
    async def main(net: SimInternet) -> None:
        host = net.host("10.0.0.1")
        clock = SealClock(host)
        assert clock.adopt_untrusted(stale(lie))
        host.clock_offset_s = -3600  # and then the system's clock is set back
        assert 0 <= clock.now_ms() < 1 << 64
        assert clock.adopt_untrusted(stale(str(EPOCH_S * 1000)))
        assert clock.now_ms() == EPOCH_S * 1000

    simulate(main)


@pytest.mark.parametrize("nonsense", ["", "-1", "1.5", "soon", "\u0661"])
def test_what_is_no_time_is_not_adopted(nonsense: str) -> None:
    async def main(net: SimInternet) -> None:
        clock = SealClock(net.host("10.0.0.1"))
        assert not clock.adopt_untrusted(stale(nonsense))
        assert clock.now_ms() == EPOCH_S * 1000

    simulate(main)


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
        peer = Peer(channel, me, SealClock(host), host, address=channel.remote_address)
        assert peer.hosts == [reached]
        data = build_record(me, [(name, 47474) for name in says], Role.SERVES, EPOCH_S, EPOCH_S + 60)
        peer.learn_places(parse_record_untrusted(data, EPOCH_S))
        assert peer.hosts == hosts
        assert channel.others == [(name, 47474) for name in others]

    simulate(main)


@pytest.mark.parametrize(
    ("heard_until_s", "ends_s"),
    [
        (0.0, 5.0),  # nothing came
        (1.5, 6.5),
        (2.5, 10.0),  # three times as long as it came
        (4.0, 14.0),  # but no more than twice the silence
        (60.0, 70.0),
    ],
)
def test_a_reply_that_was_coming_may_be_silent_for_longer(heard_until_s: float, ends_s: float) -> None:
    async def main(_: SimInternet) -> float:
        call = SimpleNamespace(heard_s=0.0)

        async def come() -> None:
            for half_seconds in itertools.takewhile(lambda n: n / 2 <= heard_until_s, itertools.count()):
                await trio.sleep_until(half_seconds / 2)
                call.heard_s = half_seconds / 2

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            await _watch(5.0, call, trio.CancelScope())  # type: ignore[arg-type]
            return trio.current_time()

    assert simulate(main) == pytest.approx(ends_s)
