"""What MPD 0.23.12 answers to the same commands, one after the other; what differs has its reason here.

`mpd-0.23.12.txt` is what Debian's MPD said, with the demo's three tracks as its music: a line with `>` is a
command, and the answer follows. Names of files stand in `<>`. Left out is what no other run can repeat
(times, versions), tags that we do not have, and figures of the music files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.core.mpd.commands import carry_out
from lightpeer.core.mpd.connection import Connection
from lightpeer.core.mpd.song import Song
from lightpeer.core.mpd.speaker import STOPPED
from lightpeer.errors import CommandError
from tests.core.mpd.remote import START_S, Player, Remote, uri

TITLES = ("Copper Rain", "Pocket Arcade", "Northern Windows")
LEFT_OUT = (
    *(
        "Last-Modified",
        "added",
        "Format",
        "duration",
        "Time:",
        "elapsed",
        "bitrate",
        "audio",
        "time",
        "uptime",
    ),
    *("playlist:", "playtime", "db_", "Date"),
)
NEWER = ("lastloadedplaylist",)  # what MPD says since 0.24
WORDING = "the same code, in other words"
DIFFERENT = {
    'addid "<Copper Rain>" 5': WORDING,
    "setvol -1": WORDING,
    "seek 0 -1": "the place is looked at before the time",
    "seek 0 x": "the place is looked at before the time",
    "single 2": WORDING,
    "consume oneshot": "since MPD 0.24",
    "delete 0": "the place after the last is none, whatever is to be done with it",
    "playlistfind bogus x": WORDING,
    "find bogus x": WORDING,
    "find \"(artist = 'x')\"": WORDING,
    "find \"((artist == 'x') OR (artist == 'y'))\"": WORDING,
    "search any zzzzqq sort Bogus": WORDING,
    "list genre x y": WORDING,
    "tagtypes enable Bogus": WORDING,
    "tagtypes clear x": WORDING,
    "tagtypes enable": WORDING,
    "binarylimit 1": WORDING,
    "listmounts": "tracks come from the network",
    'save "a/b"': WORDING,
    "playlistmove x1 0 1": WORDING,
}
BY_WORDING = {command for command, reason in DIFFERENT.items() if reason == WORDING}


class Moving(Player):
    """Goes through the queue as a player does."""

    def next(self) -> None:
        self.queue.next()
        if self.queue.turn is None:
            self.stop()

    def previous(self) -> None:
        self.queue.previous()


def exchanges() -> list[tuple[str, list[str]]]:
    """The commands, each with MPD's answer."""
    found: list[tuple[str, list[str]]] = []
    for line in (Path(__file__).parent / "mpd-0.23.12.txt").read_text().splitlines():
        if line.startswith("> "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def comparable(lines: list[str]) -> list[str]:
    """An answer without what is left out, and whatever the order of a song's tags."""
    return sorted(line for line in lines if not line.startswith((*LEFT_OUT, *NEWER)))


class Ours:
    """A speaker with the same music, by way of a connection."""

    def __init__(self) -> None:
        songs = [
            Song(uri(number), title, "lightpeer", "Demo", "", number)
            for number, title in enumerate(TITLES, 1)
        ]
        self.remote = Remote(*songs)
        self.remote.speaker.controls = Moving(self.remote.speaker.queue)
        self.remote.speaker.controls.set_volume(100)
        self.remote.speaker.controls.normalize(is_on=False)
        self._names = {song.uri: f"<{song.title}>" for song in songs}
        self._connection = Connection(0.0)
        self._connection.data_to_send()

    def answer(self, command: str) -> list[str]:
        """What is answered, with names for uris."""
        for at, name in self._names.items():
            command = command.replace(name, at)
        self._connection.receive(f"{command}\n".encode(), 0.0)
        while (given := self._connection.next_command()) is not None:
            try:
                lines = carry_out(self.remote.speaker, self.remote.session, given, START_S)
            except CommandError as error:
                self._connection.refuse(error)
            else:
                self._connection.answer(lines)
        said = self._connection.data_to_send().decode()
        for at, name in self._names.items():
            said = said.replace(at, name)
        return said.splitlines()


@pytest.fixture(scope="module")
def compared() -> list[tuple[str, list[str], list[str]]]:
    """Each command, with MPD's answer and ours."""
    ours = Ours()
    assert ours.remote.player.now().state == STOPPED
    return [
        (command, comparable(theirs), comparable(ours.answer(command))) for command, theirs in exchanges()
    ]


def test_answers_are_those_of_mpd_but_for_what_has_a_reason(compared):
    assert len(compared) > 150
    differ = [(command, theirs, our) for command, theirs, our in compared if theirs != our]
    assert [found for found in differ if found[0] not in DIFFERENT] == []


def test_what_has_a_reason_to_differ_does(compared):
    assert {command for command, theirs, our in compared if theirs != our} == set(DIFFERENT)


def test_refusals_in_other_words_have_the_same_code(compared):
    for command, theirs, our in compared:
        if command in BY_WORDING and theirs != our:
            assert our[0].partition("]")[0] == theirs[0].partition("]")[0], command
