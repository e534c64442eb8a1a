"""What `play` and `peers` check before the network is used, and how peers are shown."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from lightpeer.cli import commands
from lightpeer.cli.commands import checked_target
from lightpeer.client.models import PeerInfo
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.errors import UsageError

KNOWN = PeerInfo("La", ["10.0.0.1:1", "[::1]:2"], 12.4, ["serve"], "tried")
HEARD_OF = PeerInfo("Lb", ["10.0.0.2:1"], None, [], "new")


def test_a_file_to_write_is_new_or_ordinary_in_a_folder_that_exists(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "old.json").touch()
    for name in ("new.json", "old.json"):
        assert checked_target(str(tmp_path / name)) == tmp_path / name
        assert checked_target(f"~/{name}") == tmp_path / name
    assert not (tmp_path / "new.json").exists(), "it is only checked"


@pytest.mark.parametrize("name", ["/dev/null", "none/x.json", "folder", "file/x.json"])
def test_another_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    text = str(tmp_path / name)
    with pytest.raises(
        UsageError, match=f"cannot write to {text}: name an ordinary file in a folder that exists"
    ):
        checked_target(text)


def test_nobodys_home_is_no_folder():
    with pytest.raises(UsageError, match="there is no such user here"):
        checked_target("~nobody-of-that-name/x.json")


@pytest.fixture
def peers(tmp_path, monkeypatch):
    """Returns a function that runs `peers` where two are known, and returns what was printed."""

    class Client:
        async def peers(self) -> list[PeerInfo]:
            return [KNOWN, HEARD_OF]

    class Metered:
        def __init__(self, *_: object) -> None:
            """Take what a client is opened with."""

        async def __aenter__(self) -> Client:
            return Client()

        async def __aexit__(self, *_: object) -> None:
            """Have nothing to close."""

    monkeypatch.setattr(commands, "open_metered", Metered)

    def call(**how: bool) -> list[str]:
        stream = io.StringIO()
        arguments = SimpleNamespace(command="peers")
        assert commands.run(arguments, Settings(state_dir=tmp_path), Output(stream=stream, **how)) == 0
        return stream.getvalue().splitlines()

    return call


def test_people_see_a_peer_in_a_line(peers):
    known, heard_of = peers()
    for fact in ("La", "tried", "12 ms", "serve", "10.0.0.1:1 [::1]:2"):
        assert fact in known
    assert "Lb" in heard_of
    assert "new" in heard_of
    assert " ms" not in heard_of, "it was never measured"


def test_programs_read_all_of_it(peers):
    known, heard_of = map(json.loads, peers(json=True))
    assert known == {
        "event": "peer",
        "peer_id": "La",
        "endpoints": ["10.0.0.1:1", "[::1]:2"],
        "rtt_ms": 12.4,
        "roles": ["serve"],
        "state": "tried",
    }
    assert (heard_of["rtt_ms"], heard_of["roles"], heard_of["state"]) == (None, [], "new")
