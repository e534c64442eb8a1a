"""Fetching as the command does it, from a simulated peer: names, what is there, and what is missing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lightpeer.cli import fetch as module
from lightpeer.cli.choosing import Chosen
from lightpeer.cli.fetch import Job, Target
from lightpeer.client.client import open_client
from lightpeer.client.fetch import FetchOptions
from lightpeer.client.part_file import part_of
from lightpeer.client.pin import pin
from lightpeer.console.output import Output
from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.names import ALBUM, ONE_TRACK
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import NoPeerError, NothingFoundError, StateError, UsageError, leaves_of
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, made_track, serving, settings

FIRST = made_track(3, title="First", artist="Band", album="Disc", place=AlbumPlace(track=1), seed=1)
SECOND = made_track(3, title="Second", artist="Band", album="Disc", place=AlbumPlace(track=2), seed=2)
TWIN = made_track(3, title="First", artist="Band", seed=3)
TWO_RATES = made_track(3, title="Two", artist="Band", kbps=(24, 48), seed=4)
MISSING = format_uri(bytes(32))


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[dict]]]:
    """Returns a function that fetches, and returns the exit status and the results that were printed."""
    (tmp_path / "out").mkdir()

    def fetch(
        *items: str,
        takes_all: bool = False,
        file: str | None = None,
        template: str = ONE_TRACK,
        force: bool = False,
        pins: Sequence[MadeTrack] = (),
        kbps: int | None = None,
    ) -> tuple[int, list[dict]]:
        printed = io.StringIO()
        target = Target(file, tmp_path / "out", template, 60.0, force)

        async def main(net: SimInternet) -> int:
            monkeypatch.setattr(module, "SystemNetwork", lambda: net.host("10.0.9.1"))
            async with serving(net.host("10.0.0.1"), [FIRST, SECOND, TWIN, TWO_RATES]) as server:
                chosen = settings(tmp_path, server, cache_bytes=10_000_000 if pins else 0)
                if pins:
                    async with open_client(chosen, net.host("10.0.9.2")) as client:
                        for made in pins:
                            await pin(client, made.track.uri, FetchOptions(kbps))
                    server.kill()
                job = Job(chosen, Output(json=True, stream=printed), target)
                wanted = Chosen(list(items), takes_all)
                job.check(wanted)
                return await job.run(wanted)

        try:
            status = simulate(main)
        except ExceptionGroup as group:
            raise next(leaves_of(group)) from group
        return status, [json.loads(line) for line in printed.getvalue().splitlines()]

    return fetch


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_track_gets_its_name_from_the_template(fetch, tmp_path) -> None:
    status, told = fetch(SECOND.track.uri)
    assert status == 0
    assert names(tmp_path / "out") == ["Band - Second.opus"]
    assert [(event["event"], event["uri"], event["title"]) for event in told] == [
        ("fetched", SECOND.track.uri, "Second")
    ]
    assert (tmp_path / "out/Band - Second.opus").stat().st_size == told[0]["bytes"]


def test_the_file_holds_the_header_and_every_segment(fetch, tmp_path) -> None:
    fetch(SECOND.track.uri, file=str(tmp_path / "x.opus"))
    assert (tmp_path / "x.opus").read_bytes() == b"header" + b"".join(SECOND.segments[0])
    assert names(tmp_path / "out") == []


def test_an_album_is_a_folder_in_its_order(fetch, tmp_path) -> None:
    status, told = fetch('album:"Disc"', takes_all=True, template=ALBUM)
    assert status == 0
    assert names(tmp_path / "out") == ["Band/Disc/01 First.opus", "Band/Disc/02 Second.opus"]
    assert [event["title"] for event in told if event["event"] == "fetched"] == ["First", "Second"]


def test_what_is_there_is_not_fetched_again(fetch, tmp_path) -> None:
    fetch(SECOND.track.uri)
    path = tmp_path / "out/Band - Second.opus"
    path.write_bytes(b"mine")
    status, told = fetch(SECOND.track.uri)
    assert (status, [event["event"] for event in told]) == (0, ["there"])
    assert path.read_bytes() == b"mine"


def test_two_tracks_of_one_name_are_two_files(fetch, tmp_path) -> None:
    status, _ = fetch(FIRST.track.uri, TWIN.track.uri)
    assert status == 0
    assert names(tmp_path / "out") == sorted(
        ["Band - First.opus", f"Band - First [{TWIN.track.uri[-8:]}].opus"]
    )


def test_of_several_the_missing_one_is_told_and_gives_the_status(fetch, tmp_path, capsys) -> None:
    status, told = fetch("silence", FIRST.track.uri, MISSING)
    assert status == NothingFoundError("").exit_status
    assert names(tmp_path / "out") == ["Band - First.opus"]
    assert [event["title"] for event in told if event["event"] == "fetched"] == ["First"]
    said = capsys.readouterr().err
    assert "silence: nothing found for 'silence'" in said
    assert MISSING in said


@pytest.mark.parametrize("item", ["silence", MISSING])
def test_the_only_track_that_is_missing_is_the_error(fetch, tmp_path, item: str) -> None:
    with pytest.raises(NothingFoundError):
        fetch(item)
    assert names(tmp_path / "out") == []


def test_one_file_holds_one_track(fetch, tmp_path) -> None:
    for items, takes_all in (((FIRST.track.uri, SECOND.track.uri), False), (("band",), True)):
        with pytest.raises(UsageError, match="for several, give --dir and --name"):
            fetch(*items, takes_all=takes_all, file=str(tmp_path / "x.opus"))


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(fetch, tmp_path) -> None:
    (tmp_path / "out" / "Band").write_text("a file in the folder's place")
    with pytest.raises(StateError, match=r"cannot make the folder .*Band.*: name another with --dir"):
        fetch(SECOND.track.uri, template="{artist}/{album}/{title}")


def test_after_a_signal_what_is_kept_is_told(tmp_path, capsys) -> None:
    job = Job(settings(tmp_path), Output(), Target(None, tmp_path, ONE_TRACK, 60.0))
    job.tell_what_is_kept()
    assert capsys.readouterr().err == "", "nothing was being written"
    job._path = tmp_path / "x.opus"
    job.tell_what_is_kept()
    assert capsys.readouterr().err == "", "nothing has come yet"
    part_of(job._path).write_bytes(b"part")
    job.tell_what_is_kept()
    assert "the same command goes on from it" in capsys.readouterr().err


# What is kept, where nobody answers.


@pytest.mark.parametrize("item", [SECOND.track.uri, "second band"])
def test_what_is_pinned_is_fetched_without_a_network(fetch, tmp_path, item) -> None:
    status, told = fetch(item, pins=[SECOND], template="{album}/{track} {title}")
    assert status == 0
    assert (tmp_path / "out/Disc/02 Second.opus").read_bytes() == b"header" + b"".join(SECOND.segments[0])
    assert [(event["event"], event["transport"]) for event in told] == [("fetched", "cache")]


def test_what_is_kept_in_another_bitrate_alone_is_named(fetch, tmp_path) -> None:
    with pytest.raises(NoPeerError, match=r"nobody listens.*; all of it is kept here at --bitrate 24"):
        fetch(TWO_RATES.track.uri, pins=[TWO_RATES], kbps=24)
    assert names(tmp_path / "out") == []


def test_of_several_what_is_kept_is_fetched_and_the_rest_is_told_of(fetch, tmp_path, capsys) -> None:
    status, _ = fetch(FIRST.track.uri, "words", SECOND.track.uri, pins=[SECOND])
    assert status == NoPeerError("").exit_status
    assert names(tmp_path / "out") == ["Band - Second.opus"]
    said = capsys.readouterr().err
    assert f"{FIRST.track.uri}: no peer can be reached" in said
    assert "words: no peer can be reached" in said


# What is there already.


def test_a_finished_file_that_is_named_is_there_and_another_is_not_replaced(fetch, tmp_path) -> None:
    path = tmp_path / "x.opus"
    fetch(SECOND.track.uri, file=str(path))
    status, told = fetch(SECOND.track.uri, file=str(path))
    assert (status, told) == (0, [{"event": "there", "uri": SECOND.track.uri, "path": str(path)}])
    with pytest.raises(UsageError, match="is there already, and is something else"):
        fetch(FIRST.track.uri, file=str(path))
    assert path.read_bytes().endswith(SECOND.segments[0][-1])


@pytest.mark.parametrize("is_named", [True, False])
def test_with_force_it_is_replaced(fetch, tmp_path, is_named) -> None:
    path = tmp_path / "out/Band - Second.opus"
    path.write_bytes(b"mine")
    status, told = fetch(SECOND.track.uri, file=str(path) if is_named else None, force=True)
    assert (status, [event["event"] for event in told]) == (0, ["fetched"])
    assert path.read_bytes() == b"header" + b"".join(SECOND.segments[0])
