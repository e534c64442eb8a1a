"""A speaker whose player only notes what it is told, and a remote control that gives it commands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightpeer.core.content.uri import format_uri
from lightpeer.core.mpd.commands import carry_out, query_for
from lightpeer.core.mpd.song import Song
from lightpeer.core.mpd.speaker import PAUSED, PLAYING, STOPPED, Now, Session, Speaker
from lightpeer.core.mpd.wire import Command, parse_line_untrusted
from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.errors import CommandError

START_S = 1_796_126_400.0  # 2026-12-01T12:00:00Z
STARTED = "2026-12-01T12:00:00Z"


def uri(number: int) -> str:
    return format_uri(bytes((number,)) * 32)


BLUE = Song(uri(1), "Blue Rain", "Ada", "Colours", "", 2, 1, 1999, 181.5)
RED = Song(uri(2), "Red Sun", "Ada", "Colours", "", 1, 1, 1999, 60.2)
VU = Song(uri(3), "Déjà vu", "Bo & Co", "Best of", "Various", 10, 2, 2004, 200.0)
BARE = Song(uri(4), "Copper", duration_s=30.0)
SONGS = (BLUE, RED, VU, BARE)


class Player:
    """Does what `Controls` says to its state alone; `told` is all that it was told."""

    def __init__(self, queue: PlayQueue) -> None:
        self.queue = queue
        self.state = Now(volume=50)
        self.told: list[tuple[object, ...]] = []

    def now(self) -> Now:
        return self.state

    def play(self, entry: int | None = None, position_s: float = 0.0) -> None:
        self.told.append(("play", entry, position_s))
        self.queue.start() if entry is None else self.queue.go(entry, position_s)
        self.state = self.state._replace(state=PLAYING, position_s=position_s)

    def pause(self, *, is_paused: bool) -> None:
        self.told.append(("pause", is_paused))
        self.state = self.state._replace(state=PAUSED if is_paused else PLAYING)

    def stop(self) -> None:
        self.told.append(("stop",))
        self.state = self.state._replace(state=STOPPED)

    def next(self) -> None:
        self.told.append(("next",))

    def previous(self) -> None:
        self.told.append(("previous",))

    def seek(self, position_s: float) -> None:
        self.told.append(("seek", position_s))

    def set_volume(self, percent: int) -> None:
        self.state = self.state._replace(volume=percent)

    def normalize(self, *, is_on: bool) -> None:
        self.state = self.state._replace(normalizes=is_on)

    def clear_error(self) -> None:
        self.state = self.state._replace(error="")


class Remote:
    """One client of a speaker that has seen `SONGS`."""

    def __init__(self, *songs: Song, password: str = "") -> None:
        queue = PlayQueue(lambda below: below - 1)
        self.player = Player(queue)
        self.changed: list[str] = []
        self.now_s = START_S
        self.session = Session(is_admitted=not password)
        self.speaker = Speaker(queue, self.player, START_S, password, on_change=self.changed.append)
        self.speaker.catalogue.remember(songs or SONGS, START_S)

    def says(self, line: str) -> list[str]:
        """Give a command, and return the lines that answer it."""
        return carry_out(self.speaker, self.session, self._parsed(line), self.now_s)

    def asks(self, line: str) -> str:
        """Return what the network is to be asked before a command."""
        return query_for(self.speaker, self.session, self._parsed(line), self.now_s)

    def fails(self, line: str) -> tuple[int, str]:
        """Give a command that is refused; return the code and the reason."""
        with pytest.raises(CommandError) as refusal:
            self.says(line)
        return int(refusal.value.code), str(refusal.value)

    def queued(self, *songs: Song) -> Remote:
        """Put songs into the queue, or all."""
        self.speaker.queue.add([song.uri for song in songs or SONGS])
        return self

    @property
    def titles(self) -> list[str]:
        """The titles in the queue."""
        return [self.speaker.song(entry.item).title for entry in self.speaker.queue.entries]

    @staticmethod
    def _parsed(line: str) -> Command:
        return parse_line_untrusted(line.encode())

    def with_modes(self, **modes: object) -> Remote:
        """Play the queue in another way."""
        self.speaker.queue.modes = replace(self.speaker.queue.modes, **modes)
        return self


def files(lines: list[str]) -> list[str]:
    """Return the titles of the songs that an answer lists, by their uris."""
    titles = {song.uri: song.title for song in SONGS}
    found = [line.removeprefix("file: ") for line in lines if line.startswith("file: ")]
    return [titles.get(at, at) for at in found]
