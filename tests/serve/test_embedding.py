"""A server within a program: it listens as the block begins, tells who asks, and drains at the end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import lightpeer
import lightpeer.serve
from lightpeer.errors import UsageError
from lightpeer.serve import (
    Imported,
    Invited,
    LibraryTrouble,
    Listening,
    ServerEvent,
    ServeSettings,
    open_server,
)
from lightpeer.testing.network import SimInternet, simulate
from tests.exported import unexported
from tests.pair import settings as client_settings

NAMES = [
    "Imported",
    "Invited",
    "LibraryTrouble",
    "Listening",
    "ListsRead",
    "Mended",
    "Mirrored",
    "NotReached",
    "OnlyHere",
    "Reached",
    "RoleChanged",
    "ServeSettings",
    "Server",
    "ServerEvent",
    "Trouble",
    "Withdrawn",
    "open_server",
]
SERVER = "10.0.0.1"
TRACKS = Path(lightpeer.__file__).parent / "cli" / "demo" / "tracks"


@pytest.fixture
def chosen(tmp_path: Path) -> ServeSettings:
    (tmp_path / "music").mkdir()
    return ServeSettings(
        music_dir=tmp_path / "music", state_dir=tmp_path / "serve", listen=(SERVER, 1000), ladder_kbps=(48,)
    )


def test_a_client_finds_what_it_has(chosen, tmp_path):
    shutil.copy(TRACKS / "copper-rain.opus", chosen.music_dir / "Copper Rain.opus")

    async def main(net: SimInternet) -> None:
        host, phone = net.host(SERVER), net.host("10.0.9.1")
        async with open_server(chosen, network=host) as server:
            assert server.address == (SERVER, 1000)
            assert server.contact == f"{server.peer_id}@{SERVER}:1000"
            await server.wait_imported()
            settings = client_settings(tmp_path / "client")
            async with lightpeer.open_client(
                bootstrap=[server.contact], settings=settings, network=phone
            ) as client:
                (hit,) = [hit async for hit in client.search("copper rain")]
                assert hit.holders == [server.peer_id]
        assert (host.listeners, host.udp, host.streams) == ({}, {}, [])

    simulate(main)


def test_it_says_nothing_but_to_who_asks(chosen, capfd):
    told: list[ServerEvent] = []

    async def main(net: SimInternet) -> None:
        async with open_server(chosen, network=net.host(SERVER), on_event=told.append) as server:
            await server.wait_imported()
            await trio.sleep(10)
            invite = f"loudp2p:{server.peer_id}@{SERVER}:1000"
            nothing = f"0 tracks: {chosen.music_dir} has no music that can be imported"
            assert told == [
                Listening((SERVER, 1000), server.peer_id),
                Invited(invite),
                Imported(0, 0.0, "0 files imported"),
                LibraryTrouble(nothing),
            ]

    simulate(main)
    assert capfd.readouterr() == ("", "")


def test_what_keeps_it_from_starting_is_raised(chosen):
    chosen.music_dir.rmdir()

    async def main(net: SimInternet) -> None:
        with pytest.raises(UsageError, match="does not exist"):
            async with open_server(chosen, network=net.host(SERVER)):
                pass

    simulate(main)


def test_a_failure_in_the_block_ends_it(chosen):
    async def main(net: SimInternet) -> None:
        host = net.host(SERVER)
        with pytest.raises(ZeroDivisionError):
            async with open_server(chosen, network=host):
                raise ZeroDivisionError
        assert (host.listeners, host.udp) == ({}, {})

    simulate(main)


def test_without_a_network_it_is_the_systems(tmp_path, chosen):
    async def main() -> None:
        here = ServeSettings(
            music_dir=chosen.music_dir, state_dir=chosen.state_dir, listen=("127.0.0.1", 0), lan=False
        )
        async with open_server(here) as server:
            host, port = server.address
            assert host == "127.0.0.1"
            assert port > 0
            await (await trio.open_tcp_stream(host, port)).aclose()

    trio.run(main)


# The names.


def test_the_public_names_are_these():
    assert lightpeer.serve.__all__ == NAMES
    assert dir(lightpeer.serve) == NAMES
    assert all(getattr(lightpeer.serve, name) is getattr(lightpeer.serve, name) for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'Speaker'"):
        lightpeer.serve.Speaker  # noqa: B018


def test_every_class_that_a_program_gets_is_exported():
    assert unexported(lightpeer, lightpeer.serve) == set()


def test_importing_it_imports_nothing_heavy():
    code = "import sys, lightpeer.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"trio", "h2", "lightpeer.serve.server", "google.protobuf"}
