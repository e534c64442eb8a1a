"""One small network that most of these tests share."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

from lightpeer.core.content.uri import parse_uri
from tests.audio.material import reference_pcm
from tests.process.harness import Result, Server, run
from tests.serve.media import write_wav

LONG, LONG_S = "Copper Rain", 22.8  # of the demo's tracks
SHORT, SHORT_S = "Short Beep", 1.5
RARE, RARE_S = "Rare Beep", 2.5
LADDER_KBPS = (24, 48)


class Network(NamedTuple):
    """Three serving peers that know each other. The first two hold LONG and SHORT, the third RARE alone."""

    first: Server
    second: Server
    third: Server
    uris: dict[str, str]  # by title

    @property
    def peer_ids(self) -> set[str]:
        return {self.first.peer_id, self.second.peer_id, self.third.peer_id}

    def rendition(self, title: str, kbps: int = 48) -> bytes:
        """A rendition's file, as a peer keeps it."""
        server = self.third if title == RARE else self.first
        folder = server.state / "tracks" / parse_uri(self.uris[title]).hex()
        return (folder / f"{LADDER_KBPS.index(kbps)}.opus").read_bytes()

    def pcm(self, title: str, kbps: int = 48) -> bytes:
        """What libopusfile's own reader makes of that file."""
        return reference_pcm(self.rendition(title, kbps))


class Client:
    """Runs commands with a state directory of their own, in an empty folder."""

    def __init__(self, folder: Path, *bootstrap: Server) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.common = ["--state", str(self.state)]
        self.common += [item for server in bootstrap for item in ("--bootstrap", server.rpc)]

    def run(self, *arguments: object, **more: object) -> Result:
        return run(*self.common, *arguments, cwd=self.folder, **more)

    def find(self, words: str) -> dict:
        """The best hit."""
        return self.run("search", words, "--limit", 1, "--json").event("hit")


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with LONG and SHORT."""
    folder = tmp_path_factory.mktemp("music")
    with resources.as_file(resources.files("lightpeer.cli.demo") / "tracks") as tracks:
        shutil.copy(tracks / "copper-rain.opus", folder)
    write_wav(folder / f"{SHORT}.wav", SHORT_S)
    return folder


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Iterator[Network]:
    """The network."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "rare").mkdir()
    write_wav(folder / "rare" / f"{RARE}.wav", RARE_S)
    with (
        Server(folder / "first", music) as first,
        Server(folder / "second", music, bootstrap=[first]) as second,
        Server(folder / "third", folder / "rare", bootstrap=[first]) as third,
    ):
        hits = [Client(folder, first).find(title) for title in (LONG, SHORT)]
        hits.append(Client(folder, third).find(RARE))
        yield Network(first, second, third, {hit["title"]: hit["uri"] for hit in hits})


@pytest.fixture
def client(tmp_path: Path, network: Network) -> Client:
    """A client that knows the first peer."""
    return Client(tmp_path, network.first)


def samples(path: Path) -> bytes:
    """The PCM in a WAV file."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (48000, 2)
        return file.readframes(file.getnframes())
