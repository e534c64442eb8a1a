"""The surface of calls beyond the four kinds, and what a cancelled one leaves: nothing."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.status import StatusCode
from lightpeer.rpc.channel import EOF
from tests.rpc.service import run, serving


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


# --- the surface --------------------------------------------------------------------------------


def test_an_iterator_of_requests_that_waits_ends_with_its_call():
    async def main():
        async with serving() as f:
            log = []

            async def requests():
                try:
                    yield b"one"
                    await trio.sleep_forever()
                finally:
                    log.append("ended")

            tasks = len(f.channel._subchannel._work.child_tasks)
            call = f.channel.stream_unary("/t/Sum")(requests())
            await settle()
            assert len(f.channel._subchannel._work.child_tasks) == tasks + 1
            call.cancel()
            await settle()
            assert len(f.channel._subchannel._work.child_tasks) == tasks
            assert log == ["ended"]

    run(main)


def test_a_call_whose_consumer_is_gone_ends_though_its_iterator_waits():
    async def main():
        async with serving() as f:
            log = []

            async def requests():
                try:
                    yield b"one"
                    await trio.sleep_forever()
                finally:
                    log.append("ended")

            tasks = len(f.channel._subchannel._work.child_tasks)
            with trio.move_on_after(5):
                async for _ in f.channel.stream_stream("/t/Mirror")(requests()):
                    await trio.sleep(10)
            gc.collect()
            await settle()
            assert f.calls_left == 0
            assert len(f.channel._subchannel._work.child_tasks) == tasks
            assert log == ["ended"]

    run(main)


def test_requests_may_come_from_a_channel_of_trio():
    async def main():
        async with serving() as f:
            send, receive = trio.open_memory_channel(9)
            call = f.channel.stream_unary("/t/Sum")(receive)
            for size in (1, 2, 3):
                await send.send(bytes(size))
            await send.aclose()
            assert await call == b"6"

    run(main)


# --- cancelled at any checkpoint ----------------------------------------------------------------


class CancelAt(trio.abc.Instrument):
    """Cancels a scope before the k-th step of any task: the caller's, the connections', the handler's."""

    def __init__(self, scope: trio.CancelScope, k: int) -> None:
        self.scope = scope
        self.steps_left = k

    def before_task_step(self, task):
        self.steps_left -= 1
        if self.steps_left == 0:
            self.scope.cancel()


async def unary(channel):
    assert await channel.unary_unary("/t/Echo")(bytes(100_000), wait_for_ready=True) == bytes(100_000)


async def replies(channel):
    assert [len(reply) async for reply in channel.unary_stream("/t/Count")(b"40 10000")] == [10_000] * 40


async def requests(channel):
    async def each():
        for _ in range(20):
            await trio.lowlevel.checkpoint()
            yield bytes(10_000)

    assert await channel.stream_unary("/t/Sum")(each(), timeout=50) == b"200000"


async def both(channel):
    call = channel.stream_stream("/t/Mirror")()
    for _ in range(5):
        await call.write(bytes(30_000))
        assert len(await call.read()) == 30_000
    await call.done_writing()
    assert await call.read() is EOF
    assert await call.code() is StatusCode.OK


async def failing(channel):
    call = channel.unary_unary("/t/Fail")(b"", compression="gzip")
    await call.wait_for_connection()
    await call.initial_metadata()
    assert await call.code() is StatusCode.NOT_FOUND


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("scenario", [unary, replies, requests, both, failing])
def test_cancelled_at_any_checkpoint_a_call_leaves_nothing(scenario, is_connected):
    """Cancel at the first checkpoint, at the second, and so on until the scenario comes to its end."""

    async def main():
        async with serving() as f:
            await f.channel.connect()
            await settle()
            tasks = len(f.channel._subchannel._work.child_tasks)
            for k in range(1, 1000):
                if not is_connected:
                    await f.network.streams[-1].aclose()
                    await settle()
                with trio.CancelScope() as scope:
                    instrument = CancelAt(scope, k)
                    trio.lowlevel.add_instrument(instrument)
                    try:
                        await scenario(f.channel)
                    finally:
                        trio.lowlevel.remove_instrument(instrument)
                await settle()
                assert_nothing_left(f, tasks)
                if not scope.cancel_called:
                    break
            assert 10 < k < 999, "every checkpoint was reached, and there are some"
            await unary(f.channel)

    run(main)


def assert_nothing_left(f, tasks: int) -> None:
    channel, server = f.channel._subchannel, f.server
    assert not channel._pending
    assert len(channel._work.child_tasks) == tasks
    assert len(channel._running) == len(server._intake.clients) <= 1
    for core in [link.core for link in (*channel._running, *server._intake.clients)]:
        assert not core._streams
        assert not core.table.has_output
        assert core.next_event() is None
        assert core._h2.open_outbound_streams == core._h2.open_inbound_streams == 0
        assert not core.data_to_send()
    assert not any(link.core._waiting for link in channel._running)
