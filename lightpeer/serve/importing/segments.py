"""Opus packets to a rendition: an Ogg Opus file cut at whole seconds, and its segment tables.

Segment k holds the packets that start in second k of the granule timeline, which
is counted from 0 at the first packet, pre-skip included. It begins a page of its
own, and is mostly one page. So header and segments together are an ordinary file,
and any run of segments after the header plays.

The bytes depend on nothing but the packets and the header: the stream's serial
number and the vendor are fixed, so that two servers make the same of the same file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from lightpeer.audio.ogg import Muxer
from lightpeer.audio.opus import OpusHead, build_opus_head, build_opus_tags, packet_samples
from lightpeer.core.content.manifest import (
    MAX_SEGMENTS,
    SAMPLE_RATE,
    TABLE_SEGMENTS,
    build_table,
    served_tables,
)
from lightpeer.core.trust.bounds import MAX_SEGMENT_BYTES
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.tags import Tags

SERIAL = 1  # any number, but always the same one
VENDOR = "lightpeer"


class RenditionWriter:
    """Writes one rendition: `add` every packet, then `finish` with the length."""

    def __init__(self, path: Path, head: OpusHead, tags: Tags) -> None:
        """Create the file and write its header pages."""
        self.path = path
        self.tables: list[bytes] = []
        self.segment_count = 0
        self._muxer = Muxer(SERIAL)
        self.header = header_pages(head, tags, self._muxer)
        self._file = path.open("wb")
        self._file.write(self.header)
        self._position = 0  # samples at 48 kHz, of the next packet's start
        self._held: list[tuple[int, bytes]] = []  # the segment being collected: (start, packet)
        self._entries: list[bytes] = []  # the table being collected

    def add(self, packet: bytes) -> None:
        """Append a packet."""
        if self._held and self._position // SAMPLE_RATE != self._held[0][0] // SAMPLE_RATE:
            self._write_segment()
        self._held.append((self._position, packet))
        self._position += packet_samples(packet)

    def add_all(self, packets: Iterable[bytes]) -> None:
        """Append packets."""
        for packet in packets:
            self.add(packet)

    def finish(self, total_samples: int) -> None:
        """End the stream after `total_samples`, pre-skip included: packets from there on fall away."""
        self._held = [(start, packet) for start, packet in self._held if start < total_samples]
        if not self._held or self._position < total_samples:
            raise UnreadableError("its length and its packets do not agree")
        self._write_segment(total_samples)
        self._end_table()
        self._file.close()
        self.path.with_suffix(".tables").write_bytes(b"".join(served_tables(self.tables)))

    def _write_segment(self, total_samples: int | None = None) -> None:
        segment = self._muxed(total_samples)
        if len(segment) > MAX_SEGMENT_BYTES:
            raise UnreadableError("a second of it is larger than 64 kB")
        if self.segment_count == MAX_SEGMENTS:
            raise UnreadableError(f"it is longer than {MAX_SEGMENTS // 3600} hours")
        self._file.write(segment)
        self._held.clear()
        self.segment_count += 1
        self._entries.append(build_table([segment]))
        if len(self._entries) == TABLE_SEGMENTS:
            self._end_table()

    def _muxed(self, total_samples: int | None) -> bytes:
        """Return the held packets on pages; with `total_samples` they are the stream's last."""
        last = len(self._held) - 1
        for number, (start, packet) in enumerate(self._held):
            if number == last and total_samples is not None:
                self._muxer.add(packet, total_samples, eos=True)
            else:
                self._muxer.add(packet, start + packet_samples(packet))
        return self._muxer.flush()

    def _end_table(self) -> None:
        if self._entries:
            self.tables.append(b"".join(self._entries))
            self._entries.clear()

    def close(self) -> None:
        """Let the file go, finished or not."""
        self._file.close()
        self._muxer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def header_pages(head: OpusHead, tags: Tags, muxer: Muxer | None = None) -> bytes:
    """Return the two header packets on pages of their own, as RFC 7845, section 3, wants them.

    Args:
        head: the identification header.
        tags: what the comment header says.
        muxer: the stream that they begin, if it goes on.
    """
    muxer = muxer or Muxer(SERIAL)
    place = tags.place
    numbers = {
        "TRACKNUMBER": place.track,
        "TRACKTOTAL": place.tracks,
        "DISCNUMBER": place.disc,
        "DATE": place.year,
    }
    named = {"TITLE": tags.title, "ARTIST": tags.artist, "ALBUM": tags.album}
    named |= {"ALBUMARTIST": place.album_artist}
    named |= {name: str(number) for name, number in numbers.items() if number}
    muxer.add(build_opus_head(head), 0)
    pages = muxer.flush()
    muxer.add(build_opus_tags(VENDOR, {name: [text] for name, text in named.items() if text}), 0)
    return pages + muxer.flush()
