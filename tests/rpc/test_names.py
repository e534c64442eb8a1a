"""The names of `lightpeer.rpc`, which a program may use without anything else of lightpeer."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lightpeer.rpc

NAMES = [
    "EOF",
    "Call",
    "Channel",
    "ChannelConnectivity",
    "Compression",
    "Context",
    "Health",
    "Limits",
    "Method",
    "MethodHandler",
    "Reflection",
    "Requests",
    "RpcError",
    "RpcServer",
    "StatusCode",
    "StreamStreamCall",
    "StreamUnaryCall",
    "SystemNetwork",
    "UnaryStreamCall",
    "UnaryUnaryCall",
    "open_channel",
    "service_of",
    "stream_stream",
    "stream_unary",
    "unary_stream",
    "unary_unary",
]


def test_the_public_names_are_these():
    assert lightpeer.rpc.__all__ == NAMES
    assert dir(lightpeer.rpc) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name):
    assert getattr(lightpeer.rpc, name) is getattr(lightpeer.rpc, name)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'Speaker'"):
        lightpeer.rpc.Speaker  # noqa: B018


def imported(names: str) -> set[str]:
    code = f"import sys\nfrom lightpeer.rpc import {names}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_it_imports_nothing_heavy():
    assert not imported("__doc__") & {"trio", "h2", "google.protobuf", "lightpeer.rpc.server"}


def test_channel_and_server_bring_nothing_of_loudp2p():
    modules = imported("RpcServer, SystemNetwork, open_channel, unary_unary")
    rooms = ("core.trust", "core.content", "core.overlay", "core.search", "core.udp", "core.segments")
    others = ("peering", "state", "download", "client", "playback", "serve", "config", "pb")
    ours = tuple(f"lightpeer.{room}" for room in (*rooms, *others))
    assert not [name for name in modules if name.startswith(ours)]
