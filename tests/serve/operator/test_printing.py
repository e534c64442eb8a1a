"""What the server's command prints of each event: no name or field may change."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from typing import get_args

import pytest

from lightpeer.console.output import Output
from lightpeer.serve.operator import events
from lightpeer.serve.operator.events import ServerEvent
from lightpeer.serve.operator.printing import Printer

PRINTED = {
    events.Listening(("::1", 5), "Lx"): (
        "listening on [::1]:5 as Lx",
        {"event": "listening", "rpc": "[::1]:5", "peer_id": "Lx"},
    ),
    events.Invited("loudp2p:L@[::1]:5"): (
        "invite others: lightpeer join loudp2p:L@[::1]:5",
        {"event": "invite", "invite": "loudp2p:L@[::1]:5"},
    ),
    events.OnlyHere(5): (
        "only this machine can reach this peer: give --listen 5 to let in others",
        {"event": "only_here", "port": 5},
    ),
    events.Reached(("::1", 5)): (
        "others reach this peer at [::1]:5",
        {"event": "reached", "address": "[::1]:5"},
    ),
    events.NotReached(5): (
        (
            "nobody else has reached this peer yet: let TCP and UDP pass at port 5 in this machine's "
            "firewall, and forward it in the router if others are outside"
        ),
        {"event": "not_reached", "port": 5},
    ),
    events.RoleChanged(True): ("serving again", {"event": "role", "serves": True}),
    events.RoleChanged(False): (
        "no longer serving, until the next signal",
        {"event": "role", "serves": False},
    ),
    events.Mirrored("loud:x", "Rain"): (
        "mirrored Rain",
        {"event": "mirrored", "uri": "loud:x", "title": "Rain"},
    ),
    events.Imported(1204, 93.2513, "1204 files imported"): (
        "1204 tracks, 93.3 hours of music: 1204 files imported",
        {"event": "imported", "tracks": 1204, "hours": 93.251, "summary": "1204 files imported"},
    ),
    events.Imported(1, 0.05, "1 files imported"): (
        "1 track, 3 minutes of music: 1 files imported",
        {"event": "imported", "tracks": 1, "hours": 0.05, "summary": "1 files imported"},
    ),
    events.Mended(1): ("imported 1 track again", {"event": "mended", "tracks": 1}),
    events.Mended(2): ("imported 2 tracks again", {"event": "mended", "tracks": 2}),
    events.ListsRead("everybody may listen"): ("everybody may listen", {"event": "lists"}),
    events.Withdrawn("loud:x"): ("withdrawn for good: loud:x", {"event": "withdrawn", "uri": "loud:x"}),
}


@pytest.mark.parametrize("event", PRINTED, ids=str)
def test_an_event_is_printed_as_ever(event):
    people, programs = io.StringIO(), io.StringIO()
    Printer(Output(stream=people))(event)
    Printer(Output(json=True, stream=programs))(event)
    assert (people.getvalue(), json.loads(programs.getvalue())) == (
        PRINTED[event][0] + "\n",
        PRINTED[event][1],
    )


@pytest.mark.parametrize("event", PRINTED, ids=str)
def test_people_who_want_quiet_are_told_that_it_listens(event):
    quiet = io.StringIO()
    Printer(Output(quiet=True, stream=quiet))(event)
    assert bool(quiet.getvalue()) == isinstance(event, events.Listening)


@pytest.mark.parametrize(
    ("event", "printed"),
    [
        (events.Trouble("a list"), '{"event": "warning", "message": "a list"}\n'),
        (events.LibraryTrouble("x.mp3"), ""),
    ],
)
def test_trouble_goes_to_stderr_and_what_the_operator_asked_for_to_programs_too(capsys, event, printed):
    Printer(Output("lightpeer-serve", json=True))(event)
    assert capsys.readouterr() == (printed, f"lightpeer-serve: {event.message}\n")


def test_these_are_all():
    others = {events.Trouble, events.LibraryTrouble}
    assert {type(event) for event in PRINTED} | others == set(get_args(ServerEvent))


def test_a_line_that_is_drawn_gives_way_to_each_event(capsys):
    seen = []

    @contextmanager
    def above():
        seen.append(capsys.readouterr().out)
        yield
        seen.append(capsys.readouterr().out)

    Printer(Output(), above)(events.ListsRead("one list"))
    assert seen == ["", "one list\n"]


class Screen(io.StringIO):
    """A terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("encoding", "more", "lines"),
    [("utf-8", {}, 14), ("ascii", {}, 1), ("utf-8", {"json": True}, 1), ("utf-8", {"quiet": True}, 0)],
)
def test_on_a_terminal_an_invite_is_drawn_too(encoding, more, lines):
    screen = Screen(encoding)
    Printer(Output(stream=screen, **more))(events.Invited("loudp2p:L@[::1]:5"))
    assert len(screen.getvalue().splitlines()) == lines
