"""grpcio's servers, sync and aio in one process: `python -m tests.interop.grpcio_server`.

grpcio does not tell a method whether a request was compressed; with its own decompression off, the
deserializer sees it.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from concurrent import futures
from typing import Any, Final

import grpc

from tests.interop import service
from tests.interop.pb import empty_pb2, messages_pb2
from tests.interop.programs import server_arguments
from tests.interop.service import SERVICE, Received, RefusedError

OPTIONS: Final = (("grpc.per_message_decompression", 0), ("grpc.so_reuseport", 0))
_GZIP_MAGIC = b"\x1f\x8b"  # no message begins with it: field 3 has no wire type 7
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def receiver(kind: Any) -> Any:
    """Make a deserializer that also sees whether a message is compressed."""

    def receive(data: bytes) -> Received:
        compressed = data.startswith(_GZIP_MAGIC)
        return Received(kind.FromString(gzip.decompress(data) if compressed else data), compressed)

    return receive


class SyncService:
    def empty_call(self, received: Received, context: Any) -> Any:
        return empty_pb2.Empty()

    def unary_call(self, received: Received, context: Any) -> Any:
        self._greet(context)
        request = self._checked(received, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        return service.simple_reply(request)

    def streaming_output_call(self, received: Received, context: Any) -> Any:
        request = self._checked(received, context)
        context.set_compression(grpc.Compression.Gzip)
        for reply in service.output_replies(request):
            time.sleep(reply.delay_s)
            if not reply.compressed:
                context.disable_next_message_compression()
            yield reply.message

    def streaming_input_call(self, requests: Any, context: Any) -> Any:
        messages = (self._checked(received, context) for received in requests)
        return service.aggregated(sum(len(message.payload.body) for message in messages))

    def full_duplex_call(self, requests: Any, context: Any) -> Any:
        self._greet(context)
        for received in requests:
            for reply in service.output_replies(self._checked(received, context)):
                time.sleep(reply.delay_s)
                yield reply.message

    def half_duplex_call(self, requests: Any, context: Any) -> Any:
        yield from self.full_duplex_call(iter(list(requests)), context)

    def _greet(self, context: Any) -> None:
        initial, trailing = service.echoes(context.invocation_metadata())
        context.send_initial_metadata(initial) if initial else None
        context.set_trailing_metadata(trailing)

    def _checked(self, received: Received, context: Any) -> Any:
        try:
            return service.checked(received)
        except RefusedError as refused:
            context.abort(_CODES[refused.code], refused.text)


class AioService:
    async def empty_call(self, received: Received, context: Any) -> Any:
        return empty_pb2.Empty()

    async def unary_call(self, received: Received, context: Any) -> Any:
        request = await self._checked(received, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        await self._greet(context)
        return service.simple_reply(request)

    async def streaming_output_call(self, received: Received, context: Any) -> Any:
        request = await self._checked(received, context)
        context.set_compression(grpc.Compression.Gzip)
        for reply in service.output_replies(request):
            await asyncio.sleep(reply.delay_s)
            if not reply.compressed:
                context.disable_next_message_compression()
            yield reply.message

    async def streaming_input_call(self, requests: Any, context: Any) -> Any:
        messages = [await self._checked(received, context) async for received in requests]
        return service.aggregated(sum(len(message.payload.body) for message in messages))

    async def full_duplex_call(self, requests: Any, context: Any) -> Any:
        await self._greet(context)
        async for received in requests:
            for reply in service.output_replies(await self._checked(received, context)):
                await asyncio.sleep(reply.delay_s)
                yield reply.message

    async def half_duplex_call(self, requests: Any, context: Any) -> Any:
        for received in [received async for received in requests]:
            for reply in service.output_replies(await self._checked(received, context)):
                yield reply.message

    async def _greet(self, context: Any) -> None:
        initial, trailing = service.echoes(context.invocation_metadata())
        await context.send_initial_metadata(initial)
        context.set_trailing_metadata(trailing)

    async def _checked(self, received: Received, context: Any) -> Any:
        try:
            return service.checked(received)
        except RefusedError as refused:
            await context.abort(_CODES[refused.code], refused.text)


def generic_handler(methods: SyncService | AioService) -> grpc.GenericRpcHandler:
    def handler(make: Any, method: Any, request_kind: Any) -> Any:
        return make(method, receiver(request_kind), lambda reply: reply.SerializeToString())

    output_request, input_request = (
        messages_pb2.StreamingOutputCallRequest,
        messages_pb2.StreamingInputCallRequest,
    )
    unary, to_stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    from_stream, both = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    handlers = {
        "EmptyCall": handler(unary, methods.empty_call, empty_pb2.Empty),
        "UnaryCall": handler(unary, methods.unary_call, messages_pb2.SimpleRequest),
        "StreamingOutputCall": handler(to_stream, methods.streaming_output_call, output_request),
        "StreamingInputCall": handler(from_stream, methods.streaming_input_call, input_request),
        "FullDuplexCall": handler(both, methods.full_duplex_call, output_request),
        "HalfDuplexCall": handler(both, methods.half_duplex_call, output_request),
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


async def main() -> None:
    arguments = server_arguments("grpcio's interop servers", ports=("--port", "--aio_port"))
    sync = grpc.server(futures.ThreadPoolExecutor(8), options=OPTIONS)
    sync.add_generic_rpc_handlers((generic_handler(SyncService()),))
    port = sync.add_insecure_port(f"127.0.0.1:{arguments.port}")
    sync.start()
    aio = grpc.aio.server(options=OPTIONS)
    aio.add_generic_rpc_handlers((generic_handler(AioService()),))
    aio_port = aio.add_insecure_port(f"127.0.0.1:{arguments.aio_port}")
    await aio.start()
    print(f"listening {port} {aio_port}", flush=True)
    await aio.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
