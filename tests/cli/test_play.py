"""What `play` shows of a player: lines for people, objects for programs, statistics at the end."""

from __future__ import annotations

import io
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.cli import commands, play, search
from lightpeer.cli.choosing import Chosen
from lightpeer.cli.terminal import LiveLine, Terminal
from lightpeer.client.models import Found, Hit, PeerInfo
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.console.text import described
from lightpeer.core.queue.modes import Modes
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import NothingFoundError, StreamFailedError
from lightpeer.playback.events import (
    Ended,
    NotPlayed,
    Opening,
    Playing,
    Rebuffering,
    Resumed,
    SourceLost,
    Waiting,
)
from lightpeer.state.files import Losses
from tests.cli.test_terminal import STATUS

PLAYING = Playing(
    title="Copper\x1b[2J Rain",
    artist="lightpeer",
    album="Demo",
    uri="loud:x",
    duration_s=25.4,
    bitrate_kbps=48,
    transport="udp",
)
SCRIPT = [
    Opening("x"),
    PLAYING,
    Rebuffering(),
    Resumed(1.5),
    Waiting("no peer answers", 4.0, 1.0),
    NotPlayed("x", "odd\x07"),
    SourceLost("Labc", "it went\naway"),
    Ended("loud:x", 25.4),
]


class FakePlayer:
    """Tells its script, then ends as it is told to."""

    ending: BaseException | None = None
    latest: FakePlayer

    def __init__(self, client, sink_factory, settings, *, on_event):
        del client, sink_factory, settings
        self.on_event = on_event
        self.status = STATUS
        self.queue = SimpleNamespace(modes=None)
        FakePlayer.latest = self

    async def play(self, items, *, start_s):
        assert (items, start_s) == (["x"], 3.0)
        for event in SCRIPT:
            await trio.lowlevel.checkpoint()
            self.on_event(event)
        if self.ending:
            raise self.ending

    def stats(self):
        return {"rebuffers": 1}


@asynccontextmanager
async def fake_client(*_, **__):
    yield FakeClient()


class FakeClient:
    hits = (Hit(bytes(32), "loud:x", "A\x1b", "B", "C", 61.0, [24, 48], ["Lx"]),)

    matches = 1

    def __init__(self):
        self.losses = Losses()
        self.settings = Settings(state_dir=Path())

    async def find(self, query, limit):
        assert limit in {10, MAX_HITS}, "MAX_HITS for what may have been meant"
        return Found(list(self.hits) if query == "some words" else [], self.matches)

    async def know_others(self):
        self.knows_others = True

    async def peers(self):
        return [
            PeerInfo("Lx", ["a:1", "[::1]:2"], 12.34, ["serve"], "tried"),
            PeerInfo("Ly", [], None, [], "new"),
        ]


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    monkeypatch.setattr("lightpeer.playback.player.Player", FakePlayer)
    monkeypatch.setattr(play, "open_metered", fake_client)
    monkeypatch.setattr(commands, "open_metered", fake_client)
    monkeypatch.setattr(search, "open_metered", fake_client)
    monkeypatch.setattr(FakePlayer, "ending", None)


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path, output="null")


def playing(settings, output, **more):
    return play.play(settings, output, play.Programme(Chosen(["x"], takes_all=False), 3.0, **more))


def test_sparse_lines_where_there_is_no_terminal(settings, capsys):
    stream = io.StringIO()
    assert playing(settings, Output(stream=stream)) == 4, "one item is missing"
    assert stream.getvalue().splitlines() == [
        "playing Copper [2J Rain — lightpeer (Demo), 0:25, 48 kbit/s by udp",
        "waiting for data",
        "playing again",
        "waiting for 0:04: no peer answers; it goes on by itself",
    ]
    assert capsys.readouterr().err == "lightpeer: odd \n"


def test_the_queue_is_played_as_the_flags_say(settings):
    for shuffles, repeats in ((False, False), (True, False), (False, True)):
        playing(settings, Output(stream=io.StringIO()), shuffles=shuffles, repeats=repeats)
        assert FakePlayer.latest.queue.modes == Modes(random=shuffles, repeat=repeats)


def test_quiet_says_warnings_only(settings, capsys):
    stream = io.StringIO()
    assert playing(settings, Output(quiet=True, stream=stream)) == 4
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == "lightpeer: odd \n"


def test_every_event_is_an_object_for_programs(settings, capsys):
    stream = io.StringIO()
    assert playing(settings, Output(json=True, stream=stream)) == 4
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        {"event": "opening", "item": "x"},
        {
            "event": "playing",
            "title": "Copper\x1b[2J Rain",
            "artist": "lightpeer",
            "album": "Demo",
            "uri": "loud:x",
            "duration_s": 25.4,
            "bitrate_kbps": 48,
            "transport": "udp",
        },
        {"event": "rebuffering"},
        {"event": "resumed", "after_s": 1.5},
        {"event": "waiting", "since_s": 4.0, "reason": "no peer answers", "next_try_s": 1.0},
        {"event": "warning", "message": "odd\x07"},
        {"event": "source_lost", "peer_id": "Labc", "reason": "it went\naway"},
        {"event": "ended", "uri": "loud:x", "position_s": 25.4},
    ]
    assert capsys.readouterr().err == ""


def test_a_warning_stands_above_the_live_line(settings, capsys, monkeypatch):
    stream = io.StringIO()
    line = LiveLine(stream)

    def make_terminal(performance, *, live):
        assert live
        return Terminal(performance.player, line=line, keys_from=None)

    monkeypatch.setattr(play.Performance, "_make_terminal", make_terminal)
    assert playing(settings, Output(stream=stream)) == 4
    assert "playing Copper" not in stream.getvalue()
    assert stream.getvalue().startswith("\r▶ Copper Rain — light")
    assert stream.getvalue().endswith(("\n", "\r\x1b[K"))
    assert capsys.readouterr().err == "lightpeer: odd \n"


@pytest.mark.parametrize("ending", [None, StreamFailedError("a"), KeyboardInterrupt()])
def test_statistics_are_written_however_it_ends(settings, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(FakePlayer, "ending", ending)
    path = tmp_path / "stats.json"
    try:
        playing(settings, Output(json=True, stream=io.StringIO()), stats=path)
    except* (StreamFailedError, KeyboardInterrupt):
        assert ending
    silent = ("radio_on_share_3g", "joules_per_h_3g", "radio_on_share_lte", "joules_per_h_lte")
    assert json.loads(path.read_text()) == {"rebuffers": 1} | dict.fromkeys(silent, 0.0)


def test_text_goes_to_stderr_when_samples_go_to_stdout(tmp_path, capsys):
    assert playing(Settings(state_dir=tmp_path, output="pipe"), Output()) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "playing Copper" in err


# Search and peers, which print what strangers say too.


def test_hits(settings):
    people, programs = io.StringIO(), io.StringIO()
    trio.run(search.search, settings, Output(stream=people), "some words")
    trio.run(search.search, settings, Output(json=True, stream=programs), "some words")
    assert people.getvalue() == "1  A  — B (C)  1:01  24/48  1 peer  loud:x\n"
    assert json.loads(programs.getvalue()) == {
        "event": "hit",
        "uri": "loud:x",
        "title": "A\x1b",
        "artist": "B",
        "album": "C",
        "duration_s": 61.0,
        "bitrates_kbps": [24, 48],
        "holders": ["Lx"],
        "track_number": None,
        "disc_number": None,
        "disc_tracks": None,
        "album_artist": "",
        "year": None,
    }


def test_nothing_found(settings, monkeypatch):
    monkeypatch.setattr(FakeClient, "hits", ())
    with pytest.raises(NothingFoundError, match="nothing found for 'some words'"):
        trio.run(search.search, settings, Output(stream=io.StringIO()), "some words")


def test_peers(settings):
    people, programs = io.StringIO(), io.StringIO()
    trio.run(commands._peers, settings, Output(stream=people))
    trio.run(commands._peers, settings, Output(json=True, stream=programs))
    assert people.getvalue() == "Lx  tried  12 ms  serve  a:1 [::1]:2\nLy  new  -\n"
    assert json.loads(programs.getvalue().splitlines()[0]) == {
        "event": "peer",
        "peer_id": "Lx",
        "endpoints": ["a:1", "[::1]:2"],
        "rtt_ms": 12.34,
        "roles": ["serve"],
        "state": "tried",
    }


@pytest.mark.parametrize(
    ("parts", "text"),
    [(("A",), "A"), (("A", "B"), "A — B"), (("A", "", "C"), "A (C)"), (("A", "B", "C"), "A — B (C)")],
)
def test_how_people_name_a_track(parts, text):
    assert described(*parts) == text


def test_an_outage_is_one_sentence_and_another_at_its_end(settings, monkeypatch):
    outage = [Waiting("nobody listens", 0.4), SourceLost("Labc", "x"), Rebuffering(), Waiting("y", 9.0)]
    script = [*outage, PLAYING, *outage, Resumed(1.5), Rebuffering(), *outage]
    monkeypatch.setattr("tests.cli.test_play.SCRIPT", script)
    stream = io.StringIO()
    playing(settings, Output(stream=stream))
    first, _, *lines = stream.getvalue().splitlines()
    assert first == "waiting: nobody listens", "which has an end, unless --wait says otherwise"
    waiting = "waiting: nobody listens; it goes on by itself"
    assert lines == [waiting, "playing again", "waiting for data", waiting]
    programs = io.StringIO()
    playing(settings, Output(json=True, stream=programs))
    assert len(programs.getvalue().splitlines()) == len(script), "they are told everything"


def test_text_stays_beside_the_samples_while_the_person_chooses(settings):
    beside = play.beside_sound(replace(settings, output="pipe"), Output())
    assert beside.stream is sys.stderr
    output = Output(quiet=True)
    assert play.beside_sound(settings, output) is output


def test_peers_fit_a_terminal(settings):
    class Terminal(Output):
        columns = 39

    stream = io.StringIO()
    trio.run(commands._peers, settings, Terminal(stream=stream))
    assert stream.getvalue() == "Lx  tried  12 ms\nLy    new      -\n"
