from __future__ import annotations

import errno
import logging
import random

import h2.connection
import h2.events
import pytest
import trio
import trio.testing

from lightpeer.core.rpc.frame_gate import ErrorCode, FrameType
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import RpcServer, ServerBounds
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
