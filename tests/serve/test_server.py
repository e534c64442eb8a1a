from __future__ import annotations

import errno
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.errors import MissingLibraryError, StateError, UsageError
from lightpeer.net.system import SystemNetwork
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel
from lightpeer.serve import __main__ as command
from lightpeer.serve import server
from lightpeer.serve.importing import upkeep
from lightpeer.serve.importing.scan import ImportReport
from lightpeer.serve.operator.events import LibraryTrouble, Listening, ServerEvent
from lightpeer.serve.operator.settings import Operator, ServeSettings
from lightpeer.serve.server import serve
from lightpeer.testing.network import simulate

TRACKS = Path(__file__).parents[2] / "lightpeer" / "cli" / "demo" / "tracks"
CLIENT = Identity(b"\x07" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    return tmp_path


def settings(folder: Path, name: str = "state", **kwargs) -> ServeSettings:
    return ServeSettings(music_dir=folder / "music", state_dir=folder / name, **kwargs)


async def ask(host, address, want=15) -> pb.ExchangeReply:
    async with open_channel(host, *address) as channel:
        return await Peer(channel, Sealer(CLIENT, host), address=address).exchange(
            pb.ExchangeRequest(want=want)
        )


def test_servers_that_share_a_bootstrap_peer_are_found_through_it(folder) -> None:
    async def main(net):
        stop = trio.Event()
        first = ("10.0.0.1", 1000)
        async with trio.open_nursery() as nursery:
            for n, bootstrap in enumerate([(), (Contact(first),), (Contact(first),)], 1):
                chosen = settings(folder, f"state{n}", listen=("0.0.0.0", 1000), bootstrap=bootstrap)
                nursery.start_soon(serve, chosen, net.host(f"10.0.0.{n}"), stop)
            await trio.sleep(30)
            reply = await ask(net.host("10.0.0.9"), first)
            async with open_channel(net.host("10.0.0.8"), *first) as channel:
                check = channel.unary_unary("/grpc.health.v1.Health/Check")
                assert await check(b"\x0a\x10loudp2p.v1.Index") == b"\x08\x01", "SERVING"
            assert reply.observed.startswith("10.0.0.9:")
            assert len(reply.records) == 3
            stop.set()

    simulate(main)


@pytest.mark.parametrize(("lan", "listen", "known"), [(True, "", 2), (False, "", 1), (True, "127.0.0.1", 1)])
def test_servers_on_one_local_network_find_each_other_unless_they_listen_for_themselves(
    folder, lan, listen, known
) -> None:
    async def main(net):
        stop = trio.Event()
        first, second = net.host("192.168.0.1"), net.host("192.168.0.2")
        async with trio.open_nursery() as nursery:
            for n, host in enumerate((first, second)):
                chosen = settings(folder, f"state{n}", listen=(listen, 1000), lan=lan)
                nursery.start_soon(serve, chosen, host, stop)
                await trio.sleep(10)
            reply = await ask(second, ("192.168.0.2", 1000))
            assert len(reply.records) == known
            stop.set()

    simulate(main)


def test_a_server_remembers_its_peers_and_needs_no_bootstrap_the_next_time(folder) -> None:
    async def main(net):
        first, second = net.host("10.0.0.1"), net.host("10.0.0.2")

        async def run(host, state: str, seconds: float, *bootstrap: Contact) -> None:
            stop = trio.Event()
            chosen = settings(folder, state, listen=("", 1000), bootstrap=bootstrap, lan=False)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, chosen, host, stop)
                await trio.sleep(seconds)
                stop.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, first, "first", 200)
            await run(second, "second", 30, Contact(("10.0.0.1", 1000)))
            await trio.sleep(60)
            assert len((await ask(first, ("10.0.0.1", 1000))).records) == 1
            nursery.start_soon(run, second, "second", 60)
            await trio.sleep(30)
            assert len((await ask(first, ("10.0.0.1", 1000))).records) == 2

    simulate(main)


def test_stopping_closes_every_port_even_with_a_client_connected(folder) -> None:
    async def main(net):
        stop = trio.Event()
        host, phone = net.host("10.0.0.1"), net.host("10.0.0.2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, settings(folder, listen=("10.0.0.1", 1000)), host, stop)
            await trio.sleep(30)
            async with open_channel(phone, "10.0.0.1", 1000) as channel:
                peer = Peer(channel, Sealer(CLIENT, phone), address=("10.0.0.1", 1000))
                reply = await peer.exchange(pb.ExchangeRequest(want=1))
                assert len(reply.records) == 1
                stop.set()
                await trio.sleep(30)
                assert (host.listeners, host.udp, host.streams) == ({}, {}, [])

    simulate(main)


def test_an_import_that_fails_is_told_and_what_is_there_is_served(folder, monkeypatch) -> None:
    told: list[ServerEvent] = []

    def scan(*_, **__):
        raise MissingLibraryError("opusenc", "libopusenc is missing: apt install libopusenc0")

    async def main(net):
        monkeypatch.setattr(upkeep, "scan", scan)
        stop, operator = trio.Event(), Operator(tell=told.append)
        host = net.host("10.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, settings(folder, listen=("", 1000)), host, stop, operator)
            await trio.sleep(30)
            assert (await ask(host, ("10.0.0.1", 1000))).observed
            stop.set()

    simulate(main)
    trouble, listening, _ = told
    assert trouble == LibraryTrouble("libopusenc is missing: apt install libopusenc0")
    assert isinstance(listening, Listening)
    assert listening.address == ("0.0.0.0", 1000)


def test_an_import_that_was_stopped_says_what_it_skipped(folder, monkeypatch) -> None:
    told: list[ServerEvent] = []
    report = ImportReport(stopped=True, skipped=[(Path("x.mp3"), "it is empty")])

    async def main(net):
        monkeypatch.setattr(upkeep, "scan", lambda *_, **__: report)
        stop = trio.Event()
        stop.set()
        await serve(
            settings(folder, listen=("10.0.0.1", 1)), net.host("10.0.0.1"), stop, Operator(tell=told.append)
        )

    simulate(main)
    assert any("x.mp3" in event.message for event in told if isinstance(event, LibraryTrouble))


def served(chosen: ServeSettings, seconds: float = 60) -> None:
    async def main(net):
        with trio.move_on_after(seconds):
            await serve(chosen, net.host("10.0.0.1"), trio.Event())

    simulate(main)


def test_a_folder_that_is_not_there_or_none_is_told(folder) -> None:
    for name, match in [("nowhere", "does not exist"), ("file", "not a folder")]:
        (folder / "file").touch()
        with pytest.raises(UsageError, match=match):
            served(ServeSettings(music_dir=folder / name, state_dir=folder / "state"))


def test_each_of_several_folders_must_be_there(folder) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        served(settings(folder, more_music_dirs=(folder / "nowhere",)))


def test_a_corrupt_key_is_left_as_it_is(folder) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "key").write_text("rubbish")
    with pytest.raises(StateError, match="corrupt"):
        served(settings(folder))
    assert (folder / "state" / "key").read_text() == "rubbish"


def test_an_address_that_cannot_be_announced_is_a_usage_error(folder) -> None:
    with pytest.raises(UsageError, match="announce"):
        served(settings(folder, announce=(("0.0.0.0", 1),)))


@pytest.mark.parametrize(
    ("error", "kind", "match"),
    [
        (PermissionError(13, "no"), StateError, "above 1023"),
        (OSError(24, "too many open files"), StateError, "too many open files"),
        (OSError(errno.EADDRNOTAVAIL, "no such address"), UsageError, "no such address"),
        (socket.gaierror(-2, "no such name"), UsageError, "no such name"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_told(folder, error, kind, match) -> None:
    async def main(net):
        host = net.host("10.0.0.1")

        async def refuse(*_):
            raise error

        host.listen_tcp = refuse
        with pytest.raises(kind, match=match):
            await serve(settings(folder), host, trio.Event())

    simulate(main)


# The command.


def test_version_and_help(capsys) -> None:
    assert command.run(["--version"]) == 0
    assert command.run(["--help"]) == 0
    assert "lightpeer-serve" in capsys.readouterr().out


def test_a_port_in_use_is_told(folder, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = [str(folder / "music"), "--state", str(folder / "state"), "--listen", where, "--json"]
        assert command.run(argv) == 1
    out, err = capsys.readouterr()
    assert where in err
    assert "Traceback" not in err
    assert json.loads(out)["event"] == "error"


def test_an_internal_error_shows_its_traceback_only_when_asked(folder, capsys, monkeypatch) -> None:
    def fail(*_):
        raise ExceptionGroup("nursery", [ZeroDivisionError("oops")])

    monkeypatch.setattr(command, "_serve", fail)
    assert command.run(["music"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert command.run(["music", "-vv"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_and_a_reader_that_left_are_no_errors(capsys, monkeypatch) -> None:
    def interrupt(*_):
        raise BaseExceptionGroup("nursery", [KeyboardInterrupt()])

    def leave(_, output):
        output.closed = True
        raise BrokenPipeError

    monkeypatch.setattr(command, "_serve", interrupt)
    assert command.run(["music"]) == 130
    monkeypatch.setattr(command, "_serve", leave)
    assert command.run(["music"]) == 0
    assert capsys.readouterr().err == ""


def test_serving_needs_no_sound_device() -> None:
    code = "import sys, lightpeer.serve.server; sys.exit('sounddevice' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_process_serves_what_it_imported_and_ends_at_a_signal(folder, number, status) -> None:
    track = min(TRACKS.glob("*.opus"))
    (folder / "music" / track.name).write_bytes(track.read_bytes())
    argv = [sys.executable, "-m", "lightpeer.serve", str(folder / "music"), "--json", "--ladder", "48"]
    argv += ["--listen", "127.0.0.1:0", "--state", str(folder / "state")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        event = json.loads(process.stdout.readline())
        assert event["event"] == "listening"
        host, port = event["rpc"].split(":")
        assert trio.run(search, (host, int(port))) == 1
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == status, err
    assert "Traceback" not in err


async def search(address) -> int:
    network = SystemNetwork()
    async with open_channel(network, *address) as channel:
        peer = Peer(channel, Sealer(CLIENT, network), address=address)
        replies = [r async for r in peer.search(pb.SearchRequest(query="lightpeer", limit=5))]
    return sum(len(r.hits) for r in replies)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no such signal")
def test_signals_that_come_together_are_each_a_toggle() -> None:
    async def main() -> int:
        with command._signals("SIGUSR1") as toggles:
            for _ in range(3):
                signal.raise_signal(signal.SIGUSR1)
            count = 0
            with trio.move_on_after(10):
                async for _ in toggles:
                    count += 1
                    if count == 3:
                        break
            return count

    assert trio.run(main) == 3


def test_the_person_is_told_of_each_toggle_before_any_neighbour_is() -> None:
    order: list[object] = []

    class Role:
        is_on = True

        def toggle(self) -> None:
            self.is_on = not self.is_on

        async def tell_neighbours(self, scope: trio.CancelScope) -> None:
            with scope:
                await trio.sleep(60)
                order.append("told")

    async def toggles():
        for _ in range(3):
            yield None
            await trio.sleep(1)

    async def main() -> None:
        own = object.__new__(server._Server)
        own._tell = lambda event: order.append(event.serves)
        await own._switch(Role(), toggles())

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert order == [False, True, False, "told"]
