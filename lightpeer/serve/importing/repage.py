"""Ogg Opus that is good as it is: surveyed, then cut into segments without re-encoding.

This takes two passes over the file. The first measures whether the packets can stay (`OpusSurvey`), and the
second copies them. Damage is left out: packets with a missing part, packets that are not Opus, and the bytes
after a file's last whole page. Granule positions are counted anew from the packets' durations, so a hole
closes up; only the end trim is kept of the old ones (RFC 7845, 4.5).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lightpeer.audio.ogg import Demuxer, Packet
from lightpeer.audio.opus import OpusHead, packet_samples, parse_opus_head_untrusted
from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.core.trust.bounds import MAX_SEGMENT_BYTES
from lightpeer.errors import BadMessageError, UnreadableError
from lightpeer.serve.importing.segments import RenditionWriter

_READ_BYTES = 1 << 16
_MAX_PACKET_BYTES = 1 << 25  # comment headers may hold cover art: 32 MB of it
_PAGE_HEADER_BYTES = 27
_PAGE_LACINGS = 255


class StoppedError(Exception):
    """The import was asked to stop. It never leaves the server role."""


@dataclass(frozen=True, slots=True)
class OpusSurvey:
    """The properties of an Ogg Opus file. Samples are at 48 kHz.

    Attributes:
        head: its identification header.
        total_samples: its length, pre-skip included, end trim left out.
        bitrate_bps: the mean of its packets, without the container.
        on_the_second: whether a packet starts at each whole second.
        largest_segment: bytes, when it is cut into segments.
        whole: whether nothing was missing, from the first page to the one marked last.
    """

    head: OpusHead
    total_samples: int
    bitrate_bps: int
    on_the_second: bool
    largest_segment: int
    whole: bool

    @property
    def fits(self) -> bool:
        """Whether its packets can be cut into segments as they are."""
        return self.head.mapping_family == 0 and self.largest_segment <= MAX_SEGMENT_BYTES


class _Timeline:
    """Counts samples along the packets, and finds the end trim."""

    def __init__(self) -> None:
        self.position = 0
        self.trim = 0
        self.ended = False
        self._page_start = 0
        self._granule_before: int | None = None

    def add(self, packet: Packet, samples: int) -> None:
        self.position += samples
        if packet.granule < 0:
            return
        in_page = self.position - self._page_start
        if packet.eos:  # a granule position short of the page's packets says where the sound ends
            self.ended = True
            self.trim = min(in_page, max(0, (self._granule_before or 0) + in_page - packet.granule))
        self._page_start = self.position
        self._granule_before = packet.granule


class _SegmentSizes:
    """Follows how large each second will be as a segment."""

    def __init__(self) -> None:
        self.on_the_second = True
        self.largest = 0
        self._second = -1
        self._body = self._lacings = 0

    def add(self, start: int, packet: bytes) -> None:
        second, past = divmod(start, SAMPLE_RATE)
        if second != self._second:
            self.on_the_second &= past == 0
            self._second = second
            self._body = self._lacings = 0
        self._body += len(packet)
        self._lacings += len(packet) // 255 + 1
        pages = -(-self._lacings // _PAGE_LACINGS)
        self.largest = max(self.largest, self._body + self._lacings + pages * _PAGE_HEADER_BYTES)


def survey_opus(path: Path, should_stop: Callable[[], bool] = lambda: False) -> OpusSurvey:
    """Read an Ogg Opus file through.

    Raises:
        UnreadableError: it holds no Opus stream, or the file cannot be read.
        StoppedError: `should_stop`, asked for every 64 kB, said so.
    """
    timeline, sizes = _Timeline(), _SegmentSizes()
    payload_bytes = holes = 0
    with _Reader(path, should_stop) as reader:
        head = reader.head()
        for packet in reader.audio():
            samples = packet_samples(packet.data)
            if samples:
                sizes.add(timeline.position, packet.data)
                payload_bytes += len(packet.data)
            timeline.add(packet, samples)
            if packet.eos:  # what lies behind the last packet is no damage: old tags, padding
                holes = reader.holes
        whole = timeline.ended and not holes
    if not timeline.position:
        raise UnreadableError("it ends before its first sound")
    return OpusSurvey(
        head=head,
        total_samples=timeline.position - timeline.trim,
        bitrate_bps=round(payload_bytes * 8 * SAMPLE_RATE / timeline.position),
        on_the_second=sizes.on_the_second,
        largest_segment=sizes.largest,
        whole=whole,
    )


def repage_opus(
    path: Path, survey: OpusSurvey, writer: RenditionWriter, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Copy the packets of a surveyed file into a rendition; raises as `survey_opus`."""
    position = 0
    with _Reader(path, should_stop) as reader:
        reader.head()
        for packet in reader.audio():
            samples = packet_samples(packet.data)
            if samples and position < survey.total_samples:
                writer.add(packet.data)
            position += samples
    writer.finish(survey.total_samples)


class _Reader:
    """The packets of the first Opus stream in a file."""

    def __init__(self, path: Path, should_stop: Callable[[], bool]) -> None:
        self._path = path
        self._should_stop = should_stop
        self._demuxer = Demuxer(max_packet_bytes=_MAX_PACKET_BYTES)
        self._packets = self._all()

    def head(self) -> OpusHead:
        """Consume the two header packets; return the first, parsed."""
        first, second = next(self._packets, None), next(self._packets, None)
        if first is None or second is None:
            raise UnreadableError("it ends before its first sound")
        try:
            return parse_opus_head_untrusted(first.data)
        except BadMessageError as error:
            raise UnreadableError(f"it is damaged: {error}") from error

    def audio(self) -> Iterator[Packet]:
        """Yield the packets that follow."""
        return self._packets

    @property
    def holes(self) -> int:
        return self._demuxer.holes

    def _all(self) -> Generator[Packet, None, None]:
        try:
            with self._path.open("rb") as file:
                while data := file.read(_READ_BYTES):
                    if self._should_stop():
                        raise StoppedError
                    self._demuxer.feed(data)
                    yield from self._demuxer.packets()
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror}") from error
        except BadMessageError as error:
            raise UnreadableError(f"it is damaged: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._packets.close()
        self._demuxer.close()
