"""One source with literal times: what it asks, and how UDP and gRPC take turns.

The receiver, the choice of the transport, the path and the call here do what they are told; all else is real.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.core.content.manifest import table_bytes, table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.rate.rests import EARLY_BYTES
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.segments.scheduler import PATIENCE_S, Scheduler, SegmentReady, SourceLied
from lightpeer.core.sources.pull_ahead import MOST
from lightpeer.core.sources.transport import Action, Transport
from lightpeer.core.udp.datagram import MAX_PAYLOAD, Unit, UnitRange
from lightpeer.core.udp.events import UnitArrived, UnitsLost
from lightpeer.core.udp.opening import UdpTerms
from lightpeer.core.udp.receiver import FIRST_PROBE_RTT_S
from lightpeer.core.udp.unasked import Conduct
from lightpeer.download import source as module
from lightpeer.download.source import Source
from lightpeer.errors import BadMessageError, RpcError, SealError
from lightpeer.net.network import Datagram
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.pair import made_track

MADE = made_track(60, kbps=(24, 48))
TERMS = UdpTerms(4747, 7, 8, "keys")
ADDRESS = ("10.0.0.1", 4747)


class FakeUnasked:
    """Says what it was told to, once."""

    def __init__(self) -> None:
        self.says = Conduct.BEAR
        self.moved = 0

    def judge(self) -> Conduct:
        says, self.says = self.says, Conduct.BEAR
        return says

    def on_moved(self) -> None:
        self.moved += 1


class FakeReceiver:
    """The receiving end of a stream: keeps what is asked, and gives what it was told to."""

    def __init__(self, *given: object, first_rtt_s: float) -> None:
        self.given, self.first_rtt_s = given, first_rtt_s
        self.gauge = given[1]
        self.asked: list[tuple[list[tuple[UnitRange, list[int]]], int, float]] = []
        self.events: deque[object] = deque()
        self.out: deque[bytes] = deque()
        self.received: list[Datagram] = []
        self.timeouts: list[float] = []
        self.moved: list[float] = []
        self.forgotten = 0
        self.is_at_end = False
        self.first_pull_at: float | None = None
        self.probes_unanswered = self.arrived = self.duplicates = self.rejected = 0
        self.unasked = FakeUnasked()
        self.due: float | None = None
        self.on_receive: Callable[[Datagram], None] = lambda _datagram: None

    def ask(self, ranges: list[tuple[UnitRange, list[int]]], pace: int, now: float) -> int:
        self.asked.append((ranges, pace, now))
        size = sum(sum(sizes) for _, sizes in ranges)
        self.gauge.outstanding_bytes += size
        return size

    def forget_all(self) -> None:
        self.forgotten += 1
        self.gauge.outstanding_bytes = 0

    def receive(self, datagrams: Sequence[Datagram]) -> None:
        for datagram in datagrams:
            self.received.append(datagram)
            self.on_receive(datagram)

    def data_to_send(self) -> bytes | None:
        return self.out.popleft() if self.out else None

    def take_events(self) -> list[object]:
        events = list(self.events)
        self.events.clear()
        return events

    def next_deadline(self) -> float | None:
        return self.due

    def handle_timeout(self, now: float) -> None:
        self.timeouts.append(now)

    def on_moved(self, now: float) -> None:
        self.moved.append(now)
        self.out.append(b"probe")


class FakeTransport:
    """Chooses what it was told to, and notes what it is told."""

    def __init__(self, receiver: object, least: float, now: float, *, units: int, may_call: bool) -> None:
        self.made_with = (receiver, least, now, units, may_call)
        self.on_grpc = False
        self.uses_udp = True
        self.is_hung = True
        self.due = math.inf
        self.actions: deque[Action] = deque()
        self.log: list[object] = []
        self.trial = False
        self.trial_units = 3
        self.may_go_on = False
        self.share_bytes_per_s = math.inf
        self.rtt_s = self.heard_at = -1.0
        self.is_alive: object = None

    def silent_s(self, now: float) -> float:
        return now - 5.0

    def has_expired(self, now: float) -> bool:
        return now >= 55.0

    def next_deadline(self) -> float:
        return self.due

    def decide(self, now: float) -> Action:
        self.log.append(("decide", now))
        return self.actions.popleft() if self.actions else Action.NOTHING

    def on_unit(self, *told: object) -> None:
        self.log.append(("unit", *told))

    def on_lost(self, units: int) -> None:
        self.log.append(("lost", units))

    def on_call(self, now: float) -> None:
        self.log.append(("call", now))

    def on_chunk(self, *told: object, is_more_due: bool) -> None:
        self.log.append(("chunk", *told, is_more_due))

    def take_trial(self) -> bool:
        return self.trial

    def on_call_failed(self, now: float) -> bool:
        self.log.append(("call failed", now))
        return self.may_go_on

    def on_reconnected(self) -> None:
        self.log.append("reconnected")


class FakePath:
    error: OSError | None = None
    may_open: trio.Event | None = None

    def __init__(self, network: object, addresses: object, nursery: object, on_datagrams: object) -> None:
        self.made_with = (network, addresses, nursery)
        self.on_datagrams = on_datagrams
        self.sent: list[bytes] = []
        self.rested: list[float] = []
        self.log: list[str] = []

    async def open(self) -> None:
        if FakePath.may_open is not None:
            await FakePath.may_open.wait()
        if FakePath.error is not None:
            raise FakePath.error

    async def send(self, datagram: bytes) -> None:
        self.sent.append(datagram)

    async def renew(self, *, keep_former: bool = True) -> None:
        self.log.append("renewed" if keep_former else "left")

    def rest(self, until: float) -> None:
        self.rested.append(until)

    def close(self) -> None:
        self.log.append("closed")


class FakeCall:
    """A Streams.Pull whose answers are put in by hand; None ends it, an error breaks it."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, list[tuple[int, int, int]]]] = []
        self.answers, self._give = [], None
        self.to_give, self.to_take = trio.open_memory_channel(math.inf)
        self.heard_s = 3.5
        self.was_cancelled = False

    async def send(self, request: pb.PullRequest) -> None:
        self.sent.append((request.track_id, [(r.rendition, r.first, r.count) for r in request.ranges]))

    async def receive(self) -> pb.Chunk | None:
        answer = await self.to_take.receive()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def take_silence_s(self) -> float:
        return 0.75

    def cancel(self) -> None:
        self.was_cancelled = True


class FakePeer:
    name = "the peer"

    def __init__(self) -> None:
        self.hosts = ["10.0.0.1", "2001:db8::1"]
        self.burst = SimpleNamespace(rate_bytes_per_s=40_000.0, rtt_s=0.1, last_at=0.0)
        self.rtt_s: float | None = 0.2
        self.is_alive, self.is_gone = True, False
        self.log: list[str] = []
        self.calls: list[FakeCall] = []
        self.connect_error: RpcError | None = None
        self.connecting = trio.Event()
        self.connecting.set()

    def hold(self) -> None:
        self.log.append("hold")

    def release(self) -> None:
        self.log.append("release")

    def renew(self) -> None:
        self.log.append("renew")

    async def connect(self) -> None:
        await self.connecting.wait()
        if self.connect_error is not None:
            raise self.connect_error

    def pull(self) -> FakeCall:
        self.calls.append(FakeCall())
        return self.calls[-1]


class Hub:
    """What the source tells whoever takes care of all."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.track = MADE.track
        self.network = "network"
        self.nursery = nursery
        self.scheduler = Scheduler(MADE.track)
        self.bandwidth = Bandwidth()
        self.transport_wanted = "auto"
        self.is_urgent = False
        self.udp_passes = False
        self.timers = 0
        self.released = 0
        self.heard: list[float] = []
        self.data: list[float] = []
        self.transports: list[str] = []
        self.ended: list[tuple[str, bool]] = []
        self.others_deliver = False
        self.asked_about: list[object] = []
        self._work = trio.Event()
        self.source: Source

    def work(self) -> trio.Event:
        if self._work.is_set():
            self._work = trio.Event()
        return self._work

    def on_heard(self, *told: object) -> None:
        self.heard.append(told[-1])

    async def on_data(self, now: float) -> None:
        self.data.append(now)

    def does_udp_pass_beside(self, source: Source, now: float) -> bool:
        return self.udp_passes and source is self.source and now >= 0.0

    def on_timers(self) -> None:
        self.timers += 1

    def on_released(self) -> None:
        self.released += 1

    def on_transport(self, source: Source, transport: str) -> None:
        assert source is self.source
        self.transports.append(transport)

    def do_others_deliver(self, source: Source, now: float) -> bool:
        self.asked_about.append((source, now))
        return self.others_deliver

    def on_end(self, source: Source, reason: str, *, lied: bool = False) -> None:
        assert source is self.source
        self.ended.append((reason, lied))
        source.close()

    def wish(self, *segments: int, rendition: int = 0) -> None:
        for segment in segments:
            self.scheduler.wish(rendition, segment)
        self.scheduler.on_object("x", rendition, table_segment(0), MADE.tables[rendition][0])
        self._work.set()


class Stage:
    def __init__(self, hub: Hub, clock: trio.testing.MockClock, wanted: str = "auto") -> None:
        self.hub, self.clock, self.peer = hub, clock, FakePeer()
        hub.transport_wanted = wanted
        self.source = hub.source = Source(hub, self.peer)

    @property
    def receiver(self) -> FakeReceiver:
        return self.source.receiver

    @property
    def transport(self) -> FakeTransport:
        return self.source._transport

    @property
    def path(self) -> FakePath:
        return self.source._path

    async def start(self, terms: UdpTerms | None = TERMS) -> Stage:
        await self.source.start(terms)
        return self

    async def do(self, *actions: Action, now: float | None = None) -> None:
        """Have the choice give these, and see to what follows at once."""
        self.transport.actions.extend(actions)
        self.source.check(trio.current_time() if now is None else now)
        await trio.testing.wait_all_tasks_blocked()

    async def answer(self, *answers: object) -> None:
        for given in answers:
            self.peer.calls[-1].to_give.send_nowait(given)
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def run(monkeypatch):
    """Run a function with a stage whose clock is at 10 s and is set by hand."""
    monkeypatch.setattr(module, "Receiver", FakeReceiver)
    monkeypatch.setattr(module, "Transport", FakeTransport)
    monkeypatch.setattr(module, "Path", FakePath)
    monkeypatch.setattr(FakePath, "error", None)
    monkeypatch.setattr(FakePath, "may_open", None)

    def run_it(main: Callable[[Stage], Awaitable[None]], wanted: str = "auto") -> None:
        clock = trio.testing.MockClock()

        async def body() -> None:
            clock.jump(10.0)
            async with trio.open_nursery() as nursery:
                await main(Stage(Hub(nursery), clock, wanted))
                nursery.cancel_scope.cancel()

        trio.run(body, clock=clock)

    return run_it


def chunk(segment: int, rendition: int = 0) -> pb.Chunk:
    return pb.Chunk(rendition=rendition, segment=segment, data=MADE.segments[rendition][segment])


def table_chunk() -> pb.Chunk:
    return pb.Chunk(rendition=0, segment=table_segment(0), data=MADE.tables[0][0])


# Beginning and ending.


def test_a_source_begins_on_udp_where_both_sides_can(run):
    async def main(on: Stage) -> None:
        before = on.transport
        assert before.made_with == (None, 3000.0, 10.0, 60, False)
        assert on.source.backlog_s() == 0.0
        assert on.peer.log == ["hold"]
        assert on.source.heard_at == 10.0
        on.clock.jump(2.0)
        await on.start()
        assert on.receiver.given == (TERMS, on.source._flow.gauge, 12.0)
        assert on.receiver.first_rtt_s == 0.2
        assert on.transport.made_with == (on.receiver, 3000.0, 12.0, 60, True)
        assert on.path.made_with == ("network", [ADDRESS, ("2001:db8::1", 4747)], on.hub.nursery)
        assert on.hub.transports == ["udp"]
        assert on.transport.log == [("decide", 12.0)]
        assert on.hub.ended == []
        assert (on.source.retransmitted_units, on.source.duplicate_units) == (0, 0)
        assert (on.source.delivered_bytes, on.source.has_delivered) == (0, False)

    run(main)


@pytest.mark.parametrize("is_lost", [False, True])
def test_while_its_socket_opens_it_is_not_found_to_have_no_udp(run, monkeypatch, is_lost):
    monkeypatch.setattr(module, "Transport", Transport)

    async def main(on: Stage) -> None:
        FakePath.may_open = trio.Event()
        source = on.hub.source = Source(on.hub, on.peer)
        on.hub.nursery.start_soon(source.start, TERMS)
        await trio.testing.wait_all_tasks_blocked()
        assert source.next_deadline() == math.inf
        source.check(11.0)
        if is_lost:
            source.close()
        FakePath.may_open.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (source.on_grpc, on.peer.calls) == (False, [])
        assert on.hub.transports == ["udp"] * (not is_lost)

    run(main)


def test_without_a_known_round_trip_one_is_assumed(run):
    async def main(on: Stage) -> None:
        on.peer.rtt_s = None
        await on.start()
        assert on.receiver.first_rtt_s == FIRST_PROBE_RTT_S
        assert on.transport.rtt_s == 0.0

    run(main)


@pytest.mark.parametrize(
    ("wanted", "terms", "error", "has_udp", "ended"),
    [
        ("grpc", TERMS, None, False, []),
        ("auto", None, None, False, []),
        ("auto", TERMS, OSError("no"), False, []),
        ("udp", TERMS, OSError("no"), False, [("UDP does not pass", False)]),
        ("udp", None, None, False, [("UDP does not pass", False)]),
        ("udp", TERMS, None, True, []),
    ],
)
def test_what_it_begins_with_is_what_there_is_and_is_wanted(run, wanted, terms, error, has_udp, ended):
    async def main(on: Stage) -> None:
        FakePath.error = error
        await on.start(terms)
        assert (on.receiver is not None) == has_udp
        assert on.hub.ended == ended
        assert on.transport.made_with[-1] == (wanted != "udp")
        assert on.transport.log == [("decide", 10.0)] * (not ended)

    run(main, wanted)


def test_a_source_that_is_closed_leaves_nothing(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        assert on.source.ask(10.0)
        await on.do(Action.FALL_BACK)
        call = on.peer.calls[0]
        on.hub.scheduler.next_objects(on.peer, 1, 10.0)
        on.source.close()
        await trio.testing.wait_all_tasks_blocked()
        assert call.was_cancelled
        assert on.path.log == ["closed"]
        assert on.receiver.forgotten == 1
        assert on.hub.scheduler.first_holder() is None
        assert on.hub.bandwidth._flows == []
        assert on.peer.log == ["hold", "release"]
        assert not await on.source._on_datagrams([Datagram(b"x", ADDRESS, 11.0)])
        assert on.receiver.received == []
        on.transport.actions.append(Action.FALL_BACK)
        on.source.check(12.0)
        assert len(on.peer.calls) == 1
        assert on.hub.ended == []

    run(main)


def test_a_seek_stops_what_is_sent(run):
    async def main(on: Stage) -> None:
        on.source.seek()  # before there is a stream
        await on.start()
        on.hub.wish(0)
        on.source.ask(10.0)
        assert on.hub.scheduler.first_holder() is on.peer
        on.source.seek()
        assert on.receiver.forgotten == 1
        assert on.hub.scheduler.first_holder() is None
        assert on.source.silent_s(11.0) == 6.0
        assert (on.source.has_expired(54.0), on.source.has_expired(55.0)) == (False, True)

    run(main)


# UDP.


def test_it_asks_as_much_as_may_be_outstanding_and_tells_when_there_is_no_more(run):
    async def main(on: Stage) -> None:
        assert not on.source.ask(10.0), "there is no stream yet"
        assert not on.source.may_ask()
        await on.start()
        assert on.source.may_ask()
        flow, timers = on.source._flow, on.hub.timers
        assert not on.source.ask(10.0)
        assert on.receiver.is_at_end
        assert on.hub.timers == timers + 1
        assert not on.source.ask(10.0)
        assert on.hub.timers == timers + 1, "nothing new"
        on.hub.wish(0, 1)
        assert on.source.ask(10.0)
        assert not on.receiver.is_at_end
        assert on.hub.timers == timers + 3, "there is a deadline now, and it is another"
        ((ranges, pace, now),) = on.receiver.asked
        assert now == 10.0
        assert pace == flow.pace_bytes_per_s(10.0)
        assert flow.gauge.outstanding_bytes == sum(sum(sizes) for _, sizes in ranges) > 0
        assert flow.gauge.outstanding_bytes <= flow.window_bytes()
        assert on.source.backlog_s() == flow.gauge.outstanding_bytes, (
            "slower than anybody, while nothing is known"
        )
        flow.delivery.take(20_000.0)
        assert on.source.backlog_s() == flow.gauge.outstanding_bytes / 20_000.0
        on.receiver.gauge.outstanding_bytes = 10 * round(flow.window_bytes())
        assert not on.source.may_ask()
        on.transport.on_grpc = True
        on.receiver.gauge.outstanding_bytes = 0
        assert not on.source.may_ask()
        assert on.source.on_grpc

    run(main)


def test_what_it_is_asked_for_is_due_from_then_on(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        on.source.ask(10.0)
        assert on.hub.scheduler.next_due() >= 10.0 + PATIENCE_S

    run(main)


def test_what_it_has_begun_is_handed_over_once_all_that_was_asked_of_it_came_or_was_lost(run):
    async def main(on: Stage) -> None:
        await on.start()
        assert not on.source.is_through, "it was asked for nothing"
        on.hub.wish(0)
        on.source._flow.budget_bytes = lambda: MAX_PAYLOAD
        size = on.source.ask(10.0)
        assert 0 < size == on.receiver.gauge.outstanding_bytes
        assert not on.source.is_through
        on.source._flow.budget_bytes = lambda: 0.0
        assert on.source.ask(10.0) == 0, "there is no room"
        for _ in range(2):
            on.receiver.events.append(UnitsLost((Unit(0, 0, 0), Unit(0, 0, 1)), 1000, 10.0))
        on.receiver.gauge.outstanding_bytes = 0
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.source.retransmitted_units == 4
        assert on.source.is_through
        assert on.hub.scheduler.first_holder() is on.peer
        on.receiver.gauge.outstanding_bytes = 10 * round(on.source._flow.window_bytes())
        assert on.source.may_ask(), "for what was lost"
        on.source.hand_over()
        assert not on.source.may_ask(), "that is another's now"
        assert on.hub.scheduler.first_holder() is None
        assert not on.source.is_through

    run(main)


def test_what_came_together_is_told_together(run):
    async def main(on: Stage) -> None:
        await on.start()
        told: list[object] = []
        on.hub.bandwidth.on_arrived = lambda *given: told.append(given)
        units = [UnitArrived(Unit(0, 0, n), b"12345", 0.3, True, 9.5, 10.0 + n) for n in range(2)]
        loss = UnitsLost((Unit(0, 0, 7),), 1000, 10.0)
        on.hub.bandwidth.on_lost = lambda *given: told.append(given)
        on.receiver.events.extend([units[0], loss, units[1]])
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert told == [(on.source._flow, units), (on.source._flow, loss)]

    run(main)


def test_datagrams_that_are_due_are_sent(run):
    async def main(on: Stage) -> None:
        await on.source.flush()  # before there is a stream
        await on.start()
        on.receiver.out.extend([b"a", b"b"])
        await on.source.flush()
        assert on.path.sent == [b"a", b"b"]

    run(main)


def test_a_source_that_is_tried_or_shares_the_link_is_limited(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.source.limit(beside=1, share_bytes_per_s=30_000.0)
        tried_bytes = on.source._flow.window_bytes()
        assert on.transport.share_bytes_per_s == 30_000.0
        on.source.limit(beside=0, share_bytes_per_s=50_000.0)
        assert on.source._flow.window_bytes() > tried_bytes
        assert on.transport.share_bytes_per_s == 40_000.0, "TCP got no more of it"

    run(main)


@pytest.mark.parametrize("burst", [None, SimpleNamespace(rate_bytes_per_s=None)])
def test_where_no_reply_was_long_enough_to_measure_nothing_is_known_of_tcp(run, burst):
    async def main(on: Stage) -> None:
        on.peer.burst = burst
        source = Source(on.hub, on.peer)
        source.limit(beside=0, share_bytes_per_s=9e9)
        assert source._transport.share_bytes_per_s == 9e9

    run(main)


def arrived(on: Stage, number: int, *, was_asked: bool = True, segment: int = 0) -> None:
    """Have the receiver give a unit of a segment with the next datagram."""
    data = MADE.segments[0][segment]
    payload = data[:MAX_PAYLOAD] if number == 0 else data[MAX_PAYLOAD:]
    rtt_s = 0.3 if was_asked else None
    event = UnitArrived(Unit(0, segment, number), payload, rtt_s, was_asked, 10.0, 10.0)
    on.receiver.on_receive = lambda came: on.receiver.events.append(event._replace(came_at=came.came_at))


def test_what_comes_is_counted_everywhere_at_the_time_when_it_came(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        (size,) = [item.unit_bytes(0) for item in on.hub.scheduler._objects.values() if item.table]
        unit = UnitArrived(Unit(0, 0, 0), MADE.segments[0][0][:size], 0.3, True, 10.0, 10.25)
        on.receiver.on_receive = lambda _came: on.receiver.events.append(unit)
        on.receiver.gauge.rtt.add(0.3)
        datagrams = [Datagram(b"x", ADDRESS, 10.25)]
        assert await on.source._on_datagrams(datagrams)
        assert on.receiver.received == datagrams
        assert on.hub.heard == [10.25]
        assert on.source.heard_at == 10.25
        assert (on.source.has_delivered, on.source.delivered_bytes) == (True, size)
        assert ("unit", size, 10.25) in on.transport.log
        assert on.hub.bandwidth.srtt_s == 0.3
        assert on.hub.data == [10.0], "trio's time"
        assert list(on.hub.scheduler._objects.values())[-1].givers == {on.peer}
        assert on.source.duplicate_units == 0

    run(main)


def test_what_was_not_asked_for_is_left_alone(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        arrived(on, 0, was_asked=False)
        assert await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.source.duplicate_units == 1
        assert on.hub.heard == []
        assert on.source.delivered_bytes == 0
        assert all(not item.parts for item in on.hub.scheduler._objects.values())
        assert on.hub.ended == []

    run(main)


def test_a_source_that_alone_can_have_sent_what_was_not_asked_for_lies(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.receiver.unasked.says = Conduct.LIE
        assert await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.hub.ended == [("it sends what was not asked for", True)]
        assert on.hub.data == [], "it was closed by then"

    run(main)


def test_a_flooded_port_is_left_at_once(run):
    async def main(on: Stage) -> None:
        await on.start()
        path = on.source._path
        on.receiver.unasked.says = Conduct.MOVE
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        await trio.testing.wait_all_tasks_blocked()
        assert path.log == ["left"]
        assert (on.receiver.unasked.moved, len(on.receiver.moved)) == (1, 1)
        assert on.hub.ended == []

    run(main)


def test_a_flood_that_follows_us_ends_the_source_which_is_no_liar_for_that(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.source.has_delivered, on.source.delivered_bytes = True, 1000
        on.receiver.unasked.says = Conduct.LEAVE
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.hub.ended == [("more comes from its address than was asked for", False)]
        assert (on.source.has_delivered, on.source.delivered_bytes) == (False, 0), "so that it rests"

    run(main)


def test_what_is_lost_is_asked_for_again(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        on.source.ask(10.0)
        first = len(on.receiver.asked)
        ranges = on.receiver.asked[-1][0]
        assert ranges
        assert not on.source.ask(10.0)
        segment = next(wanted for wanted, _ in ranges if wanted.segment == 0)
        on.receiver.events.append(UnitsLost((Unit(0, 0, segment.first),), 1000, 11.0))
        on.receiver.gauge.outstanding_bytes = round(on.source._flow.window_bytes() - 1500)
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 11.0)])
        assert ("lost", 1) in on.transport.log
        assert on.source.retransmitted_units == 1
        assert on.source.may_ask(), "however little may be outstanding"
        on.source.ask(11.0)
        assert len(on.receiver.asked) == first + 1
        assert on.receiver.asked[-1][0][0][0].segment == 0

    run(main)


def test_datagrams_that_do_not_verify_are_nobodys(run):
    async def main(on: Stage) -> None:
        await on.start()

        def reject(_came: Datagram) -> None:
            on.receiver.rejected += 1

        on.receiver.on_receive = reject
        assert not await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)] * 2)
        on.receiver.on_receive = lambda came: reject(came) if came.data == b"bad" else None
        assert await on.source._on_datagrams([Datagram(d, ADDRESS, 10.0) for d in (b"bad", b"good")])

    run(main)


def test_while_probes_are_unanswered_the_deadline_may_be_another_with_all_that_comes(run):
    async def main(on: Stage) -> None:
        await on.start()
        timers = on.hub.timers
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.hub.timers == timers
        on.receiver.probes_unanswered = 1
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.0)])
        assert on.hub.timers == timers + 1

    run(main)


def test_the_path_is_told_for_how_long_what_comes_may_rest_but_where_it_is_urgent(run, monkeypatch):
    async def main(on: Stage) -> None:
        await on.start()
        given: list[object] = []
        rest = 0.5

        def rest_s(*told: object) -> float:
            given.append(told)
            return rest

        monkeypatch.setattr("lightpeer.download.source.rest_s", rest_s)
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 9.0)])
        assert given == [(on.source._flow, on.receiver, 10.0)]
        on.hub.is_urgent = True
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 9.0)])
        assert on.path.rested == [10.5, 10.0]

    run(main)


def test_after_a_rest_a_pull_goes_out_a_unit_early(run, monkeypatch):
    async def main(on: Stage) -> None:
        await on.start()
        missing = EARLY_BYTES
        monkeypatch.setattr(on.source._flow, "bytes_to_next_pull", lambda: missing)
        for rest, may_ask in ((0.0, False), (0.5, True), (0.0, False)):
            monkeypatch.setattr("lightpeer.download.source.rest_s", lambda *_, rest=rest: rest)
            await on.source._on_datagrams([Datagram(b"x", ADDRESS, 9.0)])
            assert on.source.may_ask() == may_ask
        missing = 0.0
        assert on.source.may_ask()
        missing = EARLY_BYTES + 1
        monkeypatch.setattr("lightpeer.download.source.rest_s", lambda *_: 0.5)
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 9.0)])
        assert not on.source.may_ask()

    run(main)


# Time.


def test_deadlines_are_those_of_the_receiver_while_udp_may_pass_and_of_the_transport(run):
    async def main(on: Stage) -> None:
        on.transport.due = 30.0
        assert on.source.next_deadline() == 30.0
        await on.start()
        assert on.source.next_deadline() == math.inf
        on.receiver.due, on.transport.due = 20.0, 30.0
        assert on.source.next_deadline() == 20.0
        on.transport.uses_udp = False
        assert on.source.next_deadline() == 30.0
        before = len(on.receiver.timeouts)
        on.source.check(21.0)
        assert len(on.receiver.timeouts) == before
        on.transport.uses_udp = True
        on.source.check(22.0)
        assert on.receiver.timeouts[before:] == [22.0]
        assert on.transport.log[-1] == ("decide", 22.0)

    run(main)


def test_the_choice_is_made_by_the_latest_round_trip_and_signs_of_life(run):
    async def main(on: Stage) -> None:
        await on.start()
        assert (on.transport.rtt_s, on.transport.is_alive) == (0.2, True)
        on.peer.is_alive = False
        on.hub.bandwidth.srtt_s = 0.7
        on.source.check(10.0)
        assert (on.transport.rtt_s, on.transport.is_alive) == (0.7, False)
        assert on.transport.heard_at == -1.0
        for passes in (True, False):
            on.hub.udp_passes = passes
            on.source.check(10.0)
            assert on.transport.passes_for_others is passes
        await on.do(Action.FALL_BACK)
        on.source.check(10.0)
        assert on.transport.heard_at == 3.5

    run(main)


def test_it_does_all_that_is_chosen_at_a_time(run):
    async def main(on: Stage) -> None:
        await on.start()
        timers = on.hub.timers
        await on.do(Action.MOVE, Action.PROBE)
        assert on.path.log == ["renewed"]
        assert on.receiver.moved == [10.0]
        assert on.path.sent == [b"probe"]
        ((ranges, pace, now),) = on.receiver.asked
        assert ranges == [
            (UnitRange(0, table_segment(0), 0, 1), [min(table_bytes(MADE.track, 0), MAX_PAYLOAD)])
        ]
        assert (pace, now) == (10_000, 10.0)
        assert on.receiver.forgotten == 1
        assert on.hub.timers >= timers + 2

    run(main)


def test_a_unit_by_udp_while_data_comes_by_grpc_may_be_reason_to_ask_for_more(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        on.transport.on_grpc = True
        arrived(on, 0, segment=0)
        timers = on.hub.timers
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.5)])
        assert on.receiver.asked == []
        assert on.hub.timers == timers + 1
        on.transport.trial = True
        arrived(on, 0, segment=0)
        await on.source._on_datagrams([Datagram(b"x", ADDRESS, 10.5)])
        ((ranges, pace, now),) = on.receiver.asked
        assert ranges == [(UnitRange(0, segment, 0, 1), [MAX_PAYLOAD]) for segment in range(3)]
        assert (pace, now) == (10_000, 10.5)
        assert on.hub.timers == timers + 2

    run(main)


# gRPC.


async def on_grpc(on: Stage, *wishes: int) -> FakeCall:
    """Have a source fall back, with the table and these segments wished for."""
    for segment in wishes:
        on.hub.scheduler.wish(0, segment)
    await on.start()
    await on.do(Action.FALL_BACK)
    on.transport.on_grpc = True
    return on.peer.calls[-1]


def test_falling_back_leaves_what_was_asked_to_a_call(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(0)
        on.source.ask(10.0)
        await on.do(Action.FALL_BACK)
        assert on.hub.transports == ["udp", "grpc"]
        assert on.receiver.forgotten == 0, "what the network holds of it counts when it comes"
        assert on.peer.log == ["hold"], "UDP never passed: the network is no other"
        (call,) = on.peer.calls
        assert call.sent == [(MADE.track.track_id, [(0, 0, 1)])]

    run(main)


def test_where_udp_had_passed_the_network_may_be_another_and_so_is_the_connection(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.receiver.arrived = 1
        await on.do(Action.FALL_BACK)
        assert on.peer.log == ["hold", "renew"]

    run(main)


def test_a_call_asks_for_one_then_more_and_names_the_track_once(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0, 1, 2, 3)
        assert call.sent == [(MADE.track.track_id, [(0, table_segment(0), 1)])]
        on.clock.jump(0.5)
        await on.answer(table_chunk())
        assert call.sent[1:] == [(b"", [(0, 0, 1), (0, 1, 1)])]
        assert on.source.delivered_bytes == len(MADE.tables[0][0])
        on.clock.jump(0.5)
        await on.answer(chunk(0))
        assert on.source.delivered_bytes == len(MADE.tables[0][0]) + len(MADE.segments[0][0])
        assert call.sent[2:] == [(b"", [(0, 2, 1), (0, 3, 1)])]
        assert on.hub.scheduler.next_event() == SegmentReady(0, 0, MADE.segments[0][0])
        assert on.hub.heard[-2:] == on.hub.data[-2:] == [10.5, 11.0]
        await on.answer(chunk(1), chunk(2), chunk(3))
        assert len(call.sent) == 3, "nothing is wished for"
        on.hub.wish(*range(4, 20))
        await trio.testing.wait_all_tasks_blocked()
        assert len(call.sent[-1][1]) == MOST

    run(main)


def test_a_call_asks_for_the_rendition_that_is_wished_and_has_as_long_as_udp(run):
    async def main(on: Stage) -> None:
        await on.start()
        on.hub.wish(7, rendition=1)
        await on.do(Action.FALL_BACK)
        assert on.peer.calls[0].sent == [(MADE.track.track_id, [(1, 7, 1)])]
        assert on.hub.scheduler.next_due() >= 10.0 + PATIENCE_S
        await on.answer(pb.Chunk(rendition=1, segment=7, data=b"false"))
        lie = on.hub.scheduler.next_event()
        assert isinstance(lie, SourceLied)
        assert lie.source is on.peer

    run(main)


def test_the_transport_is_told_when_something_is_due_and_what_came_of_it(run):
    async def main(on: Stage) -> None:
        timers = on.hub.timers
        await on_grpc(on, 0, 1)
        assert ("call", 10.0) in on.transport.log
        assert on.hub.timers > timers
        on.clock.jump(0.5)
        on.transport.log.clear()
        await on.answer(table_chunk())
        assert on.transport.log == [("chunk", 10.5, 0.75, False), ("call", 10.5)]
        on.clock.jump(0.5)
        on.transport.log.clear()
        await on.answer(chunk(0))
        assert on.transport.log == [("chunk", 11.0, 0.75, True)]
        assert on.hub.ended == []

    run(main)


def test_what_comes_by_a_call_is_measured_from_when_something_was_due(run):
    async def main(on: Stage) -> None:
        told = []
        on.hub.bandwidth.on_streamed = lambda *given: told.append(given)
        await on_grpc(on, 0, 1, 2)
        on.clock.jump(1.0)
        await on.answer(table_chunk())
        on.clock.jump(1.0)
        await on.answer(chunk(0))
        await on.answer(chunk(1))
        await on.answer(chunk(2))
        on.clock.jump(100.0)
        on.hub.wish(3)
        await trio.testing.wait_all_tasks_blocked()
        on.clock.jump(1.0)
        await on.answer(chunk(3))
        sizes = [len(MADE.tables[0][0]), *(len(MADE.segments[0][k]) for k in range(4))]
        assert [size for size, *_ in told] == sizes
        # The table alone was due first; of the others one was always due until the wait.
        assert [times for _, *times in told] == [
            [10.0, 11.0],
            [11.0, 12.0],
            [11.0, 12.0],
            [11.0, 12.0],
            [112.0, 113.0],
        ]

    run(main)


def test_an_answer_to_another_question_is_a_lie(run):
    async def main(on: Stage) -> None:
        await on_grpc(on, 0)
        await on.answer(chunk(5))
        assert on.hub.ended == [("a segment that was not asked for", True)]

    run(main)


def test_a_call_that_the_peer_ends_is_of_no_more_use(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        on.transport.may_go_on = True
        await on.answer(None)
        assert on.hub.ended == [("it ended the stream", False)]
        assert call.was_cancelled

    run(main)


WEATHER = RpcError(StatusCode.UNAVAILABLE, "no route")


@pytest.mark.parametrize(
    ("error", "may_go_on", "is_gone", "others_deliver", "is_kept"),
    [
        (WEATHER, True, False, False, True),
        (RpcError(StatusCode.DEADLINE_EXCEEDED, "slow"), True, False, False, True),
        (RpcError(StatusCode.CANCELLED, "reset"), True, False, False, True),
        (RpcError(StatusCode.NOT_FOUND, "no such track"), True, False, False, False),
        (SealError("foreign", "another peer"), True, False, False, False),
        (SealError("changed", "another message"), True, False, False, False),
        (BadMessageError("nonsense"), True, False, False, False),
        (WEATHER, False, False, False, False),
        (WEATHER, True, True, False, False),
        (WEATHER, True, False, True, False),
    ],
)
def test_a_call_that_fails_is_the_networks_fault_or_the_sources(
    run, error, may_go_on, is_gone, others_deliver, is_kept
):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        assert on.hub.scheduler.first_holder() is on.peer
        on.transport.may_go_on, on.peer.is_gone = may_go_on, is_gone
        on.hub.others_deliver = others_deliver
        on.clock.jump(3.0)
        timers = on.hub.timers
        await on.answer(error)
        assert call.was_cancelled
        assert on.hub.scheduler.first_holder() is None
        is_lie = isinstance(error, BadMessageError) and str(error) != "another peer"
        assert on.hub.ended == ([] if is_kept else [(str(error), is_lie)])
        if is_kept:
            assert on.hub.released == 1
            assert on.hub.timers > timers
            assert on.transport.log[-1] == ("call failed", 13.0)
            assert on.hub.asked_about == [(on.source, 13.0)]
            assert len(on.peer.calls) == 1

    run(main)


def test_returning_to_udp_ends_the_call_and_frees_what_it_had(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        await on.do(Action.RETURN)
        assert on.hub.transports == ["udp", "grpc", "udp"]
        assert call.was_cancelled
        assert on.hub.scheduler.first_holder() is None
        assert on.hub.released == 1
        assert on.hub.ended == []
        assert on.source._pull_call is None
        on.hub.wish(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(call.sent) == 1

    run(main)


def test_a_call_that_waits_for_work_ends_as_well(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on)
        assert call.sent == []
        await on.do(Action.RETURN)
        assert call.was_cancelled
        assert on.hub.ended == []

    run(main)


def test_a_call_that_sends_nothing_has_failed(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        await on.do(Action.END_CALL)
        assert call.was_cancelled
        (told,) = on.hub.ended
        assert told == ("the peer's answer was DEADLINE_EXCEEDED: it sends nothing", False)
        assert on.hub.released == 1

    run(main)


def test_where_the_connection_hangs_a_call_is_made_over_another(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        on.peer.log.clear()
        await on.do(Action.RECONNECT)
        assert on.peer.log == ["renew"]
        assert on.transport.log[-2:] == ["reconnected", ("call", 10.0)]
        assert call.was_cancelled
        assert len(on.peer.calls) == 2
        assert on.peer.calls[1].sent == [(MADE.track.track_id, [(0, table_segment(0), 1)])]
        assert on.hub.released == 1
        assert on.hub.ended == []

    run(main)


def test_a_call_that_came_to_life_meanwhile_goes_on(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        on.peer.connecting = trio.Event()
        await on.do(Action.RECONNECT)
        on.transport.is_hung = False
        on.peer.connecting.set()
        await trio.testing.wait_all_tasks_blocked()
        assert not call.was_cancelled
        assert len(on.peer.calls) == 1
        assert "reconnected" not in on.transport.log

    run(main)


@pytest.mark.parametrize("error", [None, WEATHER])
@pytest.mark.parametrize("then", [Action.RETURN, Action.FALL_BACK])
def test_a_connection_that_is_made_too_late_changes_nothing(run, error, then):
    """Data came by UDP again meanwhile, or another call was begun."""

    async def main(on: Stage) -> None:
        await on_grpc(on, 0)
        on.peer.connecting = trio.Event()
        on.peer.connect_error = error
        await on.do(Action.RECONNECT)
        await on.do(Action.RETURN)
        if then == Action.FALL_BACK:
            await on.do(Action.FALL_BACK)
        calls, released = len(on.peer.calls), on.hub.released
        on.peer.connecting.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(on.peer.calls) == calls
        assert on.hub.released == released
        assert on.hub.ended == []

    run(main)


def test_where_no_other_connection_can_be_made_the_call_has_failed(run):
    async def main(on: Stage) -> None:
        call = await on_grpc(on, 0)
        on.peer.connect_error = WEATHER
        await on.do(Action.RECONNECT)
        assert call.was_cancelled
        assert on.hub.ended == [(str(WEATHER), False)]
        assert on.hub.released == 1

    run(main)
