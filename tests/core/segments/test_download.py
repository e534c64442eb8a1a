"""A download by its five verbs, with literal times: real datagrams and chunks in, segments out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.plan.rules import Fixed, Throughput
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.download import Download
from lightpeer.core.segments.events import (
    AskPresent,
    EndCall,
    Event,
    Failed,
    MovePort,
    Rebuffering,
    Reconnect,
    Silence,
    SourceClosed,
    SourceLost,
    StartCall,
    WantSources,
)
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.policy import ANY, Policy
from lightpeer.core.segments.pull_call import FEWEST
from lightpeer.core.segments.scheduler import SegmentReady
from lightpeer.core.segments.shared import Fault
from lightpeer.core.segments.silence import LONG_S
from lightpeer.core.segments.source import Source
from lightpeer.core.segments.tables import Kept
from lightpeer.core.udp.datagram import (
    Data,
    DatagramKeys,
    PathToken,
    Unit,
    build_data,
    build_path,
    parse_pull_untrusted,
    unit_layout,
)
from lightpeer.core.udp.opening import Chunk, UdpTerms
from lightpeer.core.udp.sender import Missing, StreamSender, path_token
from tests.core.segments.kept import FakeKept, whole, without_tables
from tests.pair import MadeTrack, made_track

MADE = made_track(100, kbps=(48,))
SHORT = made_track(12)
TABLE = table_segment(0)
KEYS = DatagramKeys(b"p" * 32, b"d" * 32)
A, B = b"a" * 20, b"b" * 20
BUFFER_BYTES = 110_000
HOST, PORT, SECRET = "10.0.0.1", 4000, b"s" * 32


class Came(NamedTuple):
    """A datagram, and when it came."""

    data: bytes
    came_at: float


def new_download(
    made: MadeTrack = MADE,
    *,
    transport: str = "auto",
    realtime: bool = True,
    kept: Kept | None = None,
    begun: bool = True,
) -> Download:
    """A download with room for about 16 s; begun, it has found nobody further at 10 s."""
    policy = Policy(Fixed(0), limits=ANY._replace(buffer_bytes=BUFFER_BYTES), playout=Playout(realtime))
    download = Download(made.track, policy, Bandwidth(), transport=transport, kept=kept)
    if begun:
        download.sources.search.begin(10.0)
    return download


def terms(stream_id: int = 7) -> UdpTerms:
    return UdpTerms(PORT, stream_id, path_token(SECRET, stream_id, HOST, 0), KEYS)


def join(
    download: Download,
    peer_id: bytes = A,
    udp: UdpTerms | None = None,
    chunks: Sequence[Chunk] = (),
    now: float = 10.0,
) -> Source:
    """Add and start a source."""
    source = download.add_source(PeerState(peer_id, peer_id[:1].decode()), chunks, now)
    download.start_source(source, udp, now)
    return source


def begun_on_grpc(made: MadeTrack = MADE, **more: bool) -> tuple[Download, Source]:
    """A download with one source, on whose call the first table was asked for at 10 s."""
    download = new_download(made, **more)
    source = join(download)
    assert sent(download) == [(source, [(0, TABLE)])]
    download.handle_timeout(10.0)
    assert told(download) == [StartCall(source, 1), WantSources([A])]
    return download, source


def begun_on_udp(*, realtime: bool = True) -> tuple[Download, Source]:
    """A download with one source, which has been asked for the first table at 10 s."""
    download = new_download(realtime=realtime)
    source = join(download, udp=terms())
    download.handle_timeout(10.0)
    assert told(download) == [WantSources([A])]
    download.on_looked(10.0)
    return download, source


def sent(download: Download) -> list[tuple[object, object]]:
    """Drain what is to be sent."""
    return list(iter(download.data_to_send, None))


def told(download: Download) -> list[Event]:
    """Drain what is told."""
    return list(iter(download.next_event, None))


def payload(unit: Unit, made: MadeTrack = MADE) -> bytes:
    data = made.read(unit.rendition, unit.segment)
    _, step = unit_layout(len(data))
    return data[unit.unit * step : (unit.unit + 1) * step]


def asked_units(download: Download) -> Iterator[tuple[int, Unit]]:
    """Drain what is to be sent, which is PULLs; yield the units, each with its PULL's number."""
    for _, datagram in sent(download):
        assert isinstance(datagram, bytes)
        pull = parse_pull_untrusted(datagram, KEYS)
        for r in pull.ranges:
            for number in range(r.first, r.first + r.units):
                yield pull.pull_no, Unit(r.rendition, r.segment, number)


def answers(download: Download, now: float) -> list[Came]:
    """Answer what is to be sent, all in one wake-up."""
    return [
        Came(build_data(Data(7, pull_no, 0.0, unit, payload(unit)), KEYS), now)
        for pull_no, unit in asked_units(download)
    ]


def chunk(segment: int, made: MadeTrack = MADE) -> Chunk:
    return Chunk(0, segment, made.read(0, segment))


def give(download: Download, source: Source, *segments: int, now: float, made: MadeTrack = MADE) -> None:
    """Answer on the call."""
    for segment in segments:
        download.receive_chunk(source, chunk(segment, made), 0.0, now)


def ready(*segments: int, made: MadeTrack = MADE, was_kept: bool = False) -> list[SegmentReady]:
    return [SegmentReady(0, segment, made.segments[0][segment], was_kept) for segment in segments]


# Over UDP.


def test_datagrams_become_segments_and_more_is_asked_for() -> None:
    download, source = begun_on_udp()
    assert download.stats.transports == {"udp"}
    table = answers(download, 10.1)
    assert len(table) == 1
    is_ours, _ = download.receive(source, table, 10.1)
    assert is_ours
    assert told(download) == []
    first = answers(download, 10.2)
    is_ours, rest_s = download.receive(source, first, 10.2)
    assert is_ours
    assert rest_s == 0.0  # sound waits for it
    came = told(download)
    assert came == ready(*range(len(came)))
    assert len(came) > 0
    assert sent(download)


def test_a_whole_track_comes_from_a_real_sender() -> None:
    """The five verbs alone, and a sender at the other end of a link of 50 ms each way."""
    download = new_download(SHORT, realtime=False)
    stream, now, taken = terms(), 10.0, []
    sender = StreamSender(stream_id=7, keys=KEYS, find=find, secret=SECRET, now=now)
    source = join(download, udp=stream, now=now)
    to_sender: list[Came] = []
    to_us: list[Came] = []
    while not download.buffer.is_at_end:
        for event in told(download):
            assert isinstance(event, SegmentReady | WantSources)
        while (segment := download.take(now)) is not None:
            taken.append(segment)
        to_sender += [Came(data, now + 0.05) for _, data in sent(download) if isinstance(data, bytes)]
        due = [sender.next_deadline() or math.inf, download.next_deadline(), *(c.came_at for c in to_us)]
        now = max(now, min(*due, *(c.came_at for c in to_sender), now + 1.0))
        for came in [c for c in to_sender if c.came_at <= now]:
            to_sender.remove(came)
            sender.receive(came.data, (HOST, PORT), now)
        sender.handle_timeout(now)
        to_us += [Came(data, now + 0.05) for data, _ in sender.datagrams_to_send(now)]
        if here := [c for c in to_us if c.came_at <= now]:
            to_us = [c for c in to_us if c.came_at > now]
            download.receive(source, here, now)
        if now >= download.next_deadline():
            download.handle_timeout(now)
        assert now < 30.0
    assert taken == ready(*range(12), made=SHORT)
    assert download.stats.retransmitted_units == download.stats.duplicate_units == 0


def find(rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
    assert not is_ahead or SHORT.holds(rendition, segment)
    return SHORT.read(rendition, segment)


def test_what_is_not_the_sources_is_told_and_nothing_comes_of_it() -> None:
    download, source = begun_on_udp()
    sent(download)
    assert download.receive(source, [Came(b"junk", 10.1)], 10.1) == (False, 0.0)
    assert (told(download), sent(download)) == ([], [])


def test_a_new_path_token_is_shown_at_once() -> None:
    download, source = begun_on_udp()
    sent(download)
    download.receive(source, [Came(build_path(PathToken(7, 0, 99), KEYS), 10.1)], 10.1)
    (_, datagram) = sent(download)[0]
    assert isinstance(datagram, bytes)
    assert parse_pull_untrusted(datagram, KEYS).path_token == 99


def test_a_probe_that_got_a_new_token_is_watched() -> None:
    """The source waits for the token, which may get lost: the deadline comes nearer."""
    download, source = begun_on_udp()
    download.receive(source, answers(download, 10.1), 10.1)
    now = download.next_deadline()
    download.handle_timeout(now)  # it probes
    sent(download)
    before = download.next_deadline()
    download.receive(source, [Came(build_path(PathToken(7, 0, 99), KEYS), now + 0.1)], now + 0.1)
    assert sent(download)
    assert now + 0.1 < download.next_deadline() < before


def rests(download: Download, source: Source) -> set[float]:
    """Let the table and the next two PULLs be answered unit by unit; return for how long each may rest."""
    seconds = set()
    for now in (10.1, 10.2, 10.3):
        for came in answers(download, now):
            seconds.add(download.receive(source, [came], now)[1])
            while download.buffer.buffer_s > 1.0 and download.take(now) is not None:
                download.buffer.on_sink(0.0, now)
    return seconds


def test_what_comes_may_rest_while_nobody_waits_for_it() -> None:
    download, source = begun_on_udp(realtime=False)
    assert max(rests(download, source)) > 0.0


def test_nothing_rests_where_sound_waits_or_sources_are_compared() -> None:
    assert rests(*begun_on_udp()) == {0.0}
    download, source = begun_on_udp(realtime=False)
    download.sources.asking.selection.ask(join(download, B, terms(8)))
    assert rests(download, source) == {0.0}


def test_a_moved_port_is_probed_at_once_and_a_closed_source_has_none() -> None:
    download, source = begun_on_udp()
    download.receive(source, answers(download, 10.1), 10.1)
    sent(download)
    for now in (10.4, 11.0, 11.7):
        download.handle_timeout(now)
    assert MovePort(source) in told(download)
    sent(download)
    download.on_moved(source, 11.8, is_flooded=False)
    assert len(sent(download)) == 1
    assert download.next_deadline() > 11.8
    download.sources.drop(source, Fault("it is gone"), 12.0)
    due = download.next_deadline()
    download.on_moved(source, 12.0, is_flooded=False)
    assert (sent(download), download.next_deadline()) == ([], due)


def test_a_closed_sources_datagrams_are_not_sent() -> None:
    download, first = begun_on_udp()  # its PULL waits to be sent
    second = join(download, B, terms(8))
    download.sources.drop(first, Fault("it is gone"), 10.1)
    download.handle_timeout(10.1)
    assert [source for source, _ in sent(download)] == [second]
    assert download.receive(first, [Came(b"late", 10.2)], 10.2) == (False, 0.0)


def test_a_source_that_sends_what_was_not_asked_for_is_dropped_as_it_comes() -> None:
    download, source = begun_on_udp()
    download.receive(source, answers(download, 10.1), 10.1)
    pull_no, _ = next(asked_units(download))
    unasked = [Came(build_data(Data(7, pull_no, 0.0, Unit(0, 90, 0), b"x"), KEYS), 10.2)] * 100
    assert download.receive(source, unasked, 10.2) == (True, 0.0)
    lie = "it sends what was not asked for"
    events = told(download)
    assert SourceClosed(source, 0, events[-2].fetching_s, lie) in events
    assert events[-1] == SourceLost("a", lie)
    assert download.next_deadline() == 10.2  # to look for another


# Over gRPC.


def test_chunks_become_segments_and_more_is_asked_for() -> None:
    download, source = begun_on_grpc()
    assert download.stats.transports == {"grpc"}
    give(download, source, TABLE, now=10.1)
    assert sent(download) == [(source, [(0, 0), (0, 1)])]
    give(download, source, 0, 1, now=10.2)
    assert told(download) == ready(0, 1)
    asked = [key for _, keys in sent(download) for key in keys]
    assert asked == [(0, segment) for segment in range(2, 2 + len(asked))]
    assert len(asked) >= FEWEST
    assert download.take(10.2) == ready(0)[0]


def test_more_is_asked_for_after_each_answer() -> None:
    """What is wished for only now is among it."""
    download, source = begun_on_grpc()
    give(download, source, TABLE, *range(6), now=10.1)
    asked = [key for _, keys in sent(download) for key in keys]
    assert asked == [(0, segment) for segment in range(len(asked))]
    assert len(asked) >= 6 + FEWEST
    give(download, source, 6, now=10.2)
    assert sent(download) == [(source, [(0, len(asked))])]


def test_a_chunk_for_a_closed_source_is_left() -> None:
    download, source = begun_on_grpc()
    download.sources.drop(source, Fault("it is gone"), 10.1)
    told(download)
    give(download, source, TABLE, now=10.2)
    assert (sent(download), told(download)) == ([], [])


def test_who_gives_false_bytes_is_dropped_with_the_reason() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, now=10.1)
    download.receive_chunk(source, Chunk(0, 0, b"false"), 0.0, 10.2)
    lie = "a segment whose bytes do not match their hash"
    kinds = [event for event in told(download) if not isinstance(event, EndCall)]
    assert kinds == [SourceClosed(source, 0, kinds[0].fetching_s, lie), SourceLost("a", lie)]
    assert download.stats.fetched_bytes == 0
    assert len(download.sources) == 0


def test_keys_queued_for_a_call_that_has_ended_are_not_sent_on_the_next() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, now=10.1)  # two segments are asked for, but not sent yet
    download.on_call_failed(source, 1, Fault("it ended"), 10.2, is_weather=True)
    assert sent(download) == []
    assert EndCall(source) in told(download)


def test_a_call_that_failed_for_the_weather_is_made_again_where_udp_may_go_on() -> None:
    download = new_download()
    source = join(download, udp=terms())
    download.handle_timeout(10.0)
    for now in (10.5, 11.0, 11.5, 12.0, 12.6):  # UDP brings nothing
        download.handle_timeout(now)
    assert [event for event in told(download) if isinstance(event, StartCall)] == [StartCall(source, 1)]
    download.on_call_failed(source, 9, Fault("of long ago"), 12.7, is_weather=False)
    assert not source.is_closed
    sent(download)
    download.on_call_failed(source, 1, Fault("unreachable"), 12.8, is_weather=True)
    assert EndCall(source) in told(download)
    assert not source.is_closed
    for now in (13.0, 14.0, 14.9):
        download.handle_timeout(now)
    assert StartCall(source, 2) in told(download)
    download.on_call_failed(source, 2, Fault("it refuses", is_lie=True), 15.0, is_weather=False)
    assert told(download)[-1] == SourceLost("a", "it refuses")


def test_a_call_is_made_anew_over_another_connection() -> None:
    download, source = begun_on_grpc()
    for now in (14.0, 14.1):  # four seconds without a first answer
        download.handle_timeout(now)
    assert [e for e in told(download) if isinstance(e, Reconnect)] == [Reconnect(source, 1)]
    download.on_reconnected(source, 1, 14.5)
    assert told(download) == [EndCall(source), StartCall(source, 2)]
    assert sent(download) == [(source, [(0, TABLE)])]


def test_one_transport_alone_may_be_wanted() -> None:
    udp, grpc = new_download(transport="udp"), new_download(transport="grpc")
    assert (udp.wants_udp, grpc.wants_udp, new_download().wants_udp) == (True, False, True)
    source = join(udp)
    assert told(udp) == [SourceClosed(source, 0, 0.0), SourceLost("a", "UDP does not pass")]


# What comes with an Open.


def test_what_comes_with_an_open_may_be_heard_before_the_source_is_started() -> None:
    download = new_download()
    inline = [chunk(TABLE), chunk(0), chunk(1)]
    source = download.add_source(PeerState(A, "a"), inline, 10.0)
    assert told(download) == ready(0, 1)
    assert download.take(10.0) == ready(0)[0]
    assert sent(download) == []
    download.start_source(source, None, 10.0)
    assert sent(download) == [(source, [(0, 2)])]


def test_chunks_that_lie_cost_the_peer_nothing() -> None:
    size = len(MADE.segments[0][0])
    for lies in ([Chunk(0, TABLE, b"x" * 12)], [chunk(TABLE), Chunk(0, 0, b"x" * size)]):
        download = new_download()
        source = join(download, chunks=lies)
        assert [event for event in told(download) if not isinstance(event, StartCall)] == []
        assert not source.is_closed
        assert len(download.sources) == 1
        give(download, source, *([TABLE] if lies[0].data == b"x" * 12 else [0]), now=10.1)
        assert not source.is_closed


def test_a_source_that_is_gone_before_it_is_started_stays_so() -> None:
    download = new_download()
    source = download.add_source(PeerState(A, "a"), (), 10.0)
    download.sources.drop(source, Fault("it is gone"), 10.1)
    download.start_source(source, terms(), 10.2)
    assert sent(download) == []
    assert download.stats.transports == set()


# Time.


def test_the_next_look_at_the_sources_and_at_the_sink() -> None:
    download, source = begun_on_grpc()
    download.on_looked(10.0)
    give(download, source, TABLE, *range(3), now=10.1)
    for _ in range(3):
        download.take(10.1)
    assert download.buffer.buffer_s == 0.0
    download.buffer.on_sink(0.3, 10.1)
    download.handle_timeout(10.1)
    assert download.next_deadline() == 10.4  # when the sink runs dry
    assert Rebuffering() not in told(download)
    download.buffer.on_sink(0.0, 10.4)
    download.handle_timeout(10.4)
    assert Rebuffering() in told(download)
    assert download.next_deadline() > 10.4


def test_a_sink_that_runs_dry_is_looked_at_whatever_comes_meanwhile() -> None:
    download, source = begun_on_udp()
    download.receive(source, answers(download, 10.1), 10.1)
    for now in (10.2, 10.3):
        download.receive(source, answers(download, now), now)
    while download.take(10.3) is not None:
        pass
    download.buffer.on_sink(0.2, 10.3)
    download.playout.playing = True
    download.handle_timeout(10.3)
    for came in answers(download, 10.45)[:2]:
        download.receive(source, [came], 10.45)
    assert download.next_deadline() <= 10.5


def test_a_player_that_takes_what_is_here_and_finds_no_more_is_seen_to_at_once() -> None:
    download, source = begun_on_grpc()
    download.on_looked(10.0)
    give(download, source, TABLE, 0, 1, now=10.1)
    download.handle_timeout(10.1)
    assert download.take(10.1) == ready(0)[0]
    assert download.next_deadline() > 10.1
    assert download.take(10.1) == ready(1)[0]
    assert download.take(10.1) is None
    assert download.next_deadline() == 10.1


def test_a_seek_stops_what_is_being_sent_and_asks_elsewhere_at_once() -> None:
    download, source = begun_on_udp()
    download.receive(source, answers(download, 10.1), 10.1)
    came = answers(download, 10.2)
    download.receive(source, came[:1], 10.2)  # finds nothing to do
    assert source.udp.flow.gauge.outstanding_bytes > 0
    sent(download)
    download.seek(50, 10.3)
    assert download.buffer.cursor == 50
    assert source.udp.flow.gauge.outstanding_bytes == 0
    download.on_looked(10.3)  # in the same moment
    assert download.next_deadline() == 10.3
    download.handle_timeout(10.3)
    assert next(asked_units(download))[1] == Unit(0, 50, 0)


def test_a_seek_to_what_is_here_keeps_what_is_on_its_way() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, 0, 1, 2, now=10.1)
    wished = download.scheduler.wished
    download.seek(2, 10.2)
    assert (download.buffer.cursor, download.buffer.buffer_s) == (2, 1.0)
    assert download.scheduler.wished == wished > 0
    assert download.next_deadline() == 10.2


def test_what_was_left_behind_is_told_to_nobody() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, now=10.1)
    told(download)
    download.seek(2, 10.1)  # it is on its way
    give(download, source, 0, 1, 2, now=10.2)
    assert told(download) == ready(2)


def test_what_a_former_run_kept_comes_without_a_wait() -> None:
    download, source = begun_on_grpc(kept=without_tables(MADE))
    download.on_looked(10.0)
    give(download, source, TABLE, now=10.1)
    assert download.scheduler.wished == 0
    assert download.next_deadline() == 10.1
    download.handle_timeout(10.1)
    assert download.buffer.buffer_s == 16.0
    assert download.next_deadline() > 10.1


def test_a_track_that_is_all_kept_asks_for_no_source() -> None:
    download = new_download(SHORT, kept=whole(SHORT), begun=False)
    download.seek(3, 10.0)
    download.handle_timeout(10.0)
    download.handle_timeout(10.0)
    assert told(download) == ready(*range(3, 12), made=SHORT, was_kept=True)
    assert download.buffer.is_complete
    assert download.next_deadline() == math.inf


def test_what_is_not_kept_has_sources_looked_for_at_once() -> None:
    kept = FakeKept(lambda rendition, number, _size: None if number == 7 else SHORT.read(rendition, number))
    download = new_download(SHORT, kept=kept, begun=False)
    download.seek(0, 10.0)
    download.handle_timeout(10.0)
    assert download.next_deadline() == 10.0
    download.handle_timeout(10.0)
    assert WantSources([]) in told(download)
    assert download.buffer.buffer_s == 7.0


def test_wishes_after_a_rest_begin_the_watch_for_a_dead_zone_and_open_ended_streams_anew() -> None:
    download, source = begun_on_udp()
    now = 10.1
    while download.scheduler.wished:
        download.receive(source, answers(download, now), now)
        now += 0.1
    assert download.buffer.buffer_s == 16.0
    told(download)
    for _ in range(10):
        download.buffer.on_sink(0.0, 610.0)
        download.take(610.0)
    assert download.next_deadline() == 610.0
    download.handle_timeout(610.0)  # ten minutes later
    assert download.sources.dead_zone.silent_at == 612.0
    assert told(download)[0] == SourceClosed(source, source.delivered_bytes, download.stats.fetching_s)
    assert download.next_deadline() == 610.0
    download.handle_timeout(610.0)
    assert told(download) == [WantSources([])]


# Failure.


def test_it_fails_once_every_peer_has_lied_and_no_other_is_found_until_one_is() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, now=10.1)
    download.receive_chunk(source, Chunk(0, 0, b"false"), 0.0, 10.2)
    told(download)
    assert download.failure is None
    download.on_looked(10.3)  # the search that was under way ends well
    assert download.failure is None
    download.on_looked(10.4, has_failed=True)
    sentence = "every peer that offers this track sent corrupt data: name other peers with --bootstrap"
    assert download.failure == sentence
    assert told(download) == [Failed(sentence)]
    join(download, B, now=11.0)
    assert download.failure is None


def test_it_fails_once_peers_have_said_for_a_minute_that_nobody_has_the_track() -> None:
    download, source = begun_on_grpc()
    download.sources.drop(source, Fault("it is gone"), 10.1)
    told(download)
    for now in (11.0, 30.0, 50.0):
        download.on_looked(now, has_failed=True, was_answered=True)
        assert download.failure is None
    download.on_looked(71.0, has_failed=True, was_answered=True)
    assert told(download) == [Failed("no peer sends this track any more")]


def test_no_outage_makes_it_fail() -> None:
    download, source = begun_on_grpc()
    download.sources.drop(source, Fault("it is gone"), 10.1)
    for now in (11.0, 100.0, 1000.0, 10_000.0, 100_000.0):
        download.handle_timeout(now)
        download.on_looked(now, has_failed=True)
        assert now < download.next_deadline() <= now + 15.0
    assert download.failure is None


def test_a_look_that_finds_nobody_is_no_failure_while_there_is_a_source() -> None:
    download, _ = begun_on_grpc()
    for now in (11.0, 30.0, 50.0, 71.0):
        download.on_looked(now, has_failed=True, was_answered=True)
    assert download.failure is None
    assert told(download) == []


def test_what_is_here_is_heard_whatever_has_failed() -> None:
    download, source = begun_on_grpc()
    give(download, source, TABLE, 0, 1, now=10.1)
    download.receive_chunk(source, Chunk(0, 2, b"false"), 0.0, 10.2)
    download.on_looked(10.3, has_failed=True)
    assert download.failure is not None
    assert [download.take(10.4) for _ in range(3)] == [*ready(0, 1), None]


def test_nothing_is_told_and_nothing_sent_before_there_is_a_source() -> None:
    download = new_download(begun=False)
    assert (download.next_event(), download.data_to_send(), download.take(10.0)) == (None, None, None)
    assert (len(download.sources), download.sources.transport) == (0, "-")


def test_what_is_held_is_asked_for_once_it_is_released() -> None:
    download = new_download()
    download.buffer.is_held = True
    source = join(download)
    assert sent(download) == []
    download.release(12.0)
    assert sent(download) == [(source, [(0, TABLE)])]
    assert download.next_deadline() <= 12.0
    download.release(13.0)
    assert sent(download) == []


def test_a_silence_is_told_with_its_end() -> None:
    download, source = begun_on_grpc()
    download.handle_timeout(10.0 + LONG_S)
    (silence,) = (event for event in told(download) if isinstance(event, Silence))
    assert silence.since is not None
    download.receive_chunk(source, Chunk(0, TABLE, MADE.tables[0][0]), LONG_S, 11.0 + LONG_S)
    assert Silence(None) in told(download)


def test_a_source_that_lacks_renditions_is_asked_until_better_is_fetched() -> None:
    """What is ahead in a lower one is not fetched to the end of the burst first."""
    made = made_track(60, kbps=(24, 48))
    policy = Policy(Throughput(up_s=0.0), limits=ANY._replace(buffer_bytes=90_000), playout=Playout(True))
    download = Download(made.track, policy, Bandwidth(1e6), transport="grpc")
    source = download.add_source(PeerState(A, "a", present=1), (), 10.0)
    download.start_source(source, None, 10.0)
    answer_all(download, source, made, 11.0)
    renditions = {ready.rendition for ready in iter(partial(download.take, 11.0), None)}
    assert renditions == {0}
    assert AskPresent(source) not in told(download)
    download.handle_timeout(14.0)
    assert told(download).count(AskPresent(source)) == 1
    download.sources.presence.on_told(source, 1, 14.5)
    download.handle_timeout(20.0)
    assert AskPresent(source) not in told(download)
    download.handle_timeout(20.5)
    assert AskPresent(source) in told(download)
    download.bursts.on_full(1000.0)
    download.sources.presence.on_told(source, 2, 23.0)
    download.handle_timeout(23.0)
    assert download.bursts.fetching, "at once"
    answer_all(download, source, made, 23.0)
    assert 1 in {ready.rendition for ready in iter(partial(download.take, 23.0), None)}
    download.handle_timeout(1000.0)
    assert AskPresent(source) not in told(download)


def answer_all(download: Download, source: Source, made: MadeTrack, now: float) -> None:
    """Answer what is asked for on a call, until there is no more."""
    while asked := [key for _, keys in sent(download) for key in keys]:
        for rendition, number in asked:
            assert rendition < source.peer.present, "it is not asked for what it lacks"
            download.receive_chunk(source, Chunk(rendition, number, made.read(rendition, number)), 0.0, now)
