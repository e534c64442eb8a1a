from __future__ import annotations

import errno
import logging
import random
from typing import ClassVar

import h2.connection
import h2.events
import pytest
import trio
import trio.testing

from lightpeer.core.rpc.frame_gate import ErrorCode, FrameType
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, UsageError
from lightpeer.net.network import listener_address
from lightpeer.net.system import SystemNetwork, TcpStream
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.link import CRUMBS_BYTES, STALLED_WRITE_S
from lightpeer.rpc.server import Context, RpcServer, ServerBounds, unary_stream, unary_unary
from tests.rpc.service import MemoryNetwork, Service, run, serving, stream_pair

REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/t/Sum"),
    (":authority", "h"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def code_of(call) -> StatusCode:
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.code()


# --- handlers -----------------------------------------------------------------------------------


def test_an_exception_becomes_internal_is_logged_and_its_text_stays_here(caplog):
    async def main():
        async with serving() as f:
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_unary("/t/Crash")(b"")
            assert caught.value.code() is StatusCode.INTERNAL
            assert "secret" not in str(caught.value)
            assert await f.channel.unary_unary("/t/Echo")(b"still here") == b"still here"

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "a secret" in caplog.text


@pytest.mark.parametrize("requests", [[], [b"a", b"b"]])
def test_a_method_of_one_request_gets_exactly_one(requests):
    async def main():
        async with serving() as f:
            assert await code_of(f.channel.stream_unary("/t/Echo")(requests)) is StatusCode.INTERNAL

    run(main)


def test_a_handler_without_a_reply_is_internal():
    async def main():
        async with serving() as f:
            assert await code_of(f.channel.unary_unary("/t/Nothing")(b"")) is StatusCode.INTERNAL

    run(main)


def test_a_handler_knows_its_call():
    seen = {}

    async def look(request, context):
        seen.update(vars(context), time_remaining=context.time_remaining())
        with pytest.raises(UsageError):
            await context.send_initial_metadata((("Bad Key", ""),))
        await context.send_initial_metadata((("a", "1"),))
        context.set_trailing_metadata((("b", "2"),))
        return b""

    async def main():
        async with serving() as f:
            f.service.handlers["/t/Look"] = unary_unary(look)
            call = f.channel.unary_unary("/t/Look")(b"", timeout=5, metadata=(("k", "v"),))
            await call
            assert await call.initial_metadata() == (("a", "1"),)
            assert await call.trailing_metadata() == (("b", "2"),)
            assert seen["peer_address"] == ("192.0.2.1", 2000)
            assert seen["path"] == "/t/Look"
            assert ("k", "v") in seen["metadata"]
            assert seen["deadline"] == 5
            assert seen["time_remaining"] == 5
            await f.channel.unary_unary("/t/Look")(b"")
            assert seen["time_remaining"] is None

    run(main)


def test_replies_before_an_error_still_arrive():
    async def three_then_fail(request, context):
        for _ in range(3):
            await context.write(b"reply")
        await context.abort(StatusCode.DATA_LOSS, "the rest is lost")

    async def main():
        async with serving() as f:
            f.service.handlers["/t/Three"] = unary_stream(three_then_fail)
            call = f.channel.unary_stream("/t/Three")(b"")
            assert await call.initial_metadata() == ()
            assert [await call.read() for _ in range(3)] == [b"reply"] * 3
            with pytest.raises(RpcError, match="the rest is lost"):
                await call.read()

    run(main)


def test_a_request_that_cannot_be_read_stops_the_handler():
    async def main():
        async with serving(server_limits=Limits(receive_message_bytes=100)) as f:
            call = f.channel.stream_unary("/t/Sum")()
            await call.write(bytes(100))
            await settle()
            assert f.service.taken == 1
            await call.write(bytes(101))
            assert await code_of(call) is StatusCode.RESOURCE_EXHAUSTED
            assert f.calls_left == 0

    run(main)


# --- clients that are not ours ------------------------------------------------------------------


async def _raw_client(server, nursery):
    ours, theirs = stream_pair()
    nursery.start_soon(server.serve_connection, theirs)
    return ours


@pytest.mark.parametrize("preface", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_random_bytes_end_their_connection_are_logged_once_and_nothing_else_happens(caplog, preface):
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            stream = await _raw_client(f.server, nursery)
            await stream.send_all(preface + random.Random(1).randbytes(5000))
            with trio.fail_after(1):
                while await stream.receive_some():
                    pass
            assert await call == b"awake"

    with caplog.at_level(logging.DEBUG, logger="lightpeer"):
        run(main)
    (record,) = caplog.records
    assert record.levelno == logging.INFO, "or anybody could fill a disk"
    assert "192.0.2.1:2000 ended" in record.message
    assert "HTTP/2" in record.message


def test_a_client_that_says_nothing_is_closed():
    async def main():
        async with serving(server_limits=Limits(handshake_s=10)) as f, trio.open_nursery() as nursery:
            stream = await _raw_client(f.server, nursery)
            while await stream.receive_some():
                pass
            assert trio.current_time() == 10

    run(main)


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


def test_a_client_that_is_gone_before_it_is_served_is_closed():
    class Gone(trio.abc.Stream):
        is_closed = False

        @property
        def peer_address(self):
            raise OSError(errno.ENOTCONN, "not connected")

        async def send_all(self, data):
            raise AssertionError

        async def wait_send_all_might_not_block(self):
            raise AssertionError

        async def receive_some(self, max_bytes=None):
            raise AssertionError

        async def aclose(self):
            self.is_closed = True
            await trio.lowlevel.checkpoint()

    async def main():
        stream = Gone()
        await RpcServer({}).serve_connection(stream)
        assert stream.is_closed

    run(main)


def test_a_deadline_is_kept_here_even_if_the_client_forgets_it():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            stream = await _raw_client(f.server, nursery)
            client = h2.connection.H2Connection()
            client.initiate_connection()
            headers = [*REQUEST[:2], (":path", "/t/Sleep"), *REQUEST[3:], ("grpc-timeout", "3S")]
            client.send_headers(1, headers)
            client.send_data(1, b"\0\0\0\0\x041000", end_stream=True)
            await stream.send_all(client.data_to_send())
            await trio.sleep(4)
            assert f.service.log == ["asleep", "cancelled at 3"]
            events = client.receive_data(await stream.receive_some())
            (answer,) = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
            assert dict(answer.headers)[b"grpc-status"] == b"4"
            await stream.aclose()

    run(main)


# --- accepting ----------------------------------------------------------------------------------


def test_connections_above_the_limit_are_closed_as_they_come():
    async def main():
        async with serving(max_connections=1) as f:
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            await settle()
            async with open_channel(f.network, "peer", 1) as other:
                assert await code_of(other.unary_unary("/t/Echo")(b"")) is StatusCode.UNAVAILABLE
            assert await call == b"awake"
            assert f.server.connection_count == 1

    run(main)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED, errno.EHOSTUNREACH])
def test_a_connection_that_cannot_be_accepted_ends_no_other(caplog, number):
    """Without descriptors it is waited; Linux tells of what a waiting connection met as well (accept(2))."""

    async def main():
        async with serving() as f:
            await f.network.listener.put.send(OSError(number, "not now"))
            assert await f.channel.unary_unary("/t/Echo")(b"x") == b"x"
            assert trio.current_time() == pytest.approx(0.1)

    run(main)
    assert "cannot accept a connection now" in caplog.text


def test_a_listener_that_fails_ends_the_server():
    async def main():
        network = MemoryNetwork()
        await network.listener.put.send(OSError(errno.EBADF, "bad"))
        await RpcServer({}).serve([network.listener])

    with pytest.raises(OSError, match="bad"):
        run(main)


# --- draining -----------------------------------------------------------------------------------


def test_drain_lets_calls_finish_and_then_serve_ends():
    async def main():
        network, service = MemoryNetwork(), Service()
        server = RpcServer(service.handlers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [network.listener])
            async with open_channel(network, "peer", 1) as channel:
                call = channel.unary_unary("/t/Sleep")(b"5")
                await settle()
                server.drain(grace_s=30)
                await settle()
                assert network.listener.is_closed
                assert not channel.is_alive
                assert await call == b"awake"
        assert trio.current_time() == 5
        assert server.connection_count == 0

    run(main)


def test_drain_cancels_what_does_not_finish_within_its_grace():
    async def main():
        network, service = MemoryNetwork(), Service()
        server = RpcServer(service.handlers)
        async with open_channel(network, "peer", 1) as channel, trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [network.listener])
            call = channel.unary_unary("/t/Sleep")(b"1000")
            await settle()
            server.drain(grace_s=30)
            assert await code_of(call) is StatusCode.UNAVAILABLE
            assert trio.current_time() == 30
            assert service.log == ["asleep", "cancelled at 30"]

    run(main)


def test_a_connection_that_is_accepted_while_draining_is_turned_away():
    async def main():
        server = RpcServer({})
        server.drain()
        ours, theirs = stream_pair()
        await server.serve_connection(theirs)
        client = h2.connection.H2Connection()
        client.initiate_connection()
        events = client.receive_data(await ours.receive_some())
        (goaway,) = [event for event in events if isinstance(event, h2.events.ConnectionTerminated)]
        assert goaway.error_code == ErrorCode.NO_ERROR

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


@pytest.mark.parametrize(("chance", "age_s"), [(0.0, 90.0), (0.5, 100.0), (1.0, 110.0)])
def test_connections_of_one_moment_do_not_all_grow_old_at_once(chance, age_s):
    async def main():
        limits = Limits(connection_age_s=100.0, idle_s=1000.0)
        server = RpcServer({}, limits=limits)
        server._jitter = lambda: chance
        ours, theirs = stream_pair()
        client = h2.connection.H2Connection()
        client.initiate_connection()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve_connection, theirs)
            began_s = trio.current_time()
            await ours.send_all(client.data_to_send())
            said = b""
            while trio.current_time() == began_s:  # its SETTINGS come at once
                said = await ours.receive_some()
            assert said[3] == FrameType.GOAWAY
            assert trio.current_time() == pytest.approx(began_s + age_s)
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize(
    "error",
    [
        RpcError(99, "no such code"),
        RpcError(StatusCode.NOT_FOUND, "bad trailers", (("Bad Key", "v"),)),
        RpcError(StatusCode.NOT_FOUND, "bad trailers", (("k", "\xe9"),)),
    ],
)
def test_a_status_that_cannot_be_sent_is_the_handlers_fault_and_no_more(error, caplog):
    async def main():
        async with serving() as f:
            f.service.handlers["/t/Wrong"] = unary_unary(wrong)
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_unary("/t/Wrong")(b"")
            assert caught.value.code() is StatusCode.INTERNAL
            assert await f.channel.unary_unary("/t/Echo")(b"still here") == b"still here"

    async def wrong(_request: bytes, _context: Context) -> bytes:
        raise error

    run(main)
    assert "/t/Wrong" in caplog.text


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


def test_a_connection_that_fails_before_it_is_served_keeps_no_place():
    def refuse(_ours: str, _theirs: str) -> None:
        raise ValueError("a fault of ours")

    async def main():
        server = RpcServer({}, bounds=ServerBounds(connections=1))
        server.on_connection = refuse
        for _ in range(2):
            _, theirs = stream_pair()
            with pytest.raises(ValueError, match="a fault of ours"):
                await server.serve_connection(theirs)
            assert len(server._intake._admission) == server.connection_count == 0

    run(main)
