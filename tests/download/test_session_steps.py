"""A session step by step, with literal times: what wakes its listener, and what it does for its download.

The download is real; the connections to the sources note what they are told.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest
import trio
import trio.testing

from lightpeer.core.content.manifest import table_segment
from lightpeer.core.plan.rules import Fixed
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.download import Download
from lightpeer.core.segments.events import (
    AskPresent,
    EndCall,
    MovePort,
    Rebuffering,
    Reconnect,
    Resumed,
    SessionEvent,
    SourceLost,
    StartCall,
    TransportChanged,
)
from lightpeer.core.segments.policy import Policy
from lightpeer.core.segments.shared import Fault
from lightpeer.core.segments.source import Source
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.udp.datagram import DatagramKeys
from lightpeer.core.udp.opening import Chunk, Opened, UdpTerms
from lightpeer.download import session as module
from lightpeer.download.session import Callbacks, Session
from lightpeer.errors import NothingFoundError, StreamFailedError
from tests.pair import made_track

MADE = made_track(100)
TABLE = table_segment(0)
TERMS = UdpTerms(4000, 7, 1, DatagramKeys(b"p" * 32, b"d" * 32))
INLINE = [Chunk(0, TABLE, MADE.tables[0][0])]


@dataclass
class FakePeer:
    """A peer, as far as the download is told of it."""

    name: str = "a"
    rtt_s: float | None = None
    burst: None = None

    @property
    def peer_id(self) -> bytes:
        return self.name.encode() * 20


class FakeConnection:
    """Notes what it is told, each with the time."""

    has_socket = True

    def __init__(
        self,
        download: Download,
        source: Source,
        peer: FakePeer,
        _nursery: trio.Nursery,
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        self.download, self.source, self.peer, self.turn = download, source, peer, turn
        self.log: list[object] = []
        self.refreshed = 0

    async def open_path(self, network: object, terms: UdpTerms) -> bool:
        self.log.append(("open", network, terms.stream_id))
        return self.has_socket

    async def send(self, datagram: bytes) -> None:
        self.log.append(datagram)

    def ask(self, keys: Sequence[tuple[int, int]]) -> None:
        self.log.append(keys)

    def start_call(self, call_no: int, *, renews: bool) -> None:
        self.log.append(("call", call_no, renews))

    def end_call(self) -> None:
        self.log.append("end")

    async def move(self, *, is_flooded: bool) -> None:
        self.log.append(("move", is_flooded))

    async def reconnect(self, call_no: int) -> None:
        self.log.append(("reconnect", call_no))

    async def ask_present(self) -> None:
        self.log.append("present?")

    def refresh(self) -> None:
        self.refreshed += 1

    def close(self) -> None:
        self.log.append("close")

    async def give(self, *segments: int, false: bool = False) -> None:
        """Have answers come on the call."""
        for segment in segments:
            data = b"false" if false else MADE.read(0, segment)
            self.download.receive_chunk(self.source, Chunk(0, segment, data), 0.0, trio.current_time())
            await self.turn()


class Stage:
    """A session at 10 s, whose clock is set by hand."""

    def __init__(self, clock: trio.testing.MockClock, kind: type[Download], **more: object) -> None:
        self.clock = clock
        self.events: list[SessionEvent] = []
        self.lies: list[tuple[object, str]] = []
        self.served: list[tuple[object, int, float]] = []
        self.excluded: list[list[bytes]] = []
        self.sink_s = 0.0
        policy = Policy(Fixed(0))
        self.download = kind(MADE.track, policy, Bandwidth(), **more)
        self.session = Session(
            self.download,
            "network",
            self._find,
            Callbacks(
                self.events.append,
                lambda *lie: self.lies.append(lie),
                lambda *served: self.served.append(served),
                lambda: self.sink_s,
            ),
        )

    async def _find(self, exclude: Collection[PeerId]) -> AsyncGenerator[tuple[FakePeer, Opened], None]:
        self.excluded.append(list(exclude))
        raise NothingFoundError("nobody has it")
        yield

    @property
    def connection(self) -> FakeConnection:
        """The connection to the only source."""
        (connection,) = self.session._connections.values()
        return connection

    async def begin(
        self, nursery: trio.Nursery, chunks: Sequence[Chunk] = INLINE, udp: UdpTerms | None = None
    ) -> FakeConnection:
        """Run it with a first source."""
        nursery.start_soon(self.session.run, (FakePeer(), Opened(MADE.track, udp, tuple(chunks))))
        await trio.testing.wait_all_tasks_blocked()
        return self.connection

    async def jump(self, seconds: float) -> None:
        self.clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()


Run: TypeAlias = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a function with a stage and a nursery that is cancelled after it."""
    monkeypatch.setattr(module, "Connection", FakeConnection)

    def run_it(
        main: Callable[[Stage, trio.Nursery], Awaitable[None]],
        kind: type[Download] = Download,
        **more: object,
    ) -> None:
        clock = trio.testing.MockClock()

        async def body() -> None:
            clock.jump(10.0)
            async with trio.open_nursery() as nursery:
                await main(Stage(clock, kind, **more), nursery)
                nursery.cancel_scope.cancel()

        trio.run(body, clock=clock)

    return run_it


async def take(session: Session, into: list[int]) -> None:
    """Take segments until the end; note their numbers."""
    while (segment := await session.next_segment()) is not None:
        assert segment.data == MADE.segments[0][segment.segment]
        into.append(segment.segment)
    into.append(-1)


# The listener.


def test_it_shows_what_its_download_is(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        session, download = on.session, on.download
        assert (session.track, session.stats) == (MADE.track, download.stats)
        assert session.playout is download.playout
        session.seek(7)
        assert (session.cursor, session.buffer_s, session.complete) == (7, 0.0, False)
        assert (session.source_count, session.transport) == (0, "-")
        on.sink_s = 1.5
        assert session.ahead_s == 1.5
        await on.begin(nursery)
        assert (session.source_count, session.transport) == (1, "grpc")

    run(main)


def test_nobody_need_be_told(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        on.session = Session(on.download, "network", on._find)
        connection = await on.begin(nursery)
        await connection.give(0, 1)
        on.download.sources.drop(connection.source, Fault("it lied", is_lie=True), 10.0)
        await connection.turn()
        assert on.session.ahead_s == 2.0
        assert on.session.source_count == 0

    run(main)


def test_the_listener_waits_for_segments_and_is_woken_as_they_come(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        taken: list[int] = []
        connection = await on.begin(nursery)
        nursery.start_soon(take, on.session, taken)
        await connection.give(0)
        await trio.testing.wait_all_tasks_blocked()
        assert taken == []  # sound does not run yet
        on.sink_s = 1.0  # it has as much as lacks
        await connection.give(1)
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [0, 1]

    run(main)


def test_what_came_with_the_open_is_heard_while_the_socket_is_opened(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_path(_self: FakeConnection, _network: object, _terms: UdpTerms) -> bool:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(FakeConnection, "open_path", open_path)

    async def main(on: Stage, nursery: trio.Nursery) -> None:
        taken: list[int] = []
        nursery.start_soon(take, on.session, taken)
        await trio.testing.wait_all_tasks_blocked()
        inline = [*INLINE, *(Chunk(0, number, MADE.segments[0][number]) for number in range(2))]
        await on.begin(nursery, inline, TERMS)
        assert taken == [0, 1]

    run(main)


def test_the_end_is_none_and_all_that_is_left_may_be_waited_for(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        on.session.seek(98)
        connection, waited, taken = await on.begin(nursery, ()), [], []

        async def wait() -> None:
            await on.session.wait_until(lambda: on.session.complete)
            waited.append(True)

        nursery.start_soon(wait)
        await connection.give(table_segment(1), 98)
        await trio.testing.wait_all_tasks_blocked()
        assert not on.session.complete
        assert waited == []
        await connection.give(99)
        await trio.testing.wait_all_tasks_blocked()
        assert on.session.complete
        assert waited == [True]
        await take(on.session, taken)
        assert taken == [98, 99, -1]
        await on.session.wait_until(lambda: on.session.complete)

    run(main)


def test_a_seek_is_seen_to_at_once(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection, taken = await on.begin(nursery), []
        nursery.start_soon(take, on.session, taken)
        await connection.give(0)
        connection.log.clear()
        on.session.seek(50)
        assert on.session.cursor == 50
        await trio.testing.wait_all_tasks_blocked()
        await connection.give(1, 2)  # these were on their way
        assert connection.log[0][:2] == [(0, 50), (0, 51)]
        await connection.give(50, 51)
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [50, 51]

    run(main)


def test_a_failure_is_raised_until_somebody_can_go_on(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection, raised = await on.begin(nursery), []
        await connection.give(0, 1)
        for number in range(2):
            assert (await on.session.next_segment()).segment == number

        async def fail() -> None:
            with pytest.raises(StreamFailedError, match=r"^every peer .* sent corrupt data: .* --bootstrap$"):
                await on.session.next_segment()
            raised.append(True)

        nursery.start_soon(fail)
        await connection.give(2, false=True)
        await on.jump(4.0)  # to the next look
        assert raised == [True]
        await fail()
        await on.session._add(FakePeer("b"), Opened(MADE.track, None, ()))
        with trio.move_on_after(0) as scope:
            await on.session.next_segment()
        assert scope.cancelled_caught

    run(main)


def test_what_is_here_is_heard_whatever_has_failed(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery)
        await connection.give(0, 1)
        await connection.give(2, false=True)
        await on.jump(4.0)
        assert on.download.failure is not None
        assert [(await on.session.next_segment()).segment for _ in range(2)] == [0, 1]
        with pytest.raises(StreamFailedError):
            await on.session.next_segment()

    run(main)


# What is told.


def test_an_interruption_is_told_as_soon_as_the_sink_has_run_dry(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery)
        await connection.give(0, 1)
        for _ in range(2):
            await on.session.next_segment()
        on.sink_s = 0.5

        async def hear() -> None:
            while await on.session.next_segment() is not None:
                on.sink_s += 1.0

        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked()
        assert on.events == []
        on.sink_s = 0.0
        await on.jump(0.5)
        assert on.events == [Rebuffering()]
        await on.jump(2.0)
        await connection.give(2, 3, 4, 5)
        await trio.testing.wait_all_tasks_blocked()
        assert on.events == [Rebuffering(), Resumed(2.0)]
        assert on.session.playout.rebuffer_s == 2.0
        assert on.sink_s == 4.0

    run(main)


def test_who_lied_is_told_with_the_reason(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery)
        await connection.give(0)
        await connection.give(1, false=True)
        reason = "a segment whose bytes do not match their hash"
        assert on.lies == [(connection.peer, reason)]
        assert on.served == []
        assert on.events == [SourceLost("a", reason)]
        assert connection.log[-1] == "close"

    run(main)


def test_what_a_source_has_served_is_told_when_it_goes_if_it_has(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery)
        await on.session._add(FakePeer("b"), Opened(MADE.track, None, ()))
        idle = list(on.session._connections.values())[1]
        on.clock.jump(1.5)
        await connection.give(0)
        for gone in (connection, idle):
            on.download.sources.drop(gone.source, Fault("it is gone"), 11.5)
        await connection.turn()
        assert on.served == [(connection.peer, len(MADE.segments[0][0]), 1.5)]
        assert on.lies == []
        assert on.events == [SourceLost("a", "it is gone"), SourceLost("b", "it is gone")]

    run(main)


# What is carried out.


def test_a_source_gets_a_socket_where_it_offers_udp_and_it_is_wanted(run: Run) -> None:
    async def offered(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery, udp=TERMS)
        assert connection.log[0] == ("open", "network", 7)
        assert [type(told) for told in connection.log[1:]] == [bytes]  # a PULL
        assert on.session.transport == "udp"

    async def unwanted(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery, udp=TERMS)
        assert connection.log == [("call", 1, False), [(0, 0)]]

    run(offered)
    run(unwanted, transport="grpc")


def test_a_source_without_a_socket_is_called(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeConnection, "has_socket", False)

    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery, udp=TERMS)
        assert connection.log[1:] == [("call", 1, False), [(0, 0)]]

    run(main)


def test_commands_go_to_the_connection_of_the_source_that_they_name(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        first = await on.begin(nursery)
        await on.session._add(FakePeer("b"), Opened(MADE.track, None, ()))
        second = list(on.session._connections.values())[1]
        first.log.clear()
        second.log.clear()
        source = second.source
        on.download.events.extend(
            [EndCall(source), StartCall(source, 3, renews=True), TransportChanged("udp", "b")]
        )
        on.download.events.extend([MovePort(source, is_flooded=True)])
        await first.turn()
        await trio.testing.wait_all_tasks_blocked()
        for command in (Reconnect(source, 3), AskPresent(source)):
            on.download.events.append(command)
            await first.turn()
            await trio.testing.wait_all_tasks_blocked()
        told = ["end", ("call", 3, True), ("move", True), ("reconnect", 3), "present?"]
        assert [what for what in second.log if isinstance(what, str | tuple)] == told
        assert not any(isinstance(what, str | tuple) for what in first.log)
        assert on.events == [TransportChanged("udp", "b")]

    run(main)


# Time.


class Timed(Download):
    """A download whose deadline is set by hand, and which notes when it is called."""

    at = math.inf

    def __init__(self, *given: object, **more: object) -> None:
        super().__init__(*given, **more)
        self.called: list[tuple[float, float]] = []  # the time, and how much sound the sink has

    def next_deadline(self) -> float:
        return self.at

    def handle_timeout(self, now: float) -> None:
        self.called.append((now, self.buffer.sink_ahead_s))
        self.at = math.inf


def test_the_timer_follows_the_deadline(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        connection = await on.begin(nursery)
        assert connection.refreshed == 0
        on.download.at = 15.0
        on.session.seek(3)
        on.download.at = 14.0
        await connection.turn()
        await on.jump(3.75)
        assert on.download.called == []
        on.sink_s = 0.5
        await on.jump(0.25)
        assert on.download.called == [(14.0, 0.5)]
        assert connection.refreshed == 1
        await on.jump(10.0)
        assert len(on.download.called) == 1
        on.download.at = 20.0  # which is past
        nursery.start_soon(on.session.next_segment)
        await trio.testing.wait_all_tasks_blocked()
        assert on.download.called[1:] == [(24.0, 0.5)]

    run(main, Timed)


def test_a_turn_that_is_cancelled_while_it_sends_has_set_the_timer(run: Run) -> None:
    """A call may be ended while one of its answers is taken, and a datagram to another source waits."""

    async def main(on: Stage, nursery: trio.Nursery) -> None:
        async def open_another_socket(_datagram: bytes) -> None:
            await trio.sleep_forever()

        connection = await on.begin(nursery, udp=TERMS)
        connection.send = open_another_socket
        on.download._shared.out.append((connection.source, b"a PULL"))
        on.download.at = 15.0
        with trio.move_on_after(0) as ended:
            await connection.turn()
        assert ended.cancelled_caught
        await on.jump(5.0)
        assert on.download.called == [(15.0, 0.0)]

    run(main, Timed)


def test_it_runs_until_it_is_cancelled_and_then_closes_its_sources(run: Run) -> None:
    async def main(on: Stage, nursery: trio.Nursery) -> None:
        async with trio.open_nursery() as running:
            connection = await on.begin(running)
            await on.jump(2.0)
            await connection.give(0)
            connection.log.clear()
            running.cancel_scope.cancel()
        assert connection.log == ["end", "close"]
        assert on.served == [(connection.peer, len(MADE.segments[0][0]), 2.0)]
        assert on.session._connections == {}
        assert on.events == []

    run(main)
