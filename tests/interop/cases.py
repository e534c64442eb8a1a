"""The client cases of gRPC's interop tests, written once against grpcio's aio surface.

`client` runs them on our channel and `grpcio_client` on grpcio's, both through the stub classes that the
ordinary gRPC plugin makes. What the two cannot share is in `Kit`. A case fails by an AssertionError.

Source: the gRPC project's doc/interop-test-descriptions.md, sizes and texts included.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tests.interop.pb import empty_pb2, messages_pb2
from tests.interop.pb.test_pb2_grpc import TestServiceStub, UnimplementedServiceStub

REQUEST_BYTES: Final = 271_828
REPLY_BYTES: Final = 314_159
REQUEST_SIZES: Final = (27182, 8, 1828, 45904)
REPLY_SIZES: Final = (31415, 9, 2653, 58979)
CONCURRENT_CALLS: Final = 50
SOAK_BLOCKS: Final = 300
"""Less than one for each of a few calls; a call that leaves anything leaves at least one."""

INITIAL: Final = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING: Final = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
STATUS_TEXT: Final = "test status message"
SPECIAL_TEXT: Final = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


@dataclass(slots=True)
class Kit:
    """What a runtime and its channel bring.

    Args:
        channel: ours, or grpcio's; the method names are the same.
        error: what a failed call raises.
        gzip: the value of `compression` that compresses.
        was_compressed: whether the latest reply of a call had been compressed.
        gather: awaits several functions at once.
        write_plain: writes one message uncompressed in a compressed call, or None where that cannot be done.
        soak_calls: how many calls the soak makes.
    """

    channel: Any
    error: type[Exception]
    gzip: Any
    was_compressed: Callable[[Any], bool]
    gather: Callable[..., Awaitable[Any]]
    write_plain: Callable[[Any, Any], Awaitable[None]] | None
    soak_calls: int

    @property
    def stub(self) -> TestServiceStub:
        return TestServiceStub(self.channel)


def payload(size: int) -> messages_pb2.Payload:
    return messages_pb2.Payload(body=bytes(size))


def yes_or_no(value: bool) -> messages_pb2.BoolValue:
    return messages_pb2.BoolValue(value=value)


def large_request(**more: Any) -> messages_pb2.SimpleRequest:
    return messages_pb2.SimpleRequest(response_size=REPLY_BYTES, payload=payload(REQUEST_BYTES), **more)


def output_request(request_bytes: int | None, *reply_sizes: int) -> messages_pb2.StreamingOutputCallRequest:
    return messages_pb2.StreamingOutputCallRequest(
        response_parameters=[messages_pb2.ResponseParameters(size=size) for size in reply_sizes],
        payload=None if request_bytes is None else payload(request_bytes),
    )


async def failure(kit: Kit, call: Any) -> tuple[str, str]:
    """Await or read a call that has to fail; give the name of its status and its message."""
    with suppress(kit.error):
        if hasattr(call, "__await__"):
            await call
        else:
            while await call.read():
                pass
        raise AssertionError("the call should have failed")
    return (await call.code()).name, await call.details()


async def is_over(kit: Kit, call: Any) -> None:
    """Check that no more replies come and that the call was a success."""
    assert not await call.read()
    assert (await call.code()).name == "OK"


# --- the cases, in the order of the specification -------------------------------------------------


async def empty_unary(kit: Kit) -> None:
    assert await kit.stub.EmptyCall(empty_pb2.Empty()) == empty_pb2.Empty()


async def large_unary(kit: Kit) -> None:
    reply = await kit.stub.UnaryCall(large_request())
    assert reply.payload.body == bytes(REPLY_BYTES)


async def client_compressed_unary(kit: Kit) -> None:
    probe = kit.stub.UnaryCall(large_request(expect_compressed=yes_or_no(True)))
    assert (await failure(kit, probe))[0] == "INVALID_ARGUMENT"
    for compression in (kit.gzip, None):
        request = large_request(expect_compressed=yes_or_no(compression is not None))
        reply = await kit.stub.UnaryCall(request, compression=compression)
        assert reply.payload.body == bytes(REPLY_BYTES)


async def server_compressed_unary(kit: Kit) -> None:
    for compressed in (True, False):
        call = kit.stub.UnaryCall(large_request(response_compressed=yes_or_no(compressed)))
        assert (await call).payload.body == bytes(REPLY_BYTES)
        assert kit.was_compressed(call) is compressed


async def client_streaming(kit: Kit) -> None:
    requests = [messages_pb2.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES]
    reply = await kit.stub.StreamingInputCall(iter(requests))
    assert reply.aggregated_payload_size == sum(REQUEST_SIZES)


async def client_compressed_streaming(kit: Kit) -> None:
    def request(size: int, compressed: bool) -> messages_pb2.StreamingInputCallRequest:
        expected = yes_or_no(compressed)
        return messages_pb2.StreamingInputCallRequest(payload=payload(size), expect_compressed=expected)

    probe = kit.stub.StreamingInputCall(iter([request(27182, True)]))
    assert (await failure(kit, probe))[0] == "INVALID_ARGUMENT"
    call = kit.stub.StreamingInputCall(compression=kit.gzip)
    await call.write(request(27182, True))
    if kit.write_plain is None:
        await call.write(request(45904, True))
    else:
        await kit.write_plain(call, request(45904, False))
    await call.done_writing()
    assert (await call).aggregated_payload_size == 73086


async def server_streaming(kit: Kit) -> None:
    call = kit.stub.StreamingOutputCall(output_request(None, *REPLY_SIZES))
    assert [reply.payload.body async for reply in call] == [bytes(size) for size in REPLY_SIZES]
    assert (await call.code()).name == "OK"


async def server_compressed_streaming(kit: Kit) -> None:
    request = output_request(None, 31415, 92653)
    request.response_parameters[0].compressed.value = True
    request.response_parameters[1].compressed.value = False
    call = kit.stub.StreamingOutputCall(request)
    for size, compressed in ((31415, True), (92653, False)):
        assert (await call.read()).payload.body == bytes(size)
        assert kit.was_compressed(call) is compressed
    await is_over(kit, call)


async def ping_pong(kit: Kit) -> None:
    call = kit.stub.FullDuplexCall()
    for request_bytes, reply_bytes in zip(REQUEST_SIZES, REPLY_SIZES, strict=True):
        await call.write(output_request(request_bytes, reply_bytes))
        assert (await call.read()).payload.body == bytes(reply_bytes)
    await call.done_writing()
    await is_over(kit, call)


async def empty_stream(kit: Kit) -> None:
    call = kit.stub.FullDuplexCall()
    await call.done_writing()
    await is_over(kit, call)


async def custom_metadata(kit: Kit) -> None:
    unary = kit.stub.UnaryCall(large_request(), metadata=(INITIAL, TRAILING))
    await unary
    duplex = kit.stub.FullDuplexCall(metadata=(INITIAL, TRAILING))
    await duplex.write(output_request(REQUEST_BYTES, REPLY_BYTES))
    assert (await duplex.read()).payload.body == bytes(REPLY_BYTES)
    await duplex.done_writing()
    await is_over(kit, duplex)
    for call in (unary, duplex):
        assert INITIAL in map(tuple, await call.initial_metadata())
        assert TRAILING in map(tuple, await call.trailing_metadata())


async def status_code_and_message(kit: Kit) -> None:
    status = messages_pb2.EchoStatus(code=2, message=STATUS_TEXT)
    unary = kit.stub.UnaryCall(messages_pb2.SimpleRequest(response_status=status))
    assert await failure(kit, unary) == ("UNKNOWN", STATUS_TEXT)
    duplex = kit.stub.FullDuplexCall()
    await duplex.write(messages_pb2.StreamingOutputCallRequest(response_status=status))
    await duplex.done_writing()
    assert await failure(kit, duplex) == ("UNKNOWN", STATUS_TEXT)


async def special_status_message(kit: Kit) -> None:
    status = messages_pb2.EchoStatus(code=2, message=SPECIAL_TEXT)
    call = kit.stub.UnaryCall(messages_pb2.SimpleRequest(response_status=status))
    assert await failure(kit, call) == ("UNKNOWN", SPECIAL_TEXT)


async def unimplemented_method(kit: Kit) -> None:
    assert (await failure(kit, kit.stub.UnimplementedCall(empty_pb2.Empty())))[0] == "UNIMPLEMENTED"


async def unimplemented_service(kit: Kit) -> None:
    call = UnimplementedServiceStub(kit.channel).UnimplementedCall(empty_pb2.Empty())
    assert (await failure(kit, call))[0] == "UNIMPLEMENTED"


async def cancel_after_begin(kit: Kit) -> None:
    call = kit.stub.StreamingInputCall()
    assert call.cancel()
    assert (await call.code()).name == "CANCELLED"
    assert call.cancelled()


async def cancel_after_first_response(kit: Kit) -> None:
    call = kit.stub.FullDuplexCall()
    await call.write(output_request(27182, 31415))
    assert (await call.read()).payload.body == bytes(31415)
    assert call.cancel()
    assert (await call.code()).name == "CANCELLED"


async def timeout_on_sleeping_server(kit: Kit) -> None:
    """As grpcio's own: longer than a write takes, which grpcio fails as INTERNAL when the time is over."""
    call = kit.stub.FullDuplexCall(timeout=0.5)
    request = output_request(27182, 31415)
    request.response_parameters[0].interval_us = 20_000_000
    await call.write(request)
    assert (await call.code()).name == "DEADLINE_EXCEEDED"


async def concurrent_large_unary(kit: Kit) -> None:
    await kit.gather(*[lambda: large_unary(kit)] * CONCURRENT_CALLS)


async def rpc_soak(kit: Kit) -> None:
    """Many calls on one channel: the least that Python holds grows no more in the last quarter of them.

    The least, since caches fill and empty meanwhile: trio drops dead deadlines, four blocks each, by the
    thousand, so that a sample every 40 calls comes within 160 blocks of the least there is.
    """
    request = messages_pb2.SimpleRequest(response_size=200, payload=payload(200))
    least = []
    for _ in range(4):
        blocks = []
        for done in range(kit.soak_calls // 4):
            assert len((await kit.stub.UnaryCall(request)).payload.body) == 200
            if done % 40 == 0:
                blocks.append(allocated_blocks())
        least.append(min(blocks))
    growth = least[-1] - least[-2]
    assert growth < SOAK_BLOCKS, f"{growth} more blocks of memory in {kit.soak_calls // 4} calls"


def allocated_blocks() -> int:
    """Count the blocks of memory that are in use in this process, garbage collected before."""
    gc.collect()
    return sys.getallocatedblocks()


CASES: Final[dict[str, Callable[[Kit], Awaitable[None]]]] = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_compressed_unary,
        server_compressed_unary,
        client_streaming,
        client_compressed_streaming,
        server_streaming,
        server_compressed_streaming,
        ping_pong,
        empty_stream,
        custom_metadata,
        status_code_and_message,
        special_status_message,
        unimplemented_method,
        unimplemented_service,
        cancel_after_begin,
        cancel_after_first_response,
        timeout_on_sleeping_server,
        concurrent_large_unary,
        rpc_soak,
    )
}
