"""The real client and the real server on a simulated network: bytes exact, whatever the network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from lightpeer.cli.events import fields_of, name_of
from lightpeer.client.client import Client, open_client
from lightpeer.client.kept import first_source
from lightpeer.client.stream import new_download, new_session
from lightpeer.core.content.manifest import table_of, table_segment
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.events import SessionEvent
from lightpeer.core.sources.source_search import GONE_S, MAX_LOOK_AGAIN_WITHOUT_S
from lightpeer.core.udp.opening import Chunk
from lightpeer.download.connection import state_of
from lightpeer.download.session import Callbacks, Session
from lightpeer.errors import StreamFailedError
from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, made_track, serving, settings

PHONE = "10.0.9.1"
SMALL = {"buffer_bytes": 70_000}  # a buffer that does not hold the whole track


class Ear:
    """Takes every segment of a track at the pace of playing, and notes what it gets."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.taken: list[bytes] = []
        self.began_s = 0.0
        self.renditions: list[int] = []
        self._heard_until = 0.0
        self._pause_s = pause_s

    def ahead_s(self) -> float:
        return max(0.0, self._heard_until - trio.current_time())

    async def listen(self, session: Session) -> None:
        while (segment := await session.next_segment()) is not None:
            self.began_s = self.began_s or trio.current_time()
            self.taken.append(segment.data)
            self.renditions.append(segment.rendition)
            if self._pause_s and len(self.taken) == 10:
                self._heard_until = trio.current_time() + self._pause_s
                await trio.sleep(self._pause_s)
            self._heard_until = max(self._heard_until, trio.current_time()) + 1.0
            await trio.sleep_until(self._heard_until - 0.2)  # a sink's queue


@dataclass
class Heard:
    session: Session
    renditions: list[int]
    events: list[SessionEvent]
    began_s: float  # virtual time

    def told(self, kind: str, key: str) -> list[object]:
        return [fields_of(event)[key] for event in self.events if name_of(event) == kind]


async def at(when_s: float, act: Callable[..., None], *args: object) -> None:
    """Do something at a moment of virtual time."""
    await trio.sleep_until(when_s)
    act(*args)


async def stream(client: Client, made: MadeTrack, *, pause_s: float = 0.0, **more: object) -> Heard:
    """Stream a track at the pace of playing, with a pause after ten seconds; the bytes must be exact."""
    ear, events = Ear(pause_s), []
    peer, opened = await first_source(client.open_track(made.track.track_id))
    callbacks = Callbacks(on_event=events.append, sink_ahead_s=ear.ahead_s)
    download = new_download(opened.track, client.settings, Bandwidth(), realtime=True)
    session = new_session(client, download, callbacks)
    session._callbacks = replace(session._callbacks, **more)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, (peer, opened))
        await ear.listen(session)
        nursery.cancel_scope.cancel()
    assert ear.taken == [made.segments[r][k] for k, r in enumerate(ear.renditions)]
    assert len(ear.taken) == made.track.segment_count
    return Heard(session, ear.renditions, events, ear.began_s)


def test_a_track_comes_whole_over_a_good_link(tmp_path: Path) -> None:
    made = made_track(70)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            heard = await stream(client, made)
        stats = heard.session.stats
        assert stats.transports == {"udp"}
        assert stats.retransmitted_units == stats.duplicate_units == 0
        assert heard.session.playout.rebuffers == 0
        assert stats.audio_bytes == sum(map(len, made.segments[0]))

    simulate(main)


@pytest.mark.parametrize("seed", range(4))
def test_loss_reordering_and_duplication_cost_no_byte(tmp_path: Path, seed: int) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        up, down = (
            Link(50_000, 0.1, faults=Faults(loss=0.05, reorder=0.05, duplicate=0.05)) for _ in range(2)
        )
        phone = net.host(PHONE, up=up, down=down)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            heard = await stream(client, made)
        assert heard.session.stats.transports == {"udp"}
        assert heard.session.stats.retransmitted_units > 0
        assert heard.session.playout.rebuffers == 0

    simulate(main, seed)


def test_a_source_that_sends_a_wrong_byte_is_dropped_and_another_goes_on(tmp_path: Path) -> None:
    made = made_track(60)
    liar = made_track(60)
    liar.segments[0][20] = bytes([liar.segments[0][20][0] ^ 1]) + liar.segments[0][20][1:]

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [liar]) as first,
            serving(net.host("10.0.0.2"), [made]) as second,
            open_client(settings(tmp_path, first, second, buffer_bytes=105_000), net.host(PHONE)) as client,
        ):
            heard = await stream(client, made)
        assert heard.told("source_lost", "reason") == ["a segment whose bytes do not match their hash"]
        assert heard.session.playout.rebuffers == 0

    simulate(main)


def test_where_udp_is_black_holed_grpc_carries_the_track(tmp_path: Path) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        net.block_udp()
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            heard = await stream(client, made)
        assert "grpc" in heard.session.stats.transports
        assert heard.session.transport in {"grpc", "-"}
        assert heard.session.playout.rebuffers == 0

    simulate(main)


def test_udp_that_is_blocked_in_mid_track_and_passes_again_is_used_again(tmp_path: Path) -> None:
    made = made_track(120)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), net.host(PHONE)) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(at, 20, net.block_udp)
            nursery.start_soon(at, 50, net.block_udp, False)
            heard = await stream(client, made)
        assert heard.told("transport", "transport") == ["grpc", "udp"]
        assert heard.session.playout.rebuffers == 0

    simulate(main)


def test_what_a_source_gave_before_and_after_a_long_pause_is_told(tmp_path: Path) -> None:
    made = made_track(60)
    served: list[int] = []

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), net.host(PHONE)) as client,
        ):
            heard = await stream(client, made, pause_s=620, on_served=lambda *told: served.append(told[1]))
        first, second = served
        assert min(first, second) > 0.2 * heard.session.stats.fetched_bytes
        assert first + second > 0.9 * heard.session.stats.fetched_bytes

    simulate(main)


def test_a_server_killed_in_mid_track_costs_no_gap_when_there_is_another(tmp_path: Path) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, down=Link(50_000, 0.05), up=Link(50_000, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [made]) as first,
            serving(net.host("10.0.0.2"), [made]) as second,
            open_client(settings(tmp_path, first, second, **SMALL), phone) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(at, 12, first.kill)  # its connection rests by then
            heard = await stream(client, made)
        assert len(heard.told("source_lost", "reason")) == 1
        assert heard.session.playout.rebuffers == 0

    simulate(main)


@pytest.mark.parametrize("outage_s", [31.0, 120.0, 3600.0])
def test_an_outage_is_waited_for_however_long_it_is(tmp_path: Path, outage_s: float) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), phone) as client,
        ):
            net.call_at(12.0, lambda: net.partition(phone))
            net.call_at(12.0 + outage_s, net.heal)
            heard = await stream(client, made)
        assert heard.session.playout.rebuffers == 1
        assert heard.session.playout.rebuffer_s < outage_s + MAX_LOOK_AGAIN_WITHOUT_S + 5.0

    simulate(main)


def test_a_second_outage_is_waited_for_as_the_first(tmp_path: Path) -> None:
    """The first one is not heard, for it falls into the middle of a full buffer."""
    made = made_track(120)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            for begins_s, ends_s in ((20.0, 60.0), (62.0, 110.0)):
                net.call_at(begins_s, lambda: net.partition(phone))
                net.call_at(ends_s, net.heal)
            await stream(client, made)

    simulate(main)


def test_where_peers_answer_that_nobody_has_the_track_any_more_it_ends_in_one_sentence(
    tmp_path: Path,
) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            serving(net.host("10.0.0.2"), [made_track(5, title="Other", seed=2)]) as other,
            open_client(settings(tmp_path, server, other, **SMALL), net.host(PHONE)) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(at, 12, server.kill)
            with pytest.raises(BaseExceptionGroup) as caught:
                await stream(client, made)
        assert caught.group_contains(StreamFailedError, match="no peer sends this track any more")
        assert 12 + GONE_S < trio.current_time() < 12 + 3 * GONE_S

    simulate(main)


def test_the_rendition_follows_the_link(tmp_path: Path) -> None:
    made = made_track(300, kbps=(24, 48, 96))

    async def main(net: SimInternet) -> None:
        down = Link(60_000, 0.1)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE, down=down)) as client,
            trio.open_nursery() as nursery,
        ):

            async def fade() -> None:
                await trio.sleep(40)
                down.rate_bytes_per_s = 5_000

            nursery.start_soon(fade)
            heard = await stream(client, made)
        assert heard.renditions[0] == 0, "the link is unknown"
        assert heard.renditions[30] == 2
        assert 0 in heard.renditions[100:]
        assert heard.session.playout.rebuffers == 0

    simulate(main)


@pytest.mark.parametrize("seconds", [3, 64, 70])
def test_what_comes_with_an_open_may_be_nonsense(tmp_path: Path, seconds: int) -> None:
    """Empty chunks for every segment, then a table beyond the end, then far too much of one."""
    made = made_track(seconds)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            peer, opened = await first_source(client.open_track(made.track.track_id))
            empty = [Chunk(0, segment, b"") for segment in range(seconds)]
            table = Chunk(0, table_segment(table_of(seconds)), opened.chunks[0].data)
            chunks = (*empty, table, Chunk(0, 0, bytes(1 << 20)))
            download = new_download(made.track, client.settings, Bandwidth(), realtime=True)
            download.add_source(state_of(peer), chunks, trio.current_time())
            assert download.buffer.buffer_s == 0
            assert download.scheduler.wished <= 1

    simulate(main)
