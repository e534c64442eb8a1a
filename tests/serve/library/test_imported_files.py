"""The table of imported files, a page at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.serve.library.imported_files import ImportedFiles, SourceKey, only_in_one

ids = st.sets(st.binary(min_size=1, max_size=2))


@given(ids, ids)
def test_two_lists_of_ids_are_compared(ours, theirs):
    found = list(only_in_one(iter(sorted(ours)), iter(sorted(theirs))))
    assert {track_id for track_id, is_ours in found if is_ours} == ours - theirs
    assert {track_id for track_id, is_ours in found if not is_ours} == theirs - ours
    assert len(found) == len(ours ^ theirs)


@pytest.fixture
def files(tmp_path):
    table = ImportedFiles(tmp_path / "library.db")
    yield table
    table.close()


def key(number: int) -> SourceKey:
    return SourceKey(b"/music/%05d" % number, 1, 1)


def test_more_tracks_than_a_page_holds_come_in_order_and_once(files):
    for number in range(2500):
        files.put(key(number), "r", (number // 2).to_bytes(2, "big"))
    assert list(files.track_ids()) == [number.to_bytes(2, "big") for number in range(1250)]
    assert files.count_tracks() == 1250


def test_what_a_scan_has_not_found_may_be_removed_meanwhile(files):
    for number in range(2500):
        files.put(key(number), "r", b"id")
    for _ in range(2):  # what one scan found says nothing to the next
        files.begin_scan()
        assert files.note_found([key(7), key(7), SourceKey(b"/new", 1, 1)], "r") == [SourceKey(b"/new", 1, 1)]
    gone = []
    for path in files.not_found():
        files.remove(path)
        gone.append(path)
    assert gone == [key(number).path for number in range(2500) if number != 7]
    assert files.track_of(key(7).path) == b"id"
    assert files.track_of(key(8).path) is None


@pytest.mark.parametrize("changed", [SourceKey(b"/a", 2, 1), SourceKey(b"/a", 1, 2)])
def test_a_changed_file_or_recipe_is_imported_again(files, changed):
    files.put(SourceKey(b"/a", 1, 1), "r", b"id")
    files.begin_scan()
    assert files.note_found([SourceKey(b"/a", 1, 1)], "r") == []
    assert files.note_found([changed], "r") == [changed]
    assert files.note_found([SourceKey(b"/a", 1, 1)], "another") == [SourceKey(b"/a", 1, 1)]


def test_what_is_below_a_path(files):
    files.put(SourceKey(b"/a/1", 1, 1), "r", b"one")
    files.put(SourceKey(b"/ab/1", 1, 1), "r", b"two")
    assert files.track_ids_below(b"/a/") == [b"one"]
    assert files.has_any_below(b"/ab/")
    assert not files.has_any_below(b"/abc")


def test_what_was_withdrawn_is_not_marked_as_damaged(files):
    """It may be withdrawn while somebody listens, just before the damage is noted."""
    files.put(key(1), "r", b"gone")
    files.put(key(2), "r", b"here")
    files.withdraw(b"gone")
    assert [files.mark_damaged(each) for each in (b"gone", b"here", b"unknown")] == [False, True, False]
    assert files.damaged_track_ids(9) == [b"here"]
    assert not files.has_track(b"gone")
    files.begin_scan()
    assert files.note_found([key(1), key(2)], "r") == [key(2)], "it is not imported again"


def test_a_file_is_imported_as_it_is_now_or_not(files):
    made = SourceKey(b"/music/a", 3, 4)
    files.put(made, "r", b"id")
    assert files.is_imported(made)
    for other in (SourceKey(b"/music/b", 3, 4), SourceKey(b"/music/a", 2, 4), SourceKey(b"/music/a", 3, 5)):
        assert not files.is_imported(other)


@pytest.mark.parametrize(
    ("found", "path", "is_found"),
    [
        (b"/a.flac", b"/a.flac/01", True),
        (b"/a.flac/01", b"/a.flac", True),
        (b"/a.flac/01", b"/a.flac/02", True),
        (b"/a.flac", b"/b.flac", False),
        (b"/a.flac.flac", b"/a.flac", False),
        (b"/a.flac-01", b"/a.flac", False),
        (b"/a.flac0", b"/a.flac", False),
    ],
)
def test_a_file_that_is_found_as_its_parts_is_not_gone(files, found, path, is_found):
    files.begin_scan()
    files.note_found([SourceKey(found, 1, 1)], "r")
    assert files.is_found_otherwise(path) == is_found


def test_what_waits_is_known_until_it_changes_or_is_seen_to(files):
    files.begin_scan()
    files.note_waiting([key(1), key(2), key(3)])
    changed = SourceKey(key(2).path, 9, 9)
    assert files.note_found([key(1), changed, key(4)], "r") == [changed, key(4)]
    files.note_waiting([changed])
    assert [files.waiting_key(key(n).path) for n in (1, 2, 4)] == [key(1), changed, None]
    assert files.take_waiting_not_found() == [key(3).path]
    assert files.take_waiting_not_found() == []
    files.put(key(1), "r", b"id")
    files.note_skipped(changed)
    assert [files.waiting_key(key(n).path) for n in (1, 2, 3)] == [None] * 3


def test_the_key_of_a_file_is_that_of_an_ordinary_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found = SourceKey.of_file(path)
    assert found == SourceKey.of(path, path.stat())
    assert found.size == 3
    assert SourceKey.of_file(tmp_path) is None
    assert SourceKey.of_file(tmp_path / "b") is None
