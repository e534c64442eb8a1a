"""The tracks of a fetch, each with what names its file.

What is kept of a track has its manifest, which is verified and costs nothing; so it names the file, and what
is kept whole is fetched without the network. Of other tracks a hit gives the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lightpeer.cli.hits import found_of, hits_of
from lightpeer.core.content.uri import format_uri, is_uri, parse_uri
from lightpeer.errors import CapReachedError, NoPeerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightpeer.client.client import Client
    from lightpeer.client.models import Hit
    from lightpeer.console.output import Output
    from lightpeer.core.content.manifest import Track


class Named(NamedTuple):
    """A track, and the fields that `core/content/names.py` may fill in.

    Attributes:
        uri: the track id, `loud:…`.
        known: the fields that are known of it.
    """

    uri: str
    known: Mapping[str, str | int]

    @property
    def title(self) -> str:
        """What people are told that it is."""
        return str(self.known.get("title") or self.uri)


async def named_tracks(client: Client, item: str, output: Output, *, takes_all: bool) -> list[Named]:
    """Return the tracks of an item.

    Args:
        client: the light client.
        item: a track's uri, or words: where no peer answers, one that is kept whole will do.
        output: where it is said what words were taken to mean.
        takes_all: whether all hits are wanted, or the best.

    Raises:
        LightpeerError: no peer answers, or nothing is found.
    """
    if is_uri(item):
        return [await _by_id(client, item)]
    if takes_all:
        return list(map(_of_hit, await hits_of(client, item, output)))
    try:
        return list(map(_of_hit, (await found_of(client, item, 1, output)).hits))
    except (NoPeerError, CapReachedError):
        track_id = client.kept.find(item) if client.kept is not None else None
        if track_id is None:
            raise
        return [await _by_id(client, format_uri(track_id))]


async def _by_id(client: Client, uri: str) -> Named:
    if (track := kept_track(client, uri)) is not None:
        return _of_track(track)
    hits = (await client.find(uri, 1)).hits
    return _of_hit(hits[0]) if hits else Named(uri, {"title": uri.removeprefix("loud:")})


def kept_track(client: Client, uri: str) -> Track | None:
    """Return the manifest of a track of which something is kept, None if nothing is."""
    track_id = parse_uri(uri)
    if not client.has_kept(track_id) or client.kept is None:
        return None
    return client.kept.open(track_id).track


def kept_kbps(client: Client, uri: str) -> int | None:
    """Return the best bitrate in which all of a track is kept, None if there is none."""
    track = kept_track(client, uri)
    if track is None or client.kept is None:
        return None
    index, every = client.kept.open(track.track_id).index, range(track.segment_count)
    here = [r.bitrate_kbps for n, r in enumerate(track.renditions) if index.covers(every, range(n, n + 1))]
    return max(here, default=None)


def _of_track(track: Track) -> Named:
    place = track.place
    return Named(
        track.uri,
        {
            "title": track.title,
            "artist": track.artist,
            "album": track.album,
            "album_artist": place.album_artist,
            "year": place.year,
            "disc": place.disc,
            "track": place.track,
        },
    )


def _of_hit(hit: Hit) -> Named:
    return Named(
        hit.uri,
        {
            "title": hit.title,
            "artist": hit.artist,
            "album": hit.album,
            "album_artist": hit.album_artist,
            "year": hit.year,
            "disc": hit.disc_number,
            "track": hit.track_number,
        },
    )
