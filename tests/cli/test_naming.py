"""What names the file of a track: its manifest where that is kept, else a hit; and what is here of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from lightpeer.cli.naming import Named, kept_kbps, kept_track, named_tracks
from lightpeer.client.models import Found, Hit
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import CapReachedError, NoPeerError, NothingFoundError
from lightpeer.state.files import Losses
from lightpeer.state.kept import KeptTracks
from lightpeer.state.kept_file import MANIFEST
from tests.pair import MadeTrack, made_track

PLACE = AlbumPlace(track=3, disc=2, tracks=9, album_artist="Several", year=1999)
SONG = made_track(3, title="Song", artist="Ann", album="Flood", place=PLACE, kbps=(24, 48))
FIELDS = {
    "title": "Song",
    "artist": "Ann",
    "album": "Flood",
    "album_artist": "Several",
    "year": 1999,
    "disc": 2,
    "track": 3,
}
OTHER = format_uri(bytes(32))
HIT = Hit(bytes(32), OTHER, "Hit", "Bob", "Ebb", 60.0, [24], [], 7, 1, 9, "Others", 2001)


class FakeClient:
    """A client that keeps some tracks, and finds a hit or nobody."""

    settings = Settings(state_dir=Path("unused"))

    def __init__(self, kept: KeptTracks | None, hits: list[Hit], error: Exception | None = None) -> None:
        self.kept, self.hits, self.error = kept, hits, error
        self.asked: list[str] = []

    def has_kept(self, track_id: bytes) -> bool:
        return self.kept is not None and track_id == SONG.track.track_id

    async def find(self, query: str, _limit: int) -> Found:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return Found(self.hits, len(self.hits))


def run(folder: Path, act: Callable[[KeptTracks], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await act(KeptTracks(folder, 10_000_000, nursery, Losses()))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def keep(kept: KeptTracks, made: MadeTrack, *renditions: int, segments: int = 3) -> None:
    file = kept.open(made.track.track_id)
    file.put(MANIFEST, made.manifest)
    for rendition in renditions:
        file.put((rendition, TABLE_BASE), made.tables[rendition][0])
        for number in range(segments):
            file.put((rendition, number), made.segments[rendition][number])
    kept.save()


def test_a_kept_track_is_named_by_its_manifest_and_nobody_is_asked(tmp_path):
    async def act(kept: KeptTracks) -> None:
        keep(kept, SONG, 0, segments=1)
        client = FakeClient(kept, [HIT])
        (named,) = await named_tracks(client, SONG.track.uri, Output(), takes_all=False)
        assert named == Named(SONG.track.uri, FIELDS)
        assert (named.title, client.asked) == ("Song", [])

    run(tmp_path, act)


@pytest.mark.parametrize(("hits", "title"), [([HIT], "Hit"), ([], OTHER.removeprefix("loud:"))])
def test_another_is_named_by_a_hit_or_by_its_id(tmp_path, hits, title):
    async def act(kept: KeptTracks) -> None:
        client = FakeClient(kept, hits)
        (named,) = await named_tracks(client, OTHER, Output(), takes_all=False)
        assert (named.uri, named.title, client.asked) == (OTHER, title, [OTHER])
        if hits:
            assert named.known == {
                "title": "Hit",
                "artist": "Bob",
                "album": "Ebb",
                "album_artist": "Others",
                "year": 2001,
                "disc": 1,
                "track": 7,
            }

    run(tmp_path, act)


def test_what_has_no_fields_is_called_by_its_id():
    assert Named(OTHER, {}).title == OTHER
    assert Named(OTHER, {"title": ""}).title == OTHER


@pytest.mark.parametrize("error", [NoPeerError("nobody"), CapReachedError("used up")])
def test_words_take_what_is_kept_whole_where_nobody_answers(tmp_path, error):
    async def act(kept: KeptTracks) -> None:
        client = FakeClient(kept, [], error)
        with pytest.raises(type(error)):
            await named_tracks(client, "song ann", Output(), takes_all=False)
        keep(kept, SONG, 0)
        (named,) = await named_tracks(client, "song ann", Output(), takes_all=False)
        assert named.known == FIELDS
        with pytest.raises(type(error)):
            await named_tracks(client, "other words", Output(), takes_all=False)
        with pytest.raises(type(error)):
            await named_tracks(client, "song ann", Output(), takes_all=True)
        with pytest.raises(type(error)):
            await named_tracks(FakeClient(None, [], error), "song ann", Output(), takes_all=False)

    run(tmp_path, act)


def test_a_query_that_finds_nothing_is_no_outage(tmp_path):
    async def act(kept: KeptTracks) -> None:
        keep(kept, SONG, 0)
        with pytest.raises(NothingFoundError):
            await named_tracks(FakeClient(kept, []), "song", Output(), takes_all=False)
        found = await named_tracks(FakeClient(kept, [HIT, HIT]), "song", Output(), takes_all=True)
        assert [named.title for named in found] == ["Hit", "Hit"]

    run(tmp_path, act)


@pytest.mark.parametrize(
    ("renditions", "segments", "kbps"), [((), 0, None), ((0,), 3, 24), ((0, 1), 3, 48), ((0, 1), 2, None)]
)
def test_the_best_bitrate_in_which_all_is_here(tmp_path, renditions, segments, kbps):
    async def act(kept: KeptTracks) -> None:
        client = FakeClient(kept, [])
        if renditions:
            keep(kept, SONG, *renditions, segments=segments)
        assert kept_kbps(client, SONG.track.uri) == kbps
        assert (kept_track(client, SONG.track.uri) is not None) == bool(renditions)
        assert kept_kbps(client, OTHER) is None
        assert kept_track(FakeClient(None, []), SONG.track.uri) is None

    run(tmp_path, act)
