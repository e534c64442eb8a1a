"""The common part of calls: what they tell, how they end, and what becomes of them without a connection."""

from __future__ import annotations

import logging
import math

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from tests.rpc.service import REFUSE, code_of, run, serving, settle


def test_callbacks_come_at_the_end_of_a_call_however_it_ends(caplog):
    async def main():
        async with serving() as f:
            ended = []

            def fail(call):
                raise ValueError("mine")

            good, bad = f.channel.unary_unary("/t/Echo")(b""), f.channel.unary_unary("/t/Sleep")(b"9")
            good.add_done_callback(fail)
            for call in (good, bad):
                call.add_done_callback(ended.append)
            await good
            assert ended == [good]
            bad.cancel()
            assert ended == [good, bad]
            bad.add_done_callback(ended.append)
            assert ended == [good, bad, bad]
            f.network.hang = True
            await f.network.streams[0].aclose()
            await settle()
            pending = f.channel.unary_unary("/t/Echo")(b"")
            pending.add_done_callback(ended.append)
            pending.cancel()
            assert ended[-1] is pending

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "a callback at the end of /t/Echo failed" in caplog.text


def test_a_call_can_be_waited_for_until_it_has_a_connection():
    async def main():
        async with serving() as f:
            f.network.delay_s = 2
            call = f.channel.unary_unary("/t/Sleep")(b"9")
            await call.wait_for_connection()
            assert trio.current_time() == 2
            assert not call.done()
            await f.network.streams[0].aclose()
            await settle()
            f.network.refuse = OSError("connection refused")
            with pytest.raises(RpcError, match="refused"):
                await f.channel.unary_unary("/t/Echo")(b"").wait_for_connection()

    run(main)


def test_an_error_has_all_that_grpcios_has():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Fail")(b"")
            with pytest.raises(RpcError) as caught:
                await call
            error = caught.value
            assert error.code() is StatusCode.NOT_FOUND
            assert error.initial_metadata() == (("begun", "yes"),)
            assert error.trailing_metadata() == (("hint-bin", b"\0\1"),)
            text = "NOT_FOUND (5): 'no such thing', metadata [('begun', 'yes'), ('hint-bin', b'\\x00\\x01')]"
            assert error.debug_error_string() == text
            assert await call.debug_error_string() == text

    run(main)


def test_a_call_tells_how_long_it_has_left():
    async def main():
        async with serving() as f:
            sleep = f.channel.unary_unary("/t/Sleep")
            with (
                sleep(b"9") as endless,
                sleep(b"9", timeout=5) as call,
                sleep(b"9", timeout=math.inf) as other,
            ):
                assert (endless.time_remaining(), other.time_remaining()) == (None, None)
                assert call.time_remaining() == 5
                await trio.sleep(2)
                assert call.time_remaining() == 3
                await trio.sleep(6)
                assert call.time_remaining() == 0, "it is no debt"
                assert await call.code() is StatusCode.DEADLINE_EXCEEDED

    run(main)


def test_a_call_is_cancelled_once_and_says_so():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Sleep")(b"9")
            await settle()
            assert (call.done(), call.cancelled()) == (False, False)
            assert call.cancel("enough") is True
            assert (call.done(), call.cancelled()) == (True, True)
            assert call.cancel() is False
            assert (await call.code(), await call.details()) == (StatusCode.CANCELLED, "enough")
            await settle()
            assert f.service.log == ["asleep", "cancelled at 0"]

    run(main)


def test_a_call_that_ended_by_itself_was_not_cancelled():
    async def main():
        async with serving() as f:
            for path in ("/t/Echo", "/t/Fail"):
                call = f.channel.unary_unary(path)(b"")
                await call.code()
                assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)

    run(main)


def test_leaving_a_call_ends_it():
    async def main():
        async with serving() as f:
            with f.channel.unary_unary("/t/Sleep")(b"9") as call:
                await settle()
            assert call.cancelled()
            with f.channel.unary_unary("/t/Echo")(b"") as call:
                await call
            assert await call.code() is StatusCode.OK

    run(main)


def test_a_call_without_a_connection_can_be_cancelled_and_has_no_metadata():
    async def main():
        async with serving() as f:
            f.network.hang = True
            call = f.channel.unary_unary("/t/Echo")(b"")
            await settle()
            assert call.cancel("enough") is True
            assert call.cancelled()
            assert await call.initial_metadata() == ()
            assert await call.trailing_metadata() == ()
            assert await call.debug_error_string() == "CANCELLED (1): 'enough', metadata []"
            with pytest.raises(RpcError, match="enough"):
                await call.wait_for_connection()

    run(main)


def test_the_deadline_holds_while_there_is_no_connection():
    async def main():
        async with serving() as f:
            f.network.hang = True
            call = f.channel.unary_unary("/t/Echo")(b"", timeout=3)
            assert await code_of(call) is StatusCode.DEADLINE_EXCEEDED
            assert trio.current_time() == 3
            assert await call.details() == "the deadline passed without a connection"

    run(main)


@pytest.mark.parametrize("is_connected", [True, False])
def test_whoever_stops_waiting_for_a_call_ends_it(is_connected):
    async def main():
        async with serving() as f:
            f.network.hang = not is_connected
            call = f.channel.unary_unary("/t/Sleep")(b"9")
            with trio.move_on_after(1) as scope:
                await call
            assert scope.cancelled_caught
            assert call.cancelled()
            await settle()
            assert f.calls_left == 0

    run(main)


def test_to_wait_for_what_is_there_does_not_end_it():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Echo")(b"x")
            await call.wait_for_connection()
            await call.wait_for_connection()
            assert await call.code() is StatusCode.OK
            assert await call == b"x", "the reply is kept for whoever asks last"
            await call.wait_for_connection()

    run(main)


def test_initial_metadata_come_before_the_end_and_are_empty_without_a_first_word():
    async def main():
        async with serving() as f:
            call = f.channel.unary_unary("/t/Fail")(b"")
            assert await call.initial_metadata() == (("begun", "yes"),)
            call = f.channel.unary_unary("/t/Sleep")(b"9", timeout=2)
            assert await call.initial_metadata() == ()
            assert trio.current_time() == 2

    run(main)


def test_a_call_knows_when_its_connection_was_heard_last():
    async def main():
        async with serving() as f:
            f.network.delay_s = 2
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            assert call.heard_s == 0, "when it was made"
            assert call.take_silence_s() == 0
            await call
            assert (trio.current_time(), call.heard_s) == (7, 7)
            assert call.take_silence_s() == 5
            assert call.take_silence_s() == 0, "since it was last asked"
            await trio.sleep(3)
            later = f.channel.unary_unary("/t/Sleep")(b"5")
            assert later.heard_s == 10, "what came before it was not for it"
            later.cancel()

    run(main)


def test_replies_and_requests_pass_the_functions_of_their_method():
    async def main():
        async with serving() as f:
            echo = f.channel.unary_unary("/t/Echo", str.encode, lambda data: data.decode().upper())
            assert await echo("rain") == "RAIN"

    run(main)


def test_a_call_that_was_refused_a_connection_says_why_in_all_its_ways():
    async def main():
        async with serving() as f:
            f.network.refuse = REFUSE
            call = f.channel.unary_unary("/t/Echo")(b"")
            assert await code_of(call) is StatusCode.UNAVAILABLE
            assert "connection refused" in await call.details()
            assert "connection refused" in await call.debug_error_string()
            assert call.done()
            assert not call.cancelled()

    run(main)
