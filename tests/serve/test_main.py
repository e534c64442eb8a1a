"""The command `lightpeer-serve`, in this process: withdrawing, signals, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from lightpeer.core.content.uri import format_uri
from lightpeer.errors import StateError
from lightpeer.net.system import SystemNetwork
from lightpeer.serve import __main__ as command
from lightpeer.serve import server
from lightpeer.serve.access.lists import WITHDRAWN_NAME
from lightpeer.serve.importing.scan import scan
from lightpeer.serve.library import descriptors
from lightpeer.serve.library.library import Library
from lightpeer.serve.operator.settings import ServeSettings
from tests.serve.media import write_wav

ONE, OTHER = (format_uri(bytes([number]) * 32) for number in (1, 2))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "music").mkdir()
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    """Runs the command with an imagined server; yields the calls that it gets."""
    calls: list = []

    async def serve(*given):
        calls.append(given)
        await calls[0](*given) if callable(calls[0]) else None

    interval = sys.getswitchinterval()
    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(descriptors, "raise_descriptor_limit", lambda: None)
    yield calls
    sys.setswitchinterval(interval)


def test_a_track_is_withdrawn_once_and_each_is_told(state: Path, capsys: pytest.CaptureFixture) -> None:
    argv = ["--state", str(state), "--json"]
    assert command.run([*argv, "--withdraw", ONE, "--withdraw", ONE]) == 0
    assert command.run([*argv, "--withdraw", OTHER, "--withdraw", ONE]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["uri"], event["is_new"]) for event in told] == [(ONE, True), (OTHER, True), (ONE, False)]
    assert {event["event"] for event in told} == {"withdrawn"}
    assert (state / WITHDRAWN_NAME).read_text().split() == [ONE, OTHER]


def test_withdrawing_needs_a_state_directory(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert command.run(["--withdraw", ONE, "--state", str(tmp_path / "none")]) == 1
    assert "give its own --state" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_a_server_and_says_how(state: Path, serving: list, number: int, status: int) -> None:
    async def until_stopped(settings, network, stop, operator) -> None:
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(number)
        await stop.wait()

    serving.append(until_stopped)
    assert command.run(["music", "--state", str(state)]) == status
    settings, network, _, operator = serving[1]
    assert settings == ServeSettings(music_dir=Path("music"), state_dir=state)
    assert isinstance(network, SystemNetwork)
    assert operator.hangups is not None
    assert operator.toggles is not None


def test_a_second_signal_cancels_what_still_drains(state: Path, serving: list) -> None:
    drained = []

    async def drain_without_end(settings, network, stop, operator) -> None:
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGTERM)
        await stop.wait()
        drained.append("begun")
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    serving.append(drain_without_end)
    assert command.run(["music", "--state", str(state)]) == 130
    assert drained == ["begun"]


def test_a_server_that_fails_is_one_sentence(
    state: Path, serving: list, capsys: pytest.CaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise StateError("key", "cannot read the key: make it yours")

    serving.append(fail)
    assert command.run(["music", "--state", str(state)]) == 1
    assert "make it yours" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no such signal")
def test_with_a_list_a_hangup_is_an_item_and_no_end(state: Path, serving: list) -> None:
    hung_up = []

    async def count(settings, network, stop, operator) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
        async for _ in operator.hangups:
            hung_up.append(settings.deny)
            if len(hung_up) == 2:
                break

    before = signal.getsignal(signal.SIGHUP)
    serving.append(count)
    assert command.run(["music", "--state", str(state), "--deny", "192.0.2.0/24"]) == 0
    assert hung_up == [("192.0.2.0/24",)] * 2
    assert signal.getsignal(signal.SIGHUP) is before


@pytest.mark.parametrize(
    ("sees_terminal", "is_ended"), [([True, False], True), ([True, True], False), ([False, False], False)]
)
def test_a_hangup_ends_a_server_whose_terminal_was_closed(
    state: Path, serving: list, monkeypatch: pytest.MonkeyPatch, sees_terminal: list[bool], is_ended: bool
) -> None:
    answers, ended = iter(sees_terminal), []
    monkeypatch.setattr(command, "_sees_terminal", lambda: next(answers))

    async def hang_up(settings, network, stop, operator) -> None:
        signal.raise_signal(signal.SIGHUP)
        await anext(aiter(operator.hangups))
        ended.append(stop.is_set())

    serving.append(hang_up)
    assert command.run(["music", "--state", str(state)]) == 0
    assert ended == [is_ended]


def test_there_is_a_terminal_or_none() -> None:
    master, slave = os.openpty()
    seen = "import os, lightpeer.serve.__main__ as m; print(m._sees_terminal())"
    run = [sys.executable, "-c", seen]
    begin = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY)"
    within = [sys.executable, "-c", f"{begin}; os.execv(sys.argv[1], sys.argv[1:])", *run]
    with_one = subprocess.run(within, stdin=slave, capture_output=True, check=True)
    without = subprocess.run(run, start_new_session=True, capture_output=True, check=True)
    os.close(master)
    os.close(slave)
    assert (with_one.stdout, without.stdout) == (b"True\n", b"False\n")


def test_a_flood_of_signals_waits_in_a_bounded_queue() -> None:
    async def main() -> int:
        with command._signals("SIGUSR1") as toggles:
            for _ in range(3 * command.MAX_SIGNALS):
                signal.raise_signal(signal.SIGUSR1)
            await trio.testing.wait_all_tasks_blocked()
            return toggles.statistics().current_buffer_used

    assert trio.run(main) <= command.MAX_SIGNALS


def test_a_signal_that_the_system_lacks_is_none() -> None:
    async def main() -> None:
        for name in ("", "SIGNONE"):
            with command._signals(name) as items:
                assert items is None

    trio.run(main)


def test_prune_removes_the_tracks_of_files_that_are_not_there(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    music = tmp_path / "music"
    write_wav(music / "a.wav", 1.0)
    write_wav(music / "b.wav", 1.5)
    assert command.run(["prune", "--state", str(state)]) == 1
    assert "no server has kept anything" in capsys.readouterr().err
    library = Library(state, music, (24,), complexity=0)
    scan(library)
    (music / "a.wav").unlink()
    assert command.run(["prune", "--state", str(state)]) == 1
    assert "another lightpeer-serve uses" in capsys.readouterr().err
    library.close()
    assert command.run(["prune", str(tmp_path / "elsewhere"), "--state", str(state)]) == 0
    assert capsys.readouterr().out == "removed 0 files; tracks that are left: 2\n"
    assert command.run(["prune", str(tmp_path / "music"), "--state", str(state), "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "pruned", "path": str(music / "a.wav")},
        {"event": "prune", "removed": 1, "tracks": 1},
    ]
