"""A client whose bytes count: from when on, and what is left of it however its block ends."""

from __future__ import annotations

import pytest
import trio

from lightpeer.client.metered import open_metered
from lightpeer.config import Settings
from lightpeer.core.budget.profile import NORMAL, Profile, limits_of
from lightpeer.core.budget.standing import MB
from lightpeer.errors import CapReachedError
from lightpeer.state.usage import UsageFile
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings

PHONE = "10.0.9.1"


def used(folder) -> int:
    usage = UsageFile(folder).load()
    return usage.today_bytes(usage.clock)


async def ask(chosen: Settings, phone: SimHost) -> None:
    async with open_metered(chosen, phone) as client:
        await client.peers()


async def fail(chosen: Settings, phone: SimHost) -> None:
    async with open_metered(chosen, phone):
        phone.counters.add(rx=5000, tx=500)
        raise ZeroDivisionError


@pytest.mark.parametrize("at_once", [False, True])
def test_it_connects_at_once_only_where_that_is_wished(tmp_path, at_once):
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [made_track(3)]) as server:
            phone = net.host(PHONE)
            async with open_metered(settings(tmp_path, server), phone, at_once=at_once) as client:
                assert client.connecting.is_set() == at_once
                await trio.sleep(1)
                assert (phone.counters.tx_bytes() > 0) == at_once
                assert [hit.title async for hit in client.search("song")] == ["Song"]
        assert used(tmp_path) >= phone.counters.total_bytes() - 200, "its first packet counts too"

    simulate(main)


def test_where_there_are_caps_or_nobody_is_known_nothing_is_sent_before_it_is_asked_for(tmp_path):
    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1")) as server:
            capped = settings(tmp_path / "capped", server, profiles=(Profile("normal", day_mb=1),))
            for number, chosen in enumerate((capped, settings(tmp_path / "alone")), 1):
                phone = net.host(f"10.0.9.{number}")
                async with open_metered(chosen, phone, at_once=True) as client:
                    assert not client.connecting.is_set()
                    await trio.sleep(1)
                assert phone.counters.total_bytes() == 0

    simulate(main)


def test_what_a_network_carried_before_does_not_count(tmp_path):
    async def main(net: SimInternet) -> None:
        phone = net.host("10.0.9.1")
        phone.counters.add(rx=5 * MB)
        async with open_metered(settings(tmp_path), phone) as client:
            phone.counters.add(tx=1000)
            assert client.limits() == limits_of(NORMAL)
        assert used(tmp_path) == 1000

    simulate(main)


def test_a_cap_that_is_used_up_is_no_matter_until_something_is_asked(tmp_path):
    """What is kept may be heard all the same."""

    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1")) as server:
            phone = net.host(PHONE)
            UsageFile(tmp_path).add("normal", 2 * MB, phone.unix_time())
            chosen = settings(tmp_path, server, profiles=(Profile("normal", day_mb=1),))
            async with open_metered(chosen, phone) as client:
                assert client.meter.left_bytes <= 0
            with pytest.raises(CapReachedError):
                await ask(chosen, phone)

    simulate(main)


def test_what_was_used_is_saved_though_the_block_fails(tmp_path):
    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        with pytest.raises(ZeroDivisionError):
            await fail(settings(tmp_path), phone)
        assert used(tmp_path) == 5500

    simulate(main)


def test_nothing_runs_on_after_the_block(tmp_path):
    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with open_metered(settings(tmp_path), phone):
            phone.counters.add(rx=5000)
        phone.counters.add(rx=9 * MB)
        await trio.sleep(1000)
        assert used(tmp_path) == 5000

    simulate(main)
