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

from lightpeer.client.kept import Wanted, begin_track
from lightpeer.client.start import Start
from lightpeer.core.budget.profile import Limits
from lightpeer.core.content.manifest import rendition_asked
from lightpeer.core.content.uri import parse_uri
from lightpeer.core.plan.bursts import Bursts
from lightpeer.core.plan.insurance import InsuranceFirst
from lightpeer.core.plan.rules import Fixed, Throughput
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.download import Download
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.policy import Policy
from lightpeer.download.session import Callbacks, Session
from lightpeer.errors import StreamFailedError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from lightpeer.client.client import Client
    from lightpeer.client.part_file import PartFile
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.plan.bursts import Listening
    from lightpeer.core.segments.scheduler import SegmentReady
    from lightpeer.core.segments.tables import Kept
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.session import FindSources
    from lightpeer.peering.peer import Peer

INLINE_BYTES: Final = 11_000
"""As much as TCP sends at once: ten segments (RFC 6928), two of which HTTP/2's settings take, less headers.
One more would come a round trip later; the rest comes sooner by UDP."""

BUFFER_BYTES: Final = 2_000_000  # of a track: more than two minutes at 96 kbit/s
WASTE_SHARE: Final = 0.1
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

    At most the settings' `buffer_bytes` are fetched ahead, so a slow reader holds back the network.
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


def new_download(
    track: Track,
    settings: Settings,
    bandwidth: Bandwidth,
    *,
    realtime: bool = False,
    listening: Listening | None = None,
    kept: Kept | None = None,
) -> Download:
    """Return the download of a track as the settings want it.

    Args:
        track: what to download.
        settings: bound of the buffer, bitrate and transport.
        bandwidth: the downlink's controller, which may outlive the download.
        realtime: whether it is heard as it comes; else segments are taken as fast as they come.
        listening: how long somebody has listened; None: nobody yet.
        kept: what is kept of the track.
    """
    only = None if len(track.renditions) > 1 else 0
    if settings.bitrate_kbps is not None:
        only = rendition_asked((r.bitrate_bps for r in track.renditions), settings.bitrate_kbps)
    policy = Policy(
        Fixed(only) if only is not None else InsuranceFirst() if realtime else Throughput(up_s=0.0),
        only,
        Limits(None, settings.buffer_bytes or BUFFER_BYTES, WASTE_SHARE),
        Bursts(listening),
        Playout(realtime=realtime),
    )
    return Download(track, policy, bandwidth, transport=settings.transport, kept=kept)


def new_session(client: Client, download: Download, callbacks: Callbacks | None = None) -> Session:
    """Return a session of a track that a client has opened, to be run with the source that it was opened at.

    Args:
        client: finds further sources, and is told what each was worth.
        download: of the track.
        callbacks: what a listener is told, and how much sound it has.
    """
    told = replace(callbacks or Callbacks(), on_lie=client.on_lie, on_served=client.on_served)
    return Session(download, client.network, source_finder(client, download.track), told)


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
    kbps = bitrate_kbps or client.settings.bitrate_kbps
    async with streaming(client, parse_uri(uri), Wanted(kbps, is_exact=kbps is not None)) as (session, _):
        yield SegmentStream(session)


@asynccontextmanager
async def streaming(
    client: Client, track_id: bytes, wanted: Wanted, part: PartFile | None = None
) -> AsyncIterator[tuple[Session, Opened | None]]:
    """Stream as fast as segments are taken, for the length of a block; yield session and Open.

    Args:
        client: the light client.
        track_id: the track.
        wanted: the rendition is the greatest that is not above its bitrate, else the lowest; None: as the
            link allows. What is kept may be better.
        part: the file of an earlier try, which may hold segments; it is begun.
    """
    is_begun = part is not None and part.has_begun_before
    inline_bytes = TABLE_INLINE_BYTES if is_begun else INLINE_BYTES
    start = Start(inline_bytes=inline_bytes, bitrate_kbps=wanted.bitrate_kbps)
    begun = await begin_track(client, track_id, start, wanted)
    bandwidth, opened = Bandwidth(), None
    if begun.first is not None:
        peer, opened = begun.first
        bandwidth = Bandwidth(client.downlink.rate_bytes_per_s(peer), peer.burst)
    settings = replace(client.settings, bitrate_kbps=wanted.bitrate_kbps)
    session = new_session(
        client, new_download(begun.track, settings, bandwidth, kept=begun.kept if part is None else part)
    )
    if part is not None:
        assert wanted.bitrate_kbps is not None, "a file has one rendition"
        number = rendition_asked((r.bitrate_bps for r in begun.track.renditions), wanted.bitrate_kbps)
        part.begin(number, begun.track.renditions[number], begun.kept)
    session.download.sources.search.is_needed = begun.needs_sources
    async with open_nursery() as nursery:
        nursery.start_soon(session.run, begun.first)
        yield session, opened
        if begun.first is not None:
            client.downlink.note(begun.first[0], bandwidth.measured_bytes_per_s)
        nursery.cancel_scope.cancel()


async def next_within(silence_s: float, session: Session) -> SegmentReady | None:
    """Return a session's next segment, None after the last; raise StreamFailedError after `silence_s`."""
    with trio.move_on_after(silence_s):
        return await session.next_segment()
    raise StreamFailedError(f"nothing came for {silence_s:.0f} s: try again later")


def source_finder(client: Client, track: Track) -> FindSources:
    """Return a function that finds a session's further sources, without manifest and inline segments."""

    def find(exclude: Collection[PeerId]) -> AsyncGenerator[tuple[Peer, Opened], None]:
        return client.open_track(track.track_id, Start(inline_bytes=0), exclude=exclude, track=track)

    return find
