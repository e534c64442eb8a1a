"""Pinning: all of a track is on the disk, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.client.fetch import FetchOptions
from lightpeer.client.pin import pin
from lightpeer.errors import NothingFoundError, StateError
from lightpeer.state.kept_file import KeptFile
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import made_track
from tests.playback.music import Stage, stage

MADE = made_track(40, kbps=(24, 96), title="Noise")


def with_client(folder: Path, act) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, folder, [MADE], cache_bytes=5_000_000) as now:
            await act(now)

    simulate(main)


@pytest.mark.parametrize(("kbps", "rendition"), [(None, 1), (24, 0)])
def test_it_takes_the_best_rendition_or_the_one_asked_for(tmp_path, kbps, rendition) -> None:
    async def act(now: Stage) -> None:
        done = await pin(now.client, MADE.track.uri, FetchOptions(kbps))
        assert done.fetched_bytes == sum(map(len, MADE.segments[rendition]))
        assert done.pinned_bytes > done.fetched_bytes

    with_client(tmp_path, act)


def test_a_better_rendition_that_is_kept_will_do(tmp_path) -> None:
    async def act(now: Stage) -> None:
        await pin(now.client, MADE.track.uri)
        assert (await pin(now.client, MADE.track.uri, FetchOptions(24))).fetched_bytes == 0

    with_client(tmp_path, act)


def test_words_that_find_nothing_pin_nothing(tmp_path) -> None:
    async def act(now: Stage) -> None:
        with pytest.raises(NothingFoundError):
            await pin(now.client, "silence")

    with_client(tmp_path, act)


def test_what_is_not_whole_is_told(tmp_path, monkeypatch) -> None:
    put = KeptFile.put

    def lose_one(file: KeptFile, key: tuple[int, int], data: bytes) -> None:
        if key != (1, 7):
            put(file, key, data)

    async def act(now: Stage) -> None:
        monkeypatch.setattr(KeptFile, "put", lose_one)
        with pytest.raises(StateError, match="not all of Noise could be kept"):
            await pin(now.client, MADE.track.uri)

    with_client(tmp_path, act)
