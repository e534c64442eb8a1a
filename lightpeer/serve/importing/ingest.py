"""One music file to one track: its renditions, tables and manifest, in a folder.

The source is decoded once, a second at a time, and every encoder and the loudness
meter take that second in turn; so memory does not grow with the file. Where an
Ogg Opus source stays as the top rung, the lower ones are encoded from its
re-paged copy and take over its identification header: silence in front makes up
for the difference in pre-skip. So all renditions of a track have the same header
and the same timeline, and a player may go from one to the other at any segment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lightpeer.audio import _native
from lightpeer.audio.opus import OpusHead
from lightpeer.core.content.manifest import SAMPLE_RATE, Description, build_manifest, least_bitrate_bps
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.contents import CHANGED
from lightpeer.serve.importing.cue_sheets import Part, part_of
from lightpeer.serve.importing.decoders import open_opus, open_pcm, opus_links, sniff
from lightpeer.serve.importing.encode import OpusEncoder
from lightpeer.serve.importing.loudness import LoudnessMeter
from lightpeer.serve.importing.pcm import Pcm, cut
from lightpeer.serve.importing.repage import OpusSurvey, StoppedError, repage_opus, survey_opus
from lightpeer.serve.importing.rungs import rungs_for_opus
from lightpeer.serve.importing.segments import RenditionWriter
from lightpeer.serve.importing.tags import Tags
from lightpeer.serve.library.paths import file_and_part

MIN_DURATION_S = 1  # anything shorter is a sound effect, or the rest of a broken file
_ENCODER_PRE_SKIP = 312  # libopusenc's for 48 kHz, in samples: 6.5 ms
_TOO_SHORT = "it holds less than a second of sound"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How files are encoded: the ladder in kbit/s, rising, and libopus' complexity, 0 to 10."""

    ladder_kbps: tuple[int, ...]
    complexity: int = 10


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The result of a decode: finished renditions, the lowest first."""

    writers: list[RenditionWriter]
    duration_samples: int
    gain_q8_db: int


def require_libraries() -> None:
    """Raise MissingLibraryError unless the libraries are there without which nothing can be imported."""
    _native.opusenc()
    _native.require_library("ebur128")


def make_track(
    source: Path, tags: Tags, recipe: Recipe, folder: Path, should_stop: Callable[[], bool] = lambda: False
) -> str:
    """Make a track of a music file in an empty folder: `manifest`, `0.opus`, `0.tables`, `1.opus`, and so on.

    Args:
        source: the music file, or a part of one.
        tags: its title, artist, album and gain.
        recipe: the bitrates to make.
        folder: where the track is made.
        should_stop: called each second of sound; True ends the import.

    Returns:
        A description of the damage in the source, or "".

    Raises:
        UnreadableError: no track can be made of the file.
        StoppedError: `should_stop`, asked for every second of sound, said so.
        OSError: the folder cannot be written.
        MissingLibraryError: a codec library is not installed.
    """
    job = _Job(tags, recipe, folder, should_stop)
    file, number = file_and_part(source)
    kind, ladder_bps = sniff(file), [kbps * 1000 for kbps in recipe.ladder_kbps]
    if number:
        if (part := part_of(source)) is None:
            raise UnreadableError(CHANGED)
        return job.encode_all(file, kind, ladder_bps, part)
    if kind == "opus" and opus_links(source) <= 1:
        try:
            return job.from_opus(source)
        except UnreadableError as refusal:
            return job.from_another_decoder(source, refusal)
    return job.encode_all(source, kind, ladder_bps)


class _Job:
    """The making of one track."""

    def __init__(self, tags: Tags, recipe: Recipe, folder: Path, should_stop: Callable[[], bool]) -> None:
        self._tags = tags
        self._recipe = recipe
        self._folder = folder
        self._should_stop = should_stop

    def from_opus(self, source: Path) -> str:
        """Keep an Ogg Opus source's own packets where they fit the ladder, else encode."""
        survey = survey_opus(source, self._should_stop)
        lower_bps, source_bps = rungs_for_opus(survey.bitrate_bps, self._recipe.ladder_kbps)
        bitrates_bps = [*lower_bps, source_bps] if source_bps else lower_bps
        lines_up = survey.on_the_second and survey.head.pre_skip >= _ENCODER_PRE_SKIP
        damage = ""
        if source_bps and survey.fits and (lines_up or not lower_bps):
            self._keep(source, survey, bitrates_bps)
        else:
            damage = self.encode_all(source, "opus", bitrates_bps)
        return damage if survey.whole else "it is damaged or cut short"

    def _keep(self, source: Path, survey: OpusSurvey, bitrates_bps: Sequence[int]) -> None:
        """Re-page the source as the top rung, and encode the lower rungs from that."""
        head, lower_bps = survey.head, bitrates_bps[:-1]
        duration = survey.total_samples - head.pre_skip
        if duration < MIN_DURATION_S * SAMPLE_RATE:
            raise UnreadableError(_TOO_SHORT)
        with RenditionWriter(self._path(len(lower_bps)), head, self._tags) as top:
            repage_opus(source, survey, top, self._should_stop)
        with open_opus(top.path, header_gain=False) as pcm:
            lower = self._encode(pcm, lower_bps, head)
        gain = lower.gain_q8_db - head.gain_q8  # players apply the header's gain in any case
        self._write_manifest(bitrates_bps, _Encoded([*lower.writers, top], duration, gain))

    def from_another_decoder(self, source: Path, refusal: UnreadableError) -> str:
        """Encode an Ogg Opus source whose packets could not be taken; raise the refusal if that fails too."""
        for file in self._folder.iterdir():
            file.unlink()
        try:
            return self.encode_all(source, "opus", [kbps * 1000 for kbps in self._recipe.ladder_kbps])
        except UnreadableError:
            raise refusal from None

    def encode_all(
        self, source: Path, kind: str, bitrates_bps: Sequence[int], part: Part | None = None
    ) -> str:
        """Encode every rung from the source's decode, or from a part of that."""
        with open_pcm(source, kind) as pcm:
            if part is not None:
                cut(pcm, part.start_s, part.end_s, self._go_on)
            self._write_manifest(bitrates_bps, self._encode(pcm, bitrates_bps))
            return pcm.damage

    def _go_on(self) -> None:
        if self._should_stop():
            raise StoppedError

    def _path(self, rendition: int) -> Path:
        return self._folder / f"{rendition}.opus"

    def _encode(self, pcm: Pcm, bitrates_bps: Sequence[int], head: OpusHead | None = None) -> _Encoded:
        """Encode PCM at each bitrate, perhaps none, under `head` if given, and measure it."""
        with ExitStack() as stack:
            meter = stack.enter_context(LoudnessMeter(pcm))
            encoders = [
                stack.enter_context(OpusEncoder(pcm, bps, self._recipe.complexity)) for bps in bitrates_bps
            ]
            pre_skip = encoders[0].pre_skip if encoders else 0
            head = head or OpusHead(pcm.channels, pre_skip, pcm.rate)
            writers = [
                stack.enter_context(RenditionWriter(self._path(number), head, self._tags))
                for number in range(len(encoders))
            ]
            pairs = list(zip(encoders, writers, strict=True))
            silence = bytes((head.pre_skip - pre_skip) * pcm.frame_bytes)
            frames = 0
            for encoder, writer in pairs:
                writer.add_all(encoder.write(silence))
            for second in pcm.seconds():
                self._go_on()
                frames += len(second) // pcm.frame_bytes
                meter.add(second)
                for encoder, writer in pairs:
                    writer.add_all(encoder.write(second))
            if frames < MIN_DURATION_S * pcm.rate:
                raise UnreadableError(_TOO_SHORT)
            for encoder, writer in pairs:
                writer.add_all(encoder.finish())
                writer.finish(encoder.total_samples)
            duration = encoders[0].total_samples - head.pre_skip if encoders else 0
            return _Encoded(writers, duration, meter.gain_q8_db())

    def _write_manifest(self, bitrates_bps: Sequence[int], made: _Encoded) -> None:
        tags = self._tags
        claims = zip(_claimed_bps(bitrates_bps, made.writers), made.writers, strict=True)
        manifest = build_manifest(
            Description(
                title=tags.title,
                artist=tags.artist,
                album=tags.album,
                duration_samples=made.duration_samples,
                gain_q8_db=made.gain_q8_db if tags.gain_q8_db is None else tags.gain_q8_db,
                segment_count=made.writers[0].segment_count,
                place=tags.place,
            ),
            renditions=[(bps, writer.header, writer.tables) for bps, writer in claims],
        )
        (self._folder / "manifest").write_bytes(manifest)


def _claimed_bps(bitrates_bps: Sequence[int], writers: Sequence[RenditionWriter]) -> list[int]:
    """Return the bitrates that renditions claim: higher ones if some seconds are far above the mean.

    An Ogg Opus source that is silent for most of its length is like that, and listeners refuse a table that
    goes far beyond the claimed bitrate.
    """
    claimed: list[int] = []
    for bps, writer in zip(bitrates_bps, writers, strict=True):
        least_bps = -(-least_bitrate_bps(writer.tables) // 1000) * 1000
        claimed.append(max(bps, least_bps, *claimed))  # still rising
    return claimed
