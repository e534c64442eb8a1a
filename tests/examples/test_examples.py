"""The examples do what they say: a server and its clients in one process, and stock grpcio as a client."""

from __future__ import annotations

import shutil
import signal
import socket
import wave
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import grpc
import pytest
import trio

import lightpeer
from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import leaves_of
from tests.examples import embedded_server, grpc_service, player_with_events, search_and_fetch
from tests.process import harness as process

ROOT = Path(lightpeer.__file__).parents[1]
TRACKS = Path(lightpeer.__file__).parent / "cli" / "demo" / "tracks"
LIMIT_S = 60.0
NOBODY = format_peer_id(PeerId(bytes(20)))


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    shutil.copy(TRACKS / "copper-rain.opus", folder / "Copper Rain.opus")
    return folder


@pytest.fixture
def served(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a function with the contact of the example's server; the client's state is the test's own."""
    monkeypatch.setenv("LIGHTPEER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(act: Callable[[str], Awaitable[None]]) -> None:
        async def body() -> None:
            with trio.fail_after(LIMIT_S):
                async with trio.open_nursery() as nursery:
                    await act(await nursery.start(embedded_server.main, str(music), str(tmp_path / "serve")))
                    nursery.cancel_scope.cancel()

        trio.run(body)

    return run


def test_search_and_fetch_from_the_embedded_server(served, tmp_path, capsys):
    served(lambda contact: search_and_fetch.main(contact, "copper rain", str(tmp_path)))
    (file,) = tmp_path.glob("*.opus")
    assert file.read_bytes().startswith(b"OggS")
    out, err = capsys.readouterr()
    assert "listening: give clients L" in out
    assert "Copper Rain, 23 s, 1 peers" in out
    assert f"{file}: {file.stat().st_size} bytes" in out
    assert err == ""


def test_the_search_says_what_is_not_there(served, tmp_path):
    with pytest.raises(BaseExceptionGroup) as caught:
        served(lambda contact: search_and_fetch.main(contact, "no such", str(tmp_path)))
    assert [str(error) for error in leaves_of(caught.value)] == ["nothing found for 'no such'"]


def test_the_player_tells_its_events(served, tmp_path, capsys):
    path = tmp_path / "x.wav"
    served(lambda contact: player_with_events.main(contact, f"wav:{path}", "no such", "copper rain"))
    with wave.open(str(path)) as heard:
        assert heard.getnframes() > 22 * SAMPLE_RATE
    told = capsys.readouterr().out.splitlines()
    kinds = [line.split(",")[0].split(" loud:")[0] for line in told if "import" not in line]
    assert kinds[1:] == [
        "Opening",
        "left out no such: nothing found for 'no such'",
        "Opening",
        "playing Copper Rain",
        "ended",
    ]


def example(name: str) -> str:
    """Return the code that runs an example as `python NAME.py` does."""
    return f"import runpy; runpy.run_path({str(Path(__file__).parent / name)!r}, run_name='__main__')"


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("search_and_fetch.py", ["127.0.0.1:9", "x", "."], "no peer can be reached"),
        ("player_with_events.py", ["127.0.0.1:9", "null", "x"], "no peer can be reached"),
        ("player_with_events.py", ["127.0.0.1:9", "speakers", "x"], "'speakers'"),
        ("embedded_server.py", ["none", "state"], "none does not exist"),
        ("search_and_fetch.py", [f"{NOBODY}@127.0.0.1:9", "x", "."], "no peer can be reached"),
        ("search_and_fetch.py", ["no where", "x", "."], "'no where' is not the address of a peer"),
        ("player_with_events.py", ["a..example", "null", "x"], "a..example"),
    ],
)
def test_an_error_is_a_sentence(tmp_path, name, arguments, says):
    result = process.run(*arguments, cwd=tmp_path, code=example(name), LIGHTPEER_WAIT="1")
    assert result.status == 1
    assert says in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_and_fetch.py", ["127.0.0.1:9", "x"]),
        ("player_with_events.py", ["127.0.0.1:9", "null"]),
        ("embedded_server.py", ["music"]),
        ("grpc_service.py", []),
        ("grpc_service.py", ["port"]),
    ],
)
def test_a_missing_argument_is_answered_with_what_there_is(tmp_path, name, arguments):
    result = process.run(*arguments, cwd=tmp_path, code=example(name))
    assert result.status == 1
    assert f"`python {name} " in result.err


def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = process.run(port, cwd=tmp_path, code=example("grpc_service.py"))
    assert result.status == 1
    assert result.err.startswith(f"cannot listen at port {port} (")
    assert result.err.endswith("): choose another\n")


@pytest.mark.parametrize(("name", "more"), [("search_and_fetch.py", "."), ("player_with_events.py", "x")])
def test_an_interrupt_ends_a_client_without_a_word(tmp_path, name, more):
    with process.SilentPeer() as peer:
        arguments = [peer.rpc, *(["x", more] if more == "." else ["null", more])]
        with process.Process(*arguments, cwd=tmp_path, code=example(name)) as running:
            peer.wait_for_client()
            result = running.end(signal.SIGINT)
    assert (result.status, result.err) == (130, "")


def test_an_interrupt_ends_the_server_without_a_word(tmp_path, music):
    code = example("embedded_server.py")
    with process.Process(music, "state", cwd=tmp_path, code=code, PYTHONUNBUFFERED="1") as running:
        while b"listening" not in running.line():
            pass
        result = running.end(signal.SIGINT)
    assert (result.status, result.err) == (0, "")


def test_grpcio_calls_the_service():
    def call(port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            hello = channel.unary_unary("/demo.Greeter/Hello")
            assert hello(b"grpcio", timeout=LIMIT_S) == b"hello grpcio"
            with pytest.raises(grpc.RpcError) as caught:
                hello(b"", timeout=LIMIT_S)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details() == "say who you are"
            count = channel.unary_stream("/demo.Greeter/Count")
            assert list(count(b"3", timeout=LIMIT_S)) == [b"0", b"1", b"2"]
            join = channel.stream_unary("/demo.Greeter/Join")
            assert join(iter([b"a", b"b"]), timeout=LIMIT_S) == b"a b"

    async def body() -> None:
        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                port = await nursery.start(grpc_service.main, "0")
                await trio.to_thread.run_sync(partial(call, port))
                nursery.cancel_scope.cancel()

    trio.run(body)


def test_each_example_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text()
    for file in Path(__file__).parent.glob("[!_t]*.py"):
        assert f"(tests/examples/{file.name})" in readme
