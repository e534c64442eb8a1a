"""A client in another language, on another gRPC, written from proto/ alone: what it hears is what we hold.

It needs Node 18 or later with npm, and the network once, for `npm ci` in tests/interop/node. It is not
part of what .ci/run installs: on a fresh Debian 12, node and npm are 356 packages of apt for this one test.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lightpeer.core.content.uri import parse_uri
from tests.process.harness import LIMIT_S, Server
from tests.serve.media import write_wav

NODE = Path(__file__).parent / "node"
INSTALL_S = 60.0


@pytest.fixture(scope="module")
def node() -> str:
    """The interpreter, once its packages are there."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("node and npm are not installed")
    if not (NODE / "node_modules" / "@grpc").is_dir():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=NODE, check=True, capture_output=True, timeout=INSTALL_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm ci did not succeed in {NODE}: {error}")
    return program


def test_a_client_in_another_language_searches_and_pulls(tmp_path, node):
    music = tmp_path / "music"
    music.mkdir()
    write_wav(music / "Far Beep.wav", 2.5)
    with Server(tmp_path / "server", music) as server:
        command = [node, "client.mjs", server.rpc, "far beep", "3"]
        result = subprocess.run(
            command, cwd=NODE, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert result.stderr == ""
        hit, manifest, pulled = map(json.loads, result.stdout.splitlines())
        assert (hit["title"], hit["peer_id"]) == ("Far Beep", server.peer_id)
        assert (manifest["title"], manifest["segments"]) == ("Far Beep", 3)
        held = server.state / "tracks" / parse_uri(hit["uri"]).hex() / "0.opus"
        assert base64.b64decode(pulled["bytes"]) == held.read_bytes()
