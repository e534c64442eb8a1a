"""How a channel comes by its connections, and what its calls see of that."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.frame_gate import encode_goaway
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import UsageError
from lightpeer.rpc.channel import ChannelConnectivity, Compression, open_channel
from lightpeer.rpc.server import RpcServer
from tests.rpc.service import (
    REFUSE,
    SETTINGS,
    MemoryNetwork,
    Service,
    code_of,
    run,
    serving,
    settle,
)


def test_the_states_of_a_channel():
    async def main():
        state = ChannelConnectivity
        async with serving() as f:
            f.network.refuse, f.network.delay_s = REFUSE, 0.5
            assert f.channel.get_state() is state.IDLE
            assert f.channel.get_state(try_to_connect=True) is state.IDLE
            await f.channel.wait_for_state_change(state.IDLE)
            assert f.channel.get_state() is state.CONNECTING
            await f.channel.wait_for_state_change(state.CONNECTING)
            assert f.channel.get_state() is state.TRANSIENT_FAILURE
            f.network.refuse = None
            await f.channel.channel_ready()
            assert f.channel.get_state() is state.READY
            assert trio.current_time() == 1.5
            await f.channel.channel_ready()
            await f.network.streams[0].aclose()
            await f.channel.wait_for_state_change(state.READY)
            assert f.channel.get_state() is state.IDLE
            await f.channel.close()
            assert f.channel.get_state() is state.SHUTDOWN
            with pytest.raises(UsageError, match="closed"):
                await f.channel.channel_ready()

    run(main)


# --- calls that begin anew ----------------------------------------------------------------------


def test_calls_that_a_server_refuses_before_its_limit_was_known_begin_anew():
    async def main():
        async with serving(server_limits=Limits(concurrent_calls=1)) as f:
            echo = f.channel.unary_unary("/t/Echo")
            calls = [echo(b"%d" % number) for number in range(5)]
            assert [await call for call in calls] == [b"%d" % number for number in range(5)]
            assert len(f.network.streams) == 1

    run(main)


def test_no_call_is_lost_while_server_after_server_drains():
    async def main():
        async with serving() as f:
            echo, replies = f.channel.unary_unary("/t/Echo"), []

            async def call(number):
                replies.append(await echo(b"%d" % number))

            async with trio.open_nursery() as nursery:
                for number in range(200):
                    nursery.start_soon(call, number)
                    if number % 20 == 0:
                        for link in [client.link for client in f.server._intake.clients]:
                            link.core.drain(trio.current_time())
                            link.flush()
                    await trio.lowlevel.checkpoint()
            assert len(replies) == 200
            assert len(f.network.streams) > 3
            await trio.sleep(1)
            assert len(f.channel._subchannel._running) == len(f.server._intake.clients) == 1

    run(main)


async def _refuse_by_goaway(network: MemoryNetwork) -> None:
    """Accept one connection, take up nothing, and go away."""
    stream = await network.listener.accept()
    await stream.receive_some(100_000)
    await settle()
    await stream.send_all(SETTINGS + encode_goaway(0, 0))


@pytest.mark.parametrize("kind", ["unary", "written", "iterated"])
def test_a_call_above_a_goaway_begins_anew_once_with_what_it_had_sent(kind):
    async def main():
        network, server = MemoryNetwork(), RpcServer(Service().handlers)
        async with open_channel(network, "peer", 1) as channel, trio.open_nursery() as nursery:
            nursery.start_soon(_refuse_by_goaway, network)
            await settle()
            if kind == "unary":
                call, expected = channel.unary_unary("/t/Echo")(b"hi"), b"hi"
            elif kind == "iterated":
                call, expected = channel.stream_unary("/t/Sum")([b"ab", b"c"]), b"3"
            else:
                call, expected = channel.stream_unary("/t/Sum")(), b"3"
                await call.write(b"ab")
            await settle()
            nursery.start_soon(server.serve, [network.listener])
            if kind == "written":
                await call.write(b"c")
                await call.done_writing()
            assert await call == expected
            assert len(network.streams) == 2
            nursery.cancel_scope.cancel()

    run(main)


def test_a_call_that_is_refused_again_fails():
    async def main():
        network = MemoryNetwork()
        async with open_channel(network, "peer", 1) as channel, trio.open_nursery() as nursery:
            call = channel.unary_unary("/t/Echo")(b"hi")
            for _ in range(2):
                nursery.start_soon(_refuse_by_goaway, network)
                await settle()
            assert await code_of(call) is StatusCode.UNAVAILABLE
            assert len(network.streams) == 2

    run(main)


def test_a_call_that_sent_more_than_is_kept_does_not_begin_anew(monkeypatch):
    monkeypatch.setattr("lightpeer.core.rpc.retry.KEPT_BYTES", 3)

    async def main():
        network = MemoryNetwork()
        async with open_channel(network, "peer", 1) as channel, trio.open_nursery() as nursery:
            call = channel.stream_unary("/t/Sum")()
            nursery.start_soon(_refuse_by_goaway, network)
            await call.write(b"ab")
            await call.write(b"cd")
            await call.write(b"ef")
            assert await code_of(call) is StatusCode.UNAVAILABLE
            assert len(network.streams) == 1

    run(main)


def test_a_server_that_is_pinged_too_much_is_pinged_less():
    async def main():
        network = MemoryNetwork()
        async with open_channel(network, "peer", 1, limits=Limits(keepalive_s=10)) as channel:
            call = channel.unary_unary("/t/Echo")(b"hi")
            stream = await network.listener.accept()
            calm = b"\0\0\x16\x07\0\0\0\0\0" + b"\0\0\0\1\0\0\0\x0b" + b"too_many_pings"
            await stream.send_all(SETTINGS + calm)
            await settle()
            await stream.aclose()
            assert await code_of(call) is StatusCode.UNAVAILABLE
            await settle()
            assert channel._subchannel._limits.keepalive_s == 20

    run(main)


# --- compression --------------------------------------------------------------------------------


def test_a_channel_and_each_call_choose_the_compression():
    async def main():
        async with serving(compression=Compression.Gzip) as f:
            seen = []

            async def look(request, context):
                seen.append(context.was_compressed)
                context.set_compression(Compression.Gzip)
                if request == b"plain":
                    context.disable_next_message_compression()
                return bytes(1000)

            f.service.handlers["/t/Echo"] = type(f.service.handlers["/t/Echo"])(
                look, many_requests=False, many_replies=False
            )
            echo = f.channel.unary_unary("/t/Echo")
            for request, compression, expected in (
                (b"", None, True),
                (b"plain", Compression.NoCompression, False),
                (b"", "gzip", True),
            ):
                call = echo(request, compression=compression)
                assert await call == bytes(1000)
                assert call._core.was_compressed is expected
            assert seen == [True, False, True]
            with pytest.raises(UsageError, match=r"use Compression\.Gzip"):
                echo(b"", compression=Compression.Deflate)

    run(main)


def test_one_message_of_a_compressed_stream_may_be_sent_as_it_is():
    async def main():
        async with serving() as f:
            call = f.channel.stream_unary("/t/Sum")(compression=Compression.Gzip)
            await call.write(bytes(9000))
            await call.write(bytes(9000), compress=False)
            await call.done_writing()
            assert await call == b"18000"

    run(main)


# --- another address of the same server ----------------------------------------------------------


def test_a_renewed_channel_connects_anew_and_calls_that_go_on_stay_where_they_are():
    async def main():
        async with serving() as f:
            f.channel.renew()
            echo = f.channel.unary_unary("/t/Echo")
            async with trio.open_nursery() as nursery:

                async def sleep() -> None:
                    assert await f.channel.unary_unary("/t/Sleep")(b"5") == b"awake"

                nursery.start_soon(sleep)
                await trio.sleep(1)
                f.channel.renew()
                assert f.channel.is_resting
                assert await echo(b"hi") == b"hi"
                assert len(f.network.streams) == 2
                await trio.sleep(1)
                assert f.channel.is_alive
            await trio.sleep(1)
            assert len(f.channel._subchannel._running) == 1
            f.channel.renew()
            await trio.sleep(1)
            assert not f.channel._subchannel._running
            assert f.channel.is_resting
            assert await echo(b"hi") == b"hi"

    run(main)
