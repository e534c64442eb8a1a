"""The cases on our channel: `python -m tests.interop.client --server_port N [--test_case NAME]`."""

from __future__ import annotations

import sys
from typing import Any

import trio

from lightpeer.errors import RpcError
from lightpeer.net.system import SystemNetwork
from lightpeer.rpc.channel import Compression, open_channel
from tests.interop.cases import Kit
from tests.interop.programs import CASES_LIMIT_S, client_arguments, run_cases


async def gather(*functions: Any) -> None:
    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


async def write_plain(call: Any, request: Any) -> None:
    await call.write(request, compress=False)


async def main() -> int:
    arguments = client_arguments("our interop client")
    host, port = arguments.server_host, arguments.server_port
    with trio.fail_after(CASES_LIMIT_S):
        async with open_channel(SystemNetwork(), host, port) as channel:
            kit = Kit(
                channel=channel,
                error=RpcError,
                gzip=Compression.Gzip,
                was_compressed=lambda call: call._core.was_compressed,
                gather=gather,
                write_plain=write_plain,
                soak_calls=arguments.soak_iterations,
            )
            return await run_cases(kit, arguments.test_case)


if __name__ == "__main__":
    sys.exit(trio.run(main))
