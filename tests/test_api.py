"""The client that programs use: as the README has it, against servers on a simulated internet."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import lightpeer
from lightpeer import LightClient, NothingFoundError, UsageError
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import serving, settings
from tests.playback.music import demo_track, pcm_of

RAIN = demo_track("copper-rain")
SERVER = "10.0.0.1"


@asynccontextmanager
async def listening(net: SimInternet, folder: Path, **chosen: object) -> AsyncIterator[LightClient]:
    """A client that knows the one server there is."""
    phone = net.host("10.0.9.1")
    net.names["music.example.org"] = SERVER
    async with (
        serving(net.host(SERVER), [RAIN]),
        lightpeer.open_client(
            bootstrap=["music.example.org"], settings=settings(folder, **chosen), network=phone
        ) as client,
    ):
        yield client


def test_search_fetch_stream_and_play(tmp_path):
    async def main(net: SimInternet) -> None:
        async with listening(net, tmp_path / "state") as client:
            (hit,) = [hit async for hit in client.search("copper rain")]
            assert hit.title == "Copper Rain"
            done = await client.fetch(hit.uri, tmp_path / "x.opus")
            assert isinstance(done, lightpeer.Fetched)
            async with client.stream(hit.uri, bitrate_kbps=48) as segments:
                header = segments.track.renditions[0].header
                data = header + b"".join([segment.data async for segment in segments])
            assert data == (tmp_path / "x.opus").read_bytes()
            async with client.player(output=f"wav:{tmp_path / 'x.wav'}") as player:
                await player.play([hit.uri])
                events = [event async for event in player.events]
            assert [type(event) for event in events] == [
                lightpeer.Opening,
                lightpeer.Playing,
                lightpeer.Ended,
            ]
            assert client.peer_id.startswith("L")

    simulate(main)
    with wave.open(str(tmp_path / "x.wav")) as heard:
        assert heard.readframes(heard.getnframes()) == pcm_of(RAIN)


def test_peers(tmp_path):
    async def main(net: SimInternet) -> None:
        async with listening(net, tmp_path) as client:
            (peer,) = await client.peers()
            assert peer.endpoints == [f"{SERVER}:47474"]

    simulate(main)


def test_what_fails_is_raised(tmp_path):
    async def main(net: SimInternet) -> None:
        async with listening(net, tmp_path) as client:
            assert [hit async for hit in client.search("nothing like it")] == []
            with pytest.raises(NothingFoundError):
                await client.fetch("loud:" + "1" * 32, tmp_path / "x.opus")

    simulate(main)


@pytest.mark.parametrize("output", ["tape", "wav:", "command:'"])
def test_an_output_that_there_is_not_is_refused_at_once(tmp_path, output):
    async def main(net: SimInternet) -> None:
        async with listening(net, tmp_path) as client:
            with pytest.raises(UsageError):
                async with client.player(output=output):
                    pass

    simulate(main)


def test_without_settings_they_are_the_persons(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTPEER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LIGHTPEER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("LIGHTPEER_BOOTSTRAP", "10.0.0.7")
    (tmp_path / "config.toml").write_text("bitrate_kbps = 24\n")
    named = format_peer_id(bytes(20))

    async def main(net: SimInternet) -> None:
        async with lightpeer.open_client(network=net.host("10.0.9.1")) as client:
            assert client.settings.state_dir == tmp_path / "state"
            assert client.settings.bitrate_kbps == 24
            assert client.settings.bootstrap == (Contact(("10.0.0.7", 47474)),)
        contacts = ["10.0.0.8:1", f"{named}@[::1]:2"]
        async with lightpeer.open_client(bootstrap=contacts, network=net.host("10.0.9.2")) as client:
            assert client.settings.bootstrap == (
                Contact(("10.0.0.8", 1)),
                Contact(("::1", 2), bytes(20)),
            )

    simulate(main)


def test_an_address_that_is_none_is_refused(tmp_path):
    async def main(net: SimInternet) -> None:
        with pytest.raises(UsageError, match="'a b' is not the address of a peer: give HOST:PORT"):
            async with lightpeer.open_client(bootstrap=["a b"], settings=settings(tmp_path), network=net):
                pass

    simulate(main)


def test_without_a_network_it_is_the_systems(tmp_path):
    async def main(_net: SimInternet) -> None:
        async with lightpeer.open_client(settings=settings(tmp_path)) as client:
            assert type(client._client.network).__name__ == "SystemNetwork"

    simulate(main)
