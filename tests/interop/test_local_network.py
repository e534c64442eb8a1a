"""Our multicast DNS and python-zeroconf's find each other; it stands for avahi, mDNSResponder and others."""

from __future__ import annotations

import threading

import pytest
import trio
import zeroconf

from lightpeer.core.lan.services import Own
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.net.lan import LOOPBACK, on_lan
from tests.net.test_lan import HOST, found, multicast, on_loopback

OURS, THEIRS = (Identity(bytes([n]) * 32).peer_id for n in (1, 2))
SERVICE = "_loudp2p._tcp.local."
WAIT_MS = 10_000

pytestmark = multicast


@pytest.fixture
def stock():
    opened = zeroconf.Zeroconf([LOOPBACK.host])
    yield opened
    opened.close()


class Listener(zeroconf.ServiceListener):
    """Notes the services that come and go."""

    def __init__(self) -> None:
        self.came, self.went = threading.Event(), threading.Event()

    def add_service(self, *_: object) -> None:
        self.came.set()

    def remove_service(self, *_: object) -> None:
        self.went.set()

    def update_service(self, *_: object) -> None:
        pass


def test_a_stock_browser_finds_us_and_sees_us_leave(stock):
    listener = Listener()
    name = f"{format_peer_id(OURS)}.{SERVICE}"

    async def main() -> None:
        async with on_lan(Own(OURS, HOST, 5000), interfaces=on_loopback):
            browser = await trio.to_thread.run_sync(zeroconf.ServiceBrowser, stock, SERVICE, None, listener)
            assert await trio.to_thread.run_sync(listener.came.wait, WAIT_MS / 1000)
            info = await trio.to_thread.run_sync(stock.get_service_info, SERVICE, name, WAIT_MS)
            assert (info.port, info.parsed_addresses()) == (5000, [HOST])
            assert info.properties == {b"id": format_peer_id(OURS).encode()}
        assert await trio.to_thread.run_sync(listener.went.wait, WAIT_MS / 1000)
        await trio.to_thread.run_sync(browser.cancel)

    trio.run(main)


def test_a_stock_responder_is_found_by_us_and_seen_to_leave(stock):
    name = format_peer_id(THEIRS)
    info = zeroconf.ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=6000,
        properties={"id": name},
        server="some-host.local.",
        parsed_addresses=[HOST],
    )

    async def main() -> None:
        await trio.to_thread.run_sync(stock.register_service, info)
        async with on_lan(interfaces=on_loopback) as lan:
            assert await found(lan, 1) == [Contact((HOST, 6000), THEIRS)]
            await trio.to_thread.run_sync(stock.unregister_service, info)
            assert await found(lan, 0) == []

    trio.run(main)
