"""A window without a network: whole segments over a link that delivers exactly what the trace carries.

A rule decides which segment comes next and in which rendition, each time that one has come, so its decisions
are as late as can be. Segments come one after another. Before the first of a burst a round trip passes, and
before the very first two. There are no headers, no losses and no queue, and the buffer has the bounds that
the rule keeps.

`tcp` is one plain download of a file at a fixed bitrate, as fast as the link carries it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from bench.traces.heard import GAP_S, Heard, Packet
from bench.traces.optimum import BYTES_PER_KBPS, LADDER_KBPS, RTT_S, START_RTTS
from bench.traces.trace import Window

PACKET_BYTES = 1448
REQUEST_BYTES = 100


class Fetch(NamedTuple):
    """A segment to fetch, and its rendition."""

    segment: int
    rendition: int


class Arrival(NamedTuple):
    """A segment that came."""

    began_s: float
    ended_s: float
    size: float


@dataclass(slots=True)
class View:
    """What a rule knows.

    Attributes:
        now_s: the time since the listener pressed play.
        position: the segment that sounds next.
        count: segments of the track.
        held: renditions of the segments that are here and did not sound yet.
        ahead_s: seconds of sound in a row, with what is left of the one that sounds.
        is_playing: whether there is sound.
        arrivals: all that came.
    """

    count: int
    now_s: float = 0.0
    position: int = 0
    held: dict[int, int] = field(default_factory=dict)
    ahead_s: float = 0.0
    is_playing: bool = False
    arrivals: list[Arrival] = field(default_factory=list)

    def next_missing(self) -> int | None:
        """Return the first segment that is not here, None if all are."""
        return next((n for n in range(self.position, self.count) if n not in self.held), None)


Decide: TypeAlias = Callable[[View], Fetch | None]
"""Says what comes next; None to rest until the next segment sounds."""


class Marks(NamedTuple):
    """Seconds that must be here before sound begins, and before it goes on."""

    start_s: float = 1.0
    resume_s: float = 1.0


AT_ONCE = Marks()


class _Player:
    """Sound from whole segments. Times are given in order."""

    def __init__(self, window: Window, ladder_kbps: Sequence[float], marks: Marks) -> None:
        self.view = View(int(window.length_s))
        self.heard = Heard(window.length_s, packets=[])
        self.kbps: list[float] = []
        self.heard.kbps = self.kbps
        self._ladder, self._marks = ladder_kbps, marks
        self.sounds_until_s = 0.0  # or, in silence, since when

    def go(self, to_s: float) -> None:
        """Let time pass."""
        view = self.view
        while view.is_playing and view.position < view.count and self.sounds_until_s <= to_s:
            rendition = view.held.pop(view.position, None)
            if rendition is None:
                view.is_playing = False
                break
            self.kbps.append(self._ladder[rendition])
            view.position += 1
            self.sounds_until_s += 1.0
        view.now_s = to_s
        view.ahead_s = self._whole() + max(0.0, self.sounds_until_s - to_s) * view.is_playing
        self.heard.buffer_s.append((to_s, view.ahead_s))

    def put(self, fetch: Fetch) -> None:
        """Take in a segment; sound begins or goes on if enough is here."""
        view, heard = self.view, self.heard
        if fetch.segment >= view.position:
            view.held[fetch.segment] = fetch.rendition
        whole, mark_s = self._whole(), self._marks.start_s if not self.kbps else self._marks.resume_s
        if not view.is_playing and whole and (whole >= mark_s or view.position + whole == view.count):
            if heard.first_sound_s is None:
                heard.first_sound_s = view.now_s
            elif view.now_s - self.sounds_until_s > GAP_S:
                heard.gaps.append((self.sounds_until_s, view.now_s - self.sounds_until_s))
            view.is_playing, self.sounds_until_s = True, view.now_s
        self.go(view.now_s)

    def _whole(self) -> int:
        missing = self.view.next_missing()
        return (self.view.count if missing is None else missing) - self.view.position


def play(
    window: Window,
    decide: Decide,
    *,
    ladder_kbps: Sequence[float] = LADDER_KBPS,
    rtt_s: float = RTT_S,
    marks: Marks = AT_ONCE,
) -> Heard:
    """Play a window by a rule; return what was heard.

    Args:
        window: the link, and the seconds of music.
        decide: the rule.
        ladder_kbps: the renditions.
        rtt_s: a round trip.
        marks: when sound begins and goes on.

    Raises:
        ValueError: the rule rests while nothing sounds, so that nothing would ever.
    """
    player = _Player(window, ladder_kbps, marks)
    view, packets, fetched = player.view, player.heard.packets, 0.0
    at_s, is_burst = (START_RTTS - 1) * rtt_s, False
    while view.position < view.count:
        fetch = decide(view)
        if fetch is None:
            if not view.is_playing:
                raise ValueError("the rule rests in silence")
            at_s, is_burst = max(at_s, player.sounds_until_s), False
            player.go(at_s)
            continue
        if not is_burst:
            packets.append(Packet(at_s, REQUEST_BYTES, is_down=False))
            at_s, is_burst = at_s + rtt_s, True
        began_s, size = at_s, ladder_kbps[fetch.rendition] * BYTES_PER_KBPS
        packets += _packets(window, began_s, size)
        at_s, fetched = packets[-1].at_s, fetched + size
        player.go(at_s)
        view.arrivals.append(Arrival(began_s, at_s, size))
        player.put(fetch)
    heard = player.heard
    heard.end_s = player.sounds_until_s
    heard.wasted_bytes = round(fetched - sum(player.kbps) * BYTES_PER_KBPS)
    return heard


def tcp(kbps: float) -> Callable[[Window], Heard]:
    """Return the download of a file of a bitrate, which is played as it comes."""

    def decide(view: View) -> Fetch | None:
        missing = view.next_missing()
        return None if missing is None else Fetch(missing, 0)

    return lambda window: play(window, decide, ladder_kbps=(kbps,))


def _packets(window: Window, began_s: float, size: float) -> Iterator[Packet]:
    """Yield a segment's packets, as they arrive."""
    before, carried = window.bytes_until(began_s), 0.0
    for number in range(1, math.ceil(size / PACKET_BYTES) + 1):
        part = min(number * PACKET_BYTES, size)
        yield Packet(window.time_of(before + part), round(part - carried), is_down=True)
        carried = part
