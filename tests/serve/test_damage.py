"""A bit flips on a server's disk: no listener takes it for a liar, and what is damaged is made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import Wanted
from lightpeer.client.stream import next_within, streaming
from lightpeer.config import Settings
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import StateError
from lightpeer.serve.importing import upkeep
from lightpeer.serve.importing.scan import ImportReport, mend, scan
from lightpeer.serve.library.library import Library
from lightpeer.serve.operator.events import Mended, ServerEvent
from lightpeer.serve.operator.settings import Operator, ServeSettings
from lightpeer.serve.server import serve
from lightpeer.state.peers import PEERS_FILE
from lightpeer.testing.clock import without_threads
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.serve.media import write_wav

SERVER = ("20.0.0.1", 1000)
LADDER = (24,)
SECONDS = 20


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    """A server whose only track has a bit that flipped in its fifteenth second or so."""
    music = tmp_path / "music"
    music.mkdir()
    write_wav(music / "Long Beep.wav", SECONDS)
    library = Library(tmp_path / "server", music, LADDER)
    scan(library)
    library.close()
    (path,) = (tmp_path / "server" / "tracks").glob("*/0.opus")
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    return ServeSettings(
        music_dir=music, state_dir=tmp_path / "server", listen=("0.0.0.0", 1000), ladder_kbps=LADDER
    )


async def listen(host: SimHost, folder: Path, transport: str) -> int:
    """Stream the best hit; return how many seconds came."""
    chosen = Settings(state_dir=folder, bootstrap=(Contact(SERVER),), transport=transport)
    seconds = 0
    async with open_client(chosen, host) as client:
        (track_id,) = [hit.track_id async for hit in client.search("beep", limit=1)]
        async with streaming(client, track_id, Wanted(24)) as (session, _):
            while await next_within(60, session) is not None:
                seconds += 1
    return seconds


def misbehaviour(folder: Path) -> list[float]:
    cache = PeerCache.from_bytes_untrusted((folder / PEERS_FILE).read_bytes())
    return [entry.misbehaviour for entry in cache._entries.values()]


@pytest.mark.parametrize("transport", ["udp", "grpc"])
def test_who_has_a_flipped_bit_is_no_liar_and_mends_it(settings, tmp_path, transport, caplog) -> None:
    """The listener, who has nobody else to go to, hears the track to its end, after a pause."""

    told: list[ServerEvent] = []

    async def main(net: SimInternet) -> None:
        stop, phone = trio.Event(), net.host("30.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, settings, net.host(SERVER[0]), stop, Operator(tell=told.append))
            await trio.sleep(30)
            assert await listen(phone, tmp_path / "phone", transport) == SECONDS + 1
            stop.set()

    with without_threads():
        simulate(main)
    assert misbehaviour(tmp_path / "phone") == [0.0]
    assert caplog.text.count("is damaged on the disk: it is set aside") == 1
    assert Mended(1) in told


def test_a_mend_that_fails_is_begun_anew(settings, tmp_path, monkeypatch, caplog) -> None:
    """What was found damaged before counts then, though nothing else is found."""
    begun = []
    told: list[ServerEvent] = []

    def fail_twice(library: Library, is_stopped: Callable[[], bool]) -> ImportReport:
        begun.append(trio.current_time())
        if len(begun) < 3:
            raise StateError("library.db", "the disk is full")
        return mend(library, is_stopped)

    monkeypatch.setattr(upkeep, "mend", fail_twice)

    async def main(net: SimInternet) -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, settings, net.host(SERVER[0]), stop, Operator(tell=told.append))
            await trio.sleep(30)
            assert await listen(net.host("30.0.0.1"), tmp_path / "phone", "udp") == SECONDS + 1
            await trio.sleep(600)
            stop.set()

    with without_threads():
        simulate(main)
    assert caplog.text.count("failed: the disk is full") == 2
    assert Mended(1) in told
    assert len(begun) == 3, "nothing is left to mend"


def test_what_was_mirrored_is_fetched_again(settings, tmp_path, caplog) -> None:
    (tmp_path / "empty").mkdir()
    shutil.rmtree(tmp_path / "server" / "tracks")  # it is imported again, and sound
    mirror = ServeSettings(
        music_dir=tmp_path / "empty",
        state_dir=tmp_path / "mirror",
        listen=("0.0.0.0", 1000),
        bootstrap=(Contact(SERVER),),
        mirror=("beep",),
    )

    def only_file() -> Path:
        (path,) = (tmp_path / "mirror" / "tracks").glob("*/0.opus")
        return path

    async def main(net: SimInternet) -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, settings, net.host(SERVER[0]), stop)
            nursery.start_soon(serve, mirror, net.host("21.0.0.1"), stop)
            await trio.sleep(120)
            sound = only_file().read_bytes()
            only_file().write_bytes(sound[:-1] + b"\0")
            chosen = Settings(state_dir=tmp_path / "phone", bootstrap=(Contact(("21.0.0.1", 1000)),))
            async with open_client(chosen, net.host("30.0.0.1")) as client:
                (track_id,) = [hit.track_id async for hit in client.search("beep", limit=1)]
                async with streaming(client, track_id, Wanted(24)) as (session, _):
                    for _ in range(SECONDS + 1):  # the last from the other
                        assert await next_within(60, session) is not None
            await trio.sleep(1300)
            assert only_file().read_bytes() == sound
            stop.set()

    with without_threads():
        simulate(main)
    assert caplog.text.count("is damaged on the disk: it is set aside") == 1
