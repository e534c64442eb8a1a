"""`lightpeer join`: what is kept, and what is said of it."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import NoReturn

import pytest
import trio

from lightpeer.cli.main import run
from lightpeer.client.client import Client
from lightpeer.config.joined import MAX_FILE_BYTES
from lightpeer.core.trust.contact import format_invite
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import INTERRUPTED, NoPeerError

THEM = PeerId(bytes(range(20)))


@pytest.fixture
def invite() -> str:
    """An invite to where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return format_invite(THEM, [listener.getsockname()[:2]])


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTPEER_LAN", "no")
    return ["--state", str(tmp_path), "join"]


def test_an_invite_is_kept_though_nobody_is_there_now(command, invite, tmp_path, capsys):
    assert run([*command, invite]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        "lightpeer: the invite is kept, but no peer can be reached, as nobody listens at 127."
    )
    assert (tmp_path / "joined").read_text() == f"{invite}\n"
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "joined", "invite": invite}


def test_it_is_forgotten_by_its_id(command, invite, capsys):
    run([*command, "127.0.0.1:9"])
    run([*command, invite])
    capsys.readouterr()
    assert run([*command, "--remove", format_peer_id(THEM)]) == 0
    assert capsys.readouterr().out == "1 forgotten, 1 left\n"
    assert run(command) == 0
    assert capsys.readouterr().out == "127.0.0.1:9\n"


def test_of_several_all_must_make_sense(command, invite, tmp_path, capsys):
    assert run([*command, invite, "a:b"]) == 2
    assert "'a:b' is not HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "joined").exists()


@pytest.mark.parametrize("nonsense", ["nonsense", "12345", "Lnobody", "büro"])
def test_a_mere_word_is_refused_and_not_kept(command, nonsense, tmp_path, capsys):
    assert run([*command, nonsense]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"lightpeer: {nonsense!r} is not an invite, loudp2p:L…@HOST:PORT, nor HOST:PORT\n",
    )
    assert not (tmp_path / "joined").exists()


def test_what_was_joined_and_cannot_be_read_is_not_replaced(command, invite, tmp_path, capsys):
    kept = b"127.0.0.1:9\n" + bytes(MAX_FILE_BYTES)
    (tmp_path / "joined").write_bytes(kept)
    assert run([*command, invite]) == 1
    assert "cannot read the joined networks" in capsys.readouterr().err
    assert (tmp_path / "joined").read_bytes() == kept


def test_a_state_directory_that_cannot_be_written(tmp_path, invite, capsys):
    (tmp_path / "file").touch()
    assert run(["--state", str(tmp_path / "file" / "state"), "join", invite]) == 1
    assert "cannot make the state directory" in capsys.readouterr().err


def test_an_id_without_an_address_is_no_invite(command, tmp_path, capsys):
    peer_id = format_peer_id(THEM)
    assert run([*command, peer_id]) == 2
    assert f"its address is missing: {peer_id}@HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "joined").exists()


def test_a_ctrl_c_that_ends_the_attempt_is_all_that_is_seen_of_it(
    command, invite, tmp_path, monkeypatch, capsys
):
    """What is cancelled may fail as if nobody were there."""

    async def interrupted(_client: Client, _contacts: object) -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await trio.sleep_forever()
        finally:
            raise NoPeerError("no peer is known")

    monkeypatch.setattr(Client, "meet", interrupted)
    assert run([*command, invite]) == INTERRUPTED
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "joined").read_text() == f"{invite}\n"
