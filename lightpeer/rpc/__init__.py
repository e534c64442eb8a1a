"""gRPC on trio, channel and server, after grpcio's aio API.

It stands alone: it knows nothing of loudp2p, and a program may use it for its own services. Without
(de)serializers, messages are bytes. Generated stub classes accept a `Channel` in place of grpcio's.

    async def hello(request: bytes, context: Context) -> bytes:
        return b"hello " + request

    server = RpcServer({"/demo.Greeter/Hello": unary_unary(hello)})
    await nursery.start(server.serve, await trio.open_tcp_listeners(50051))

    async with open_channel(SystemNetwork(), "127.0.0.1", 50051) as channel:
        print(await channel.unary_unary("/demo.Greeter/Hello")(b"you"))

A call fails with `RpcError`, which has grpcio's methods. Names are imported at their first use.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from lightpeer.core.rpc.framing import Compression
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.status import StatusCode
    from lightpeer.errors import RpcError
    from lightpeer.net.system import SystemNetwork
    from lightpeer.rpc.call import Call
    from lightpeer.rpc.calls import EOF, StreamStreamCall, StreamUnaryCall, UnaryStreamCall, UnaryUnaryCall
    from lightpeer.rpc.channel import Channel, open_channel
    from lightpeer.rpc.handlers import (
        Context,
        MethodHandler,
        Requests,
        service_of,
        stream_stream,
        stream_unary,
        unary_stream,
        unary_unary,
    )
    from lightpeer.rpc.health import Health
    from lightpeer.rpc.method import Method
    from lightpeer.rpc.reflection import Reflection
    from lightpeer.rpc.server import RpcServer
    from lightpeer.rpc.subchannel import ChannelConnectivity

__all__ = [
    "EOF",
    "Call",
    "Channel",
    "ChannelConnectivity",
    "Compression",
    "Context",
    "Health",
    "Limits",
    "Method",
    "MethodHandler",
    "Reflection",
    "Requests",
    "RpcError",
    "RpcServer",
    "StatusCode",
    "StreamStreamCall",
    "StreamUnaryCall",
    "SystemNetwork",
    "UnaryStreamCall",
    "UnaryUnaryCall",
    "open_channel",
    "service_of",
    "stream_stream",
    "stream_unary",
    "unary_stream",
    "unary_unary",
]

_HOMES = {
    "Channel": "rpc.channel",
    "ChannelConnectivity": "rpc.subchannel",
    "Compression": "core.rpc.framing",
    "Health": "rpc.health",
    "Limits": "core.rpc.limits",
    "Reflection": "rpc.reflection",
    "RpcError": "errors",
    "RpcServer": "rpc.server",
    "StatusCode": "core.rpc.status",
    "SystemNetwork": "net.system",
    "open_channel": "rpc.channel",
    "Call": "rpc.call",
    "Method": "rpc.method",
    **dict.fromkeys(
        ("EOF", "StreamStreamCall", "StreamUnaryCall", "UnaryStreamCall", "UnaryUnaryCall"), "rpc.calls"
    ),
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"lightpeer.{_HOMES.get(name, 'rpc.handlers')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
