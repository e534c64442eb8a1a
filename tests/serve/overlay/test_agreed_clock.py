"""The time that networks agree on, from literal offsets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from lightpeer.core.overlay.peer_entry import NOT_BEFORE_S
from lightpeer.serve.overlay.agreed_clock import CLOCKS_ALIKE_S, AgreedClock
from lightpeer.testing import SimHost, SimInternet, simulate
from lightpeer.testing.host import EPOCH_S

HOSTS = [f"{10 + number}.0.0.1" for number in range(1, 9)]
DAY_S = 86_400.0


def with_clock(test: Callable[[AgreedClock, SimHost], Awaitable[None]]) -> None:
    async def main(net: SimInternet) -> None:
        host = net.host("9.0.0.1")
        await test(AgreedClock(host), host)

    simulate(main)


def offset_s(clock: AgreedClock, host: SimHost) -> float:
    return clock.unix_time() - host.unix_time()


def test_it_is_the_systems_until_three_networks_say_the_same() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        for peer in HOSTS[:2]:
            clock.hear(peer, DAY_S, is_named=False)
            assert offset_s(clock, host) == 0.0
        clock.hear(HOSTS[2], DAY_S, is_named=False)
        assert offset_s(clock, host) == DAY_S

    with_clock(test)


def test_three_peers_of_one_network_are_one() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        for peer in ("20.0.0.1", "20.0.0.2", "20.0.0.3"):
            clock.hear(peer, DAY_S, is_named=False)
        assert offset_s(clock, host) == 0.0

    with_clock(test)


def test_a_named_peer_counts_for_two() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        clock.hear(HOSTS[0], DAY_S, is_named=True)
        assert offset_s(clock, host) == 0.0
        clock.hear(HOSTS[1], DAY_S, is_named=False)
        assert offset_s(clock, host) == DAY_S

    with_clock(test)


@pytest.mark.parametrize(("apart_s", "agrees"), [(CLOCKS_ALIKE_S / 2 - 1, True), (CLOCKS_ALIKE_S, False)])
def test_clocks_within_two_minutes_are_alike(apart_s: float, agrees: bool) -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        for number, peer in enumerate(HOSTS[:3]):
            clock.hear(peer, DAY_S + number * apart_s, is_named=False)
        assert (offset_s(clock, host) != 0.0) == agrees

    with_clock(test)


def test_a_clock_before_this_program_takes_the_first_word_and_not_the_next() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        host.clock_offset_s = NOT_BEFORE_S - EPOCH_S - 1000.0
        clock.unix_time()
        clock.hear(HOSTS[0], 5 * DAY_S, is_named=False)
        assert offset_s(clock, host) == 5 * DAY_S
        clock.hear(HOSTS[1], 99 * DAY_S, is_named=False)
        assert offset_s(clock, host) == 5 * DAY_S

    with_clock(test)


def test_nothing_said_before_the_systems_clock_was_set_counts_after() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        for peer in HOSTS[:3]:
            clock.hear(peer, DAY_S, is_named=False)
        assert offset_s(clock, host) == DAY_S
        await trio.sleep(3600)
        assert offset_s(clock, host) == DAY_S, "time that passes is no clock that is set"
        host.clock_offset_s = DAY_S
        assert offset_s(clock, host) == 0.0

    with_clock(test)


def test_a_correction_of_seconds_keeps_what_was_said() -> None:
    async def test(clock: AgreedClock, host: SimHost) -> None:
        for peer in HOSTS[:3]:
            clock.hear(peer, DAY_S, is_named=False)
        host.clock_offset_s = 5.0
        assert offset_s(clock, host) == DAY_S

    with_clock(test)
