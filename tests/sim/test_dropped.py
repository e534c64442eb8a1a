"""A listener on a track whose upper renditions were dropped at its server, and are made again meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.download import connection
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import Heard, at, stream
from tests.pair import MadeTrack, made_track, serving, settings

PHONE = "10.0.9.1"
ALL = 3


def made(seconds: int = 240) -> MadeTrack:
    track = made_track(seconds, kbps=(24, 48, 96))
    track.present = 1
    return track


def listen(tmp_path: Path, track: MadeTrack, ready_s: float | None, seed: int = 1, **more: object) -> Heard:
    """Hear a track, all of which is there after a while, or never."""

    async def main(net: SimInternet) -> Heard:
        phone = net.host(PHONE, up=Link(100_000, 0.05), down=Link(100_000, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [track]) as server,
            open_client(settings(tmp_path, server, **more), phone) as client,
            trio.open_nursery() as nursery,
        ):
            if ready_s is not None:
                nursery.start_soon(at, ready_s, setattr, track, "present", ALL)
            heard = await stream(client, track)
            nursery.cancel_scope.cancel()
            return heard

    return simulate(main, seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("transport", ["auto", "grpc"])
def test_it_begins_in_the_lowest_and_gets_better_without_a_break(tmp_path, transport, seed) -> None:
    heard = listen(tmp_path, made(), 12.0, seed, transport=transport)
    assert heard.session.playout.rebuffers == 0
    assert heard.began_s < 2.0, "nobody waits for the encoder"
    assert heard.told("source_lost", "reason") == []
    assert set(heard.renditions[:10]) == {0}
    better = heard.renditions.index(2)
    assert better < 40, "it is noticed within the first minute"
    assert heard.renditions[60:].count(2) > 150


def test_where_it_is_never_made_all_of_it_is_heard_in_the_lowest(tmp_path) -> None:
    heard = listen(tmp_path, made(), None)
    assert heard.session.playout.rebuffers == 0
    assert set(heard.renditions) == {0}
    assert heard.told("source_lost", "reason") == []


@pytest.mark.parametrize("transport", ["auto", "grpc"])
def test_the_bitrate_that_is_named_is_waited_for(tmp_path, transport) -> None:
    heard = listen(tmp_path, made(60), 12.0, bitrate_kbps=96, transport=transport)
    assert set(heard.renditions) == {2}
    assert 12.0 < heard.began_s < 35.0
    assert heard.told("source_lost", "reason") == []


@pytest.mark.parametrize("transport", ["auto", "grpc"])
def test_what_is_dropped_in_a_long_rest_is_noticed_and_the_rest_is_heard(tmp_path, transport) -> None:
    """A server drops nothing that was used within ten minutes; this listener paused for longer."""
    track = made(120)
    track.present = ALL

    async def main(net: SimInternet) -> None:
        small = {"buffer_bytes": 256_000, "transport": transport}
        async with (
            serving(net.host("10.0.0.1"), [track]) as server,
            open_client(settings(tmp_path, server, **small), net.host(PHONE)) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(at, 300.0, setattr, track, "present", 1)
            heard = await stream(client, track, pause_s=620.0)
            nursery.cancel_scope.cancel()
        assert heard.renditions[-60:].count(0) > 50
        assert heard.session.playout.rebuffers <= 1

    simulate(main)


@pytest.mark.parametrize("transport", ["auto", "grpc"])
def test_a_client_that_does_not_know_of_it_hears_the_track_once_it_is_made(
    tmp_path, transport, monkeypatch
) -> None:
    track = made(60)
    monkeypatch.setattr(connection, "state_of", lambda peer, _present=0: _state_of(peer))
    monkeypatch.setattr("lightpeer.download.session.state_of", lambda peer, _present=0: _state_of(peer))
    heard = listen(tmp_path, track, 12.0, transport=transport)
    assert heard.renditions.count(2) > 20
    assert heard.began_s < 60.0


_state_of = connection.state_of
