"""What cue sheets say, as programs write them, and those that contradict themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.cue_sheet import (
    MAX_SHEET_BYTES,
    CueFile,
    CueSheet,
    CueTrack,
    parse_cue_untrusted,
)
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError

SHEET = """\
REM GENRE Rock
REM DATE 1999
REM DISCNUMBER 2
REM COMMENT "ExactAudioCopy v1.0"
PERFORMER "Sigur Rós"
TITLE "Ágætis byrjun"
FILE "Sigur Rós - Ágætis byrjun.flac" WAVE
  TRACK 01 AUDIO
    TITLE "Intro"
    PERFORMER "Sigur Rós"
    ISRC ISX119900001
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Svefn-g-englar"
    PERFORMER "Jónsi"
    FLAGS DCP
    INDEX 00 01:35:10
    INDEX 01 01:36:74
"""
PARSED = CueSheet(
    "Ágætis byrjun",
    "Sigur Rós",
    1999,
    2,
    (
        CueFile(
            "Sigur Rós - Ágætis byrjun.flac",
            (
                CueTrack(1, 0, "Intro", "Sigur Rós"),
                CueTrack(2, 96 * 75 + 74, "Svefn-g-englar", "Jónsi"),
            ),
        ),
    ),
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_sheet_in_the_encodings_that_programs_write(encoding: str, end: str) -> None:
    assert parse_cue_untrusted(SHEET.replace("\n", end).encode(encoding)) == PARSED


def test_what_is_in_no_known_encoding_is_read_all_the_same() -> None:
    sheet = parse_cue_untrusted(b'TITLE "\x81 \xe9"\n')
    assert sheet == CueSheet("\N{REPLACEMENT CHARACTER} é", "", 0, 0, ())


def sheet_of(*lines: str) -> CueSheet:
    return parse_cue_untrusted("\n".join(lines).encode())


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('FILE "a b.flac" WAVE', "a b.flac"),
        ('file "a.wav"', "a.wav"),
        ("FILE a b.flac WAVE", "a b.flac"),
        ("FILE image.ape", "image.ape"),
        ("FILE wave mp3", "wave"),
    ],
)
def test_how_a_file_is_named(line: str, name: str) -> None:
    assert sheet_of(line).files == (CueFile(name, ()),)


def test_a_sheet_of_several_files_each_with_times_of_its_own() -> None:
    """With the pause before a track at the end of the file before, as Exact Audio Copy writes it."""
    sheet = sheet_of(
        "FILE one.wav WAVE",
        "TRACK 01 AUDIO",
        "INDEX 01 00:00:00",
        "TRACK 02 AUDIO",
        "INDEX 00 03:00:00",
        "FILE two.wav WAVE",
        "INDEX 01 00:00:00",
        "TITLE Second",
    )
    assert sheet.files == (
        CueFile("one.wav", (CueTrack(1, 0, "", ""),)),
        CueFile("two.wav", (CueTrack(2, 0, "Second", ""),)),
    )


BEGUN = ("FILE a WAVE", "TRACK 02 AUDIO", "INDEX 01 00:10:00")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((*BEGUN, "TRACK 03 AUDIO", "INDEX 01 00:10:00"), "do not rise"),
        ((*BEGUN, "TRACK 03 AUDIO", "INDEX 01 00:09:74"), "do not rise"),
        ((*BEGUN, "TRACK 02 AUDIO", "INDEX 01 00:11:00"), "do not rise"),
        ((*BEGUN, "INDEX 01 00:11:00"), "do not rise"),
        (("FILE a WAVE", "TRACK 00 AUDIO", "INDEX 01 00:00:00"), "do not rise"),
        (("FILE a WAVE", "TRACK 100 AUDIO", "INDEX 01 00:00:00"), "do not rise"),
        (("FILE a WAVE", "TRACK x", "INDEX 01 00:00:00"), "do not rise"),
        (("TRACK 01 AUDIO", "INDEX 01 00:00:00"), "no track of a file"),
        (("FILE a WAVE", "INDEX 01 00:00:00"), "no track of a file"),
        ((*BEGUN, "TRACK 03 AUDIO"), "without a beginning"),
        (("FILE a WAVE", "TRACK 01 AUDIO", "TRACK 02 AUDIO", "INDEX 01 00:00:00"), "without a beginning"),
        ((*BEGUN, "TRACK 03 AUDIO", "INDEX 01 00:60:00"), "without a beginning"),
        ((*BEGUN, "TRACK 03 AUDIO", "INDEX 01 00:11:75"), "without a beginning"),
    ],
)
def test_a_sheet_that_contradicts_itself_is_refused(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BadMessageError, match=reason):
        sheet_of(*lines)


def test_a_sheet_has_a_bound_and_so_has_each_text_in_it() -> None:
    assert parse_cue_untrusted(b" " * MAX_SHEET_BYTES).files == ()
    with pytest.raises(BadMessageError, match="larger than 256 kB"):
        parse_cue_untrusted(b" " * (MAX_SHEET_BYTES + 1))
    long = "x" * (MAX_TEXT_CHARS + 1)
    sheet = sheet_of(f'TITLE "{long}"', f'FILE "{long}" WAVE')
    assert (sheet.title, sheet.files[0].name) == (long[:-1], long[:-1])


def test_a_cd_has_99_tracks() -> None:
    tracks = (f"TRACK {n:02} AUDIO\nINDEX 01 {n}:00:00" for n in range(1, 100))
    (file,) = sheet_of("FILE a WAVE", *tracks).files
    assert [(track.number, track.start_ticks) for track in file.tracks] == [
        (n, n * 60 * 75) for n in range(1, 100)
    ]


@pytest.mark.parametrize(
    ("line", "year"), [("REM DATE 1999", 1999), ('rem date "2001-05-04"', 2001), ("REM DATE soon", 0)]
)
def test_the_year(line: str, year: int) -> None:
    assert sheet_of(line).year == year


@pytest.mark.parametrize(
    ("line", "disc"), [("REM DISCNUMBER 2", 2), ('REM DISCNUMBER "1"', 1), ("REM DISCNUMBER", 0)]
)
def test_the_disc(line: str, disc: int) -> None:
    assert sheet_of(line).disc == disc


@given(st.text(st.sampled_from('FILETRACKINDEX01:7\n "')))
def test_tracks_rise_whatever_is_in_it(text: str) -> None:
    try:
        sheet = parse_cue_untrusted(text.encode())
    except BadMessageError:
        return
    for file in sheet.files:
        assert list(file.tracks) == sorted(file.tracks)
