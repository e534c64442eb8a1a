"""Which address of a server a connection reaches."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from lightpeer.errors import RpcError
from lightpeer.rpc.dial import HEAD_START_S, Dialling
from tests.download.test_session import at
from tests.rpc.service import (
    MemoryNetwork,
    run,
    serving,
    stream_pair,
)


def test_a_server_that_is_not_where_it_was_is_found_at_its_other_address():
    """The first address answers nothing; and then both refuse."""

    async def main():
        async with serving() as f:
            f.network.delay_s = 0.5
            attempts, connect = [], f.network.connect_tcp
            dead: dict[str, OSError | None] = {"192.0.2.1": None}

            async def connect_tcp(host, port):
                attempts.append((host, trio.current_time()))
                if host not in dead:
                    return await connect(host, port)
                await trio.sleep(math.inf if dead[host] is None else 0)
                raise dead[host]

            f.network.connect_tcp = connect_tcp
            f.channel._subchannel.connector.dialling.target = ("192.0.2.1", 1)
            f.channel.also_at([("192.0.2.1", 1), ("2001:db8::1", 1)])
            echo = f.channel.unary_unary("/t/Echo")
            assert await echo(b"hi") == b"hi"
            assert attempts == [("192.0.2.1", 0.0), ("2001:db8::1", HEAD_START_S)]

            f.channel.renew()
            dead |= {"192.0.2.1": OSError("the first"), "2001:db8::1": OSError("the second")}
            with pytest.raises(RpcError, match="the first"):
                await echo(b"hi")
            await trio.sleep(2)

    run(main)


def test_of_two_connections_made_in_one_moment_one_is_closed():
    async def main():
        network, moment, streams = MemoryNetwork(), trio.Event(), []

        async def in_one_moment(host, port):
            await moment.wait()
            streams.append(stream_pair()[0])
            return streams[-1]

        network.connect_tcp = in_one_moment
        dialling = Dialling(network, ("192.0.2.1", 1), None, 1.0, lambda: None)
        dialling.others = (("2001:db8::1", 1),)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(at, 2 * HEAD_START_S, moment.set)
            stream, *_ = await dialling.dial()
        (unused,) = (other for other in streams if other is not stream)
        with pytest.raises(trio.ClosedResourceError):
            await unused.send_all(b"")

    run(main)
