"""Streaming without a player: verified segments, in order, and a network that is held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.kept import first_source
from lightpeer.client.start import Start
from lightpeer.client.stream import Segment, SegmentStream, open_stream, source_finder
from lightpeer.errors import NothingFoundError, StreamFailedError, UsageError
from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track
from tests.playback.music import Stage, stage
from tests.rpc.service import run

MADE = made_track(60, kbps=(24, 48))


def with_client(folder: Path, act: Callable[[Stage], Awaitable[None]], **more: object) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, folder, [MADE], **more) as now:
            await act(now)
            assert now.phone.udp == {}, "nothing is left of a stream that has ended"

    simulate(main)


@pytest.mark.parametrize(("asked_kbps", "rendition"), [(24, 0), (47, 0), (48, 1), (1, 0)])
def test_the_segments_of_one_rendition_come_in_order(tmp_path, asked_kbps, rendition):
    async def act(now: Stage) -> None:
        now.phone.down = Link(100_000, 0.05, faults=Faults(loss=0.02, reorder=0.02))
        async with open_stream(now.client, MADE.track.uri, bitrate_kbps=asked_kbps) as segments:
            assert isinstance(segments, SegmentStream)
            assert segments.track == MADE.track
            got = [segment async for segment in segments]
        assert got == [Segment(rendition, n, MADE.segments[rendition][n]) for n in range(60)]

    with_client(tmp_path, act)


def test_without_a_bitrate_it_is_as_the_settings_say(tmp_path):
    async def act(now: Stage) -> None:
        async with open_stream(now.client, MADE.track.uri) as segments:
            assert {segment.rendition async for segment in segments} == {0}

    with_client(tmp_path, act, bitrate_kbps=24)


def test_or_as_the_link_allows(tmp_path):
    async def act(now: Stage) -> None:
        now.phone.down = Link(20_000, 0.05)
        async with open_stream(now.client, MADE.track.uri) as segments:
            renditions = [segment.rendition async for segment in segments]
        assert renditions[-1] == 1
        assert len(renditions) == 60

    with_client(tmp_path, act)


def test_a_slow_reader_holds_back_the_network(tmp_path):
    async def act(now: Stage) -> None:
        async with open_stream(now.client, MADE.track.uri, bitrate_kbps=48) as segments:
            await anext(segments)
            await trio.sleep(60)
            came = now.phone.counters.rx_bytes()
            assert 6_000 * 8 < came < 6_000 * 20
            await trio.sleep(60)
            assert now.phone.counters.rx_bytes() < came + 2_000

    with_client(tmp_path, act, buffer_bytes=70_000)


@pytest.mark.parametrize(
    ("uri", "kind"), [(made_track(3, seed=2).track.uri, NothingFoundError), ("words", UsageError)]
)
def test_what_cannot_be_had_is_raised(tmp_path, uri, kind):
    async def act(now: Stage) -> None:
        with pytest.raises(kind):
            async with open_stream(now.client, uri):
                pass

    with_client(tmp_path, act)


def test_false_bytes_are_not_given(tmp_path):
    bad = made_track(60, kbps=(24, 48))
    bad.segments[0][9] = bytes(len(bad.segments[0][9]))

    got: list[Segment] = []

    async def read(now: Stage) -> None:
        async with open_stream(now.client, bad.track.uri, bitrate_kbps=24) as segments:
            async for segment in segments:
                got.append(segment)  # noqa: PERF401 - what came before the end counts

    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, [bad]) as now:
            with pytest.raises(StreamFailedError):
                await read(now)

    simulate(main)
    assert got == [Segment(0, n, bad.segments[0][n]) for n in range(len(got))]
    assert len(got) <= 9


# The first source of a track, and the finder of further ones.


def test_the_first_is_taken_and_the_search_is_closed():
    closed = []

    async def found():
        try:
            yield "first", "opened"
            yield "second", "opened"
        finally:
            closed.append(True)

    async def main():
        assert await first_source(found()) == ("first", "opened")
        assert closed == [True]

    run(main)


def test_where_there_is_none_the_finder_says_why():
    async def found():
        raise NothingFoundError("no reachable peer holds it")
        yield

    async def main():
        with pytest.raises(NothingFoundError, match="no reachable peer"):
            await first_source(found())

    run(main)


def test_further_sources_need_neither_manifest_nor_inline_segments():
    asked = []
    client = SimpleNamespace(open_track=lambda *given, **more: asked.append((given, more)))
    track = SimpleNamespace(track_id=b"id")
    source_finder(client, track)([b"us"])
    assert asked == [((b"id", Start(inline_bytes=0)), {"exclude": [b"us"], "track": track})]
