"""How often a client wakes up to receive: each time costs a phone more than what is then done."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.client.fetch import fetch
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from lightpeer.testing.sockets import SimUdpSocket
from tests.download.test_session import stream
from tests.pair import made_track
from tests.playback.music import stage

MADE = made_track(60)


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of datagrams that each wake-up took."""
    counts: list[int] = []
    receive_all = SimUdpSocket.receive_all

    async def counted(self, not_before):
        came = await receive_all(self, not_before)
        counts.append(len(came))
        return came

    monkeypatch.setattr(SimUdpSocket, "receive_all", counted)
    return counts


@pytest.mark.parametrize("rate", [50_000, 600_000])
def test_a_file_is_fetched_with_few_wake_ups(tmp_path: Path, wakes: list[int], rate: int) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path / "state", [MADE]) as now:
            now.phone.down = Link(rate, 0.05)
            await fetch(now.client, MADE.track.uri, tmp_path / "x.opus")

    simulate(main)
    assert sum(wakes) / len(wakes) > 1.6


def test_what_is_about_to_be_played_is_taken_at_once(tmp_path: Path, wakes: list[int]) -> None:
    """On a link that gives hardly more than is played the buffer stays low."""

    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path / "state", [MADE]) as now:
            now.phone.down = Link(13_000, 0.05)
            heard = await stream(now.client, MADE)
            assert heard.session.stats.audio_bytes > 0

    simulate(main)
    assert sum(wakes) / len(wakes) < 1.5
