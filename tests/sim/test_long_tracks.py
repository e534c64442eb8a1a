"""Tracks of hours begin as soon as short ones, and a seek into their middle takes as long."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import first_source
from lightpeer.client.start import Start
from lightpeer.client.stream import new_download, new_session
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.long_track import LongTrack, six_hours
from tests.pair import serving, settings

PHONE = "10.0.9.1"
ONE_WAY_S = 0.1
RATE_BYTES_PER_S = 50_000.0
AN_HOUR = LongTrack(3600)


def times(tmp_path: Path, made: LongTrack, seek_to: int, **more: object) -> tuple[float, float]:
    """Return the seconds until the first segment of a track is heard, and after a seek until the next is."""

    async def main(net: SimInternet) -> tuple[float, float]:
        links = {"up": Link(RATE_BYTES_PER_S, ONE_WAY_S), "down": Link(RATE_BYTES_PER_S, ONE_WAY_S)}
        async with serving(net.host("10.0.0.1"), [made]) as server:
            chosen = settings(tmp_path, server, **more)
            async with (
                open_client(chosen, net.host(PHONE, **links)) as client,
                trio.open_nursery() as nursery,
            ):
                peer, opened = await first_source(client.open_track(made.track.track_id, Start()))
                assert len(opened.chunks) > 2, "a table and whole segments"
                download = new_download(opened.track, client.settings, Bandwidth(), realtime=True)
                session = new_session(client, download)
                nursery.start_soon(session.run, (peer, opened))
                first = await session.next_segment()
                assert first is not None
                assert first.data == made.segment(first.rendition, 0)
                first_s = trio.current_time()
                await trio.sleep(10.0)
                sought_at = trio.current_time()
                session.seek(seek_to)
                found = await session.next_segment()
                assert found is not None
                assert found.data == made.segment(found.rendition, seek_to)
                nursery.cancel_scope.cancel()
                return first_s, trio.current_time() - sought_at

    return simulate(main)


@pytest.mark.parametrize("transport", ["udp", "grpc"])
def test_six_hours_begin_and_are_sought_in_as_fast_as_one(tmp_path: Path, transport: str) -> None:
    chosen = {"transport": transport, "bitrate_kbps": 24}
    short = times(tmp_path / "short", AN_HOUR, 1800, **chosen)
    long = times(tmp_path / "long", six_hours(), 3 * 3600, **chosen)
    assert long == pytest.approx(short, abs=0.05)
    assert long[1] < 3 * 2 * ONE_WAY_S + 0.05, "the table, the segment, and by gRPC the call"
