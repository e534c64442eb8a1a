"""One server reached by IPv4 and by IPv6 on one port: real sockets on loopback."""

from __future__ import annotations

import errno
import shutil
import socket
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.fetch import fetch
from lightpeer.config import Settings
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.contact import Contact
from lightpeer.net.network import Address
from lightpeer.net.system import SystemNetwork
from lightpeer.serve.operator.settings import ServeSettings
from lightpeer.serve.server import serve
from lightpeer.serve.services.streams import Services
from tests.net.test_system import has_ipv6
from tests.serve.test_server import TRACKS

SONG = TRACKS / "copper-rain.opus"
LEAVES_AFTER_BYTES = 40_000


class LosesIPv4(SystemNetwork):
    """A network that has no route for IPv4 any more once so much has come by UDP."""

    def __init__(self) -> None:
        super().__init__()
        self.sent_to: list[str] = []

    def check(self, host: str) -> None:
        if ":" not in host and self.counters.rx_bytes() > LEAVES_AFTER_BYTES:
            raise OSError(errno.ENETUNREACH, "the network is unreachable")

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        self.check(host)
        return await super().connect_tcp(host, port)

    async def open_udp(self, host: str, port: int = 0, *, family_of: str | None = None):
        udp = await super().open_udp(host, port, family_of=family_of)
        send_now = udp.send_now

        def checked(data: bytes, address: Address) -> bool:
            self.check(address[0])
            self.sent_to.append(address[0])
            return send_now(data, address)

        udp.send_now = checked
        return udp


def free_port() -> int:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        return taken.getsockname()[1]


@pytest.mark.skipif(not (has_ipv6() and socket.has_dualstack_ipv6()), reason="this machine has no IPv6")
def test_a_fetch_that_began_by_ipv4_goes_on_by_ipv6(tmp_path: Path, monkeypatch) -> None:
    """On the same stream: the track is opened once."""
    (tmp_path / "music").mkdir()
    shutil.copy(SONG, tmp_path / "music")
    opens: list[bytes] = []
    open_stream = Services._open_stream
    monkeypatch.setattr(
        Services, "_open_stream", lambda self, *args: (opens.append(b""), open_stream(self, *args))
    )
    port = free_port()
    chosen = ServeSettings(
        music_dir=tmp_path / "music",
        state_dir=tmp_path / "server",
        listen=("::", port),
        announce=(("127.0.0.1", port), ("::1", port)),
        ladder_kbps=(48,),
        lan=False,
        max_upload_bytes_per_s=300_000,
    )

    async def main() -> LosesIPv4:
        network, stop = LosesIPv4(), trio.Event()
        config = Settings(state_dir=tmp_path / "client", bootstrap=(Contact(("127.0.0.1", port)),))
        async with trio.open_nursery() as nursery:
            running = await nursery.start(serve, chosen, SystemNetwork(), stop)
            await running.imported.wait()
            async with open_client(config, network) as client:
                with trio.fail_after(30):
                    (hit,) = [hit async for hit in client.search("copper")]
                    done = await fetch(client, format_uri(hit.track_id), tmp_path / "song.opus")
            stop.set()
        assert done.transport == "udp"
        return network

    network = trio.run(main)
    assert len(opens) == 1
    assert set(network.sent_to) == {"127.0.0.1", "::1"}
