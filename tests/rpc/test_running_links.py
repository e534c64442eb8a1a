"""Connections that run, and how they end."""

from __future__ import annotations

import h2.connection
import h2.events
import trio
import trio.testing

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.rpc.link import Hooks, Link
from lightpeer.rpc.running_links import GOODBYE_S, RunningLinks
from tests.rpc.service import run, settle, stream_pair


def new_link() -> tuple[Link, trio.testing.MemorySendStream]:
    ours, theirs = stream_pair()
    core = ClientConnection("h:1", Limits(), trio.current_time())
    return Link(ours, core, Hooks(lambda _: None)), theirs


def test_a_connection_ends_with_a_goaway_and_its_calls_with_cancelled():
    async def main():
        links = RunningLinks("the channel was closed")
        link, theirs = new_link()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(links.run, link)
            await settle()
            assert list(links) == [link]
            call = link.core.start("/t/Echo", trio.current_time())
            link.flush()
            await settle()
            links.end()
        assert not links
        assert call.status[:2] == (StatusCode.CANCELLED, "the channel was closed")
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        events = server.receive_data(await theirs.receive_some(2**16))
        assert isinstance(events[-1], h2.events.ConnectionTerminated)

    run(main)


def test_a_connection_that_begins_after_the_end_ends_too():
    async def main():
        links = RunningLinks("the channel was closed")
        links.end()
        link, _ = new_link()
        await links.run(link)
        assert not link.core.is_open

    run(main)


def test_cancelling_leaves_time_for_the_goodbye_and_a_stuck_link_has_no_more():
    async def main():
        links = RunningLinks("the channel was closed")
        link, _ = new_link()

        async def stuck(_data: bytes) -> None:
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(links.run, link)
            await settle()
            link.stream.send_all = stuck
            nursery.cancel_scope.cancel()
            began_s = trio.current_time()
            links.end()
        assert trio.current_time() == began_s + GOODBYE_S

    run(main)


def test_a_drained_connection_finishes_its_calls():
    async def main():
        links = RunningLinks("the channel was closed")
        link, _ = new_link()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(links.run, link)
            await settle()
            call = link.core.start("/t/Echo", trio.current_time())
            links.drain()
            assert link.core.is_open
            assert not link.core.takes_calls
            call.cancel()
            link.flush()
        assert not links

    run(main)
