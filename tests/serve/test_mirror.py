from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from lightpeer.config import Settings
from lightpeer.core.content import manifest as manifest_module
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.errors import StreamFailedError
from lightpeer.serve import mirror as mirror_module
from lightpeer.serve.access.node import Node
from lightpeer.serve.importing.scan import scan
from lightpeer.serve.library.library import Library
from lightpeer.serve.mirror import MAX_RETRY_S, Mirror
from lightpeer.serve.operator.events import ServerEvent, Trouble
from lightpeer.serve.operator.settings import Operator, ServeSettings
from lightpeer.serve.server import NOBODY, serve
from lightpeer.state.files import load_or_create_identity
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track
from tests.serve.media import write_wav

LADDER = (24, 48)
ORIGIN = ("20.0.0.1", 1000)


@pytest.fixture
def origin(tmp_path: Path) -> ServeSettings:
    """A server with two short tracks, which are imported already."""
    music = tmp_path / "music"
    music.mkdir()
    for name in ("High Beep", "Low Beep"):
        write_wav(music / f"{name}.wav", 1.2 + len(name) / 10)
    settings = ServeSettings(
        music_dir=music, state_dir=tmp_path / "origin", listen=("0.0.0.0", 1000), ladder_kbps=LADDER
    )
    with_library(settings, scan)
    return settings


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time would run on while a thread works."""

    async def run_sync(function, *args, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return function(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


def with_library(settings: ServeSettings, function):
    library = Library(settings.state_dir, settings.music_dir, settings.ladder_kbps)
    try:
        return function(library)
    finally:
        library.close()


def mirroring(origin: ServeSettings, *wanted: str, bootstrap: bool = True) -> ServeSettings:
    empty = origin.state_dir.with_name("empty")
    empty.mkdir(exist_ok=True)
    return ServeSettings(
        music_dir=empty,
        state_dir=origin.state_dir.with_name("mirror"),
        listen=("0.0.0.0", 1000),
        bootstrap=(Contact(ORIGIN),) if bootstrap else (),
        mirror=wanted,
    )


def files(settings: ServeSettings) -> dict[str, bytes]:
    """All that is stored of tracks, by the path below the state directory."""
    root = settings.state_dir / "tracks"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(main) -> None:
    async def body(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:
            await main(net, nursery)
            nursery.cancel_scope.cancel()

    simulate(body)


async def serving(
    host: SimHost, settings: ServeSettings, seconds: float = 30, operator: Operator = NOBODY
) -> None:
    """Serve for a while."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, settings, host, stop, operator)
        await trio.sleep(seconds)
        stop.set()


def test_a_mirror_has_the_same_files_under_the_same_ids_and_keeps_them_while_they_are_wanted(origin) -> None:
    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        first = net.host(ORIGIN[0])
        nursery.start_soon(serve, origin, first, trio.Event())
        mirror = net.host("30.0.0.1")
        await serving(mirror, mirroring(origin, "beep"))
        assert files(mirroring(origin)) == files(origin)
        net.partition(first)
        await serving(mirror, mirroring(origin, "beep", bootstrap=False))
        assert files(mirroring(origin)) == files(origin)
        await serving(mirror, mirroring(origin, "other", bootstrap=False))
        assert files(mirroring(origin)) == {}

    run(main)


def test_a_track_is_named_by_its_id_and_waited_for(origin, caplog) -> None:
    caplog.set_level(logging.INFO)
    track_id = with_library(origin, lambda library: min(library.track_ids()))

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        uri = format_uri(track_id)
        told: list[ServerEvent] = []
        operator = Operator(tell=told.append)
        nursery.start_soon(serving, net.host("30.0.0.1"), mirroring(origin, uri), 3000, operator)
        await trio.sleep(1000)
        assert caplog.text.count(f"cannot mirror {uri} now") > 3
        assert len([event for event in told if isinstance(event, Trouble) and uri in event.message]) == 1
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        await trio.sleep(MAX_RETRY_S + 60)
        assert {name.split("/")[0] for name in files(mirroring(origin))} == {track_id.hex()}

    run(main)


def test_what_is_larger_than_a_mirror_takes_is_left(origin, monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(mirror_module, "MAX_RENDITION_BYTES", 5000)

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        await serving(net.host("30.0.0.1"), mirroring(origin, "low beep"))
        assert "larger than we mirror" in caplog.text
        assert files(mirroring(origin)) == {}

    run(main)


def node(net: SimInternet) -> Node:
    return Node.open_to_all(Identity(b"m" * 32), net.host("30.0.0.1"))


def test_a_disk_that_refuses_is_told_and_tried_again(origin, caplog) -> None:
    caplog.set_level(logging.INFO)
    settings = mirroring(origin, "low beep")
    library = Library(settings.state_dir, settings.music_dir, LADDER)
    (settings.state_dir / "mirror").write_text("a file in the way")

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        client = Settings(state_dir=settings.state_dir)
        mirror = Mirror(library, node(net), client, ["low beep"], lambda: settings.bootstrap)
        with trio.move_on_after(30):
            await mirror.run(print)
        assert "cannot mirror low beep now" in caplog.text

    run(main)
    library.close()


def test_a_track_that_cannot_be_had_keeps_no_other_from_being_fetched(origin, monkeypatch) -> None:
    ids = with_library(origin, lambda library: list(library.track_ids()))
    fetch, tried = Mirror._fetch, []

    async def failing(self, client, track_id, entry):
        tried.append(track_id)
        if tried[0] == track_id:
            raise StreamFailedError("nobody sends it")
        return await fetch(self, client, track_id, entry)

    monkeypatch.setattr(Mirror, "_fetch", failing)

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        await serving(net.host("30.0.0.1"), mirroring(origin, "beep"))
        kept = {name.split("/")[0] for name in files(mirroring(origin))}
        assert kept == {track_id.hex() for track_id in ids} - {tried[0].hex()}
        assert len(tried) > 2, "it is tried again"

    run(main)


def test_a_neighbour_whose_name_leads_home_by_now_is_not_asked(origin) -> None:
    turning = replace(
        origin,
        state_dir=origin.state_dir.with_name("turning"),
        announce=(("turning.example", 1000),),
        bootstrap=(Contact(ORIGIN),),
    )

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        net.names["turning.example"] = "21.0.0.1"
        for address, settings in ((ORIGIN[0], origin), ("21.0.0.1", turning)):
            nursery.start_soon(serve, settings, net.host(address), trio.Event())
            await trio.sleep(10)
        nursery.start_soon(serving, net.host("30.0.0.1"), mirroring(origin, "something else"), 600)
        await trio.sleep(60)
        net.names["turning.example"] = "192.168.0.7"
        at_home = await net.host("192.168.0.7").listen_tcp("", 1000)
        with trio.move_on_after(500) as waited:
            await at_home.accept()
        assert waited.cancelled_caught, "somebody came"

    run(main)


def test_a_query_brings_so_much_and_no_more(origin, monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(mirror_module, "MAX_QUERY_BYTES", 25_000)  # one track has less, two have more

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        await serving(net.host("30.0.0.1"), mirroring(origin, "beep"), 1000)
        assert len({name.split("/")[0] for name in files(mirroring(origin))}) == 1
        assert caplog.text.count("cannot mirror beep now") == 1, "given up"
        before = files(mirroring(origin))
        await serving(net.host("30.0.0.2"), mirroring(origin, "beep"), 1000)
        assert files(mirroring(origin)) == before, "what is here counts after a restart"

    run(main)


def test_the_disk_is_written_by_worker_threads(origin, monkeypatch) -> None:
    depth, done = [0], set()
    in_thread = mirror_module._in_thread

    async def counted(function, *args):
        depth[0] += 1
        try:
            return await in_thread(function, *args)
        finally:
            depth[0] -= 1

    def watch(owner, name) -> None:
        function = getattr(owner, name)

        def call(*args):
            assert depth[0], f"{name} is called in the event loop"
            done.add(name)
            return function(*args)

        monkeypatch.setattr(owner, name, call)

    monkeypatch.setattr(mirror_module, "_in_thread", counted)
    for owner, name in (
        (mirror_module._Copy, "__init__"),
        (mirror_module._Copy, "add"),
        (mirror_module, "_empty"),
        (mirror_module, "_size"),
        (Library, "bytes_below"),
        (Library, "add"),
    ):
        watch(owner, name)

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        settings = mirroring(origin, "low beep")
        library = Library(settings.state_dir, settings.music_dir, LADDER)
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        client = Settings(state_dir=settings.state_dir)
        mirror = Mirror(library, node(net), client, ["low beep"], lambda: settings.bootstrap)
        await mirror.run(print)
        assert done == {"__init__", "add", "_empty", "_size", "bytes_below"}
        library.close()

    run(main)


@pytest.mark.parametrize("who", ["track", "peer", "publisher", "network"])
def test_what_is_denied_is_not_mirrored(origin, who, caplog) -> None:
    caplog.set_level(logging.INFO)
    first, second = with_library(origin, lambda library: list(library.track_ids()))
    peer_id = format_peer_id(load_or_create_identity(origin.state_dir).peer_id)
    entry = {
        "track": format_uri(first),
        "peer": peer_id,
        "publisher": f"publisher:{peer_id}",
        "network": "20.0.0.0/24",
    }[who]

    async def main(net: SimInternet, nursery: trio.Nursery) -> None:
        nursery.start_soon(serve, origin, net.host(ORIGIN[0]), trio.Event())
        await serving(net.host("30.0.0.1"), replace(mirroring(origin, "beep"), deny=(entry,)))
        names = {name.split("/")[0] for name in files(mirroring(origin))}
        assert names == ({second.hex()} if who == "track" else set())

    run(main)
    assert ("is denied or withdrawn here" in caplog.text) == (who == "track")


@pytest.mark.parametrize("is_old", [False, True])
def test_a_copy_of_a_long_track_has_the_tables_of_its_manifest(tmp_path, monkeypatch, is_old) -> None:
    """Listed in the manifest of an older import, else with their paths."""
    if is_old:
        monkeypatch.setattr(manifest_module, "MAX_LISTED_TABLES", 1024)
    made = made_track(64 * 64 + 7, kbps=(1,))
    monkeypatch.undo()
    with mirror_module._Copy(tmp_path / "0.opus", b"header") as copy:
        for segment in made.segments[0]:
            copy.add(segment)
        copy.finish(made.track)
    assert (tmp_path / "0.tables").read_bytes() == b"".join(made.tables[0])
    assert (tmp_path / "0.opus").read_bytes() == b"header" + b"".join(made.segments[0])
