"""What a client remembers of the networks that it was in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lightpeer.client import stream as streams
from lightpeer.client.client import Client, open_client
from lightpeer.client.fetch import fetch
from lightpeer.client.kept import Wanted
from lightpeer.client.stream import streaming
from lightpeer.state.rates import DOWNLINK_FILE
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings

HOME, ELSEWHERE = "10.0.9.1", "10.0.8.1"
RATE = 50_000
SONG = made_track(60)


@pytest.fixture(autouse=True)
def _first_replies_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the link: they are too short to be a packet train."""
    monkeypatch.setattr(streams, "INLINE_BYTES", 0)


def at(folder: Path, own_host: str, act: Callable[[Client], Awaitable[None]]) -> None:
    """Do something as a client in one network, in a run of its own."""

    async def main(net: SimInternet) -> None:
        phone = net.host(own_host, down=Link(RATE, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [SONG]) as server,
            open_client(settings(folder, server), phone) as client,
        ):
            await act(client)

    simulate(main)


async def listen(client: Client) -> None:
    path = client.settings.state_dir / "song.opus"
    await fetch(client, SONG.track.uri, path)


def started_with(folder: Path, own_host: str) -> float:
    """Return the rate that a stream starts with."""
    rates: list[float] = []

    async def act(client: Client) -> None:
        async with streaming(client, SONG.track.track_id, Wanted(96)) as (session, _):
            rates.append(session.download.bandwidth.rate_bytes_per_s)

    at(folder, own_host, act)
    return rates[0]


def test_the_next_stream_in_the_same_network_starts_from_what_it_gave(tmp_path: Path) -> None:
    assert started_with(tmp_path, HOME) == 0
    at(tmp_path, HOME, listen)
    assert (tmp_path / DOWNLINK_FILE).stat().st_size < 100
    assert started_with(tmp_path, HOME) == pytest.approx(RATE, rel=0.25)
    assert started_with(tmp_path, ELSEWHERE) == 0


def test_a_corrupt_file_is_set_aside_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / DOWNLINK_FILE).write_bytes(b"junk")
    assert started_with(tmp_path, HOME) == 0
    assert (tmp_path / (DOWNLINK_FILE + ".corrupt")).read_bytes() == b"junk"
    assert "corrupt" in caplog.text
    at(tmp_path, HOME, listen)
    assert started_with(tmp_path, HOME) > 0


def test_a_file_that_cannot_be_read_or_written_costs_the_memory_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / DOWNLINK_FILE).mkdir()
    at(tmp_path, HOME, listen)
    assert "cannot read" in caplog.text
    assert "cannot write" in caplog.text
