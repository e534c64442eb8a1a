"""How long whoever is asked is waited for, on virtual time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio

from lightpeer.asking import HEAD_START_S, LONGEST_HEAD_START_S, ROUND_TRIPS, wait_for
from tests.shell.rpc import run


@pytest.mark.parametrize(
    ("rtt_s", "waits_s"),
    [(None, HEAD_START_S), (0.1, HEAD_START_S), (1.2, 1.2 * ROUND_TRIPS), (9.0, LONGEST_HEAD_START_S)],
)
def test_a_silent_peer_has_the_time_that_its_round_trips_take(rtt_s, waits_s):
    async def main():
        reach, peer = SimpleNamespace(received_bytes=0), SimpleNamespace(rtt_s=rtt_s)
        await wait_for(trio.Event(), reach, peer, LONGEST_HEAD_START_S)
        assert trio.current_time() == pytest.approx(waits_s)

    run(main)
