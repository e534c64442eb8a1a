"""Attempts to reach a server, and what calls see of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.rpc.channel import CONNECT_TIMEOUT_S, ChannelConnectivity, open_channel
from lightpeer.rpc.server import RpcServer
from tests.rpc.service import (
    REFUSE,
    Attempts,
    MemoryNetwork,
    Service,
    code_of,
    run,
    serving,
    settle,
)


def all_failed(*errors: OSError) -> OSError:
    """Return what trio raises where no address of a host can be connected to."""
    error = OSError("all attempts to connect to peer:1 failed")
    error.__cause__ = ExceptionGroup("all attempts to connect to peer:1 failed", errors)
    return error


def test_calls_fail_at_once_while_the_backoff_lasts():
    async def main():
        async with serving() as f:
            attempts = Attempts(f.network)
            f.network.refuse = REFUSE
            echo = f.channel.unary_unary("/t/Echo")
            for _ in range(3):
                assert await code_of(echo(b"")) is StatusCode.UNAVAILABLE
            assert attempts.times == [0.0]
            await trio.sleep(1)
            for _ in range(3):
                assert await code_of(echo(b"")) is StatusCode.UNAVAILABLE
            assert attempts.times == [0.0, 1.0]
            await trio.sleep(1000)
            assert len(attempts.times) == 2

    run(main)


def test_a_call_that_waits_outlasts_failed_attempts_as_far_apart_as_grpc_wants():
    async def main():
        async with serving() as f:
            attempts = Attempts(f.network)
            f.network.refuse = REFUSE
            call = f.channel.unary_unary("/t/Echo")(b"hi", wait_for_ready=True)
            await trio.sleep(5)
            assert await code_of(f.channel.unary_unary("/t/Echo")(b"")) is StatusCode.UNAVAILABLE
            f.network.refuse = None
            assert await call == b"hi"
            gaps = [later - earlier for earlier, later in pairwise(attempts.times)]
            jittered = 0.8  # the network's entropy is all zeros
            assert gaps == pytest.approx([1, 1.6 * jittered, 1.6**2 * jittered, 1.6**3 * jittered])

    run(main)


def test_calls_that_wait_still_have_their_deadline_and_can_be_cancelled():
    async def main():
        async with serving() as f:
            attempts = Attempts(f.network)
            f.network.refuse = REFUSE
            echo = f.channel.unary_unary("/t/Echo")
            late, unawaited = (
                echo(b"", timeout=3, wait_for_ready=True),
                echo(b"", timeout=7, wait_for_ready=True),
            )
            dropped = echo(b"", wait_for_ready=True)
            assert await code_of(late) is StatusCode.DEADLINE_EXCEEDED
            assert trio.current_time() == 3
            dropped.cancel()
            await trio.sleep(100)
            assert unawaited.done()
            assert not f.channel._subchannel._pending
            assert attempts.times[-1] < 10

    run(main)


def test_attempts_end_when_nobody_waits_any_more():
    async def main():
        async with serving() as f:
            attempts = Attempts(f.network)
            f.network.refuse = REFUSE
            call = f.channel.unary_unary("/t/Echo")(b"", wait_for_ready=True)
            await trio.sleep(0.5)
            call.cancel()
            await trio.sleep(100)
            assert attempts.times == [0.0]

    run(main)


def test_a_server_that_says_nothing_is_a_failed_attempt():
    async def main():
        network = MemoryNetwork()
        async with open_channel(network, "peer", 1) as channel:
            sent = channel.unary_unary("/t/Echo")(b"")
            waiting = channel.unary_unary("/t/Echo")(b"hi", wait_for_ready=True)
            silent = await network.listener.accept()
            await settle()
            assert channel.get_state() is ChannelConnectivity.CONNECTING
            assert await code_of(sent) is StatusCode.UNAVAILABLE
            assert trio.current_time() == CONNECT_TIMEOUT_S
            async with trio.open_nursery() as nursery:
                nursery.start_soon(RpcServer(Service().handlers).serve, [network.listener])
                assert await waiting == b"hi"
                nursery.cancel_scope.cancel()
            await silent.aclose()

    run(main)


def test_a_server_that_hangs_up_before_its_first_word_is_a_failed_attempt():
    async def main():
        network = MemoryNetwork()
        async with open_channel(network, "peer", 1) as channel:
            call = channel.unary_unary("/t/Echo")(b"")
            await (await network.listener.accept()).aclose()
            assert await code_of(call) is StatusCode.UNAVAILABLE
            await settle()
            assert channel.get_state() is ChannelConnectivity.TRANSIENT_FAILURE

    run(main)


@pytest.mark.parametrize("steps", range(20))
def test_a_channel_that_closes_while_it_connects_takes_no_time(steps):
    """Nor where the connection was made in that moment: its goodbye need not be cut short."""

    async def main():
        async with serving() as f:
            async with open_channel(f.network, "server", 1) as channel:
                call = channel.unary_unary("/t/Sleep")(b"5")
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
            assert trio.current_time() == 0
            assert call.cancelled()

    run(main)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (all_failed(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (
            all_failed(OSError(113, "No route to host"), OSError("odd"), OSError(113, "No route to host")),
            "No route to host, odd",
        ),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
    ],
)
def test_why_it_cannot_connect_is_said_once_and_with_the_address_once(failure, reason):
    async def main():
        async with serving() as f:
            f.network.refuse = failure
            with pytest.raises(RpcError) as caught:
                await f.channel.unary_unary("/t/Echo")(b"")
            assert caught.value.details() == f"cannot connect to peer:1: {reason}"

    run(main)
