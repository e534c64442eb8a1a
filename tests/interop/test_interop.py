"""Every case, four ways: ours and ours, grpcio's client and our server, ours and grpcio's, grpcio's own.

Each pair runs in a process of its own, beside two server processes: grpcio does not fork, and counts
on threads. What a user would type is `python -m tests.interop.server` and `.client`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from lightpeer.errors import RpcError
from lightpeer.net.system import SystemNetwork
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import RpcServer

pytest.importorskip("grpc", reason="grpcio is not installed: pip install -e .[test]")

from tests.interop import client, server  # (after the check: they need grpcio's stubs)
from tests.interop.cases import CASES, Kit, rpc_soak

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
SOAK_LIMIT_S = 300.0
SOAK_CALLS = 4800  # four parts, each more than h2 remembers of ended streams, and trio of dead deadlines
CLIENTS = {"ours": "tests.interop.client", "grpcio": "tests.interop.grpcio_client"}
SERVERS = ("ours", "sync", "aio")
SHORT = [case for case in CASES if case != "rpc_soak"]


class Outcome(NamedTuple):
    """What a client said of its cases: None, or why it failed."""

    failures: dict[str, str | None]
    text: str


def start_server(stack: ExitStack, module: str) -> list[str]:
    """Start a server program; give its ports."""
    process = stack.enter_context(
        subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    )
    stack.callback(process.kill)
    word, *ports = process.stdout.readline().split()
    assert word == "listening"
    return ports


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        ours = start_server(stack, "tests.interop.server")
        yield dict(zip(SERVERS, ours + start_server(stack, "tests.interop.grpcio_server"), strict=True))


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], Outcome]:
    """Of the pairs that have run."""
    return {}


def outcome(client: str, port: str, cases: list[str], limit_s: float = LIMIT_S) -> Outcome:
    command = [sys.executable, "-m", CLIENTS[client], "--server_port", port, "--test_case", ",".join(cases)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False)
    failures: dict[str, str | None] = {}
    for line in result.stdout.splitlines():
        if line.startswith("ok "):
            failures[line[3:]] = None
        elif line.startswith("FAILED "):
            name, _, why = line[7:].partition(": ")
            failures[name] = why
    return Outcome(failures, result.stdout + result.stderr)


@pytest.mark.parametrize("case", SHORT)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_case(client, server, case, ports, outcomes):
    pair = client, server
    if pair not in outcomes:
        outcomes[pair] = outcome(client, ports[server], SHORT)
    assert outcomes[pair].failures.get(case, "it did not run") is None, outcomes[pair].text


@pytest.mark.soak
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_ten_thousand_calls_on_one_channel(client, server, ports):
    done = outcome(client, ports[server], ["rpc_soak"], SOAK_LIMIT_S)
    assert done.failures == {"rpc_soak": None}, done.text


def test_many_calls_on_one_channel_leave_nothing_behind_on_either_side():
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            rpc = RpcServer(server.handlers())
            await nursery.start(rpc.serve, listeners)
            port = listeners[0].socket.getsockname()[1]
            async with open_channel(SystemNetwork(), "127.0.0.1", port) as channel:
                kit = Kit(channel, RpcError, None, bool, client.gather, None, SOAK_CALLS)
                await rpc_soak(kit)
            rpc.drain()

    trio.run(main)
