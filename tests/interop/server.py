"""The interop service on our server half: `python -m tests.interop.server --port N`."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import trio

from lightpeer.core.rpc.framing import Compression
from lightpeer.core.rpc.status import StatusCode
from lightpeer.rpc.server import (
    Context,
    MethodHandler,
    Requests,
    RpcServer,
    ServerBounds,
    stream_stream,
    stream_unary,
    unary_stream,
    unary_unary,
)
from tests.interop import service
from tests.interop.pb import empty_pb2, messages_pb2
from tests.interop.programs import server_arguments
from tests.interop.service import SERVICE, Received, RefusedError


async def checked(kind: Any, data: bytes, context: Context) -> Any:
    try:
        return service.checked(Received(kind.FromString(data), context.was_compressed))
    except RefusedError as refused:
        await context.abort(StatusCode(refused.code), refused.text)


async def each(kind: Any, requests: Requests, context: Context) -> AsyncIterator[Any]:
    while (data := await requests.receive()) is not None:
        yield await checked(kind, data, context)


async def greet(context: Context) -> None:
    initial, trailing = service.echoes(context.metadata)
    if initial:
        await context.send_initial_metadata(initial)
    context.set_trailing_metadata(trailing)


async def empty_call(request: bytes, context: Context) -> bytes:
    return empty_pb2.Empty.FromString(request).SerializeToString()


async def unary_call(request: bytes, context: Context) -> bytes:
    wanted = await checked(messages_pb2.SimpleRequest, request, context)
    if wanted.response_compressed.value:
        context.set_compression(Compression.Gzip)
    await greet(context)
    return service.simple_reply(wanted).SerializeToString()


async def answer(request: messages_pb2.StreamingOutputCallRequest, context: Context) -> None:
    replies = list(service.output_replies(request))
    compresses = any(reply.compressed for reply in replies)
    if compresses:
        context.set_compression(Compression.Gzip)
    for reply in replies:
        await trio.sleep(reply.delay_s)
        if compresses and not reply.compressed:
            context.disable_next_message_compression()
        await context.write(reply.message.SerializeToString())


async def streaming_output_call(request: bytes, context: Context) -> None:
    await answer(messages_pb2.StreamingOutputCallRequest.FromString(request), context)


async def streaming_input_call(requests: Requests, context: Context) -> bytes:
    total_bytes = 0
    async for request in each(messages_pb2.StreamingInputCallRequest, requests, context):
        total_bytes += len(request.payload.body)
    return service.aggregated(total_bytes).SerializeToString()


async def full_duplex_call(requests: Requests, context: Context) -> None:
    await greet(context)
    async for request in each(messages_pb2.StreamingOutputCallRequest, requests, context):
        await answer(request, context)


async def half_duplex_call(requests: Requests, context: Context) -> None:
    wanted = messages_pb2.StreamingOutputCallRequest
    for request in [request async for request in each(wanted, requests, context)]:
        await answer(request, context)


def handlers() -> dict[str, MethodHandler]:
    return {
        f"/{SERVICE}/EmptyCall": unary_unary(empty_call),
        f"/{SERVICE}/UnaryCall": unary_unary(unary_call),
        f"/{SERVICE}/StreamingOutputCall": unary_stream(streaming_output_call),
        f"/{SERVICE}/StreamingInputCall": stream_unary(streaming_input_call),
        f"/{SERVICE}/FullDuplexCall": stream_stream(full_duplex_call),
        f"/{SERVICE}/HalfDuplexCall": stream_stream(half_duplex_call),
    }


async def main() -> None:
    arguments = server_arguments("our interop server")
    listeners = await trio.open_tcp_listeners(arguments.port, host="127.0.0.1")
    print(f"listening {listeners[0].socket.getsockname()[1]}", flush=True)
    rpc = RpcServer(
        handlers(), bounds=ServerBounds(held_bytes=math.inf, held_bytes_per_connection=math.inf)
    )  # 50 large replies
    await rpc.serve(listeners)


if __name__ == "__main__":
    trio.run(main)
