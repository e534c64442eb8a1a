"""Two machines on one network, as network namespaces with a cable between them: nobody types an address."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.process.conftest import LONG
from tests.process.harness import Process, run

IPV4, IPV6 = ("192.168.77.{}", 24), ("2001:db8:77::{}", 64)


def ip(*arguments: str) -> bool:
    """Change the network by iproute2; return whether that was possible."""
    command = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if command is None:
        return False
    return subprocess.run([command, *arguments], capture_output=True, check=False).returncode == 0


class Machines(NamedTuple):
    """The names of two namespaces with a cable between them, and how an address names the first's host."""

    one: str
    two: str
    host: str


@pytest.fixture(params=[IPV4, IPV6], ids=["IPv4", "IPv6 alone"])
def machines(request: pytest.FixtureRequest) -> Iterator[Machines]:
    """Two machines, which have nothing but their addresses on this network."""
    pattern, bits = request.param
    if ":" in pattern and not Path("/proc/net/if_inet6").exists():
        pytest.skip("the kernel has no IPv6 here")
    one, two = (f"lightpeer-{os.getpid()}-{n}" for n in (1, 2))
    if not (ip("netns", "add", one) and ip("netns", "add", two)):
        pytest.skip("network namespaces cannot be made here: that needs Linux, iproute2 and root")
    try:
        assert ip("link", "add", "eth0", "netns", one, "type", "veth", "peer", "name", "eth0", "netns", two)
        for name, number in ((one, 1), (two, 2)):
            at_once = ["nodad"] if bits == 64 else []  # else an address of IPv6 is tried out first
            address = f"{pattern.format(number)}/{bits}"
            assert ip("-n", name, "addr", "add", address, "dev", "eth0", *at_once)
            assert ip("-n", name, "link", "set", "eth0", "up")
            assert ip("-n", name, "link", "set", "lo", "up")
        host = pattern.format(1)
        yield Machines(one, two, f"[{host}]" if ":" in host else host)
    finally:
        ip("netns", "del", one)
        ip("netns", "del", two)


def inside(namespace: str) -> str:
    """Code after which a process is in a network namespace."""
    return f"""
import ctypes, os
if ctypes.CDLL(None, use_errno=True).setns(os.open("/run/netns/{namespace}", os.O_RDONLY), 0):
    raise OSError(ctypes.get_errno(), "setns")
"""


def test_a_server_is_found_and_heard_without_an_address(machines, music: Path, tmp_path: Path) -> None:
    one, two, host = inside(machines.one), inside(machines.two), machines.host
    common = {"cwd": tmp_path / "server", "code": "from lightpeer.serve.__main__ import main; main()"}
    arguments = (music, "--listen", "5000", "--ladder", "24", "--state", tmp_path / "serve", "--json")
    with Process(*arguments, before=one, LIGHTPEER_LAN="yes", **common) as server:
        peer_id = server.event("listening")["peer_id"]
        invite = server.event("invite")["invite"]
        assert invite == f"loudp2p:{peer_id}@{host}:5000"
        server.event("imported")
        client = {"cwd": tmp_path, "before": two, "LIGHTPEER_LAN": "yes"}
        found = run("search", LONG, "--limit", 1, "--json", "--state", "a", **client)
        assert found.event("hit")["title"] == LONG
        assert server.event("reached")["address"] == f"{host}:5000"
        played = run("play", LONG, "--output", "wav:x.wav", "--state", "b", "--json", **client)
        assert (played.status, played.event("playing")["title"]) == (0, LONG)
        alone = run("search", LONG, "--state", "c", "--no-lan", **client)
        assert (alone.status, alone.sentence.partition(":")[0]) == (3, "no peer is known")
        joined = run("join", invite, "--state", "c", "--no-lan", **client)
        assert joined.out.decode() == f"joined: {peer_id} answers\n"
        assert run("search", LONG, "--state", "c", "--no-lan", **client).status == 0
        listed = run("peers", "--json", "--state", "a", **client)
        assert listed.event("peer")["endpoints"] == [f"{host}:5000"]
