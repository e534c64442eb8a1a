"""Which tracks are dropped: those whose files are gone, and not what is only out of sight."""

from __future__ import annotations

import os

import pytest

from lightpeer.serve.library.imported_files import ImportedFiles, SourceKey
from lightpeer.serve.library.removal import (
    MIRRORED,
    NOTHING_DROPPED,
    Dropped,
    drop_not_found,
    is_within,
    prune,
)


class Shelf:
    """A library's table of files, and what was forgotten of it."""

    def __init__(self, folder) -> None:
        self.imported = ImportedFiles(folder / "library.db")
        self.forgotten: list[bytes] = []

    def put(self, *paths: bytes, track_id: bytes = b"") -> None:
        for path in paths:
            self.imported.put(SourceKey(path, 1, 1), "recipe", track_id or path)

    def see(self, *paths: bytes) -> None:
        """Scan, and find these."""
        self.imported.begin_scan()
        self.imported.note_found([SourceKey(path, 1, 1) for path in paths], "recipe")

    def forget(self, path: bytes) -> bool:
        """Forget a file; return whether its track went with it, as a library does."""
        track_id = self.imported.track_of(path)
        self.imported.remove(path)
        self.forgotten.append(path)
        return track_id is not None and not self.imported.has_track(track_id)


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path)
    yield made
    made.imported.close()


def test_what_a_scan_has_found_stays(shelf):
    shelf.put(b"/m/a", b"/m/b")
    shelf.see(b"/m/a", b"/m/b")
    assert drop_not_found(shelf) == NOTHING_DROPPED
    assert shelf.forgotten == []


def test_what_it_has_not_found_is_gone(shelf):
    shelf.put(b"/m/a", b"/m/b", b"/m/c")
    shelf.see(b"/m/b")
    assert drop_not_found(shelf) == Dropped(removed=2, first_removed=b"/m/a")
    assert shelf.forgotten == [b"/m/a", b"/m/c"]
    assert drop_not_found(shelf) == NOTHING_DROPPED, "it is forgotten"


def test_what_lies_where_nobody_can_look_stays(shelf):
    shelf.put(b"/m/a", b"/m/usb", b"/m/usb/b", b"/m/usb/x/c", b"/m/usb2/d")
    shelf.see()
    dropped = drop_not_found(shelf, [b"/m/usb"])
    assert dropped == Dropped(2, b"/m/a", away=3, first_away=b"/m/usb")
    assert shelf.forgotten == [b"/m/a", b"/m/usb2/d"], "a name that only begins alike is another folder"


def test_a_track_that_another_file_stands_for_is_not_removed(shelf):
    shelf.put(b"/m/a", b"/m/copy", track_id=b"same")
    shelf.see(b"/m/copy")
    assert drop_not_found(shelf) == NOTHING_DROPPED
    assert shelf.forgotten == [b"/m/a"], "but its name is forgotten"


def test_what_was_fetched_from_the_network_is_away_from_no_folder(shelf):
    mirrored = MIRRORED + b"loud:x"
    shelf.put(mirrored, b"/m/a")
    shelf.see()
    assert drop_not_found(shelf, [b"/m", mirrored]) == Dropped(away=1, first_away=b"/m/a")
    assert shelf.forgotten == []


@pytest.fixture
def music(tmp_path, shelf):
    """Two files that are there, and entries of four more that are not."""
    folder = os.fsencode(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    shelf.put(
        *(folder + b"/" + name for name in (b"a", b"b", b"folder", b"gone", b"usb/x")), MIRRORED + b"loud:x"
    )
    return folder


def test_a_person_has_all_removed_that_is_not_there(shelf, music):
    gone = [music + b"/" + name for name in (b"folder", b"gone", b"usb/x")]
    assert prune(shelf) == gone
    assert shelf.forgotten == gone
    assert set(shelf.imported.paths()) == {music + b"/a", music + b"/b", MIRRORED + b"loud:x"}


def test_or_only_what_is_below_some_folders(shelf, music):
    assert prune(shelf, [music + b"/usb", b"/elsewhere"]) == [music + b"/usb/x"]
    assert prune(shelf, [b"/elsewhere"]) == []
    assert prune(shelf, [music + b"/gone"]) == [music + b"/gone"], "a file may be named itself"


@pytest.mark.parametrize(
    ("path", "folders", "is_there"),
    [
        (b"/m/a", [b"/m"], True),
        (b"/m/a", [b"/m/"], True),
        (b"/m", [b"/m"], True),
        (b"/music", [b"/m"], False),
        (b"/m", [b"/m/a"], False),
        (b"/m/a", [b"/"], True),
        (b"/m/a", [b"/x", b"/m/a"], True),
        (b"/m/a", [], False),
    ],
)
def test_a_path_is_within_itself_and_what_holds_it(path, folders, is_there):
    assert is_within(path, folders) == is_there
