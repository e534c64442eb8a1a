"""The parts of a track that a request names: segments, and the tables that prove them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lightpeer.core.content.manifest import rendition_asked, table_bytes, table_of, table_segment
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_INLINE_BYTES, MAX_PULL_RANGES, MAX_RENDITIONS
from lightpeer.core.udp.datagram import unit_layout
from lightpeer.errors import LightpeerError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.library.store import AbsentError

if TYPE_CHECKING:
    from lightpeer.serve.library.store import StoredTrack

logger = logging.getLogger(__name__)


def wanted_segments(request: pb.PullRequest, stored: StoredTrack) -> Iterator[tuple[int, int]]:
    """Yield rendition and segment (or table) of all that a request names.

    Raises:
        RpcError: too many ranges, or a segment that does not exist.
    """
    if len(request.ranges) > MAX_PULL_RANGES:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"at most {MAX_PULL_RANGES} ranges at once")
    for wanted in request.ranges:
        for segment in range(wanted.first, wanted.first + wanted.count):
            if not stored.holds(wanted.rendition, segment):
                raise RpcError(
                    StatusCode.OUT_OF_RANGE, f"no segment {segment} in rendition {wanted.rendition}"
                )
            yield wanted.rendition, segment


def first_segments(
    stored: StoredTrack,
    request: pb.OpenRequest,
    most_bytes: int = MAX_INLINE_BYTES,
    present: int = MAX_RENDITIONS,
) -> Iterator[pb.Chunk]:
    """Yield the first segments, each table before its segments, within the byte limits of both sides.

    The manifest counts too. The last segment may be cut after some of its units.

    Args:
        stored: the track.
        request: says from which segment on, in which rendition, and the client's limit.
        most_bytes: the server's limit.
        present: how many renditions are here, from the lowest on.
    """
    track = stored.track
    left = min(request.inline_bytes, most_bytes, MAX_INLINE_BYTES)
    left -= 0 if request.manifest_known else len(stored.manifest)
    bitrates_bps = [rendition.bitrate_bps for rendition in track.renditions[:present]]
    rendition = rendition_asked(bitrates_bps, request.bitrate_kbps)
    table = -1
    end = track.segment_count
    if request.inline_segments:
        end = min(end, request.first_segment + request.inline_segments)
    for segment in range(request.first_segment, end):
        if table_of(segment) != table:
            table = table_of(segment)
            left -= table_bytes(track, table)
            if left < 0:
                return
            number = table_segment(table)
            yield pb.Chunk(rendition=rendition, segment=number, data=read_segment(stored, rendition, number))
        data = read_segment(stored, rendition, segment)
        if len(data) > left:
            _, unit_bytes = unit_layout(len(data))
            data = data[: left // unit_bytes * unit_bytes]
            left = 0
        if data:
            yield pb.Chunk(rendition=rendition, segment=segment, data=data)
        left -= len(data)
        if left <= 0:
            return


def read_segment(stored: StoredTrack, rendition: int, segment: int) -> bytes:
    """Return the bytes of a segment or table.

    Args:
        stored: the track.
        rendition: which one.
        segment: one that exists.

    Raises:
        RpcError: UNAVAILABLE, the disk fails; FAILED_PRECONDITION, the rendition is not here now.
    """
    try:
        return stored.read(rendition, segment)
    except AbsentError as error:  # whoever opens the track again is told which ones are
        reason = "the rendition is not here now: open the track again"
        raise RpcError(StatusCode.FAILED_PRECONDITION, reason) from error
    except LightpeerError as error:
        logger.info("%s", error)  # the library tells the person
        raise RpcError(StatusCode.UNAVAILABLE, "the track cannot be read here now") from error
