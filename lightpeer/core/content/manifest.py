"""Tracks as the network knows them: a manifest, its renditions, their segment tables.

The track id is the hash of the manifest; the manifest holds the hashes of the segment tables; a table holds
size and hash of each of its 64 segments. So every byte is checked against the id before it is used, whatever
peer sent it, and a player fetches 1152 bytes of hashes for each 64 seconds, as playback nears them.

The manifest comes before the first sound. So of a track with more than 64 tables it holds only the root of
the tree over their hashes (`hash_tree.py`), and each table comes with the path that leads there.
`proto/README.md`, "Content", is the normative text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lightpeer.core.content.album import NOWHERE, AlbumPlace, place_untrusted, put_place
from lightpeer.core.content.hash_tree import DIGEST_BYTES, path_bytes, root_and_paths, root_by
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.bounds import MAX_MANIFEST_BYTES, MAX_RENDITIONS, MAX_TEXT_CHARS
from lightpeer.core.trust.messages import parse_message_untrusted
from lightpeer.errors import BadMessageError, VerificationError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

TABLE_BASE = 0xFF0000  # segment numbers from here on name segment tables

SAMPLE_RATE = 48_000
TABLE_SEGMENTS = 64
MAX_LISTED_TABLES = 64  # 68 minutes: up to here a manifest lists the tables' digests
MAX_HEADER_BYTES = 64 * 1024  # tags; cover art does not belong there
MAX_SEGMENTS = TABLE_SEGMENTS * 1024  # 18 hours
MEAN_TIMES = 2  # the bitrate that a rendition claims: the most that a table's segments may have in the mean
SEGMENT_TIMES = 4  # the most of each segment; libopus stays below 1.3 and 2 times
ENTRY_BYTES = 2 + DIGEST_BYTES


class Rendition(NamedTuple):
    """One bitrate of a track.

    Attributes:
        bitrate_bps: the bitrate that it claims.
        header: its Ogg header pages.
        table_digests: those of its segment tables, or only the root of the tree over them.
    """

    bitrate_bps: int
    header: bytes
    table_digests: tuple[bytes, ...]

    @property
    def bitrate_kbps(self) -> int:
        """The bitrate as it is shown, and asked for, in kbit/s."""
        return kbps_of(self.bitrate_bps)


@dataclass(frozen=True, slots=True)
class Track:
    """A manifest's content; `renditions` by rising bitrate."""

    track_id: bytes
    title: str
    artist: str
    album: str
    duration_samples: int
    gain_q8_db: int
    renditions: tuple[Rendition, ...]
    segment_count: int
    place: AlbumPlace = NOWHERE

    @property
    def uri(self) -> str:
        """The track's name for people and programs."""
        return format_uri(self.track_id)

    @property
    def duration_s(self) -> float:
        """The playing time in seconds."""
        return self.duration_samples / SAMPLE_RATE

    @property
    def table_count(self) -> int:
        """How many segment tables each rendition has."""
        return -(-self.segment_count // TABLE_SEGMENTS)

    @property
    def table_path_bytes(self) -> int:
        """How much comes with each table to prove it; 0 where the manifest lists the tables' digests."""
        is_listed = len(self.renditions[0].table_digests) == self.table_count
        return 0 if is_listed else path_bytes(self.table_count)

    def table_length(self, number: int) -> int:
        """Return how many segments table `number` covers."""
        return min(TABLE_SEGMENTS, self.segment_count - number * TABLE_SEGMENTS)


def kbps_of(bitrate_bps: float) -> int:
    """Return a bitrate as it is shown, and asked for, in kbit/s."""
    return round(bitrate_bps / 1000)


def rendition_asked(bitrates_bps: Iterable[float], kbps: int) -> int:
    """Return the number of the rendition that serves a request for a bitrate: the greatest within it, or 0.

    Args:
        bitrates_bps: of the renditions, rising, in bit/s.
        kbps: asked for, in kbit/s.
    """
    return max(sum(kbps_of(bitrate_bps) <= kbps for bitrate_bps in bitrates_bps) - 1, 0)


class SegmentTable(NamedTuple):
    """Sizes (bytes) and digests of up to 64 consecutive segments of one rendition."""

    sizes: tuple[int, ...]
    digests: tuple[bytes, ...]

    def check_untrusted(self, segment: int, data: bytes) -> None:
        """Raise VerificationError unless `data` is that of `segment`, counted from the track's start."""
        index = segment % TABLE_SEGMENTS
        if len(data) != self.sizes[index] or content_digest(data) != self.digests[index]:
            raise VerificationError("a segment whose bytes do not match their hash")


def content_digest(data: bytes) -> bytes:
    """Return the 16-byte BLAKE2b digest by which segments and tables are known."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def track_id_of(manifest: bytes) -> bytes:
    """Return the 32-byte track id of a manifest's bytes."""
    return hashlib.sha256(manifest).digest()


def build_table(segments: Iterable[bytes]) -> bytes:
    """Return the table bytes of up to 64 segments: for each its size (2 bytes) and digest (16)."""
    return b"".join(len(s).to_bytes(2, "big") + content_digest(s) for s in segments)


@dataclass(frozen=True, slots=True)
class Description:
    """All that a manifest says of a track besides its renditions.

    Attributes:
        title: of at most MAX_TEXT_CHARS characters, as `artist` and `album`; the rest is cut off.
        artist: empty where unknown.
        album: empty where unknown.
        duration_samples: the playing time, at SAMPLE_RATE.
        gain_q8_db: what a player adds, in 1/256 dB.
        segment_count: how many segments each rendition has.
        place: where it stands on its album.
    """

    title: str
    artist: str
    album: str
    duration_samples: int
    gain_q8_db: int
    segment_count: int
    place: AlbumPlace = NOWHERE


def build_manifest(
    description: Description, renditions: Sequence[tuple[int, bytes, Sequence[bytes]]]
) -> bytes:
    """Return a manifest's bytes. A rendition: (bitrate in bit/s, header pages, its tables in order)."""
    message = pb.Manifest(
        title=description.title[:MAX_TEXT_CHARS],
        artist=description.artist[:MAX_TEXT_CHARS],
        album=description.album[:MAX_TEXT_CHARS],
        duration_samples=description.duration_samples,
        gain_q8_db=description.gain_q8_db,
        segment_count=description.segment_count,
    )
    put_place(description.place, message)
    for bitrate_bps, header, tables in sorted(renditions, key=lambda r: r[0]):
        digests = list(map(content_digest, tables))
        hashes = b"".join(digests) if _are_listed(digests) else root_and_paths(digests)[0]
        message.renditions.add(bitrate_bps=bitrate_bps, header=header, table_hashes=hashes)
    return message.SerializeToString(deterministic=True)


def served_tables(tables: Sequence[bytes]) -> list[bytes]:
    """Return a rendition's tables as they are stored and sent: with their paths if it has many."""
    if _are_listed(tables):
        return list(tables)
    _, paths = root_and_paths(list(map(content_digest, tables)))
    return [table + path for table, path in zip(tables, paths, strict=True)]


def _are_listed(tables: Sequence[bytes]) -> bool:
    return len(tables) <= MAX_LISTED_TABLES


def parse_manifest_untrusted(data: bytes, track_id: bytes) -> Track:
    """Return the track; raise VerificationError or BadMessageError unless it is that track's and sound."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise BadMessageError("a manifest larger than one may be")
    if track_id_of(data) != track_id:
        raise VerificationError("the manifest is not that of the track asked for")
    message = parse_message_untrusted(pb.Manifest, data)
    renditions = tuple(_rendition_untrusted(r) for r in message.renditions)
    if not 1 <= len(renditions) <= MAX_RENDITIONS:
        raise BadMessageError("a manifest without a sound number of renditions")
    if any(len(text) > MAX_TEXT_CHARS for text in (message.title, message.artist, message.album)):
        raise BadMessageError("a manifest whose title is too long")
    count = message.segment_count
    if not 1 <= count <= MAX_SEGMENTS or not _fit(renditions, -(-count // TABLE_SEGMENTS)):
        raise BadMessageError("a manifest whose segment tables do not fit its length")
    if message.duration_samples > (count + 1) * SAMPLE_RATE:
        raise BadMessageError("a manifest whose duration does not fit its segments")
    bitrates = [r.bitrate_bps for r in renditions]
    if bitrates != sorted(bitrates) or not bitrates[0]:
        raise BadMessageError("a manifest whose renditions are not by rising bitrate, from 1 bit/s on")
    return Track(
        track_id=track_id,
        title=message.title,
        artist=message.artist,
        album=message.album,
        duration_samples=message.duration_samples,
        gain_q8_db=max(-32768, min(32767, message.gain_q8_db)),
        renditions=renditions,
        segment_count=count,
        place=place_untrusted(message),
    )


def _fit(renditions: Sequence[Rendition], tables: int) -> bool:
    """Return whether renditions may have so many tables: all list their digests, or all have the root."""
    sizes = {len(r.table_digests) for r in renditions}
    return sizes == {tables} or (sizes == {1} and tables > MAX_LISTED_TABLES)


def _rendition_untrusted(message: pb.Rendition) -> Rendition:
    hashes = message.table_hashes
    if len(message.header) > MAX_HEADER_BYTES or len(hashes) % DIGEST_BYTES:
        raise BadMessageError("a rendition whose header or table hashes have an impossible size")
    digests = tuple(hashes[i : i + DIGEST_BYTES] for i in range(0, len(hashes), DIGEST_BYTES))
    return Rendition(message.bitrate_bps, message.header, digests)


def parse_table_untrusted(data: bytes, track: Track, rendition: int, number: int) -> SegmentTable:
    """Return table `number` of a rendition, which has come with its path.

    Args:
        data: the table and its path.
        track: the track.
        rendition: the rendition's number.
        number: the table's number, one that exists.

    Raises:
        BadMessageError: it has a size or contents that no table may have.
        VerificationError: it is not the manifest's.
    """
    if len(data) != table_bytes(track, number):
        raise BadMessageError("a segment table of an impossible size")
    size = track.table_length(number) * ENTRY_BYTES
    table, path = data[:size], data[size:]
    digests = track.renditions[rendition].table_digests
    if root_by(content_digest(table), number, path) != digests[0 if path else number]:
        raise VerificationError("a segment table that is not the manifest's")
    sizes = _sizes(table)
    if 0 in sizes:  # a DATA has a payload, so an empty segment would never come
        raise BadMessageError("a segment table with an empty segment")
    if _least_bitrate_bps(sizes) > track.renditions[rendition].bitrate_bps:
        raise BadMessageError("a segment table with more bytes than its rendition's bitrate stands for")
    return SegmentTable(sizes, tuple(table[i + 2 : i + ENTRY_BYTES] for i in range(0, size, ENTRY_BYTES)))


def _least_bitrate_bps(sizes: Sequence[int]) -> int:
    """Return the least bitrate that a rendition with a table of these sizes may claim."""
    by_mean = -(-8 * sum(sizes) // (MEAN_TIMES * len(sizes)))
    return max(by_mean, -(-8 * max(sizes) // SEGMENT_TIMES))


def least_bitrate_bps(tables: Iterable[bytes]) -> int:
    """Return the least bitrate that a rendition with these tables, without paths, may claim, in bit/s.

    Listeners choose by the claim, and playback breaks off if a link is too slow for the actual bytes.
    """
    return max(_least_bitrate_bps(_sizes(table)) for table in tables)


def _sizes(table: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(table[i : i + 2], "big") for i in range(0, len(table), ENTRY_BYTES))


def table_bytes(track: Track, number: int) -> int:
    """Return the size in bytes of table `number` with its path."""
    return track.table_length(number) * ENTRY_BYTES + track.table_path_bytes


def table_of(segment: int) -> int:
    """Return the number of the table that covers a segment."""
    return segment // TABLE_SEGMENTS


def table_segment(number: int) -> int:
    """Return the number under which a table is asked for, as if it were a segment."""
    return TABLE_BASE + number
