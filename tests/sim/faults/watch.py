"""What must hold at every step of a run, whatever goes wrong, and what must come once nothing does.

`Watch.step` is called whenever virtual time has moved. It looks into the player's insides, which this module
alone of the fault run knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import trio

from lightpeer.client.reach import MAX_CONNECTIONS
from lightpeer.core.segments.source_set import MOST_SOURCES
from lightpeer.core.udp.datagram import Unit

if TYPE_CHECKING:
    from lightpeer.core.segments.source import Source
    from lightpeer.download.session import Session
    from lightpeer.playback.player import Player
    from lightpeer.testing.host import SimHost
    from tests.sim.faults.ear import Ear

EVERY_S = 0.05  # of virtual time, at most so often
SETTLED_S = 20.0  # of health, after which the music must run
SEGMENT_EVERY_S = 7.0  # then, while there is something to fetch; 2.5 s to miss a stream that has rested
SOUND_EVERY_S = 15.0  # then; a start or a resume included
HANDSHAKE_RTTS = 4  # and for either what it takes to open a track anew, once something is lost of that
DRY_S = 0.5  # until a buffer that ran dry is noticed
MAX_UDP_SOCKETS = 4 * MOST_SOURCES  # a source may have two ways, and two former ones
MAX_TCP = 2 * MAX_CONNECTIONS  # with those that say goodbye
TASKS_EVERY_S = 1.0
MAX_TASKS = 100  # more than twice what was seen: a source and a connection have a few each
TASKS_OF_SEARCH = 16  # of a search that a person begins besides: a few for each peer that is asked


class Anomaly(Exception):  # noqa: N818 - it is what a run is looked through for
    """Something that no fault explains."""


class Watch:
    """Watches one phone."""

    def __init__(self, phone: SimHost, player: Player, ear: Ear, quiet_since: Callable[[], float]) -> None:
        """Take what to watch; `quiet_since` gives the phone's time since when nothing is wrong."""
        self._phone = phone
        self._player = player
        self._ear = ear
        self._quiet_since = quiet_since
        self.searches = 0  # that are under way
        self._look_at = 0.0
        self._count_tasks_at = 0.0
        self._fetched = (0, 0.0)  # bytes, and when there were that many first
        self._silent_since = 0.0
        self._dry_since: float | None = None

    def step(self) -> None:
        """Look at everything; raise Anomaly."""
        if self._phone.clock.now < self._look_at or self._phone.is_suspended:
            return
        self._look_at = self._phone.clock.now + EVERY_S
        with self._phone.tasks():  # by its own clock
            self._look(self._phone.time_s)

    def on_stopped(self) -> None:
        """Note that the person stopped it: if it plays again, that is a new start."""
        self._silent_since = self._phone.time_s
        self._fetched = self._fetched[0], self._phone.time_s

    def _look(self, now: float) -> None:
        for session in self._sessions():
            _check_sums(session)
            _check_asked(session)
            _check_bounds(session)
        self._check_sockets()
        self._check_tasks(now)
        self._check_playing(now)
        self._check_liveness(now)

    def check_gone(self) -> None:
        """Check that nothing is left after the end."""
        left = {
            "UDP sockets": self._phone.udp,
            "connections": self._phone.streams,
            "decks": self._player._engine.decks._open,
            "flows": self._player._engine.decks.opener.bandwidth._flows,
        }
        for what, some in left.items():
            if some:
                raise Anomaly(f"{what} are left at the end: {len(some)}")
        if (tasks := self._phone.task_count()) > 1:  # its own, which looks
            raise Anomaly(f"tasks are left at the end: {tasks - 1}")

    def _sessions(self) -> Iterator[Session]:
        for deck in self._player._engine.decks._open.values():
            yield deck.session

    def _check_sockets(self) -> None:
        if len(self._phone.udp) > MAX_UDP_SOCKETS:
            raise Anomaly(f"{len(self._phone.udp)} UDP sockets")
        if len(self._phone.streams) > MAX_TCP:
            raise Anomaly(f"{len(self._phone.streams)} TCP connections")

    def _check_tasks(self, now: float) -> None:
        if now >= self._count_tasks_at:
            self._count_tasks_at = now + TASKS_EVERY_S
            most = MAX_TASKS + TASKS_OF_SEARCH * self.searches
            if trio.lowlevel.current_statistics().tasks_living <= most:  # those of all together
                return
            if (tasks := self._phone.task_count()) > most:
                raise Anomaly(f"{tasks} tasks")

    def _check_playing(self, now: float) -> None:
        """Check that a dry buffer is noticed: never playing while dry."""
        deck = self._player._engine.deck
        is_dry = (
            deck is not None
            and deck.session.playout.playing
            and deck.session.ahead_s <= 0
            and not deck.session.complete
            and not self._player._engine.sound.paused
        )
        if not is_dry:
            self._dry_since = None
        elif self._dry_since is None:
            self._dry_since = now
        elif now > self._dry_since + DRY_S:
            raise Anomaly("it plays while the buffer is dry")

    def _check_liveness(self, now: float) -> None:
        deck, settled_at = self._player._engine.deck, self._quiet_since() + SETTLED_S
        handshake_s = HANDSHAKE_RTTS * (self._phone.up.delay_s + self._phone.down.delay_s)
        waits = self._player._engine.sound.paused or not self._player._engine.is_running
        if self._ear.latency_s > 0 or waits:
            self._silent_since = now
        if now > max(self._silent_since, settled_at) + SOUND_EVERY_S + handshake_s:
            raise Anomaly("no sound on a healthy network")
        fetched = sum(session.stats.fetched_bytes for session in self._sessions())
        wants = deck is not None and deck.session.download.bursts.fetching and not deck.session.complete
        if fetched != self._fetched[0] or not wants or (waits and not self._player._engine.is_running):
            self._fetched = fetched, now
        if now > max(self._fetched[1], settled_at) + SEGMENT_EVERY_S + handshake_s:
            raise Anomaly("no segment on a healthy network")


def _check_sums(session: Session) -> None:
    """Check that what is outstanding agrees wherever it can be told."""
    for source in session.download.sources._sources:
        counted = source.udp.flow.gauge.outstanding_bytes
        known = _asked_bytes(source)
        if counted != known:
            raise Anomaly(f"{counted} bytes count as outstanding, and {known} are")
    if session.download.bandwidth.outstanding_bytes < 0:
        raise Anomaly("less than nothing is outstanding")


def _asked_bytes(source: Source) -> int:
    if source.udp.receiver is None:
        return 0
    return sum(asked.size for asked in source.udp.receiver._outstanding.by_unit.values())


def _check_asked(session: Session) -> None:
    """Check that all that was asked for is really waited for, by a source that is there."""
    sources = session.download.sources._sources
    for item in session.download.scheduler.queue.items:
        if item.source is None:
            continue
        source = item.source
        if source not in sources:
            raise Anomaly("a source is waited for that is not there")
        if not source.on_grpc:
            assert source.udp.receiver is not None
            asked = {Unit(*item.key, number) for number in item.asked}
            if not asked <= source.udp.receiver._outstanding.by_unit.keys():
                raise Anomaly("a unit is waited for that was not asked for")
        elif item.asked and item.key not in source.call._asked:
            raise Anomaly("a segment is waited for that was not asked for")


def _check_bounds(session: Session) -> None:
    if len(session.download.sources) > MOST_SOURCES:
        raise Anomaly(f"{len(session.download.sources)} sources")
    buffer, scheduler = session.download.buffer, session.download.scheduler
    if buffer.size_bytes > buffer.most_bytes:
        raise Anomaly(f"{buffer.size_bytes} bytes in the buffer")
    if scheduler.wished_bytes > buffer.most_bytes or scheduler.wished > session.track.segment_count:
        raise Anomaly(f"{scheduler.wished} segments are wished for, of {scheduler.wished_bytes} bytes")
