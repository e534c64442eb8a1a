"""The search command on a simulated network: what is printed, what is remembered, what is said of more."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightpeer.cli import search as module
from lightpeer.console.output import Output
from lightpeer.core.content.playlist import parse_playlist_untrusted
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import NothingFoundError, UsageError, leaves_of
from lightpeer.state.lists import SHOWN, KeptList
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track, serving, settings

TRACKS = [made_track(2, title=f"Rain {n}", artist="Band", seed=n) for n in range(12)]


class Terminal(Output):
    """Output that is shown on a terminal of some columns."""

    columns = 60


def search(
    folder: Path, monkeypatch: pytest.MonkeyPatch, query: str, output: Output, **more: object
) -> list[str]:
    """Search, and return the uris that are remembered as shown."""

    async def main(net: SimInternet) -> None:
        monkeypatch.setattr(module, "SystemNetwork", lambda: net.host("10.0.9.1"))
        async with serving(net.host("10.0.0.1"), TRACKS) as server:
            assert await module.search(settings(folder, server), output, query, **more) == 0

    try:
        simulate(main)
    except ExceptionGroup as group:
        raise next(leaves_of(group)) from group
    return [entry.uri for entry in KeptList(folder, SHOWN).load()]


def test_hits_are_printed_and_remembered_in_their_order(tmp_path, monkeypatch) -> None:
    printed = io.StringIO()
    shown = search(tmp_path, monkeypatch, "rain", Output(json=True, stream=printed), limit=5)
    told = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert [one["event"] for one in told] == ["hit"] * 5
    assert [one["uri"] for one in told] == shown
    assert {one["artist"] for one in told} == {"Band"}
    assert set(shown) <= {made.track.uri for made in TRACKS}


def test_as_a_playlist_it_can_be_read_again(tmp_path, monkeypatch) -> None:
    printed = io.StringIO()
    shown = search(tmp_path, monkeypatch, "rain", Output(stream=printed), limit=3, as_m3u=True)
    found = parse_playlist_untrusted(printed.getvalue().encode())
    assert ([entry.uri for entry in found.entries], found.foreign) == (shown, 0)
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("query", "limit", "says"),
    [
        ("rain", 5, f"5 of 12: --limit {MAX_HITS} shows more"),
        ("rain", 20, None),
        ("rain", MAX_HITS, None),
    ],
)
def test_on_a_terminal_it_is_said_that_there_are_more(
    tmp_path, monkeypatch, query: str, limit: int, says: str | None
) -> None:
    printed = io.StringIO()
    search(tmp_path, monkeypatch, query, Terminal(stream=printed), limit=limit)
    lines = printed.getvalue().splitlines()
    assert [line for line in lines if "--limit" in line] == ([says] if says else [])
    assert all(len(line) <= Terminal.columns for line in lines)


@pytest.mark.parametrize(
    ("kind", "more"), [(Output, {}), (Output, {"json": True}), (Terminal, {"m3u": True})], ids=str
)
def test_a_pipe_is_told_of_hits_alone_and_the_person_beside_it(
    tmp_path, monkeypatch, capsys, kind, more
) -> None:
    says = f"lightpeer: 5 of 12: --limit {MAX_HITS} shows more\n"
    for quiet in (False, True):
        printed, as_m3u = io.StringIO(), "m3u" in more
        output = kind(stream=printed, quiet=quiet, json="json" in more)
        search(tmp_path, monkeypatch, "rain", output, limit=5, as_m3u=as_m3u)
        assert sum("loud:" in line for line in printed.getvalue().splitlines()) == 5
        assert "--limit" not in printed.getvalue()
        assert capsys.readouterr().err == ("" if quiet else says)


def test_what_finds_nothing_leaves_the_list_shown_last(tmp_path, monkeypatch) -> None:
    shown = search(tmp_path, monkeypatch, "rain", Output(quiet=True, stream=io.StringIO()), limit=2)
    with pytest.raises(NothingFoundError, match="nothing found for 'silence'"):
        search(tmp_path, monkeypatch, "silence", Output(quiet=True))
    assert [entry.uri for entry in KeptList(tmp_path, SHOWN).load()] == shown


@pytest.mark.parametrize(
    ("query", "more", "says"),
    [
        (["loud:nonsense"], {}, "loud:nonsense"),
        (["x" * 5000], {}, "query"),
        (["rain"], {"m3u": True}, "--m3u and --json are two forms of the same"),
    ],
)
def test_wrong_usage_is_said_before_the_network_is_used(tmp_path, monkeypatch, query, more, says) -> None:
    monkeypatch.setattr(module, "run_async", lambda _: pytest.fail("the network is used"))
    arguments = SimpleNamespace(query=query, limit=10, **({"m3u": False} | more))
    with pytest.raises(UsageError, match=says):
        module.run(arguments, settings(tmp_path), Output(json=True))
