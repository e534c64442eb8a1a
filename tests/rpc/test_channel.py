from __future__ import annotations

import gc
import logging
import math

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, StateMisuseError, UsageError
from lightpeer.net.network import listener_address
from lightpeer.net.system import SystemNetwork
from lightpeer.rpc.channel import EOF, open_channel
from lightpeer.rpc.server import RpcServer
from tests.rpc.service import Service, run, serving


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


# --- the four kinds -----------------------------------------------------------------------------


def test_unary_unary():
    async def main():
        async with serving() as f:
            assert f.channel.remote_address is None
            assert not f.channel.is_alive
            call = f.channel.unary_unary("/t/Echo")(b"hi", timeout=5, metadata=(("k-bin", b"\0"),))
            assert not call.done()
            assert await call == b"hi"
            assert await call == b"hi"
            assert call.done()
            assert not call.cancelled()
            assert not call.cancel()
            assert await call.code() is StatusCode.OK
            assert await call.details() == ""
            assert await call.initial_metadata() == ()
            assert await call.trailing_metadata() == (("k-bin", b"\0"),)
            assert 0 < call.time_remaining() <= 5
            assert f.channel.remote_address == ("192.0.2.1", 1000)
            assert f.channel.is_alive

    run(main)


def test_unary_stream():
    async def main():
        async with serving() as f:
            method = f.channel.unary_stream("/t/Count")
            assert [len(reply) async for reply in method(b"3 1000")] == [1000] * 3
            call = method(b"1 7")
            assert await call.read() == bytes(7)
            assert await call.read() is EOF
            assert await call.read() is EOF
            assert not EOF
            assert repr(EOF) == "EOF"
            assert call.time_remaining() is None

    run(main)


def test_stream_unary_by_writing_and_by_iterators():
    async def main():
        async with serving() as f:
            method = f.channel.stream_unary("/t/Sum")
            call = method()
            await call.write(b"abc")
            await call.write(b"de")
            await call.done_writing()
            assert await call == b"5"
            assert await method([b"a", b"b"]) == b"2"

            async def requests():
                for size in range(4):
                    await trio.sleep(1)
                    yield bytes(size)

            assert await method(requests()) == b"6"

    run(main)


def test_stream_stream_ping_pong():
    async def main():
        async with serving() as f:
            call = f.channel.stream_stream("/t/Mirror")()
            for word in (b"ping", b"", b"pong"):
                await call.write(word)
                assert await call.read() == word
            await call.done_writing()
            assert await call.read() is EOF
            await call.done_writing()
            with pytest.raises(StateMisuseError, match="another"):
                await call.write(b"late")

    run(main)


def test_serializers_are_applied():
    async def main():
        async with serving() as f:
            options = {"request_serializer": str.encode, "response_deserializer": bytes.decode}
            assert await f.channel.unary_unary("/t/Echo", **options)("ünï") == "ünï"
            mirror = f.channel.stream_stream("/t/Mirror", str.encode, bytes.decode, _registered_method=True)
            assert [reply async for reply in mirror(["a", "b"])] == ["a", "b"]

    run(main)


def test_a_reply_that_cannot_be_deserialized_fails_each_time_it_is_asked_for():
    def refuse(_reply: bytes) -> None:
        raise ValueError("no")

    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Echo", None, refuse)(b"")
            for _ in range(2):
                with pytest.raises(ValueError, match="no"):
                    await call
            with pytest.raises(UsageError, match="seconds"):
                f.channel.unary_unary("/t/Echo")(b"", timeout=math.nan)

    run(main)


def test_many_calls_at_once_share_a_connection():
    async def main():
        async with serving(limits=Limits(concurrent_calls=10)) as f:
            method = f.channel.unary_unary("/t/Echo")
            calls = [method(b"%d" % number) for number in range(100)]
            assert [await call for call in calls] == [b"%d" % number for number in range(100)]
            assert len(f.network.streams) == 1
            assert f.calls_left == 0

    run(main)


# --- errors -------------------------------------------------------------------------------------


def test_a_status_is_raised_with_all_it_has():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Fail")(b"")
            assert await call.initial_metadata() == (("begun", "yes"),)
            with pytest.raises(RpcError) as caught:
                await call
            assert caught.value.code() is StatusCode.NOT_FOUND
            assert caught.value.details() == "no such thing"
            assert caught.value.trailing_metadata() == (("hint-bin", b"\0\1"),)
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_stream("/t/Missing")(b"").read()
            assert caught.value.code() is StatusCode.UNIMPLEMENTED

    run(main)


def test_no_connection_is_unavailable_and_after_a_second_a_call_tries_again():
    async def main():
        async with serving() as f:
            f.network.refuse = OSError("connection refused")
            with pytest.raises(RpcError, match="cannot connect to peer:1: connection refused") as caught:
                await f.channel.unary_unary("/t/Echo")(b"")
            assert caught.value.code() is StatusCode.UNAVAILABLE
            f.network.refuse = None
            with pytest.raises(RpcError, match="connection refused"):
                await f.channel.connect()
            with pytest.raises(RpcError, match="connection refused"):
                await f.channel.unary_unary("/t/Echo")(b"")
            await trio.sleep(1)
            assert await f.channel.unary_unary("/t/Echo")(b"x") == b"x"
            await f.channel.connect()
            assert len(f.network.streams) == 1

    run(main)


def test_connecting_has_a_timeout():
    async def main():
        async with serving(connect_timeout_s=7) as f:
            f.network.hang = True
            with pytest.raises(RpcError, match="did not answer in time"):
                await f.channel.connect()
            assert trio.current_time() == 7

    run(main)


def test_calls_that_wait_for_a_connection_have_a_bound():
    async def main():
        async with serving(limits=Limits(queued_calls=2)) as f:
            f.network.hang = True
            calls = [f.channel.unary_unary("/t/Echo")(b"") for _ in range(3)]
            assert [call.done() for call in calls] == [False, False, True]
            assert await calls[2].code() is StatusCode.RESOURCE_EXHAUSTED

    run(main)


def test_a_lost_connection_fails_its_calls_and_the_next_call_connects_again():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Sleep")(b"1000")
            await settle()
            await f.network.streams[0].aclose()
            with pytest.raises(RpcError) as caught:
                await call
            assert caught.value.code() is StatusCode.UNAVAILABLE
            assert not f.channel.is_alive
            assert await f.channel.unary_unary("/t/Echo")(b"again") == b"again"
            assert len(f.network.streams) == 2

    run(main)


def test_a_connection_that_is_not_used_rests_and_the_next_call_makes_it_again():
    async def main():
        async with serving(idle_s=10) as f:
            echo = f.channel.unary_unary("/t/Echo")
            assert await echo(b"hi") == b"hi"
            await trio.sleep(9)
            assert f.channel.is_alive
            assert not f.channel.is_resting
            await trio.sleep(2)
            assert not f.channel.is_alive
            assert f.channel.is_resting
            assert f.server.connection_count == 0
            assert await echo(b"again") == b"again"
            assert not f.channel.is_resting
            await trio.sleep(11)
            f.network.refuse = OSError("connection refused")
            with pytest.raises(RpcError):
                await echo(b"")
            assert not f.channel.is_resting, "it cannot be made again"

    run(main)


def test_invalid_metadata_and_a_closed_channel_are_the_callers_error():
    async def main():
        async with serving() as f:
            method = f.channel.unary_unary("/t/Echo")
            with pytest.raises(UsageError):
                method(b"", metadata=(("Bad Key", "v"),))
            await f.channel.close()
            with pytest.raises(UsageError, match="closed"):
                method(b"")

    run(main)


def test_what_the_block_raises_comes_out_bare():
    async def main():
        with pytest.raises(KeyError):
            async with open_channel(SystemNetwork(), "127.0.0.1", 1):
                raise KeyError("mine")

    run(main)


def test_a_failing_iterator_of_requests_cancels_the_call(caplog):
    async def main():
        async with serving() as f:

            def requests():
                yield b"one"
                raise ValueError("mine")

            call = f.channel.stream_unary("/t/Sum")(requests())
            assert await call.code() is StatusCode.CANCELLED
            assert "iterator" in await call.details()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "the requests of /t/Sum failed" in caplog.text


def test_an_iterator_of_requests_stops_with_its_call():
    async def main():
        async with serving() as f:
            asked = []

            def requests():
                while True:
                    asked.append(1)
                    yield bytes(1000)

            call = f.channel.stream_unary("/t/Ignore")(requests())
            await settle()
            call.cancel()
            await settle()
            count = len(asked)
            await settle()
            assert len(asked) == count < 1000

    run(main)


# --- deadlines ----------------------------------------------------------------------------------


def test_a_deadline_ends_the_call_on_both_sides():
    async def main():
        async with serving() as f:
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_unary("/t/Sleep")(b"1000", timeout=5)
            assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
            assert trio.current_time() == 5
            await settle()
            assert f.service.log == ["asleep", "cancelled at 5"]
            assert f.calls_left == 0

    run(main)


def test_a_deadline_counts_from_the_call_and_while_there_is_no_connection():
    async def main():
        async with serving() as f:
            f.network.hang = True
            call = f.channel.unary_unary("/t/Echo")(b"", timeout=5)
            await trio.sleep(2)
            assert await call.code() is StatusCode.DEADLINE_EXCEEDED
            assert trio.current_time() == 5
            assert not f.channel._subchannel._pending

    run(main)


def test_an_earlier_deadline_after_a_later_one_is_in_time():
    async def main():
        async with serving() as f:
            method = f.channel.unary_unary("/t/Sleep")
            late, early = method(b"1000", timeout=50), method(b"1000", timeout=5)
            await settle()
            earliest = method(b"1000", timeout=2)
            for call, at in ((earliest, 2), (early, 5), (late, 50)):
                assert await call.code() is StatusCode.DEADLINE_EXCEEDED
                assert trio.current_time() == at

    run(main)


# --- cancellation -------------------------------------------------------------------------------


def test_cancel_reaches_the_handler_and_leaves_nothing():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Sleep")(b"1000")
            await settle()
            assert call.cancel()
            assert call.cancelled()
            with pytest.raises(RpcError) as caught:
                await call
            assert caught.value.code() is StatusCode.CANCELLED
            await settle()
            assert f.service.log == ["asleep", "cancelled at 0"]
            assert f.calls_left == 0

    run(main)


def test_a_call_can_be_cancelled_before_it_has_a_connection():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Echo")(b"")
            call.cancel("changed my mind")
            assert await call.details() == "changed my mind"
            assert await call.initial_metadata() == ()
            stream = f.channel.stream_unary("/t/Sum")()
            stream.cancel()
            await stream.done_writing()

    run(main)


@pytest.mark.parametrize("path", ["/t/Echo", "/t/Sleep"])
def test_cancelled_after_any_number_of_steps_a_call_leaves_nothing(path):
    async def main():
        async with serving() as f:
            method = f.channel.unary_unary(path)
            for steps in range(40):
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(_await, method(b"9"))
                        for _ in range(steps):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()
                await settle()
                assert f.calls_left == 0
                assert not f.channel._subchannel._pending
            assert await f.channel.unary_unary("/t/Echo")(b"fine") == b"fine"

    run(main)


async def _await(call):
    await call


def test_leaving_a_stream_early_resets_it():
    async def main():
        async with serving() as f:
            with f.channel.unary_stream("/t/Count")(b"1000000 1000") as call:
                assert len(await call.read()) == 1000
            await settle()
            assert call.cancelled()
            assert f.calls_left == 0

    run(main)


def test_dropping_a_stream_resets_it():
    async def main():
        async with serving() as f:
            async for _ in f.channel.unary_stream("/t/Count")(b"1000000 1000"):
                break
            gc.collect()
            await settle()
            assert f.calls_left == 0

    run(main)


def test_closing_the_channel_cancels_what_runs_and_tells_the_server():
    async def main():
        async with serving() as f:
            running = f.channel.unary_unary("/t/Sleep")(b"1000")
            await settle()
            await f.channel.close()
            await f.channel.close()
            assert await running.code() is StatusCode.CANCELLED
            await settle()
            assert f.service.log == ["asleep", "cancelled at 0"]
            assert f.server.connection_count == 0
        async with serving() as f:
            f.network.hang = True
            pending = f.channel.unary_unary("/t/Echo")(b"")
            await f.channel.close()
            assert await pending.code() is StatusCode.CANCELLED

    run(main)


# --- flow control -------------------------------------------------------------------------------


def test_a_slow_reader_bounds_what_is_held_on_both_sides():
    async def main():
        limits = Limits(stream_window_bytes=65_536, send_buffer_bytes=20_000)
        async with serving(limits=limits, server_limits=limits) as f:
            call = f.channel.unary_stream("/t/Count")(b"1000 10000")
            assert len(await call.read()) == 10_000
            await trio.sleep(10)
            assert f.service.written <= 65_536 + 20_000 + 3 * 10_005
            assert call._core.buffered_bytes <= 65_536
            count = 1
            async for reply in call:
                assert len(reply) == 10_000
                assert call._core.buffered_bytes <= 65_536
                count += 1
            assert count == 1000

    run(main)


def test_a_writer_waits_for_a_server_that_does_not_read():
    async def main():
        limits = Limits(stream_window_bytes=65_536, send_buffer_bytes=20_000)
        async with serving(limits=limits, server_limits=limits) as f:
            call = f.channel.stream_unary("/t/Ignore")()
            written = 0
            with trio.move_on_after(10) as scope:
                while True:
                    await call.write(bytes(10_000))
                    written += 10_000
            assert scope.cancelled_caught
            assert 65_000 <= written <= 65_536 + 20_000 + 2 * 10_005
            assert call.cancelled()

    run(main)


def test_messages_above_the_limits_end_the_call_alone():
    async def main():
        async with serving(limits=Limits(receive_message_bytes=100, send_message_bytes=1000)) as f:
            echo = f.channel.unary_unary("/t/Echo")
            for size in (101, 1001):
                with pytest.raises(RpcError) as caught:
                    await echo(bytes(size))
                assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
            assert await echo(bytes(100)) == bytes(100)

    run(main)


# --- the connection -----------------------------------------------------------------------------


def test_a_draining_server_finishes_its_calls_while_new_ones_connect_anew():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            await settle()
            (link,) = [client.link for client in f.server._intake.clients]
            link.core.drain(trio.current_time())
            link.flush()
            await settle()
            assert not f.channel.is_alive
            assert await f.channel.unary_unary("/t/Echo")(b"new") == b"new"
            assert len(f.network.streams) == 2
            assert await call == b"awake"
            await settle()
            assert len(f.channel._subchannel._running) == 1

    run(main)


def test_a_silent_server_is_given_up():
    async def main():
        async with serving(limits=Limits(keepalive_s=10, keepalive_timeout_s=5)) as f:
            f.server.drain()  # nobody accepts what the network connects
            with pytest.raises(RpcError, match="silent") as caught:
                await f.channel.unary_unary("/t/Echo")(b"")
            assert caught.value.code() is StatusCode.UNAVAILABLE
            assert trio.current_time() == 15

    run(main)


def test_keepalive_keeps_a_quiet_call_open():
    async def main():
        async with serving(limits=Limits(keepalive_s=10, keepalive_timeout_s=5)) as f:
            assert await f.channel.unary_unary("/t/Sleep")(b"1000") == b"awake"
            assert trio.current_time() == 1000

    run(main)


def test_over_real_sockets():
    async def main():
        network, service = SystemNetwork(), Service()
        listener = await network.listen_tcp("127.0.0.1", 0)
        server = RpcServer(service.handlers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [listener])
            async with open_channel(network, *listener_address(listener)) as channel:
                assert await channel.unary_unary("/t/Echo")(bytes(300_000)) == bytes(300_000)
                assert channel.remote_address == listener_address(listener)
                assert sum([len(r) async for r in channel.unary_stream("/t/Count")(b"100 9999")]) == 999_900
            server.drain()
        assert network.counters.rx_bytes() > 2 * 300_000
        assert network.counters.tx_bytes() > 2 * 300_000

    trio.run(main)


def test_a_channel_that_closes_with_grace_lets_its_calls_end_and_takes_no_more():
    async def main():
        async with serving() as f:
            short, long = (f.channel.unary_unary("/t/Sleep")(seconds) for seconds in (b"5", b"1000"))
            await settle()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(f.channel.close, 10.0)
                await settle()
                with pytest.raises(UsageError, match="closed"):
                    f.channel.unary_unary("/t/Echo")(b"")
                assert await short.code() is StatusCode.OK
                assert await long.code() is StatusCode.CANCELLED
                assert trio.current_time() == 10
            await settle()
            assert f.server.connection_count == 0
        async with serving() as f, f.channel as channel:
            running = channel.unary_unary("/t/Sleep")(b"5")
            await settle()
            await channel.close(grace=1000.0)
            assert await running.code() is StatusCode.OK
            assert trio.current_time() == 15

    run(main)
