"""A client fetches minutes of music at once and rests until they are heard; its stream is still there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import Heard, at, stream
from tests.pair import made_track, serving, settings

PHONE, MOVED = "10.0.9.1", "10.0.77.1"
ONE_WAY_S = 0.1
REST_S = 300.0  # from some time within the first seconds on
MIDST_S = 200.0


class Rest(NamedTuple):
    """The longest silence, and what followed: when UDP went out again, and when the next DATA came back."""

    heard: Heard
    opens: int
    silence_s: float
    resumed_in_s: float
    ports: int  # by which the server saw the phone


def rest(tmp_path: Path, change: Callable[[SimHost, StreamTable], None], seed: int = 1) -> Rest:
    """Stream a track with a rest of five minutes, in the midst of which something changes."""
    made = made_track(60)
    sent: list[float] = []
    came: list[float] = []
    ports = set()

    async def main(net: SimInternet) -> tuple[Heard, int]:
        links = {"up": Link(50_000, ONE_WAY_S), "down": Link(50_000, ONE_WAY_S)}
        phone = net.host(PHONE, **links)
        phone.nat.forgets_s = 30.0

        def watch(data: bytes, source: tuple[str, int], _target: tuple[str, int]) -> bytes:
            is_ours = source[0] in phone.addresses
            if is_ours:
                sent.append(net.now)
                ports.add(source)
            elif len(data) > 100:
                came.append(net.now + ONE_WAY_S)
            return data

        net.mutate = watch
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, buffer_bytes=140_000), phone) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(at, MIDST_S, change, phone, server.streams)
            heard = await stream(client, made, pause_s=REST_S)
            return heard, server.shelf.opens

    heard, opens = simulate(main, seed)
    silence_s, resumed_at = max((after - before, after) for before, after in pairwise(sent))
    resumed_in_s = min(time for time in came if time > resumed_at) - resumed_at
    return Rest(heard, opens, silence_s, resumed_in_s, len(ports))


def nothing(_phone: SimHost, _streams: StreamTable) -> None:
    """The NAT alone forgets."""


def another_address(phone: SimHost, _streams: StreamTable) -> None:
    phone.move(MOVED)


def a_full_server(_phone: SimHost, streams: StreamTable) -> None:
    """It ends the streams that rest, to have room for others."""
    for stream_id in list(streams._streams):
        streams._drop(stream_id)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("change", "round_trips"), [(nothing, 1), (another_address, 2)])
def test_after_five_minutes_the_same_stream_goes_on(
    tmp_path: Path, change: Callable[[SimHost, StreamTable], None], round_trips: int, seed: int
) -> None:
    """From another port at once, by the token for its host; from another address a round trip later."""
    rested = rest(tmp_path, change, seed)
    assert rested.silence_s > REST_S - 30.0
    assert rested.ports > 1, "the NAT has forgotten"
    assert rested.resumed_in_s < round_trips * 2 * ONE_WAY_S + 0.06
    assert rested.opens == 1
    assert rested.heard.session.stats.transports == {"udp"}
    assert rested.heard.session.playout.rebuffers == 0
    assert rested.heard.session.stats.retransmitted_units == 0


def test_where_the_stream_has_given_way_the_call_goes_on_and_udp_is_opened_anew(tmp_path: Path) -> None:
    rested = rest(tmp_path, a_full_server)
    assert rested.heard.session.playout.rebuffers == 0
    assert rested.heard.told("transport", "transport")[-1] == "udp"
    assert not rested.heard.told("source_lost", "reason")
