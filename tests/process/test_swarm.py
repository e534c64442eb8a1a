"""Serving peers as processes of their own: how they find each other, and change what they do."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lightpeer.core.content.uri import parse_uri
from lightpeer.core.trust.identity import PeerId, format_peer_id
from tests.net.test_system import has_ipv6
from tests.process.conftest import LONG, Client
from tests.process.harness import LIMIT_S, Process, Server, together
from tests.serve.media import write_wav

GOSSIP_S = "1"  # in place of a minute


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder without music."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def until(condition: Callable[[], object]) -> None:
    """Ask again and again, each time by a command that takes its time."""
    deadline = time.monotonic() + 2 * LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"


def known(client: Client) -> set[str]:
    """Whom `lightpeer peers` shows."""
    return {event["peer_id"] for event in client.run("peers", "--json").events if event["event"] == "peer"}


def test_ten_peers_find_each_other_through_one_that_is_then_killed(tmp_path, empty) -> None:
    with ExitStack() as stack:

        def start(n: int, *bootstrap: Server) -> Server:
            peer = Server(tmp_path / str(n), empty, bootstrap=bootstrap, more=["--gossip", GOSSIP_S])
            return stack.enter_context(peer)

        bootstrap = start(0)
        nine = together(*(partial(start, n, bootstrap) for n in range(1, 10)))
        ids = {peer.peer_id for peer in nine}
        before = Client(tmp_path / "before", nine[8])
        until(lambda: ids <= known(before))
        bootstrap.process.kill()
        bootstrap.process.wait()
        late = start(10, nine[0])
        through_another = Client(tmp_path / "after", late)
        until(lambda: ids <= known(through_another))


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_a_network_on_ipv6_alone(tmp_path, music, empty) -> None:
    here = ["--listen", "[::1]:0", "--gossip", GOSSIP_S]
    with (
        Server(tmp_path / "holder", music, more=here) as holder,
        Server(tmp_path / "other", empty, bootstrap=[holder], more=here) as other,
    ):
        client = Client(tmp_path / "client", other)
        until(lambda: {holder.peer_id, other.peer_id} <= known(client))
        hit = client.find(LONG)
        assert hit["holders"] == [holder.peer_id]
        fetched = client.run("fetch", hit["uri"], "-o", "x.opus", "--json").event("fetched")
        assert fetched["transport"] == "udp"
        played = client.run("-q", "play", hit["uri"], "--start", 22, "--output", "null", "--stats", "stats")
        assert (played.status, played.err) == (0, "")
        assert json.loads((client.folder / "stats").read_bytes())["transport"] == "udp"


def test_a_peer_just_talked_to_is_shown_also_where_it_listens_on_every_address(tmp_path, empty) -> None:
    with Process(
        *(empty, "--listen", "0.0.0.0:0", "--no-lan", "--state", tmp_path / "s", "--json"),
        cwd=tmp_path,
        code="from lightpeer.serve.__main__ import main; main()",
    ) as server:
        listening = server.event("listening")
        address = f"127.0.0.1:{listening['rpc'].rpartition(':')[2]}"
        client = Client(tmp_path / "client")
        result = client.run("--bootstrap", address, "peers", "--json")
        assert result.event("peer")["endpoints"] == [address]


def test_the_peer_that_was_named_by_its_id_or_none(tmp_path, network) -> None:
    rpc, peer_id = network.first.rpc, network.first.peer_id
    client = Client(tmp_path)
    assert client.run("--bootstrap", f"{peer_id}@{rpc}", "search", LONG, "--json").event("hit")
    wrong = format_peer_id(PeerId(bytes(range(20))))
    result = client.run("--state", tmp_path / "other", "--bootstrap", f"{wrong}@{rpc}", "search", LONG)
    assert result.status == 3
    assert f"another peer than {wrong} answers at {rpc}" in result.sentence


def test_a_mirror_serves_what_another_published(tmp_path, empty) -> None:
    (tmp_path / "music").mkdir()
    write_wav(tmp_path / "music" / "Rare Beep.wav", 2.5)
    with Server(tmp_path / "origin", tmp_path / "music") as origin:
        uri = Client(tmp_path / "finder", origin).find("rare beep")["uri"]
        more = ["--mirror", uri, "--gossip", GOSSIP_S]
        with Server(tmp_path / "mirror", empty, bootstrap=[origin], more=more) as mirror:
            assert mirror.event("mirrored")["uri"] == uri
            origin.process.kill()
            origin.process.wait()
            client = Client(tmp_path / "client", mirror)
            fetched = client.run("fetch", uri, "-o", tmp_path / "rare.opus", "--json")
            assert fetched.status == 0
            folder = f"tracks/{parse_uri(uri).hex()}"
            assert (tmp_path / "rare.opus").read_bytes() == (origin.state / folder / "1.opus").read_bytes()
            for path in (origin.state / folder).iterdir():
                assert (mirror.state / folder / path.name).read_bytes() == path.read_bytes()


def test_a_signal_makes_a_peer_cease_to_serve_and_another_begin_again(tmp_path, music) -> None:
    with Server(tmp_path / "s", music) as server:
        client = Client(tmp_path / "client", server)
        assert client.find(LONG)
        server.process.send_signal(signal.SIGUSR1)
        assert server.event("role")["serves"] is False
        assert client.run("search", LONG).status != 0
        assert client.run("peers", "--json").event("peer")["roles"] == []
        server.process.send_signal(signal.SIGUSR1)
        assert server.event("role")["serves"] is True
        assert client.find(LONG)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell what listens")
def test_a_light_client_listens_nowhere_while_it_plays(tmp_path, network) -> None:
    client = Client(tmp_path, network.first)
    with Process(
        *(*client.common, "play", LONG, "--output", "null", "--json"), cwd=tmp_path / "play"
    ) as player:
        player.event("playing")
        mine = set(_sockets(player.process.pid))
        assert mine, "it has connections"
        assert not mine & _listening()
        player.end(signal.SIGINT)
    with Process(
        *(tmp_path, "--listen", "127.0.0.1:0", "--state", tmp_path / "s", "--json"),
        cwd=tmp_path,
        code="from lightpeer.serve.__main__ import main; main()",
    ) as server:
        server.event("listening")
        assert set(_sockets(server.process.pid)) & _listening(), "so would a client's be found"


def _sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)  # noqa: PTH115 - it is no path
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _listening() -> set[str]:
    """The inodes of all TCP sockets that listen."""
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {fields[9] for fields in map(str.split, lines) if fields[3] == "0A"}
