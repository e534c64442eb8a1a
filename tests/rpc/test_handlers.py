"""Handlers and what they see of their call: each kind, each way to end, and who is waited for."""

from __future__ import annotations

import logging

import pytest
import trio

from lightpeer.core.rpc.framing import Compression
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, StateMisuseError, UsageError
from lightpeer.rpc.handlers import (
    REQUEST_S,
    Context,
    MethodHandler,
    service_of,
    stream_stream,
    stream_unary,
    unary_stream,
    unary_unary,
)
from tests.rpc.service import code_of, run, serving, settle


@pytest.mark.parametrize(
    ("kind", "many_requests", "many_replies"),
    [
        (unary_unary, False, False),
        (unary_stream, False, True),
        (stream_unary, True, False),
        (stream_stream, True, True),
    ],
)
def test_a_kind_says_how_many_there_are(kind, many_requests, many_replies):
    assert kind(print) == MethodHandler(print, many_requests, many_replies)


def test_a_path_names_its_service():
    assert service_of("/pkg.v1.Service/Method") == "pkg.v1.Service"


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


def with_handler(handler: MethodHandler, act, **options) -> None:
    """Serve one method, and have a client do something."""

    async def main():
        async with serving(**options) as f:
            f.service.handlers["/t/Own"] = handler
            await act(f)

    run(main)


def test_the_trailers_of_a_status_go_before_those_that_were_set():
    async def handle(request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata([("set", "yes")])
        if request != b"reply":
            await context.abort(StatusCode.NOT_FOUND, "no", [("own", "yes")] if request == b"own" else ())
        return b""

    async def act(f):
        for request, expected in ((b"reply", "set"), (b"own", "own"), (b"none", "set")):
            call = f.channel.unary_unary("/t/Own")(request)
            assert await call.code() is (StatusCode.OK if request == b"reply" else StatusCode.NOT_FOUND)
            assert await call.trailing_metadata() == ((expected, "yes"),)

    with_handler(unary_unary(handle), act)


def test_metadata_goes_out_once_and_before_the_first_reply():
    raised = []

    async def handle(request: bytes, context: Context) -> None:
        await context.send_initial_metadata([("a", "1")])
        for act in (
            lambda: context.send_initial_metadata([("b", "2")]),
            lambda: trio.to_thread.run_sync(context.set_compression, Compression.Gzip),
        ):
            with pytest.raises(StateMisuseError) as caught:
                await act()
            raised.append(str(caught.value))
        await context.write(b"reply")

    async def act(f):
        call = f.channel.unary_stream("/t/Own")(b"")
        assert await call.initial_metadata() == (("a", "1"),)
        assert [reply async for reply in call] == [b"reply"]

    with_handler(unary_stream(handle), act)
    assert ["initial metadata" in raised[0], "compression" in raised[1]] == [True, True]


def test_only_the_next_reply_is_sent_as_it_is():
    compressed = []

    async def handle(request: bytes, context: Context) -> None:
        with pytest.raises(UsageError, match="is not supported"):
            context.set_compression("deflate")
        context.set_compression(Compression.Gzip)
        context.disable_next_message_compression()
        for _ in range(2):
            await context.write(bytes(500))

    async def act(f):
        call = f.channel.unary_stream("/t/Own")(b"")
        async for reply in call:
            assert reply == bytes(500)
            compressed.append(call._core.was_compressed)

    with_handler(unary_stream(handle), act)
    assert compressed == [False, True]


def test_a_handler_sees_whether_the_latest_request_was_compressed():
    seen = []

    async def handle(requests, context: Context) -> bytes:
        while await requests.receive() is not None:
            seen.append(context.was_compressed)
        return b""

    async def act(f):
        call = f.channel.stream_unary("/t/Own")(compression=Compression.Gzip)
        for compress in (True, False, True):
            await call.write(bytes(500), compress=compress)
        await call.done_writing()
        await call

    with_handler(stream_unary(handle), act)
    assert seen == [True, False, True]


def test_the_time_that_is_left_is_never_less_than_none():
    left = []

    async def handle(request: bytes, context: Context) -> bytes:
        left.append(context.time_remaining())
        try:
            await trio.sleep_forever()
        finally:
            left.append(context.time_remaining())

    async def act(f):
        assert await code_of(f.channel.unary_unary("/t/Own")(b"", timeout=4)) is StatusCode.DEADLINE_EXCEEDED
        await settle()

    with_handler(unary_unary(handle), act)
    assert left == [4, 0]


@pytest.mark.parametrize("kind", [stream_unary, unary_unary])
def test_a_first_request_has_so_much_time(kind):
    begun = []

    async def handle(requests, context: Context) -> bytes:
        begun.append(trio.current_time())
        return await requests.receive()

    async def act(f):
        call = f.channel.stream_unary("/t/Own")()
        assert await code_of(call) is StatusCode.DEADLINE_EXCEEDED
        assert trio.current_time() == REQUEST_S
        assert await call.details() == "the request did not come whole in time"

    with_handler(kind(handle), act)
    assert len(begun) == (kind is stream_unary)


def test_an_only_request_has_no_longer_for_its_end():
    async def act(f):
        call = f.channel.stream_unary("/t/Echo")()
        await trio.sleep(REQUEST_S - 1)
        await call.write(b"whole, but is it the last?")
        assert await code_of(call) is StatusCode.DEADLINE_EXCEEDED
        assert trio.current_time() == REQUEST_S

    with_handler(unary_unary(print), act)


def test_after_the_first_request_a_client_may_think_as_long_as_it_likes():
    async def act(f):
        call = f.channel.stream_stream("/t/Mirror")()
        for request in (b"one", b"two"):
            await trio.sleep(REQUEST_S - 1)
            await call.write(request)
            assert await call.read() == request
        await trio.sleep(10 * REQUEST_S)
        await call.done_writing()
        assert await call.code() is StatusCode.OK

    with_handler(unary_unary(print), act)


def test_requests_end_and_stay_at_their_end():
    async def handle(requests, context: Context) -> bytes:
        got = [request async for request in requests]
        return b"%d %r" % (len(got), await requests.receive())

    async def act(f):
        assert await f.channel.stream_unary("/t/Own")([b"a", b"", b"c"]) == b"3 None"
        assert await f.channel.stream_unary("/t/Own")([]) == b"0 None"

    with_handler(stream_unary(handle), act)


def test_a_reply_that_waits_for_room_counts_as_held_until_it_has_gone():
    held = []

    async def handle(request: bytes, context: Context) -> None:
        for _ in range(9):
            held.append(context._call.kept_bytes)
            await context.write(bytes(600_000))
        held.append(context._call.kept_bytes)

    async def act(f):
        call = f.channel.unary_stream("/t/Own")(b"")
        await settle()
        (link,) = f.server._intake.clients
        (waiting,) = link.core._streams.values()
        assert len(held) < 9, "it waits"
        assert waiting.kept_bytes == held[0] + 600_000
        assert [len(reply) async for reply in call] == [600_000] * 9

    with_handler(unary_stream(handle), act)
    assert set(held) == {held[0]}


def test_a_handler_whose_client_is_gone_while_it_writes_is_cancelled():
    ended = []

    async def handle(request: bytes, context: Context) -> None:
        own_bytes = context._call.kept_bytes
        try:
            while True:
                await context.write(bytes(60_000))
        finally:
            ended.append((trio.current_time(), context._call.kept_bytes - own_bytes))

    async def act(f):
        call = f.channel.unary_stream("/t/Own")(b"")
        await call.read()
        await trio.sleep(3)
        assert ended == []
        call.cancel()
        await settle()
        assert ended == [(3, 0)], "what waited is counted no more"
        assert f.calls_left == 0

    with_handler(unary_stream(handle), act)


def test_who_proves_itself_is_marked_on_its_call():
    proved = []

    async def handle(request: bytes, context: Context) -> bytes:
        proved.append(context._call.is_proved)
        context.prove()
        proved.append(context._call.is_proved)
        return b""

    async def act(f):
        await f.channel.unary_unary("/t/Own")(b"")

    with_handler(unary_unary(handle), act)
    assert proved == [False, True]
