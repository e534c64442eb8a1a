"""What a peer says of the time is taken for seals to that peer, and for nothing else."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ServerSeals
from lightpeer.errors import RpcError, SealError
from lightpeer.peering.sealing import TIME_METADATA, SealClock, Sealer
from lightpeer.testing.host import EPOCH_S
from lightpeer.testing.network import SimInternet, simulate

PATH = "/a.B/C"


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


def test_a_seal_has_the_peers_time_and_is_for_it() -> None:
    async def main(net: SimInternet) -> None:
        me, them, others = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
        sealer = Sealer(me, net.host("10.0.0.1"))
        their_ms = EPOCH_S * 1000 - 3_600_000
        assert sealer.clock.adopt_untrusted(stale(str(their_ms)))
        sealed = sealer.seals(PATH, them.peer_id).seal_request(b"request")
        served = ServerSeals(them, PATH, ReplayGuard(), NOWHERE)
        assert served.open_request_untrusted(sealed, their_ms) == b"request"
        assert served.peer_id == me.peer_id
        with pytest.raises(SealError):
            ServerSeals(others, PATH, ReplayGuard(), NOWHERE).open_request_untrusted(sealed, their_ms)

    simulate(main)
