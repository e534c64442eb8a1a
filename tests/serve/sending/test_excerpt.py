"""Which parts of a track a request names, and how many of the first go into a reply."""

from __future__ import annotations

import pytest

from lightpeer.core.content.manifest import ENTRY_BYTES, TABLE_BASE, TABLE_SEGMENTS
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_INLINE_BYTES, MAX_PULL_RANGES
from lightpeer.core.udp.datagram import unit_layout
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.sending.excerpt import first_segments, read_segment, wanted_segments
from tests.serve.tracks import BITRATES_KBPS, MemoryTrack

TRACK = MemoryTrack()
TABLE_BYTES = TABLE_SEGMENTS * ENTRY_BYTES


def pulled(*ranges: tuple[int, int, int]) -> list[tuple[int, int]]:
    named = [pb.Range(rendition=r, first=first, count=count) for r, first, count in ranges]
    return list(wanted_segments(pb.PullRequest(ranges=named), TRACK))


def inline(most_bytes: int = MAX_INLINE_BYTES, **request: object) -> list[pb.Chunk]:
    request.setdefault("manifest_known", True)
    request.setdefault("inline_bytes", MAX_INLINE_BYTES)
    return list(first_segments(TRACK, pb.OpenRequest(**request), most_bytes))


def numbers(chunks: list[pb.Chunk]) -> list[int]:
    return [chunk.segment for chunk in chunks]


def size(chunks: list[pb.Chunk]) -> int:
    return sum(len(chunk.data) for chunk in chunks)


def test_ranges_are_taken_in_the_order_asked() -> None:
    assert pulled((1, 5, 2), (0, 0, 1)) == [(1, 5), (1, 6), (0, 0)]
    assert pulled((2, TABLE_BASE, 2)) == [(2, TABLE_BASE), (2, TABLE_BASE + 1)]
    assert pulled((0, 3, 0)) == pulled() == []


@pytest.mark.parametrize("named", [(0, 70, 1), (0, 69, 2), (3, 0, 1), (0, TABLE_BASE + 2, 1)])
def test_what_the_track_does_not_have_is_out_of_range(named: tuple[int, int, int]) -> None:
    with pytest.raises(RpcError) as caught:
        pulled(named)
    assert caught.value.code() == StatusCode.OUT_OF_RANGE


def test_segments_before_the_missing_one_are_still_named() -> None:
    wanted = wanted_segments(pb.PullRequest(ranges=[pb.Range(rendition=0, first=69, count=9)]), TRACK)
    assert next(wanted) == (0, 69)
    with pytest.raises(RpcError):
        next(wanted)


def test_too_many_ranges_are_refused_before_any_is_read() -> None:
    with pytest.raises(RpcError) as caught:
        pulled(*[(0, 0, 1)] * (MAX_PULL_RANGES + 1))
    assert caught.value.code() == StatusCode.INVALID_ARGUMENT
    assert len(pulled(*[(0, 0, 1)] * MAX_PULL_RANGES)) == MAX_PULL_RANGES


@pytest.mark.parametrize(("kbps", "rendition"), [(1, 0), (24, 0), (47, 0), (48, 1), (1000, 2)])
def test_the_rendition_is_the_greatest_within_the_bitrate_asked(kbps: int, rendition: int) -> None:
    assert {chunk.rendition for chunk in inline(bitrate_kbps=kbps, inline_bytes=20_000)} == {rendition}


def test_the_first_segments_come_after_their_table() -> None:
    chunks = inline(bitrate_kbps=24, inline_bytes=10_000)
    assert numbers(chunks)[:3] == [TABLE_BASE, 0, 1]
    assert chunks[0].data == TRACK.tables[0][0]
    assert chunks[1].data == TRACK.segments[0][0]


def test_a_second_table_comes_where_its_segments_begin() -> None:
    chunks = inline(bitrate_kbps=24, first_segment=62)
    assert numbers(chunks) == [TABLE_BASE, 62, 63, TABLE_BASE + 1, *range(64, 70)]


@pytest.mark.parametrize("given", [0, 1, TABLE_BYTES - 1])
def test_without_room_for_a_table_nothing_comes(given: int) -> None:
    assert inline(bitrate_kbps=24, inline_bytes=given) == []


def test_the_last_segment_is_cut_at_a_unit() -> None:
    first = TRACK.segments[2][0]
    count, unit_bytes = unit_layout(len(first))
    assert count > 2
    chunks = inline(bitrate_kbps=BITRATES_KBPS[2], inline_bytes=TABLE_BYTES + 2 * unit_bytes + 5)
    assert chunks[-1].data == first[: 2 * unit_bytes]
    assert numbers(inline(bitrate_kbps=BITRATES_KBPS[2], inline_bytes=TABLE_BYTES + unit_bytes - 1)) == [
        TABLE_BASE
    ]


def test_the_least_of_all_limits_counts_and_the_manifest_too() -> None:
    assert size(inline(bitrate_kbps=24, inline_bytes=5_000)) <= 5_000
    assert size(inline(most_bytes=5_000, bitrate_kbps=24)) <= 5_000
    assert size(inline(bitrate_kbps=96, inline_bytes=10 * MAX_INLINE_BYTES)) <= MAX_INLINE_BYTES
    with_manifest = inline(bitrate_kbps=24, inline_bytes=10_000, manifest_known=False)
    assert size(with_manifest) <= 10_000 - len(TRACK.manifest)


def test_a_segment_that_fills_the_limit_is_the_last() -> None:
    exact = TABLE_BYTES + len(TRACK.segments[0][0])
    assert numbers(inline(bitrate_kbps=24, inline_bytes=exact)) == [TABLE_BASE, 0]


def test_a_disk_that_fails_is_unavailable() -> None:
    broken = MemoryTrack(seed=2)
    assert read_segment(broken, 0, 0) == broken.segments[0][0]
    broken.broken = True
    with pytest.raises(RpcError) as caught:
        read_segment(broken, 0, 0)
    assert caught.value.code() == StatusCode.UNAVAILABLE
