"""Who may listen, and what is withdrawn, with real files, signals and processes."""

from __future__ import annotations

import signal

import pytest

from lightpeer.core.content.uri import parse_uri
from tests.process.conftest import LONG, SHORT, Client
from tests.process.harness import SERVER, Server, run


def own_id(client: Client) -> str:
    return client.run("id", "--json").event("id")["peer_id"]


def test_a_private_server_answers_whom_it_names_and_tells_others_so(tmp_path, music):
    """A change of the file counts without a signal."""
    friends = tmp_path / "friends"
    friends.write_text("# nobody yet\n")
    with Server(tmp_path / "server", music, more=["--allow", str(friends)]) as server:
        assert "names nobody" in server.err
        client = Client(tmp_path / "client", server)
        refused = client.run("search", LONG)
        assert refused.status == 4
        assert refused.sentence == (
            f"{server.rpc} is private: ask its operator to let in this peer's id, {own_id(client)}"
        )
        for command in (["play", LONG, "--output", "null"], ["peers"]):
            assert "is private" in client.run(*command).sentence

        friends.write_text(f"{own_id(client)}  # this test\n")
        assert server.event("lists")
        uri = client.find(LONG)["uri"]
        friends.with_name("new").write_text("# nobody again\n")
        friends.with_name("new").rename(friends)
        assert server.event("lists")
        assert "is private" in client.run("fetch", uri, "-o", "x.opus").sentence

        friends.write_text(f"{own_id(client)}\nnonsense\n")
        assert server.event("warning")["message"] == (
            f"{friends}, line 2: 'nonsense' is not a peer id (L…): what it said before stays in force"
        )
        assert client.run("search", LONG).status == 4
        friends.unlink()
        assert server.event("warning")["message"] == (
            f"{friends} does not exist: what it said before stays in force"
        )
        assert client.run("search", LONG).status == 4
        friends.write_text(f"{own_id(client)}\n")
        assert server.event("lists")
        assert client.run("search", LONG).status == 0
        server.process.send_signal(signal.SIGHUP)
        assert server.event("lists")
        assert server.end(signal.SIGTERM).status == 0


def test_who_is_denied_is_told_so(tmp_path, music):
    client = Client(tmp_path / "client")
    more = ["--deny", f"192.0.2.0/24,{own_id(client)}"]
    with Server(tmp_path / "server", music, more=more) as server:
        client = Client(tmp_path / "client", server)
        assert client.run("search", LONG).sentence == (
            f"{server.rpc} does not answer this peer, {own_id(client)}: its operator has shut it out"
        )
        assert Client(tmp_path / "other", server).run("search", LONG).status == 0


@pytest.mark.parametrize(
    ("text", "arguments", "status", "sentence"),
    [
        (None, ["--allow", "list"], 2, "--allow: 'list' is neither a file nor peer ids"),
        (None, ["--deny", "list,10.0.0.0/8"], 2, "--deny: 'list,10.0.0.0/8' is neither a file nor peer ids"),
        ("10.0.0.0/8\n", ["--allow", "list"], 2, "list, line 1: '10.0.0.0/8' is a network"),
        ("\n\nx\n", ["--deny", "list"], 2, "list, line 3: 'x' is not a peer id"),
        (None, ["--allow", "."], 1, "is not a file"),
        (None, ["--withdraw", "loud:x"], 2, "'loud:x' is not a track id"),
        (None, ["--withdraw", "loud:" + "8" * 43], 1, "no server has kept anything in"),
    ],
)
def test_lists_that_a_server_does_not_start_with(tmp_path, text, arguments, status, sentence):
    if text is not None:
        (tmp_path / "list").write_text(text)
    result = run(
        str(tmp_path), "--listen", "127.0.0.1:0", "--state", "state", *arguments, cwd=tmp_path, code=SERVER
    )
    assert result.status == status
    assert sentence in result.sentence


def test_a_track_is_withdrawn_for_good(tmp_path, music):
    """By a command beside the server; it stays so over a restart, whatever the ladder."""
    folder = tmp_path / "server"
    with Server(folder, music) as server:
        client = Client(tmp_path / "client", server)
        uri = client.find(SHORT)["uri"]
        track = server.state / "tracks" / parse_uri(uri).hex()
        assert track.is_dir()
        for what in ("withdrawn for good", "was withdrawn before"):
            done = run("--withdraw", uri, "--state", str(server.state), cwd=tmp_path, code=SERVER)
            assert done.status == 0
            assert (
                done.out.decode()
                == f"{what}: {uri} is not served, found, imported or mirrored here any more\n"
            )
        assert server.event("withdrawn")["uri"] == uri
        assert not track.exists()
        assert client.run("search", SHORT).status == 4
        assert client.run("search", uri).status == 4
        assert client.run("fetch", uri, "-o", "x.opus").status == 4
        assert client.run("search", LONG).status == 0
        assert server.end(signal.SIGTERM).status == 0
    for ladder in ("24,48", "24"):
        with Server(folder, music, ladder=ladder) as server:
            client = Client(tmp_path / "client", server)
            assert client.run("search", SHORT).status == 4
            assert client.run("search", LONG).status == 0
            assert server.err == ""
            assert server.end(signal.SIGTERM).status == 0
    mirror = ["--mirror", uri, "--allow", own_id(client)]
    with (
        Server(tmp_path / "origin", music) as origin,
        Server(folder, music, bootstrap=[origin], more=mirror) as server,
    ):
        told = [event for event in server.passed if event["event"] == "warning"] or [server.event("warning")]
        assert "is not mirrored" in told[0]["message"]
        assert not track.exists()
