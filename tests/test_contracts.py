"""The contracts of pyproject.toml: each forbidden import is put into a copy of the tree, and seen to fail.

One process goes through all of them, since what lint-imports takes is mostly its start. A contract that
stopped working would look like one that is kept; so this names, for each import, the contracts that break.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp
import pytest

import lightpeer

ROOT: Final = Path(lightpeer.__file__).parents[1]
HOUSE, CORES, SERVER = "the house", "the cores", "the server:"

FORBIDDEN: Final = {
    # name: (file, what is put at its end, the beginnings of the names of contracts that break)
    "a service searches": (
        "serve/services/search.py",
        "from lightpeer.client.search import Searcher",
        ["the server is a client"],
    ),
    "gossip asks as a client does": (
        "serve/overlay/gossip.py",
        "from lightpeer.client.reach import Reach",
        ["the server is a client"],
    ),
    "the client knows what programs are given": (
        "client/models.py",
        "from lightpeer.api import LightClient",
        [HOUSE],
    ),
    "the client is simulated": (
        "client/fetch.py",
        "from lightpeer.testing import SimHost",
        [HOUSE],
    ),
    "a link knows connections": (
        "rpc/link.py",
        "from lightpeer.peering.connections import Connections",
        [HOUSE],
    ),
    "a uri knows what is shown": ("core/content/uri.py", "from lightpeer.client.models import Hit", [HOUSE]),
    "a core waits": ("core/segments/buffer.py", "import trio", ["cores have no sockets"]),
    "a core reads the clock, in a function": (
        "core/rate/flow.py",
        "def now_s() -> float:\n    import time\n    return time.monotonic()",
        ["cores have no sockets"],
    ),
    "trust knows segments": (
        "core/trust/records.py",
        "from lightpeer.core.segments.buffer import SegmentBuffer",
        [CORES],
    ),
    "search knows datagrams": (
        "core/search/words.py",
        "from lightpeer.core.udp.datagram import Unit",
        [CORES],
    ),
    "remote controls know segments": (
        "core/mpd/song.py",
        "from lightpeer.core.segments.buffer import SegmentBuffer",
        [CORES],
    ),
    "a channel knows ids": (
        "rpc/channel.py",
        "from lightpeer.core.trust.identity import PeerId",
        ["gRPC knows nothing"],
    ),
    "the settings are gRPC's": (
        "rpc/server.py",
        "from lightpeer.config import Settings",
        ["gRPC knows nothing"],
    ),
    "the local network knows a session's type": (
        "net/lan.py",
        "if TYPE_CHECKING:\n    from lightpeer.download.session import Session",
        [HOUSE],
    ),
    "sound knows manifests": ("audio/ogg.py", "from lightpeer.core.content.manifest import Track", [HOUSE]),
    "sound knows messages": (
        "audio/ogg.py",
        "from lightpeer.pb.loudp2p.v1 import loudp2p_pb2",
        ["sound and console"],
    ),
    "a session decodes": (
        "download/session.py",
        "from lightpeer.audio.decoder import Decoder",
        ["network and sound"],
    ),
    "a fetch prints": (
        "client/fetch.py",
        "from lightpeer.console.output import Output",
        ["the library does not"],
    ),
    "a speaker prints": (
        "speaker/mpd.py",
        "from lightpeer.console.output import Output",
        ["the library does not"],
    ),
    "a player knows its remotes": (
        "playback/player.py",
        "from lightpeer.speaker.mpd import Remotes",
        [HOUSE],
    ),
    "the player serves": (
        "cli/play.py",
        "from lightpeer.serve.library.library import Library",
        ["nothing imports the server"],
    ),
    "the library answers calls": (
        "serve/library/store.py",
        "from lightpeer.serve.services.sealed import SealedCalls",
        [SERVER],
    ),
    "the server plays": (
        "serve/services/role.py",
        "from lightpeer.audio.outputs import make_sink",
        ["the server is a client"],
    ),
    "another door to the curve": ("core/udp/opening.py", "import coincurve", ["secp256k1 has one door"]),
    "another door to PyOgg": ("audio/decoder.py", "import pyogg", ["PyOgg and sounddevice"]),
    "another door to the sound device": ("cli/doctor.py", "import sounddevice", ["PyOgg and sounddevice"]),
    "a module at the top without a floor": ("spare.py", "", [HOUSE]),
    "a room at the top without a floor": ("spare/__init__.py", "", [HOUSE]),
    "a core without a floor": ("core/spare.py", "", [CORES]),
    "a module of the server without a floor": ("serve/spare.py", "", [SERVER]),
}

LINT = """
import contextlib, io, json, pathlib, sys
from importlinter.cli import lint_imports

def said():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = lint_imports(no_logo=True)
    return status, out.getvalue()

results = {"": said()}
for name, (file, text, _) in json.load(sys.stdin).items():
    path = pathlib.Path("lightpeer", file)
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text((before or "") + "\\n" + text + "\\n")
    results[name] = said()
    if before is not None:
        path.write_text(before)
    else:
        path.unlink()
        if path.name == "__init__.py":
            path.parent.rmdir()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What lint-imports ends with and says: of a sound copy (""), and with each forbidden import in it."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", copy)
    shutil.copytree(
        ROOT / "lightpeer", copy / "lightpeer", ignore=shutil.ignore_patterns("*.opus", "__pycache__")
    )
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200"},
        input=json.dumps(FORBIDDEN),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def broken(said: str) -> list[str]:
    return sorted(re.findall(r"^(.+?) BROKEN", said, re.MULTILINE))


def test_the_tree_keeps_all_contracts(results: dict[str, tuple[int, str]]):
    assert results[""][0] == 0, results[""][1]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(results: dict[str, tuple[int, str]], name: str):
    status, said = results[name]
    assert status == 1, said
    names = broken(said)
    for beginning in FORBIDDEN[name][2]:
        assert any(name.startswith(beginning) for name in names), said


def test_every_contract_has_been_seen_to_break(results: dict[str, tuple[int, str]]):
    contracts = set(re.findall(r"^(.+?) KEPT", results[""][1], re.MULTILINE))
    assert contracts == {name for _, said in results.values() for name in broken(said)}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, and the first is the last; empty if there is no circle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_no_module_imports_itself_by_way_of_others():
    """Neither lazily nor for types alone: whoever reads a module needs to know only what is below it."""
    graph = grimp.build_graph("lightpeer", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circle(imports) == []
    lower, higher = "lightpeer.core.rpc.outlet", "lightpeer.core.rpc.stream_table"
    assert lower in imports[higher]
    imports[lower].add(higher)
    assert circle(imports) in ([lower, higher, lower], [higher, lower, higher])
