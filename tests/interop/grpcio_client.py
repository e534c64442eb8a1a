"""The cases on grpcio's aio channel: `python -m tests.interop.grpcio_client --server_port N`."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import Any

import grpc

from tests.interop.cases import Kit
from tests.interop.programs import CASES_LIMIT_S, client_arguments, run_cases

_GZIP_MAGIC = b"\x1f\x8b"


class Channel:
    """grpcio's, whose deserializers also see whether a reply was compressed (see `grpcio_server`)."""

    def __init__(self, channel: grpc.aio.Channel, compressed: list[bool]) -> None:
        self._channel = channel
        self._compressed = compressed

    def __getattr__(self, kind: str) -> Any:
        make = getattr(self._channel, kind)

        def method(path: str, request_serializer: Any, response_deserializer: Any, **more: Any) -> Any:
            def deserialize(data: bytes) -> Any:
                self._compressed[:] = [data.startswith(_GZIP_MAGIC)]
                return response_deserializer(gzip.decompress(data) if self._compressed[0] else data)

            return make(path, request_serializer, deserialize, **more)

        return method


async def gather(*functions: Any) -> None:
    await asyncio.gather(*[function() for function in functions])


async def main() -> int:
    arguments = client_arguments("grpcio as an interop client")
    target = f"{arguments.server_host}:{arguments.server_port}"
    options = (("grpc.per_message_decompression", 0),)
    async with asyncio.timeout(CASES_LIMIT_S), grpc.aio.insecure_channel(target, options=options) as channel:
        compressed: list[bool] = []
        kit = Kit(
            channel=Channel(channel, compressed),
            error=grpc.aio.AioRpcError,
            gzip=grpc.Compression.Gzip,
            was_compressed=lambda _: compressed[0],
            gather=gather,
            write_plain=None,  # grpcio's Python cannot
            soak_calls=arguments.soak_iterations,
        )
        return await run_cases(kit, arguments.test_case)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
