"""What is said of a scan: the counts, a line for each reason, and what to do about what was passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightpeer.serve.importing.report import NAMED, ImportReport
from lightpeer.serve.library.removal import Dropped


def files(count: int) -> list[Path]:
    return [Path(f"/music/{number}.wav") for number in range(count)]


def test_of_nothing_there_is_little_to_say():
    report = ImportReport()
    assert (report.notes(), report.summary()) == ([], "0 files imported")
    assert (report.removed, report.has_changed_anything) == (0, False)


def test_two_reports_share_no_lists():
    ImportReport().skipped.append((Path("a"), "it is empty"))
    assert ImportReport().skipped == []


def test_the_counts_that_there_are_stand_in_a_line():
    assert ImportReport(imported=1).summary() == "1 file imported"
    report = ImportReport(imported=12, known=2, unchanged=100, dropped=Dropped(3, b"/music/gone.wav"))
    report.skipped, report.damaged = [(Path("a"), "it is empty")], [(Path("b"), "it is cut short")] * 2
    assert report.summary() == (
        "12 files imported, 2 moved or copied, 100 as before, 3 removed, 1 skipped, 2 in part"
    )


@pytest.mark.parametrize(
    ("report", "has_changed"),
    [
        (ImportReport(imported=1), True),
        (ImportReport(known=1), True),
        (ImportReport(dropped=Dropped(1, b"/x")), True),
        (ImportReport(dropped=Dropped(0, b"", 5, b"/x")), False),  # out of sight is kept
        (ImportReport(unchanged=9, skipped=[(Path("a"), "it is empty")]), False),
    ],
)
def test_a_library_is_another_where_tracks_came_or_went(report, has_changed):
    assert report.has_changed_anything == has_changed


def test_each_file_is_named_with_its_reason_where_they_are_few():
    report = ImportReport(skipped=[(path, "it is empty") for path in files(NAMED)])
    assert report.notes() == [f"skipped /music/{number}.wav: it is empty" for number in range(NAMED)]


def test_many_files_with_one_reason_share_a_line_and_others_keep_theirs():
    report = ImportReport(skipped=[(path, "it is empty") for path in files(NAMED + 1)])
    report.skipped.insert(2, (Path("/music/x.wav"), "it is no WAV file"))
    report.damaged = [(path, "it is cut short") for path in files(1)]
    assert report.notes() == [
        "6 files skipped: it is empty (such as /music/0.wav)",
        "skipped /music/x.wav: it is no WAV file",
        "imported in part /music/0.wav: it is cut short",
    ]


def test_what_a_scan_skipped_and_what_it_took_in_part_are_counted_apart():
    few = [(path, "it is cut short") for path in files(NAMED)]
    assert len(ImportReport(skipped=list(few), damaged=list(few)).notes()) == 2 * NAMED


@pytest.mark.parametrize(
    ("dropped", "note"),
    [
        (Dropped(1, b"/m/a.wav"), "1 file is gone, such as /m/a.wav: removed from the library"),
        (Dropped(2, b"/m/a.wav"), "2 files are gone, such as /m/a.wav: removed from the library"),
        (
            Dropped(0, b"", 1, b"/m/a.wav"),
            (
                "1 file is out of sight, such as /m/a.wav: "
                "kept and served; `lightpeer-serve prune` removes what is not there"
            ),
        ),
        (
            Dropped(0, b"", 7, b"/m/a.wav"),
            (
                "7 files are out of sight, such as /m/a.wav: "
                "kept and served; `lightpeer-serve prune` removes what is not there"
            ),
        ),
    ],
)
def test_what_was_not_found_is_told_with_one_of_it(dropped, note):
    assert ImportReport(dropped=dropped).notes() == [note]


@pytest.mark.parametrize(("count", "links"), [(1, "1 link that leads out"), (3, "3 links that lead out")])
def test_links_that_are_not_followed_are_told_with_the_way_to_follow_them(count, links):
    report = ImportReport(led_out=count, first_led_out=(Path("/m/link"), Path("/disk")))
    assert report.notes() == [
        (
            f"skipped {links} of the folder, such as /m/link to /disk: "
            "name where it leads as one more folder, or give --follow-links"
        )
    ]


def test_no_name_reaches_a_terminal_as_it_is():
    strange = os.fsdecode(b"/m/caf\xe9\x1b[2J\n.wav")
    report = ImportReport(
        skipped=[(Path(strange), "it is empty")],
        dropped=Dropped(1, os.fsencode(strange), 1, os.fsencode(strange)),
        led_out=1,
        first_led_out=(Path(strange), Path(strange)),
    )
    notes = report.notes()
    assert len(notes) == 4
    assert all(note.isprintable() for note in notes)
    assert all("/m/caf" in note for note in notes)
