"""One connection over one stream: who is read when, what is sent at once, and how it ends."""

from __future__ import annotations

from typing import Any, ClassVar

import h2.connection
import h2.events
import pytest
import trio
import trio.testing

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.net.network import listener_address
from lightpeer.net.system import SystemNetwork, TcpStream
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.link import (
    CRUMBS_BYTES,
    READ_BYTES,
    SMALL_FRAME_BYTES,
    STALLED_WRITE_S,
    WRITE_BYTES,
    Hooks,
    Link,
    Unpaced,
)
from lightpeer.rpc.server import Context, RpcServer, unary_stream, unary_unary
from tests.rpc.service import run, settle, stream_pair

REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/t/Sum"),
    (":authority", "h"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


def test_a_client_that_takes_nothing_off_the_wire_is_cut_off():
    async def main():
        async with trio.open_nursery() as nursery:
            server = RpcServer({})
            _, theirs = stream_pair(trio.testing.lockstep_stream_pair)
            nursery.start_soon(server.serve_connection, theirs)
            await trio.sleep(STALLED_WRITE_S - 1)
            assert server.connection_count == 1
            await trio.sleep(2)
            assert server.connection_count == 0

    run(main)


def test_a_connection_that_breaks_while_we_send_is_over():
    async def main():
        async with trio.open_nursery() as nursery:
            server = RpcServer({})
            ours, theirs = stream_pair(trio.testing.lockstep_stream_pair)
            nursery.start_soon(server.serve_connection, theirs)
            await settle()
            await ours.aclose()
            await settle()
            assert server.connection_count == 0

    run(main)


def test_what_a_socket_does_not_take_at_once_is_sent_by_the_writer(monkeypatch):
    async def echo(request: bytes, _context: Context) -> bytes:
        return request

    send_now = TcpStream.send_now
    monkeypatch.setattr(TcpStream, "send_now", lambda stream, data: send_now(stream, data[:10]))

    async def main():
        network = SystemNetwork()
        listener = await network.listen_tcp("127.0.0.1", 0)
        request = bytes(range(256)) * 1000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(RpcServer({"/t/Echo": unary_unary(echo)}).serve, [listener])
            async with open_channel(network, *listener_address(listener)) as channel:
                for _ in range(3):
                    assert await channel.unary_unary("/t/Echo")(request) == request
            nursery.cancel_scope.cancel()

    trio.run(main)


class SlowStream(trio.abc.Stream):
    """Takes so many bytes a second, and has nothing to say but a client's first words."""

    def __init__(self, bytes_per_s: float, said: bytes) -> None:
        self.peer_address = self.local_address = ("192.0.2.1", 1)
        self._bytes_per_s = bytes_per_s
        self._said = said
        self.taken_bytes = 0

    async def send_all(self, data) -> None:
        for start in range(0, len(data), 100):
            piece = data[start : start + 100]
            await trio.sleep(len(piece) / self._bytes_per_s)
            self.taken_bytes += len(piece)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes=None) -> bytes:
        await trio.lowlevel.checkpoint()
        said, self._said = self._said[:max_bytes], self._said[max_bytes:]
        if not said:
            await trio.sleep_forever()
        return said

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("bytes_per_s", "is_served"), [(1000, True), (100, False)])
def test_a_client_may_read_slowly_but_not_stop(bytes_per_s, is_served):
    async def reply(_request: bytes, context: Context) -> None:
        for _ in range(10):
            await context.write(bytes(20_000))

    async def main():
        client = h2.connection.H2Connection()
        client.initiate_connection()
        client.increment_flow_control_window(1_000_000)
        client.increment_flow_control_window(1, None)
        client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1_000_000})
        client.send_headers(1, REQUEST)
        client.send_data(1, bytes(5), end_stream=True)
        stream = SlowStream(bytes_per_s, client.data_to_send())
        server = RpcServer({"/t/Sum": unary_stream(reply)}, limits=Limits(keepalive_s=1e6))
        with trio.move_on_after(1000):
            await server.serve_connection(stream)
        assert (stream.taken_bytes > 200_000) == is_served

    run(main)


def test_a_peer_of_crumbs_is_read_a_little_at_a_time():
    class Recorder(SlowStream):
        sizes: ClassVar[list[int]] = []

        async def receive_some(self, max_bytes=None) -> bytes:
            self.sizes.append(max_bytes)
            return await super().receive_some(max_bytes)

    async def main():
        client = h2.connection.H2Connection()
        client.initiate_connection()
        client.send_headers(1, REQUEST)
        hello = client.data_to_send()
        for _ in range(2000):
            client.send_data(1, b"x")
        crumbs = client.data_to_send()
        stream = Recorder(1e9, hello + crumbs)
        with trio.move_on_after(1):
            await RpcServer({}).serve_connection(stream)
        assert set(stream.sizes) == {CRUMBS_BYTES}

    run(main)


# --- a link alone, whose peer is driven by hand ---------------------------------------------------


class Scene:
    """A link to a peer that a test speaks for, and what the link has told."""

    def __init__(self, pacing: Any = None, limits: Limits | None = None) -> None:
        self.ours, self.theirs = stream_pair()
        self.core = ClientConnection("h:1", limits or Limits(), trio.current_time())
        self.told: list[Any] = []
        self.greetings: list[float] = []
        self.held: list[int] = []
        hooks = Hooks(self.told.append, lambda: self.greetings.append(trio.current_time()), self.held.append)
        self.link = Link(self.ours, self.core, hooks, pacing)
        self.peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    async def greet(self) -> None:
        self.peer.initiate_connection()
        await self.say()

    async def say(self) -> None:
        await self.theirs.send_all(self.peer.data_to_send())
        await settle()

    async def hear(self) -> list[h2.events.Event]:
        return self.peer.receive_data(await self.theirs.receive_some(2**20))


def with_scene(act, **options) -> None:
    async def main():
        scene = Scene(**options)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.link.run)
            await settle()
            await act(scene)
            nursery.cancel_scope.cancel()

    run(main)


class Turns:
    """Pacing that notes what it is told, and makes each read wait."""

    read_bytes = 100

    def __init__(self, wait_s: float = 0.0) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.wait_s = wait_s

    def book(self, now: float) -> float:
        self.log.append(("book", now))
        return self.wait_s

    def charge(self, work: float, taken_bytes: int, now: float) -> None:
        self.log.append(("charge", work, taken_bytes, now))

    def leave(self, now: float) -> None:
        self.log.append(("leave", now))


def test_a_peer_is_known_to_speak_http_2_once_and_when_its_settings_came():
    async def act(scene):
        assert scene.greetings == []
        await trio.sleep(2)
        await scene.greet()
        scene.peer.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 9})
        await scene.say()
        assert scene.greetings == [2]

    with_scene(act)


def test_each_read_is_booked_then_waited_for_then_charged():
    pacing = Turns(wait_s=3.0)

    async def act(scene):
        scene.peer.initiate_connection()
        hello = scene.peer.data_to_send()
        await scene.theirs.send_all(hello)
        await settle()
        assert pacing.log == [("book", 0)]
        assert scene.greetings == [], "it waits for its turn"
        await trio.sleep(3)
        await settle()
        (_, work, taken_bytes, now) = pacing.log[1]
        assert (pacing.log[1][0], work > 0, taken_bytes, now) == ("charge", True, len(hello), 3)
        assert scene.greetings == [3]

    with_scene(act, pacing=pacing)


def test_the_end_of_a_stream_needs_no_turn_and_whoever_paces_is_told_of_it():
    pacing = Turns(wait_s=3.0)

    async def act(scene):
        await trio.sleep(1)
        await scene.theirs.aclose()
        await settle()
        assert not scene.core.is_open
        assert [entry[0] for entry in pacing.log] == ["charge", "leave"]
        assert pacing.log[-1] == ("leave", 1)

    with_scene(act, pacing=pacing)


def test_a_link_that_is_cancelled_leaves_too_and_its_calls_end():
    pacing = Turns()

    async def main():
        scene = Scene(pacing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.link.run)
            await settle()
            call = scene.core.start("/t/Echo", trio.current_time())
            nursery.cancel_scope.cancel()
        assert call.status.code is StatusCode.UNAVAILABLE
        assert scene.told == [call]
        assert pacing.log[-1] == ("leave", 0)
        with pytest.raises(trio.ClosedResourceError):
            await scene.ours.inner.send_all(b"x")

    run(main)


def test_an_unpaced_peer_of_large_frames_is_read_in_large_pieces_until_they_are_small():
    pacing = Unpaced()
    assert (pacing.book(1.0), pacing.read_bytes) == (0.0, CRUMBS_BYTES)
    pacing.charge(2.0, 2 * SMALL_FRAME_BYTES, 1.0)
    assert pacing.read_bytes == READ_BYTES
    pacing.charge(2.0, 2 * SMALL_FRAME_BYTES - 1, 1.0)
    assert pacing.read_bytes == CRUMBS_BYTES
    pacing.leave(1.0)


def test_what_is_held_for_a_peer_counts_until_it_is_taken():
    async def main():
        scene = Scene()
        scene.ours.inner.send_stream.send_all_hook = trio.sleep_forever  # it takes nothing
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.link.run)
            await settle()
            hello_bytes = scene.held[-1]
            assert hello_bytes > 0
            call = scene.core.start("/t/Echo", trio.current_time())
            call.send(bytes(5000))
            scene.link.flush()
            assert scene.held[-1] >= hello_bytes + 5000
            nursery.cancel_scope.cancel()

    run(main)


def test_nothing_is_sent_at_once_before_the_writer_rests_or_where_it_cannot_be():
    async def act(scene):
        await scene.greet()
        await scene.hear()
        call = scene.core.start("/t/Echo", trio.current_time())
        call.send(b"request", end=True)
        scene.link.flush(at_once=True)
        await settle()
        kinds = [type(event) for event in await scene.hear()]
        assert h2.events.RequestReceived in kinds
        assert h2.events.StreamEnded in kinds

    with_scene(act)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_socket_that_takes_all_leaves_the_writer_nothing(at_once, monkeypatch):
    taken: list[int] = []
    whole = TcpStream.send_now
    monkeypatch.setattr(
        TcpStream, "send_now", lambda stream, data: taken.append(len(data)) or whole(stream, data)
    )

    async def main():
        network = SystemNetwork()
        listener = await network.listen_tcp("127.0.0.1", 0)
        stream = await network.connect_tcp(*listener_address(listener))
        core = ClientConnection("h:1", Limits(), trio.current_time())
        link = Link(stream, core, Hooks(lambda _: None))
        async with trio.open_nursery() as nursery, await listener.accept() as theirs:
            nursery.start_soon(link.run)
            assert (await theirs.receive_some()).startswith(b"PRI * HTTP/2.0")
            await settle()
            taken.clear()
            core.start("/t/Echo", trio.current_time())
            link.flush(at_once=at_once)
            assert len(taken) == at_once
            assert await theirs.receive_some()
            await settle()
            assert len(taken) == 1, "and once only"
            nursery.cancel_scope.cancel()
        await listener.aclose()

    trio.run(main)


def test_a_deadline_that_comes_nearer_is_kept_and_one_that_goes_away_costs_nothing():
    async def act(scene):
        await scene.greet()
        later = scene.core.start("/t/Sleep", 0.0, CallTerms(deadline=9.0))
        scene.link.flush()
        await settle()
        sooner = scene.core.start("/t/Sleep", 0.0, CallTerms(deadline=4.0))
        scene.link.flush()
        await trio.sleep(4)
        await settle()
        assert sooner.status.code is StatusCode.DEADLINE_EXCEEDED
        assert later.status is None
        later.cancel()
        scene.link.flush()
        told = len(scene.told)
        await trio.sleep(20)
        assert len(scene.told) == told

    with_scene(act)


def test_a_stream_that_breaks_while_it_is_read_is_at_its_end():
    async def main():
        scene = Scene()

        async def broken(_size: int) -> bytes:
            await trio.sleep(2)
            raise trio.BrokenResourceError

        scene.ours.receive_some = broken
        await scene.link.run()
        assert trio.current_time() == 2
        assert scene.core.why_closed == "the connection was closed"

    run(main)


@pytest.mark.parametrize(("takes_s", "is_kept"), [(STALLED_WRITE_S - 1, True), (STALLED_WRITE_S + 1, False)])
def test_a_peer_has_so_long_for_each_piece_and_not_for_all_of_them(takes_s, is_kept):
    sizes = []

    async def main():
        scene = Scene()

        async def slowly(data: bytes) -> None:
            await trio.sleep(takes_s)
            sizes.append(len(data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.link.run)
            await settle()
            await scene.greet()
            scene.peer.increment_flow_control_window(10 * WRITE_BYTES)
            await scene.say()
            scene.ours.send_all = slowly
            call = scene.core.start("/t/Sum", trio.current_time())
            call.send(bytes(3 * WRITE_BYTES))
            scene.link.flush()
            await trio.sleep(3.5 * STALLED_WRITE_S)
            assert scene.core.is_open == is_kept
            nursery.cancel_scope.cancel()

    run(main)
    assert (len(sizes) >= 3) == is_kept
    assert all(size <= WRITE_BYTES for size in sizes)
