"""`cache` and `pin` as a person calls them, on what a client has kept before."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lightpeer.cli import kept
from lightpeer.cli.choosing import Chosen
from lightpeer.cli.main import run
from lightpeer.client.fetch import FetchOptions
from lightpeer.client.pin import pin
from lightpeer.console.output import Output
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import NothingFoundError, StateError
from lightpeer.state.kept_file import KeptFile
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings
from tests.playback.music import stage

LONG = made_track(40, kbps=(24, 96), title="Long", artist="Band", album="Disc", seed=1)
SHORT = made_track(5, kbps=(24,), title="Short", seed=2)
KEPT_BYTES = 5_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which both tracks are pinned, and that remembers no peer."""
    folder = tmp_path_factory.mktemp("made")

    async def main(net: SimInternet) -> None:
        async with stage(net, folder, [LONG, SHORT], cache_bytes=KEPT_BYTES) as now:
            for track, kbps in ((LONG, 96), (SHORT, None)):
                await pin(now.client, track.track.uri, FetchOptions(kbps))

    simulate(main)
    for path in folder.glob("peers*"):
        path.unlink()
    return folder


@pytest.fixture
def state(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in surroundings that name no peer either."""
    for variable in ("CACHE", "CONFIG", "BOOTSTRAP"):
        monkeypatch.delenv(f"LIGHTPEER_{variable}", raising=False)
    monkeypatch.setenv("LIGHTPEER_LAN", "no")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return Path(shutil.copytree(made, tmp_path / "state"))


@pytest.fixture
def command(state: Path, capsys: pytest.CaptureFixture) -> Callable[..., list[dict]]:
    """Returns a function that runs a command, and returns the events that programs read."""

    def call(*words: str, status: int = 0) -> list[dict]:
        capsys.readouterr()
        assert run(["--state", str(state), *words, "--json"]) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def pinned(events: list[dict]) -> dict[str, bool]:
    return {event["title"]: event["pinned"] for event in events if event["event"] == "kept"}


def test_each_track_is_shown_with_what_is_here_of_it_and_all_together(command):
    *tracks, total = command("cache")
    long = next(event for event in tracks if event["title"] == "Long")
    assert {
        key: long[key] for key in ("event", "uri", "artist", "album", "duration_s", "kept_s", "pinned")
    } == {
        "event": "kept",
        "uri": LONG.track.uri,
        "artist": "Band",
        "album": "Disc",
        "duration_s": 40.0,
        "kept_s": 40.0,
        "pinned": True,
    }
    assert long["bytes"] > sum(map(len, LONG.segments[1]))
    size_bytes = sum(event["bytes"] for event in tracks)
    assert (total["event"], total["tracks"]) == ("cache", 2)
    assert total["bytes"] == total["pinned_bytes"] == size_bytes


def test_of_a_track_that_is_here_in_part_it_is_told_how_much(command, state, monkeypatch, capsys):
    made, put = made_track(20, title="Part", seed=3), KeptFile.put

    def lose_the_second_half(file: KeptFile, key: tuple[int, int], data: bytes) -> None:
        if not 10 <= key[1] < 20:
            put(file, key, data)

    async def main(net: SimInternet) -> None:
        async with stage(net, state, [made], cache_bytes=KEPT_BYTES) as now:
            with pytest.raises(StateError, match="not all of Part"):
                await pin(now.client, made.track.uri)

    with monkeypatch.context() as patch:
        patch.setattr(KeptFile, "put", lose_the_second_half)
        simulate(main)
    (part,) = [event for event in command("cache") if event.get("title") == "Part"]
    assert (part["kept_s"], part["duration_s"]) == (10, 20.0)
    assert run(["--state", str(state), "cache"]) == 0
    assert "0:10 of 0:20" in capsys.readouterr().out


def test_people_read_lines(command, state, capsys):
    assert run(["--state", str(state), "cache", "--cache-size", "5"]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    (long,) = [line for line in lines if "Long" in line]
    assert "0:40" in long
    assert "pinned" in long
    assert total.startswith("2 tracks, 0.5 MB of 5.0 MB, 0.5 MB pinned")


def test_what_is_let_go_stays_but_may_make_room(command):
    (unpinned,) = command("pin", "--remove", LONG.track.uri, format_uri(bytes(32)))
    assert (unpinned["event"], unpinned["tracks"]) == ("unpinned", 1)
    assert pinned(command("cache")) == {"Long": False, "Short": True}
    *_, total = command("cache")
    assert 0 < total["pinned_bytes"] < total["bytes"]


def test_what_was_let_go_is_cleared(command):
    command("pin", "--remove", LONG.track.uri)
    (cleared,) = command("cache", "--clear")
    assert cleared["event"] == "cleared"
    assert cleared["tracks"] >= 1
    assert "Long" not in pinned(command("cache"))


def test_a_cache_that_is_off_is_shown_and_has_no_room(command):
    *tracks, total = command("cache", "--cache-size", "0")
    assert pinned(tracks) == {"Long": True, "Short": True}
    assert total["bound_bytes"] == 0


def test_what_is_here_is_pinned_again_without_a_network(command):
    command("pin", "--remove", SHORT.track.uri)
    (event,) = command("pin", SHORT.track.uri)
    assert (event["event"], event["title"], event["fetched_bytes"]) == ("pinned", "Short", 0)
    assert event["kept_bytes"] > 0
    assert pinned(command("cache")) == {"Long": True, "Short": True}


def test_what_is_not_here_needs_a_peer(command):
    for uri in (format_uri(bytes(32)), "words"):
        (error,) = command("pin", uri, status=3)
        assert error["message"].startswith("no peer is known")


def test_words_cannot_be_let_go_of(command):
    (error,) = command("pin", "--remove", "words", status=2)
    assert "'words' is not a track id" in error["message"]


def test_silence_is_a_number_of_seconds(command):
    for wrong in ("-1", "inf", "nan"):
        (error,) = command("pin", SHORT.track.uri, "--timeout", wrong, status=2)
        assert "number of seconds" in error["message"]


# What is not here yet, from a peer.


def pin_from_peer(folder: Path, monkeypatch: pytest.MonkeyPatch, *items: str, takes_all: bool = False):
    """Pin as the command does where a peer has both tracks; return its status and the events."""
    printed = io.StringIO()

    async def main(net: SimInternet) -> int:
        async with serving(net.host("10.0.0.1"), [LONG, SHORT]) as server:
            monkeypatch.setattr(kept, "SystemNetwork", lambda: net.host("10.0.9.1"))
            chosen = settings(folder, server, cache_bytes=KEPT_BYTES)
            return await kept._pin(
                chosen, Output(json=True, stream=printed), Chosen(list(items), takes_all), 60.0
            )

    status = simulate(main)
    return status, [json.loads(line) for line in printed.getvalue().splitlines()]


def test_words_pin_the_best_hit_or_all(tmp_path, monkeypatch):
    status, (event,) = pin_from_peer(tmp_path / "one", monkeypatch, "long band")
    assert (status, event["event"], event["title"]) == (0, "pinned", "Long")
    assert event["fetched_bytes"] == sum(map(len, LONG.segments[1])), "the best rendition"
    status, (found, *events) = pin_from_peer(tmp_path / "all", monkeypatch, 'artist:"Band"', takes_all=True)
    assert (status, found["event"], found["tracks"]) == (0, "found", 1)
    assert [event["title"] for event in events] == ["Long"]


def test_of_several_the_missing_are_told_and_give_the_status(tmp_path, monkeypatch):
    missing = format_uri(bytes(32))
    status, events = pin_from_peer(tmp_path, monkeypatch, "silence", SHORT.track.uri, missing)
    assert status == NothingFoundError("").exit_status
    assert [event["event"] for event in events] == ["warning", "pinned", "warning"]
    assert events[0]["message"].startswith("silence: nothing found for 'silence'")
    assert events[2]["message"].startswith(f"{missing}: ")
