"""Which files cue sheets divide, and how."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from mutagen.flac import FLAC, CueSheet, CueSheetTrack, CueSheetTrackIndex

from lightpeer.core.content.cue_sheet import MAX_SHEET_BYTES
from lightpeer.serve.importing import cue_sheets
from lightpeer.serve.importing.cue_sheets import Sheets, division_inside, division_of, key_of, part_of
from lightpeer.serve.library.imported_files import SourceKey
from tests.serve.cues import cue_text, write_cue
from tests.serve.media import fixture, write_wav

STARTS = ("00:00:00", "00:01:37")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "Image.wav", 3.0)


def ticks(file: Path) -> list[int]:
    division = division_of(file)
    return [track.start_ticks for track in division.tracks] if division else []


@pytest.mark.parametrize(
    ("cue", "named"),
    [
        ("Image.cue", "Image.wav"),
        ("other.CUE", "IMAGE.WAV"),
        ("Image.cue", "Image.ape"),
        ("Image.wav.cue", "image.flac"),
    ],
)
def test_a_sheet_divides_the_file_that_it_names_in_any_case_or_kind(
    image: Path, cue: str, named: str
) -> None:
    write_cue(image.with_name(cue), named, *STARTS)
    assert ticks(image) == [0, 112]
    assert Sheets(image.parent).wrong == []


def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "R\N{LATIN SMALL LETTER U WITH DIAERESIS}.wav", 3.0)
    write_cue(tmp_path / "x.cue", "Ru\N{COMBINING DIAERESIS}.wav", *STARTS)
    assert ticks(file) == [0, 112]


@pytest.mark.parametrize(
    "named", ["../Image.wav", "/etc/passwd", "C:\\rips\\Image.wav", "sub/Image.wav", "Nothing.wav"]
)
def test_a_file_elsewhere_is_none_of_a_sheets(image: Path, named: str) -> None:
    cue = write_cue(image.with_name("x.cue"), named, *STARTS)
    assert ticks(image) == []
    reason = "the file that it divides is not beside it: the file is imported as one track"
    assert Sheets(image.parent).wrong == [(cue, reason)]


def test_of_two_files_that_it_may_mean_it_takes_the_named_one_or_none(image: Path) -> None:
    fixture("tone.flac", image.parent).rename(image.with_name("image.flac"))
    write_cue(image.with_name("x.cue"), "Image.wav", *STARTS)
    assert ticks(image) == [0, 112]
    write_cue(image.with_name("x.cue"), "Image.ape", *STARTS)
    assert ticks(image) == []
    assert "not beside it" in Sheets(image.parent).wrong[0][1]


@pytest.mark.parametrize(
    ("starts", "reason"),
    [
        (("00:00:00", "00:03:00"), "its times go beyond the end of the file"),
        (("00:01:00", "00:00:00"), "its tracks or their times do not rise"),
        (("00:00:00", "a minute"), "it has a track without a beginning"),
    ],
)
def test_a_sheet_that_does_not_fit_divides_nothing_and_is_told(
    image: Path, starts: tuple[str, ...], reason: str
) -> None:
    cue = write_cue(image.with_suffix(".cue"), image.name, *starts)
    assert ticks(image) == []
    assert Sheets(image.parent).wrong == [(cue, f"{reason}: the file is imported as one track")]


def test_a_sheet_that_is_too_large_or_cannot_be_read_is_told(image: Path, monkeypatch) -> None:
    cue = image.with_suffix(".cue")
    cue.write_bytes(bytes(MAX_SHEET_BYTES + 1))
    assert "larger than 256 kB" in Sheets(image.parent).wrong[0][1]
    real = Path.open

    def refuse(path: Path, *args: object, **kwargs: object):
        if path == cue:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert Sheets(image.parent).wrong == [(cue, "it cannot be read: Permission denied")]


def test_a_sheet_of_files_with_a_track_each_divides_none(image: Path) -> None:
    image.with_suffix(".cue").write_text(cue_text("Image.wav", "00:00:00") + cue_text("Gone.wav", "00:00:00"))
    sheets = Sheets(image.parent)
    assert (sheets.of(image), sheets.wrong) == (None, [])


def test_links_to_sheets_are_not_followed_and_the_first_sheet_counts(image: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    there = write_cue(tmp_path / "elsewhere" / "x.cue", image.name, *STARTS)
    image.with_suffix(".cue").symlink_to(there)
    (tmp_path / "folder.cue").mkdir()
    assert ticks(image) == []
    write_cue(tmp_path / "b.cue", image.name, "00:00:00", "00:02:00")
    write_cue(tmp_path / "a.cue", image.name, *STARTS)
    assert ticks(image) == [0, 112]


def test_a_folder_that_is_gone_has_no_sheets(tmp_path: Path) -> None:
    assert Sheets(tmp_path / "gone").of(tmp_path / "gone" / "x.wav") is None
    assert division_of(tmp_path / "gone" / "x.wav") is None


def test_where_the_length_is_not_known_a_sheet_is_believed(image: Path, monkeypatch) -> None:
    write_cue(image.with_suffix(".cue"), image.name, "00:00:00", "00:03:00")
    monkeypatch.setitem(sys.modules, "mutagen", None)
    assert ticks(image) == [0, 225]


def test_parts_have_paths_ranges_and_keys_that_change_with_file_and_sheet(image: Path) -> None:
    cue = write_cue(image.with_suffix(".cue"), image.name, *STARTS)
    os.utime(image, ns=(5, 5))
    os.utime(cue, ns=(7, 7))
    size = image.stat().st_size + cue.stat().st_size
    first, second = (image / number for number in ("01", "02"))
    assert key_of(first) == SourceKey(os.fsencode(first), size, 7)
    assert key_of(image / "03") is None
    assert key_of(image) == SourceKey(os.fsencode(image), image.stat().st_size, 5)
    one, two = part_of(first), part_of(second)
    assert (one.start_s, one.end_s) == (0, Fraction(112, 75))
    assert (two.start_s, two.end_s, two.parts) == (Fraction(112, 75), None, 2)
    assert part_of(image) is None
    os.utime(image, ns=(9, 9))
    assert key_of(first).mtime_ns == 9
    cue.unlink()
    assert key_of(first) is None
    assert part_of(first) is None
    assert key_of(image.with_name("gone.wav")) is None
    assert key_of(image.parent) is None


def test_a_sheet_in_a_tag_of_flac(tmp_path: Path) -> None:
    path = fixture("tone.flac", tmp_path)
    flac = FLAC(path)
    flac["cuesheet"] = cue_text("anything.wav", *STARTS)
    flac.save()
    assert ticks(path) == [0, 112]
    assert [part_of(path / n).track.title for n in ("01", "02")] == ["Song 1", "Song 2"]
    assert key_of(path / "02").size == path.stat().st_size
    write_cue(tmp_path / "x.cue", path.name, "00:00:00", "00:00:40")
    assert ticks(path) == [0, 40], "a sheet beside it comes first"


def test_a_wrong_sheet_in_a_tag_is_told(tmp_path: Path) -> None:
    path = fixture("tone.flac", tmp_path)
    flac = FLAC(path)
    flac["cuesheet"] = cue_text("anything.wav", "00:00:00", "00:02:50")
    flac.save()
    division, wrong = division_inside(SourceKey.of(path, path.stat()))
    assert division is None
    assert wrong == (
        "the cue sheet in it is wrong, as its times go beyond the end of the file: "
        "the file is imported as one track"
    )


def test_the_cuesheet_block_of_flac(tmp_path: Path) -> None:
    """At 8 kHz; the last entry is the end, and a track may begin at an index of its own."""
    path = fixture("tone.flac", tmp_path)
    flac = FLAC(path)
    flac.cuesheet = CueSheet(None)
    flac.cuesheet.tracks = [track(1, 0, (1, 0)), track(2, 8000, (0, 0), (1, 4000)), track(170, 20000)]
    flac.save()
    assert ticks(path) == [0, 112]
    assert part_of(path / "02").track.title == ""
    flac.cuesheet.tracks[1] = track(2, 0, (1, 0))
    flac.save()
    os.utime(path, ns=(1, 1))
    assert ticks(path) == [], "one track is none"


def track(number: int, at: int, *indexes: tuple[int, int]) -> CueSheetTrack:
    made = CueSheetTrack(number, at)
    made.indexes = [CueSheetTrackIndex(*index) for index in indexes]
    return made


def test_other_files_and_broken_ones_have_no_sheet_inside(tmp_path: Path, image: Path, monkeypatch) -> None:
    broken = tmp_path / "x.flac"
    broken.write_bytes(b"fLaC" + bytes(60))
    assert ticks(broken) == []
    monkeypatch.setattr(cue_sheets, "_sheet_inside", None)
    assert ticks(image) == [], "a WAV file is not looked into"
