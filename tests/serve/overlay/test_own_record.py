from __future__ import annotations

import pytest
import trio

from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.trust.records import PeerRecord, parse_record_untrusted
from lightpeer.errors import UsageError
from lightpeer.serve.overlay.own_record import RECORD_LIFETIME_S, OwnRecord
from lightpeer.serve.overlay.place import Place
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import simulate
from tests.serve.servers import identity

ME = identity(1)


def parsed(data: bytes | None, host: SimHost) -> PeerRecord:
    assert data is not None
    return parse_record_untrusted(data, host.unix_time())


def test_it_is_sealed_anew_in_time_and_when_what_it_says_changes() -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        place = OwnAddress()
        own = OwnRecord(ME, Place(place, 7), host.unix_time)
        assert own.current() is None
        assert own.fresh() is None
        place.proven("8.8.8.8")
        first = own.current()
        assert parsed(first, host).endpoints == (("8.8.8.8", 7),)
        await trio.sleep(RECORD_LIFETIME_S / 2)
        assert own.current() == first
        await trio.sleep(2)
        second = own.current()
        assert parsed(second, host).sequence == int(host.unix_time())
        own.roles = 0
        third = own.current()
        assert not parsed(third, host).serves
        assert parsed(third, host).sequence == parsed(second, host).sequence + 1
        assert own.current() == third

    simulate(main)


def test_each_is_newer_than_the_last_unless_the_clock_was_far_ahead() -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        own = OwnRecord(ME, Place(OwnAddress("10.0.0.1"), 7), host.unix_time)
        records = [parsed(own.fresh(), host) for _ in range(5)]
        assert len({record.sequence for record in records}) == 5
        assert records == sorted(records, key=lambda record: record.sequence)
        host.clock_offset_s = -86_400
        assert parsed(own.current(), host).sequence == int(host.unix_time())

    simulate(main)


def test_an_address_that_nobody_could_use_is_not_announced() -> None:
    async def main(net):
        with pytest.raises(UsageError, match="cannot announce"):
            OwnRecord(ME, Place(OwnAddress("0.0.0.0"), 7), net.host("10.0.0.1").unix_time)

    simulate(main)
