"""The sockets and the call of one source, with a peer that does what it is told to."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.shared import Fault
from lightpeer.core.udp.opening import Chunk, UdpTerms
from lightpeer.download.connection import Connection, state_of
from lightpeer.errors import BadMessageError, RemoteError, RpcError, SealError
from lightpeer.net.network import Datagram
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.testing.network import SimInternet, simulate
from tests.core.udp.link import KEYS
from tests.net.test_udp_path import SERVER, echo

TERMS = UdpTerms(SERVER[1], 7, 8, KEYS)
TRACK_ID = b"t" * 32
REST_S = 0.5
WEATHER = RpcError(StatusCode.UNAVAILABLE, "no route")
LOST = "the connection to 10.0.0.1:47474 is lost"


class FakeCall:
    """A Streams.Pull whose answers are put in by hand; an error breaks it."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, list[tuple[int, int, int]]]] = []
        self.may_send = trio.Event()
        self.may_send.set()
        self.give, self._take = trio.open_memory_channel[pb.Chunk | RemoteError | None](math.inf)
        self.heard_s = 3.5
        self.was_cancelled = False

    async def send(self, request: pb.PullRequest) -> None:
        self.sent.append((request.track_id, [(r.rendition, r.first, r.count) for r in request.ranges]))
        await self.may_send.wait()

    async def receive(self) -> pb.Chunk | None:
        answer = await self._take.receive()
        if isinstance(answer, RemoteError):
            raise answer
        return answer

    def take_silence_s(self) -> float:
        return 0.75

    def cancel(self) -> None:
        self.was_cancelled = True


class FakePeer:
    name = "the peer"
    peer_id = b"id"
    address = ("10.0.0.1", 47474)

    def __init__(self) -> None:
        self.hosts = [SERVER[0]]
        self.burst = SimpleNamespace(rate_bytes_per_s=40_000.0)
        self.rtt_s: float | None = 0.2
        self.is_alive, self.is_gone = True, False
        self.log: list[str] = []
        self.calls: list[FakeCall] = []
        self.error: RpcError | None = None  # of the next call or connection
        self.present = 0

    def hold(self) -> None:
        self.log.append("hold")

    def release(self) -> None:
        self.log.append("release")

    def renew(self) -> None:
        self.log.append("renew")

    async def connect(self) -> None:
        if self.error is not None:
            raise self.error

    async def open(self, request: pb.OpenRequest) -> pb.OpenReply:
        assert request == pb.OpenRequest(track_id=TRACK_ID, manifest_known=True), "nothing comes inline"
        await self.connect()
        return pb.OpenReply(present=self.present)

    def pull(self) -> FakeCall:
        if self.error is not None:
            raise self.error
        self.calls.append(FakeCall())
        return self.calls[-1]


class Told:
    """A download that notes what it is told."""

    def __init__(self, source: object) -> None:
        self.track = SimpleNamespace(track_id=TRACK_ID, renditions=[24, 48, 96])
        self.log: list[object] = []
        self._source = source
        self.sources = SimpleNamespace(presence=self)

    def _note(self, source: object, *told: object) -> None:
        assert source is self._source
        self.log.append(told)

    def receive(self, source: object, came: Sequence[Datagram], now: float) -> tuple[bool, float]:
        self._note(source, [datagram.data for datagram in came], now)
        return True, REST_S

    def receive_chunk(self, source: object, chunk: Chunk, silence_s: float, now: float) -> None:
        self._note(source, chunk, silence_s, now)

    def on_moved(self, source: object, now: float, *, is_flooded: bool) -> None:
        self._note(source, "moved", now, is_flooded)

    def on_reconnected(self, source: object, call_no: int, now: float) -> None:
        self._note(source, "reconnected", call_no, now)

    def on_told(self, source: object, present: int, now: float) -> None:
        self._told = source, "present", present, now

    def handle_timeout(self, now: float) -> None:
        assert self._told[-1] == now
        self._note(*self._told)

    def on_call_failed(
        self, source: object, call_no: int, fault: Fault, now: float, *, is_weather: bool
    ) -> None:
        self._note(source, call_no, fault, now, is_weather)


class Stage:
    """A connection from a phone to a server that answers each datagram by itself."""

    def __init__(self, net: SimInternet, nursery: trio.Nursery) -> None:
        self.phone = net.host("10.0.9.1")
        nursery.start_soon(echo, net.host(SERVER[0]))
        self.peer = FakePeer()
        self.source = SimpleNamespace(peer=PeerState(None, "the peer"), is_closed=False)
        self.download = Told(self.source)
        self.turns, self.turn_s = 0, 0.0
        self.connection = Connection(self.download, self.source, self.peer, nursery, self.turn)

    async def turn(self) -> None:
        self.turns += 1
        assert self.turns == len(self.download.log), "once for each that is told"
        await trio.sleep(self.turn_s)

    @property
    def told(self) -> list[object]:
        return self.download.log

    async def call(self, *keys: tuple[int, int], call_no: int = 1) -> FakeCall:
        """Make a call; ask for some objects on it."""
        self.connection.start_call(call_no, renews=False)
        for key in keys:
            self.connection.ask([key])
        await wait_all_tasks_blocked()
        return self.peer.calls[-1]


def run(act: Callable[[Stage], Awaitable[None]], seed: int = 1) -> None:
    async def main(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:
            await act(Stage(net, nursery))
            nursery.cancel_scope.cancel()

    simulate(main, seed)


def chunk(segment: int) -> pb.Chunk:
    return pb.Chunk(rendition=0, segment=segment, data=b"bytes")


@pytest.mark.parametrize(
    ("burst", "tcp_bytes_per_s"),
    [
        (SimpleNamespace(rate_bytes_per_s=40_000.0), 40_000.0),
        (SimpleNamespace(rate_bytes_per_s=0.0), math.inf),
        (None, math.inf),
    ],
)
def test_where_no_reply_was_long_enough_to_measure_nothing_is_known_of_tcp(burst, tcp_bytes_per_s):
    peer = FakePeer()
    peer.burst = burst
    assert state_of(peer) == PeerState(b"id", "the peer", 0.2, tcp_bytes_per_s)


def test_the_core_is_told_how_the_connection_is():
    async def act(on: Stage) -> None:
        on.peer.rtt_s, on.peer.is_alive, on.peer.is_gone = 0.7, False, True
        on.connection.refresh()
        state = on.source.peer
        assert (state.rtt_s, state.is_alive, state.is_gone, state.heard_at) == (0.7, False, True, -math.inf)
        await on.call()
        on.connection.refresh()
        assert state.heard_at == 3.5
        on.connection.end_call()
        on.connection.refresh()
        assert state.heard_at == -math.inf

    run(act)


def test_a_connection_that_is_closed_leaves_nothing():
    async def act(on: Stage) -> None:
        assert on.peer.log == ["hold"]
        await on.connection.open_path(on.phone, TERMS)
        call = await on.call((0, 1))
        on.connection.close()
        await wait_all_tasks_blocked()
        assert call.was_cancelled
        assert not on.phone.udp
        assert on.peer.log == ["hold", "release"]
        assert on.told == []

    run(act)


def test_what_is_begun_as_the_source_is_closed_disturbs_nobody() -> None:
    """The peer's connection may serve another track."""

    async def act(on: Stage) -> None:
        await on.connection.open_path(on.phone, TERMS)
        on.connection.start_call(1, renews=False)
        on.source.is_closed = True
        on.connection.close()
        await on.connection.move(is_flooded=False)
        await on.connection.reconnect(1)
        await wait_all_tasks_blocked()
        assert on.peer.log == ["hold", "release"]
        assert on.peer.calls == []
        assert on.told == []
        assert not on.phone.udp

    run(act)


# UDP.


def test_datagrams_go_over_the_path_and_what_comes_next_may_rest():
    async def act(on: Stage) -> None:
        await on.connection.send(b"nowhere")  # before there is a path
        assert await on.connection.open_path(on.phone, TERMS)
        await on.connection.send(b"one")
        await trio.sleep(0.1)
        ((data, now),) = on.told
        assert (data, on.turns) == ([b"one"], 1)
        for word in (b"two", b"three"):
            await on.connection.send(word)
        await trio.sleep(1.0)
        assert on.told[1:] == [([b"two", b"three"], now + REST_S)]

    run(act)


def test_a_rest_begins_when_the_turn_is_over():
    async def act(on: Stage) -> None:
        on.turn_s = 0.25
        assert await on.connection.open_path(on.phone, TERMS)
        await on.connection.send(b"one")
        await trio.sleep(0.1)
        ((_, now),) = on.told
        await on.connection.send(b"two")
        await trio.sleep(1.0)
        assert on.told[1:] == [([b"two"], now + on.turn_s + REST_S)]

    run(act)


def test_without_a_socket_there_is_no_path(monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise OSError("no more sockets")

    async def act(on: Stage) -> None:
        monkeypatch.setattr(on.phone, "open_udp", refuse)
        assert not await on.connection.open_path(on.phone, TERMS)
        await on.connection.send(b"nowhere")
        on.connection.close()
        assert on.told == []

    run(act)


def test_a_source_that_is_lost_while_its_socket_opens_has_none(monkeypatch: pytest.MonkeyPatch):
    async def act(on: Stage) -> None:
        open_udp = on.phone.open_udp

        async def open_late(*given: object, **more: object) -> object:
            on.source.is_closed = True
            on.connection.close()
            return await open_udp(*given, **more)

        monkeypatch.setattr(on.phone, "open_udp", open_late)
        await on.connection.open_path(on.phone, TERMS)
        assert not on.phone.udp

    run(act)


@pytest.mark.parametrize("is_flooded", [False, True])
def test_a_path_goes_on_over_another_port_and_hears_no_more_on_one_that_is_flooded(is_flooded):
    async def act(on: Stage) -> None:
        await on.connection.open_path(on.phone, TERMS)
        (first,) = on.phone.udp
        await on.connection.move(is_flooded=is_flooded)
        assert on.told == [("moved", trio.current_time(), is_flooded)]
        assert (first in on.phone.udp) != is_flooded
        assert on.phone.udp.keys() - {first}

    run(act)


# gRPC.


def test_a_call_asks_for_what_it_is_told_to_and_names_the_track_once():
    async def act(on: Stage) -> None:
        call = await on.call()
        assert call.sent == []
        on.connection.ask([(0, 5)])
        await wait_all_tasks_blocked()
        assert call.sent == [(TRACK_ID, [(0, 5, 1)])]
        on.connection.ask([(1, 6), (1, 7)])  # may come while an answer is due: it goes out after that
        call.give.send_nowait(chunk(5))
        await wait_all_tasks_blocked()
        assert on.told == [(Chunk(0, 5, b"bytes"), 0.75, trio.current_time())]
        assert call.sent[1:] == [(b"", [(1, 6, 1), (1, 7, 1)])]
        for segment in (6, 7):
            call.give.send_nowait(chunk(segment))
        await wait_all_tasks_blocked()
        assert [told[0].segment for told in on.told] == [5, 6, 7]
        on.connection.ask([(1, 8)])
        await wait_all_tasks_blocked()
        assert call.sent[2:] == [(b"", [(1, 8, 1)])]
        assert not call.was_cancelled

    run(act)


def test_a_call_sends_all_that_it_is_told_to_ask_for_before_it_waits():
    async def act(on: Stage) -> None:
        call = await on.call((0, 1), (0, 2))
        assert call.sent == [(TRACK_ID, [(0, 1, 1)]), (b"", [(0, 2, 1)])]

    run(act)


def test_a_call_does_not_wait_for_an_answer_before_it_has_asked():
    """The core says that something is due before the shell has come to pass it on."""

    async def act(on: Stage) -> None:
        on.source.call = SimpleNamespace(is_answer_due=True)
        call = await on.call()
        on.connection.ask([(0, 1)])
        await wait_all_tasks_blocked()
        assert call.sent == [(TRACK_ID, [(0, 1, 1)])]

    run(act)


def test_a_call_that_is_ended_is_cancelled_whatever_it_waits_for():
    async def act(on: Stage) -> None:
        for keys in ([], [(0, 1)]):
            call = await on.call(*keys)
            on.connection.end_call()
            await wait_all_tasks_blocked()
            assert call.was_cancelled
        on.connection.start_call(3, renews=False)
        on.connection.end_call()
        await wait_all_tasks_blocked()
        assert on.peer.calls[-1].was_cancelled
        assert on.told == []

    run(act)


def test_another_call_takes_over_with_nothing_that_the_former_was_to_ask_for():
    async def act(on: Stage) -> None:
        first = await on.call((0, 1))
        on.connection.ask([(0, 2)])
        on.connection.start_call(2, renews=True)
        on.connection.ask([(0, 3)])
        await wait_all_tasks_blocked()
        assert first.was_cancelled
        assert on.peer.log == ["hold", "renew"]
        assert on.peer.calls[1].sent == [(TRACK_ID, [(0, 3, 1)])]

    run(act)


@pytest.mark.parametrize("is_followed", [False, True])
@pytest.mark.parametrize("answer", [chunk(1), None, WEATHER])
def test_what_comes_as_the_call_is_ended_is_told_to_nobody_as_the_next_ones(answer, is_followed):
    async def act(on: Stage) -> None:
        call = await on.call((0, 1))
        call.give.send_nowait(answer)
        on.connection.end_call()
        if is_followed:
            on.connection.start_call(2, renews=False)
            on.connection.ask([(0, 3)])
        await wait_all_tasks_blocked()
        assert call.was_cancelled
        assert on.told == ([(1, Fault(LOST), 0.0, True)] if answer is WEATHER else [])
        assert len(on.peer.calls) == 1 + is_followed

    run(act)


@pytest.mark.parametrize("seed", range(4))  # either call may go on first
def test_a_call_whose_request_goes_out_as_it_is_ended_asks_for_nothing_of_the_next(seed):
    async def act(on: Stage) -> None:
        on.connection.start_call(1, renews=False)
        await wait_all_tasks_blocked()
        (first,) = on.peer.calls
        first.may_send = trio.Event()
        on.connection.ask([(0, 1)])
        await wait_all_tasks_blocked()
        first.may_send.set()
        on.connection.start_call(2, renews=False)
        on.connection.ask([(0, 2)])
        await wait_all_tasks_blocked()
        assert first.sent == [(TRACK_ID, [(0, 1, 1)])]
        assert on.peer.calls[1].sent == [(TRACK_ID, [(0, 2, 1)])]

    run(act, seed)


@pytest.mark.parametrize(
    ("error", "why", "is_lie", "is_weather"),
    [
        (WEATHER, LOST, False, True),
        (RpcError(StatusCode.DEADLINE_EXCEEDED, "slow"), "10.0.0.1:47474 does not answer", False, True),
        (RpcError(StatusCode.CANCELLED, "reset"), "reset", False, True),
        (RpcError(StatusCode.NOT_FOUND, "no such track"), "no such track", False, False),
        (SealError("foreign", "another peer"), "another peer", False, False),
        (SealError("changed", "another message"), "another message", True, False),
        (BadMessageError("nonsense"), "nonsense", True, False),
    ],
)
def test_a_call_that_fails_tells_why_and_whether_the_network_may_be_to_blame(error, why, is_lie, is_weather):
    async def act(on: Stage) -> None:
        call = await on.call((0, 1), call_no=4)
        on.peer.is_gone = True
        call.give.send_nowait(error)
        await wait_all_tasks_blocked()
        assert call.was_cancelled
        assert on.told == [(4, Fault(why, is_lie), trio.current_time(), is_weather)]
        assert on.source.peer.is_gone, "the core knows"
        assert on.turns == 1

    run(act)


def test_a_call_that_the_peer_ends_has_failed():
    async def act(on: Stage) -> None:
        call = await on.call((0, 1))
        call.give.send_nowait(None)
        await wait_all_tasks_blocked()
        assert on.told == [(1, Fault("it ended the stream"), 0.0, False)]
        assert call.was_cancelled

    run(act)


def test_a_call_that_cannot_be_made_has_failed():
    async def act(on: Stage) -> None:
        on.peer.error = WEATHER
        on.connection.start_call(1, renews=False)
        await wait_all_tasks_blocked()
        assert on.told == [(1, Fault(LOST), 0.0, True)]

    run(act)


def test_another_connection_is_made_and_the_core_is_told():
    async def act(on: Stage) -> None:
        await on.connection.reconnect(3)
        assert on.peer.log == ["hold", "renew"]
        assert on.told == [("reconnected", 3, 0.0)]
        on.peer.error = WEATHER
        await on.connection.reconnect(4)
        assert on.told[1:] == [(4, Fault(LOST), 0.0, True)]
        assert on.turns == 2

    run(act)


@pytest.mark.parametrize(
    ("present", "error", "told"),
    [(2, None, 2), (0, None, 3), (4, None, 1), (2, WEATHER, 1)],
)
def test_a_peer_is_asked_which_renditions_it_has_now(present, error, told):
    """What cannot be true, and what does not come, leave it as it was."""

    async def act(on: Stage) -> None:
        on.source.peer.present = 1
        on.peer.present, on.peer.error = present, error
        await on.connection.ask_present()
        assert on.told == [("present", told, trio.current_time())]

    run(act)


def test_a_source_that_is_closed_meanwhile_is_not_asked():
    async def act(on: Stage) -> None:
        on.source.is_closed = True
        await on.connection.ask_present()
        assert on.told == []

    run(act)
