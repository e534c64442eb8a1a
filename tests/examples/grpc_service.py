"""A gRPC service on trio, without anything of loudp2p: `python grpc_service.py PORT`, until Ctrl-C.

Any gRPC client can call it. Messages are bytes here; a service with a .proto parses and serializes its own.
"""

from __future__ import annotations

import sys

import trio

from lightpeer.rpc import (
    Context,
    Health,
    Requests,
    RpcServer,
    StatusCode,
    stream_unary,
    unary_stream,
    unary_unary,
)


async def hello(request: bytes, context: Context) -> bytes:
    if not request:
        await context.abort(StatusCode.INVALID_ARGUMENT, "say who you are")
    return b"hello " + request


async def count(request: bytes, context: Context) -> None:
    for number in range(int(request)):
        await context.write(str(number).encode())


async def join(requests: Requests, _context: Context) -> bytes:
    return b" ".join([request async for request in requests])


async def main(port: str, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
    handlers = {
        "/demo.Greeter/Hello": unary_unary(hello),
        "/demo.Greeter/Count": unary_stream(count),
        "/demo.Greeter/Join": stream_unary(join),
    }
    server = RpcServer(handlers | Health(["demo.Greeter"]).handlers())
    listeners = await trio.open_tcp_listeners(int(port), host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await server.serve(listeners)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit(__doc__)
    try:
        trio.run(main, sys.argv[1])
    except* OSError as group:
        sys.exit(f"cannot listen at port {sys.argv[1]} ({group.exceptions[0]}): choose another")
    except* KeyboardInterrupt:
        pass
