"""Where a library is missing, each command says which and how to get it, in the same words."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lightpeer.audio.device import ELSEWHERE
from tests.process.conftest import SHORT, Client
from tests.process.harness import SERVER, Result, Server, together, without_library, without_package
from tests.serve.media import write_wav


def found(diagnosis: Result, verdict: str) -> list[str]:
    """What `doctor` says of what is missing, without what needs it."""
    messages = [event["message"] for event in diagnosis.events if event.get("verdict") == verdict]
    return [message.partition(" (needed by ")[0] for message in messages]


def without(before: str, client: Client, *, output: str = "null") -> list[Result]:
    """How the commands of a client end."""
    return together(
        partial(client.run, "play", SHORT, before=before, LIGHTPEER_OUTPUT=output),
        partial(client.run, "demo", "--json", before=before),
        partial(client.run, "doctor", "--json", before=before, LIGHTPEER_OUTPUT=output),
    )


@pytest.mark.parametrize(
    ("before", "beginning"),
    [
        (without_library("ogg"), "libogg is not installed: "),
        (without_library("opus"), "libopus is not installed: "),
        (without_package("pyogg"), "the Python package PyOgg is not installed: pip install PyOgg=="),
    ],
    ids=["libogg", "libopus", "PyOgg"],
)
def test_what_all_need(client: Client, music: Path, before: str, beginning: str):
    played, shown, diagnosed = without(before, client)
    served = client.run(music, "--listen", "127.0.0.1:0", before=before, code=SERVER)
    assert played.sentence.startswith(beginning)
    assert " install " in played.sentence
    assert (played.status, shown.status, served.status, diagnosed.status) == (6, 6, 6, 1)
    assert played.sentence == shown.sentence == served.sentence
    assert [event["event"] for event in shown.events] == ["error"], "nothing was begun"
    assert found(diagnosed, "fail") == [played.sentence]


@pytest.mark.parametrize("library", ["opusfile", "opusenc", "ebur128"])
def test_what_serving_needs(client: Client, music: Path, library: str):
    before = without_library(library)
    played, shown, diagnosed = without(before, client)
    served = client.run(music, "--listen", "127.0.0.1:0", before=before, code=SERVER)
    assert (served.status, served.sentence) == (6, shown.sentence)
    assert shown.sentence.startswith(f"lib{library} is not installed: ")
    assert (played.status, shown.status, diagnosed.status) == (0, 6, 0)
    assert shown.sentence in found(diagnosed, "warn")


def test_tracks_that_are_here_are_served_without_what_imports_need(client: Client):
    folder = client.folder / "server"
    songs = folder / "songs"
    songs.mkdir(parents=True)
    write_wav(songs / "one.wav", 1.2)
    with Server(folder, songs) as server:
        assert server.tracks == 1
    write_wav(songs / "two.wav", 1.3)
    with Server(folder, songs, before=without_library("opusenc")) as server:
        assert server.err.startswith("lightpeer-serve: libopusenc is not installed: ")
        assert Client(client.folder, server).find("one")["title"] == "one"


def test_what_reading_tags_needs(client: Client):
    before = without_package("mutagen")
    _, shown, diagnosed = without(before, client)
    assert (shown.status, diagnosed.status) == (6, 0)
    assert shown.sentence == "the Python package mutagen is not installed: pip install mutagen"
    assert shown.sentence in found(diagnosed, "warn")


def test_what_signing_needs(client: Client, music: Path):
    before = f"{without_library('secp256k1')}\n{without_package('coincurve')}"
    played, shown, diagnosed = without(before, client)
    served = client.run(music, "--listen", "127.0.0.1:0", before=before, code=SERVER)
    assert played.sentence.startswith("signing needs coincurve or libsecp256k1: pip install ")
    assert (played.status, shown.status, served.status, diagnosed.status) == (6, 6, 6, 1)
    assert played.sentence == shown.sentence == served.sentence
    assert set(found(diagnosed, "fail")) == {played.sentence}


@pytest.mark.parametrize(
    ("before", "beginning"),
    [
        (without_library("portaudio"), "PortAudio is not installed: "),
        (without_package("sounddevice"), "the Python package sounddevice is not installed: pip install "),
    ],
    ids=["PortAudio", "sounddevice"],
)
def test_what_the_sound_device_needs(client: Client, before: str, beginning: str):
    played, shown, diagnosed = without(before, client, output="")
    assert played.sentence.startswith(beginning)
    assert played.sentence.endswith(ELSEWHERE)
    assert (played.status, shown.status, diagnosed.status) == (6, 0, 1)
    assert found(diagnosed, "fail") == [played.sentence]
    assert shown.event("wrote")["reason"] + ELSEWHERE == played.sentence
