"""Each check with what it needs and without; the outcome is that of playing."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import socket
import sqlite3
import sys

import pytest
import trio

from lightpeer.audio import _native
from lightpeer.audio import outputs as outputs_module
from lightpeer.cli import doctor
from lightpeer.cli.doctor import Verdict
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.console.signals import run_async  # noqa: F401 - so that it is imported before the clock starts
from lightpeer.core.trust import _secp256k1
from lightpeer.errors import AudioError, ConfigError, MissingLibraryError, NoPeerError


def test_python():
    assert doctor.check_python().verdict is Verdict.OK
    old = doctor.check_python((3, 10, 9))
    assert old.verdict is Verdict.FAIL
    assert "3.10.9 is too old" in old.text


def test_state_that_can_be_written(tmp_path):
    assert doctor.check_state(tmp_path / "new").verdict is Verdict.OK
    assert not list((tmp_path / "new").iterdir()), "no key is made by looking"


def test_state_that_cannot(tmp_path):
    (tmp_path / "file").touch()
    finding = doctor.check_state(tmp_path / "file/state")
    assert finding.verdict is Verdict.FAIL
    assert "--state" in finding.text


def test_a_full_or_read_only_disk(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    finding = doctor.check_state(tmp_path)
    assert finding.verdict is Verdict.FAIL
    assert "Read-only file system" in finding.text


def test_a_corrupt_key(tmp_path):
    (tmp_path / "key").write_text("junk")
    finding = doctor.check_state(tmp_path)
    assert finding.verdict is Verdict.FAIL
    assert "corrupt" in finding.text


def test_signatures(monkeypatch):
    assert doctor.check_keys().verdict is Verdict.OK

    def missing():
        raise MissingLibraryError("secp256k1", "install it")

    monkeypatch.setattr(_secp256k1, "load_backend", missing)
    assert doctor.check_keys() == ("signatures", Verdict.FAIL, "install it")


@pytest.mark.parametrize(
    ("library", "needed_by", "verdict"),
    [("opus", "playing", Verdict.FAIL), ("opusenc", "serving", Verdict.WARN)],
)
def test_libraries(monkeypatch, library, needed_by, verdict):
    assert doctor.check_library(library, needed_by).verdict is Verdict.OK
    monkeypatch.setattr(_native, "load_library", lambda _: None)
    finding = doctor.check_library(library, needed_by)
    assert finding.verdict is verdict
    assert f"lib{library}" in finding.text
    assert "install" in finding.text


def test_pyogg_is_told_of_once_its_libraries_are_there(tmp_path, monkeypatch):
    assert doctor.check_pyogg() == ("PyOgg", Verdict.OK, "found (needed by playing)")

    def missing():
        raise MissingLibraryError("pyogg", "install it")

    def names():
        _, lines = diagnose(lambda: Settings(state_dir=tmp_path, output="null"), monkeypatch, good)
        return [line["name"] for line in lines if line.get("verdict") == "fail"]

    good = doctor.Finding("peers", Verdict.OK, "3 known")
    monkeypatch.setattr(_native, "opus", missing)
    assert names() == ["PyOgg"]
    real = _native.load_library
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == "opus" else real(name))
    assert names() == ["libopus"]


class FakeSink:
    def __init__(self, error=None):
        self.error = error
        self.closed = False

    async def open(self, rate, channels):
        assert (rate, channels) == (48_000, 2)
        if self.error:
            raise self.error

    async def aclose(self):
        self.closed = True


def test_sound(monkeypatch):
    sink = FakeSink()
    monkeypatch.setattr(outputs_module, "make_sink", lambda _: sink)
    assert trio.run(doctor.check_sound, "").verdict is Verdict.OK
    assert sink.closed
    sink = FakeSink(AudioError("no device: use --output"))
    assert trio.run(doctor.check_sound, "") == ("sound", Verdict.FAIL, "no device: use --output")
    assert sink.closed
    assert trio.run(doctor.check_sound, "wav:x.wav") == ("sound", Verdict.OK, "goes to wav:x.wav")


def test_clock():
    assert doctor.check_clock(4e9).verdict is Verdict.OK
    past = doctor.check_clock(0)
    assert past.verdict is Verdict.WARN
    assert "1970-01-01 00:00 UTC is in the past" in past.text


def test_fts5(monkeypatch):
    assert doctor.check_fts5().verdict is Verdict.OK

    def refuse(_):
        raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert doctor.check_fts5().verdict is Verdict.WARN


def test_mutagen(monkeypatch):
    assert doctor.check_mutagen() == ("mutagen", Verdict.OK, "found (needed by serving)")
    monkeypatch.setitem(sys.modules, "mutagen", None)
    sentence = "the Python package mutagen is not installed: pip install mutagen (needed by serving)"
    assert doctor.check_mutagen() == ("mutagen", Verdict.WARN, sentence)


def test_ffmpeg(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/ffmpeg")
    assert doctor.check_ffmpeg().verdict is Verdict.OK
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert doctor.check_ffmpeg().verdict is Verdict.WARN


def test_addresses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert trio.run(doctor.check_address, *address, 5.0).verdict is Verdict.OK
    refused = trio.run(doctor.check_address, *address, 5.0)
    assert refused.verdict is Verdict.WARN
    assert refused.text == f"nobody listens at 127.0.0.1:{address[1]}: start the peer there or check the port"
    impossible = trio.run(doctor.check_address, "a..example", 1, 5.0)
    assert impossible.text == "the name a..example is not found: check its spelling"


def test_an_address_that_fails_in_another_way(monkeypatch):
    async def fail(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("lightpeer.net.system.SystemNetwork.connect_tcp", fail)
    finding = trio.run(doctor.check_address, "a", 1, 5.0)
    assert finding.text == "[Errno 1] Operation not permitted: is it the right address?"


def test_an_address_that_does_not_answer(monkeypatch):
    async def never(*_):
        await trio.sleep_forever()

    monkeypatch.setattr("lightpeer.net.system.SystemNetwork.connect_tcp", never)
    clock = trio.testing.MockClock(autojump_threshold=0)
    finding = trio.run(doctor.check_address, "a", 1, 5.0, clock=clock)
    assert finding.verdict is Verdict.WARN
    assert "no answer within 5 s" in finding.text


def test_no_peer_is_told(tmp_path):
    finding = trio.run(doctor.check_peers, Settings(state_dir=tmp_path))
    assert finding.verdict is Verdict.FAIL
    assert "--bootstrap" in finding.text


def diagnose(load, monkeypatch, peers):
    async def check_peers(_):
        return peers

    monkeypatch.setattr(doctor, "check_peers", check_peers)
    stream = io.StringIO()
    status = doctor.diagnose(load, Output(json=True, stream=stream))
    return status, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_all_of_it(tmp_path, monkeypatch):
    good = doctor.Finding("peers", Verdict.OK, "3 known")
    status, lines = diagnose(lambda: Settings(state_dir=tmp_path, output="null"), monkeypatch, good)
    assert status == 0
    assert lines[-1] == {"event": "diagnosis", "playable": True, "message": "ready to play"}
    assert {line["verdict"] for line in lines[:-1]} <= {"ok", "warn"}
    assert {"python", "state", "libopus", "sound", "peers"} <= {line["name"] for line in lines[:-1]}


def test_one_failure_is_the_outcome(tmp_path, monkeypatch):
    bad = doctor.Finding("peers", Verdict.FAIL, str(NoPeerError("nobody")))
    status, lines = diagnose(lambda: Settings(state_dir=tmp_path, output="null"), monkeypatch, bad)
    assert status == 1
    assert lines[-1]["playable"] is False


def test_the_configuration_file_is_that_of_the_command_line(tmp_path):
    named = tmp_path / "c.toml"
    named.touch()
    assert doctor.check_configuration(str(named)).text == str(named)


def test_a_wrong_configuration_is_a_finding(monkeypatch):
    def load():
        raise ConfigError("c.toml is wrong")

    status, lines = diagnose(load, monkeypatch, None)
    assert status == 1
    assert lines[1] == {
        "event": "check",
        "name": "configuration",
        "verdict": "fail",
        "message": "c.toml is wrong",
    }
