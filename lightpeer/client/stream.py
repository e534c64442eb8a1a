"""The one place where a download session is made for a client.

`new_session` joins a track to the client's network, its finder of further sources, and its scores of peers.
The player runs the session itself. `streaming` runs it for the length of a block and takes segments as fast
as they come, for a fetch or a mirror. `open_stream` gives programs the same, as verified segments.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import trio

from lightpeer.client.client import Start
from lightpeer.client.find_sources import first_source, source_finder
from lightpeer.core.content.uri import parse_uri
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.download.session import Session
from lightpeer.errors import StreamFailedError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.client import Client
    from lightpeer.client.part_file import PartFile
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.segments.scheduler import Kept, SegmentReady
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.sources import TellEvent

INLINE_BYTES: Final = 11_000
"""As much as TCP sends at once: ten segments (RFC 6928), two of which HTTP/2's settings take, less headers.
One more would come a round trip later; the rest comes sooner by UDP."""

TABLE_INLINE_BYTES: Final = 1_500  # a segment table, to check the segments of an earlier try by
SILENCE_S: Final = 120.0  # without a segment: longer than most tunnels, and nothing is lost by trying again


@dataclass(frozen=True, slots=True)
class Segment:
    """One second of a track, verified: Ogg Opus pages that follow the rendition's header.

    Attributes:
        rendition: its number in `Track.renditions`.
        index: the second, counted from 0.
        data: the pages.
    """

    rendition: int
    index: int
    data: bytes


class SegmentStream(AsyncIterator[Segment]):
    """A track as it arrives: iterate over its segments, in order. Make it with a client's `stream`.

    At most the settings' `high_water_s` is fetched ahead, so a slow reader holds back the network.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def track(self) -> Track:
        """The track's manifest: title, length, renditions and their headers."""
        return self._session.track

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Segment:
        segment = await self._session.next_segment()
        if segment is None:
            raise StopAsyncIteration
        return Segment(segment.rendition, segment.segment, segment.data)


def new_session(
    client: Client,
    track: Track,
    settings: Settings,
    bandwidth: Bandwidth,
    *,
    on_event: TellEvent = lambda _event: None,
    sink_ahead_s: Callable[[], float] | None = None,
    first_segment: int = 0,
    kept: Kept | None = None,
) -> Session:
    """Return a session for a track that a client has opened; run it with the source of that Open.

    Args:
        client: finds further sources, and scores each.
        track: the track to stream.
        settings: buffer marks, bitrate and transport.
        bandwidth: the downlink's rate control, which may outlive the session.
        on_event: called with each event.
        sink_ahead_s: returns the seconds of sound in the sink that are not heard yet; None: the track is not
            played, and segments are taken as fast as they come.
        first_segment: the segment to begin with.
        kept: gives segments that are on this machine already.
    """
    return Session(
        track,
        client.network,
        settings,
        bandwidth,
        source_finder(client, track),
        on_event=on_event,
        on_lie=client.on_lie,
        on_served=client.on_served,
        sink_ahead_s=sink_ahead_s or (lambda: 0.0),
        realtime=sink_ahead_s is not None,
        first_segment=first_segment,
        kept=kept,
    )


@asynccontextmanager
async def open_stream(
    client: Client, uri: str, *, bitrate_kbps: int | None = None
) -> AsyncIterator[SegmentStream]:
    """Stream a track for the length of a block.

    Args:
        client: the light client.
        uri: the track id, `loud:…`.
        bitrate_kbps: the rendition is the greatest that is not above it, else the lowest; None: as the
            client's settings say, or as the link allows, so that it may change from segment to segment.

    Raises:
        LightpeerError: no reachable peer holds it. Iterating raises StreamFailedError once every peer that
            offers the track sent corrupt data; an outage is waited for, however long.
    """
    async with streaming(client, parse_uri(uri), bitrate_kbps or client.settings.bitrate_kbps) as (
        session,
        _,
    ):
        yield SegmentStream(session)


@asynccontextmanager
async def streaming(
    client: Client, track_id: bytes, bitrate_kbps: int | None, part: PartFile | None = None
) -> AsyncIterator[tuple[Session, Opened]]:
    """Stream as fast as segments are taken, for the length of a block; yield the session and the Open.

    Args:
        client: the light client.
        track_id: the track.
        bitrate_kbps: the rendition is the greatest that is not above it, else the lowest; None: as the link
            allows.
        part: the file of an earlier try, which may hold segments; it is begun.
    """
    is_begun = part is not None and part.has_begun_before
    inline_bytes = TABLE_INLINE_BYTES if is_begun else INLINE_BYTES
    found = client.open_track(track_id, Start(inline_bytes=inline_bytes, bitrate_kbps=bitrate_kbps))
    peer, opened = await first_source(found)
    bandwidth = Bandwidth(client.downlink.rate_bytes_per_s(peer), peer.burst)
    settings = replace(client.settings, bitrate_kbps=bitrate_kbps)
    kept = None if part is None else part.kept
    session = new_session(client, opened.track, settings, bandwidth, kept=kept)
    if part is not None:
        number = session.ladder.current or 0
        part.begin(number, opened.track.renditions[number])
    async with open_nursery() as nursery:
        nursery.start_soon(session.run, peer, opened)
        yield session, opened
        client.downlink.note(peer, bandwidth.measured_bytes_per_s)
        nursery.cancel_scope.cancel()


async def next_within(silence_s: float, session: Session) -> SegmentReady | None:
    """Return a session's next segment, None after the last; raise StreamFailedError after `silence_s`."""
    with trio.move_on_after(silence_s):
        return await session.next_segment()
    raise StreamFailedError(f"nothing came for {silence_s:.0f} s: try again later")
