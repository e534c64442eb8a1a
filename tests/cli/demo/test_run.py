"""`lightpeer demo` as a person runs it: real processes, and nothing left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest
import trio

import lightpeer
from lightpeer.cli.demo import run
from lightpeer.cli.doctor import Finding, Verdict
from lightpeer.console.output import Output
from lightpeer.errors import NoPeerError, StateError

ROOT = Path(lightpeer.__file__).parents[1]


@pytest.fixture
def demo(tmp_path):
    """The demo, started in an empty folder, with a folder of its own for temporary files."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    environ = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "lightpeer", "demo", "--json"]
    process = subprocess.Popen(
        argv, cwd=tmp_path / "here", env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


def left_behind(tmp_path):
    """Give the processes and files that still have to do with a demo in this folder."""
    processes = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in read(p)]
    return processes, list((tmp_path / "tmp").iterdir())


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_it_plays_a_track_from_start_to_end(demo, tmp_path):
    out, err = demo.communicate(timeout=60)
    events = {line["event"]: line for line in map(json.loads, out.splitlines())}
    assert (demo.returncode, err) == (0, "")
    assert len(events["peers"]["peer_ids"]) == run.PEERS
    assert len(events["search"]["hits"]) == 3
    stats = events["played"]["stats"]
    assert stats["transport"] == "udp"
    assert stats["played_s"] == pytest.approx(events["playing"]["duration_s"], abs=0.01)
    assert left_behind(tmp_path) == ([], [])
    if "wrote" in events:  # there is no sound device
        with wave.open(events["wrote"]["path"]) as file:
            assert file.getnframes() == round(events["playing"]["duration_s"] * file.getframerate())
    assert [p.name for p in (tmp_path / "here").iterdir()] == [run.WAV_FILE] * ("wrote" in events)


@pytest.mark.parametrize("event", ["started", "peers", "playing"])
def test_ctrl_c_leaves_nothing(demo, tmp_path, event):
    for line in demo.stdout:
        if json.loads(line)["event"] == event:
            break
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=20)
    assert (demo.returncode, err) == (130, "")
    assert left_behind(tmp_path) == ([], [])
    assert not list((tmp_path / "here").iterdir())


def test_a_peer_that_does_not_start_says_why(tmp_path, monkeypatch):
    async def start():
        library = tmp_path / "none"
        async with trio.open_nursery() as nursery:
            await run._start_peer(library, ["--nonsense"], nursery)

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(ExceptionGroup) as caught:
        trio.run(start)
    (error,) = caught.value.exceptions
    assert isinstance(error, NoPeerError)
    assert "did not start: unrecognized arguments: --nonsense" in str(error)


def test_a_folder_that_cannot_take_the_file_is_told_before_anything_starts(tmp_path, monkeypatch):
    async def no_sound(_):
        return Finding("sound", Verdict.FAIL, "none")

    async def start(*_):
        raise AssertionError("it is told before")

    monkeypatch.setattr(run, "check_sound", no_sound)
    monkeypatch.setattr(run, "_start_peers", start)
    (tmp_path / run.WAV_FILE).mkdir()
    with pytest.raises(
        StateError, match=r"no sound device, and .*demo.wav cannot be written: run it in another"
    ):
        trio.run(run._run, tmp_path, None, Output(), tmp_path / run.WAV_FILE)
    with pytest.raises(StateError):
        trio.run(run._run, tmp_path, None, Output(), tmp_path / "none" / run.WAV_FILE)
