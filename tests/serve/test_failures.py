"""No task of a server ends another: each is made to fail at its waits, and an honest client is served."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import Wanted
from lightpeer.client.stream import next_within, streaming
from lightpeer.config import Settings
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import LightpeerError, NothingFoundError
from lightpeer.serve.importing.scan import scan
from lightpeer.serve.library.library import Library
from lightpeer.serve.operator.settings import ServeSettings
from lightpeer.serve.server import serve
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.serve.faults import Faults
from tests.serve.media import write_wav

pytestmark = pytest.mark.no_cover  # long runs, three times as long under coverage

SERVER = ("20.0.0.1", 1000)
NEIGHBOUR = ("21.0.0.1", 1000)
LADDER = (24,)
SECONDS = 4

# Prints that the server listens: whoever reads that may end the server by reading no more.
SPARED = ("_Server._tell_when_ready",)

# All that wait for more than for tasks of their own.
TASKS = {
    "Connections._hold",
    "Context.run",
    "Gossip._dial_back",
    "Gossip._keep_introducing",
    "Joining.keep_joined",
    "Joining.keep_whole",
    "Link._keep_time",
    "Link._read",
    "Objects._read_on",
    "RememberedPeers._save_later",
    "RpcServer._accept",
    "RpcServer._serve_client",
    "Services.run",
    "StreamTable._receive",
    "StreamTable._send",
    "Uplink.run",
    "Walkers._walk",
    "_Server._look_around",
    "_Server._mirror",
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's folder, with the music and what was made of it."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "music").mkdir()
    write_wav(folder / "music" / "Long Beep.wav", SECONDS)
    library = Library(folder / "state", folder / "music", LADDER, complexity=0)
    scan(library)
    library.close()
    return folder


@pytest.fixture
def folder(imported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(imported, tmp_path / "server"))


def settings(folder: Path, **more) -> ServeSettings:
    return ServeSettings(
        music_dir=folder / "music",
        state_dir=folder / "state",
        listen=("0.0.0.0", 1000),
        ladder_kbps=LADDER,
        **more,
    )


async def listen(host: SimHost, folder: Path, transport: str, words: str = "beep") -> int:
    """Do as an honest client: search, and stream the best hit; return how many seconds came."""
    chosen = Settings(state_dir=folder, bootstrap=(Contact(SERVER),), transport=transport)
    seconds = 0
    async with open_client(chosen, host) as client:
        track_ids = [hit.track_id async for hit in client.search(words, limit=1)]
        if not track_ids:
            raise NothingFoundError(words)
        async with streaming(client, track_ids[0], Wanted(24)) as (session, _):
            while await next_within(60, session) is not None:
                seconds += 1
    return seconds


async def use(host: SimHost, folder: Path) -> None:
    """Ask for what is there, and for what walks do not find either, whatever comes of it."""
    for transport in ("udp", "grpc"):
        for words in ("beep", "what nobody has"):
            with trio.move_on_after(60), suppress(LightpeerError):
                await listen(host, folder, transport, words)


def disk_error() -> OSError:
    return OSError(5, "Input/output error")


@pytest.mark.parametrize("error", [disk_error, ZeroDivisionError])
@pytest.mark.parametrize("wait", [1, 2])
def test_a_task_that_fails_ends_no_other(folder, tmp_path, wait, error) -> None:
    faults = Faults(error, wait, *SPARED)
    (tmp_path / "other" / "music").mkdir(parents=True)

    async def main(net: SimInternet) -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            chosen = settings(
                folder,
                bootstrap=(Contact(NEIGHBOUR),),
                mirror=("words",),
                max_upload_bytes_per_s=100_000,
                gossip_s=10.0,
            )
            other = settings(tmp_path / "other", bootstrap=(Contact(SERVER),), gossip_s=10.0)
            nursery.start_soon(faults.run, serve, chosen, net.host(SERVER[0]), stop)
            nursery.start_soon(serve, other, net.host(NEIGHBOUR[0]), stop)
            user, honest = net.host("30.0.0.1"), net.host("31.0.0.1")
            for pause_s in (60, 60, 60, 700):
                await trio.sleep(pause_s)
                await use(user, tmp_path / "user")
            faults.is_armed = False
            await trio.sleep(60)
            for transport in ("udp", "grpc"):
                assert await listen(honest, tmp_path / "honest", transport) == SECONDS + 1
            stop.set()

    with faults.in_force():
        simulate(main)
    if wait == 1:
        assert faults.failed >= TASKS
