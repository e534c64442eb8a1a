"""One source of a track whose server does just what a test says: real parts, literal times."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.scheduler import Scheduler
from lightpeer.core.segments.shared import Beside, DownloadStats, Shared
from lightpeer.core.segments.source import Source
from lightpeer.core.udp.datagram import Data, Pull, Unit, build_data, parse_pull_untrusted, unit_layout
from lightpeer.core.udp.opening import Chunk, UdpTerms
from tests.core.udp.link import KEYS, STREAM_ID, Came
from tests.pair import made_track

MADE = made_track(60, kbps=(24, 48))
TABLE = table_segment(0)
TERMS = UdpTerms(4747, STREAM_ID, 8, KEYS)
ALONE = Beside()


def units_of(pulls: Sequence[Pull]) -> list[tuple[int, Unit]]:
    """Return the units that PULLs ask for, each with the number of its PULL."""
    return [
        (pull.pull_no, Unit(r.rendition, r.segment, number))
        for pull in pulls
        for r in pull.ranges
        for number in range(r.first, r.first + r.units)
    ]


def payload_of(unit: Unit) -> bytes:
    data = MADE.read(unit.rendition, unit.segment)
    _, step = unit_layout(len(data))
    return data[unit.unit * step : (unit.unit + 1) * step]


def datagram(unit: Unit, pull_no: int, now: float) -> Came:
    return Came(build_data(Data(STREAM_ID, pull_no, 0.0, unit, payload_of(unit)), KEYS), now)


def chunk_of(segment: int, rendition: int = 0) -> Chunk:
    return Chunk(rendition, segment, MADE.read(rendition, segment))


class OneSource:
    """A source that joined at 10 s."""

    def __init__(self, transport: str = "auto", **peer: object) -> None:
        self.scheduler, self.bandwidth, self.stats = Scheduler(MADE.track), Bandwidth(), DownloadStats()
        self.shared = Shared(MADE.track, self.scheduler, self.bandwidth, self.stats, transport)
        self.peer = PeerState(None, "the peer", **{"rtt_s": 0.2, **peer})
        self.source = Source(self.shared, self.peer, 10.0)
        self.pulls: list[Pull] = []  # unanswered

    def start(self, terms: UdpTerms | None = TERMS, now: float = 10.0) -> OneSource:
        self.source.start(terms, now)
        return self

    def wish(self, *segments: int, rendition: int = 0) -> None:
        """Want segments whose table is here."""
        for segment in segments:
            self.scheduler.wish(rendition, segment)
        self.scheduler.on_object("another", rendition, TABLE, MADE.tables[rendition][0])

    def asked(self) -> list[Pull]:
        """Return the PULLs that were sent since."""
        out = [data for source, data in self.shared.out if source is self.source]
        self.shared.out.clear()
        pulls = [parse_pull_untrusted(data, KEYS) for data in out]
        self.pulls += pulls
        return pulls

    def ask(self, now: float) -> list[Pull]:
        self.source.udp.ask(now)
        return self.asked()

    def answer(self, now: float, but: Collection[Unit] = ()) -> bool:
        """Have all units come that were asked for, except some."""
        self.asked()
        wanted, self.pulls = units_of(self.pulls), []
        return self.source.receive([datagram(unit, no, now) for no, unit in wanted if unit not in but])

    def events(self) -> list[object]:
        """Return what the shell is told since."""
        out = list(self.shared.events)
        self.shared.events.clear()
        return out
