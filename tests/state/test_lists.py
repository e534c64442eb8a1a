"""Lists between runs: bounded, set aside when corrupt, and no failure where nothing can be written."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
from pathlib import Path

import pytest

from lightpeer.core.content.playlist import Entry
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import StateError, UsageError
from lightpeer.state import lists
from lightpeer.state.lists import FAVOURITES, HISTORY, SHOWN, Favourites, KeptList, ShownList

ENTRIES = [Entry(format_uri(bytes([n]) * 32), f"Song {n}", n) for n in range(5)]


def test_a_list_is_there_again(tmp_path):
    assert KeptList(tmp_path / "new", SHOWN).load() == []
    KeptList(tmp_path / "new", SHOWN).save(ENTRIES)
    assert KeptList(tmp_path / "new", SHOWN).load() == ENTRIES


def test_the_latest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MOST_OF_HISTORY", 3)
    history = KeptList(tmp_path, HISTORY)
    for entry in ENTRIES:
        history.add(entry)
        history.add(entry)
    assert history.load() == ENTRIES[-3:], "and one that is played twice on end is there once"


def test_a_corrupt_one_is_set_aside(tmp_path, caplog):
    (tmp_path / SHOWN).write_bytes(b"\xff")
    assert KeptList(tmp_path, SHOWN).load() == []
    assert (tmp_path / f"{SHOWN}.corrupt").read_bytes() == b"\xff"
    assert "was corrupt" in caplog.text


def test_where_nothing_can_be_written_it_is_said(tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        KeptList(tmp_path / "file" / "state", SHOWN).save(ENTRIES)
    assert "cannot save state: cannot make the state directory" in caplog.text


def add_one_by_one(folder, name, first):
    for n in range(first, first + 20):
        entry = Entry(format_uri(bytes([n]) * 32))
        (Favourites(folder).add([entry]) if name == FAVOURITES else KeptList(folder, name).add(entry))


@pytest.mark.parametrize("name", [FAVOURITES, HISTORY])
def test_of_several_commands_at_once_none_loses_its_entry(tmp_path, name):
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=add_one_by_one, args=(tmp_path, name, n)) for n in (0, 20, 40)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len({entry.uri for entry in KeptList(tmp_path, name).load()}) == 60


def test_where_the_history_cannot_be_locked_it_is_said(tmp_path, caplog):
    (tmp_path / f"{HISTORY}.lock").mkdir()
    with caplog.at_level(logging.WARNING):
        KeptList(tmp_path, HISTORY).add(ENTRIES[0])
    assert "cannot save state: cannot lock" in caplog.text


def test_favourites_are_kept_each_once_and_go_by_their_ids(tmp_path):
    assert Favourites(tmp_path / "new").load() == []
    Favourites(tmp_path / "new").add([*ENTRIES[:2], ENTRIES[0]])
    Favourites(tmp_path / "new").add(ENTRIES)
    assert Favourites(tmp_path / "new").load() == ENTRIES
    assert Favourites(tmp_path / "new").remove([ENTRIES[1].uri, ENTRIES[3].uri, format_uri(b"z" * 32)]) == 2
    assert Favourites(tmp_path / "new").load() == ENTRIES[::2]


def test_too_many_favourites_are_refused_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MOST_KEPT", 3)
    Favourites(tmp_path).add(ENTRIES[:2])
    with pytest.raises(UsageError, match="there may be 3 favourites"):
        Favourites(tmp_path).add(ENTRIES)
    assert Favourites(tmp_path).load() == ENTRIES[:2]
    Favourites(tmp_path).add(ENTRIES[:3])
    assert Favourites(tmp_path).load() == ENTRIES[:3]


def test_lines_of_other_programs_stay_in_the_favourites(tmp_path):
    others = "#EXTM3U\n#EXTINF:5,Radio\nhttp://example.org/x\n/music/file.mp3\n"
    (tmp_path / FAVOURITES).write_text(others)
    Favourites(tmp_path).add(ENTRIES[:2])
    Favourites(tmp_path).remove([ENTRIES[0].uri])
    assert Favourites(tmp_path).load() == ENTRIES[1:2]
    assert (tmp_path / FAVOURITES).read_text().startswith(others)


def test_favourites_that_others_have_filled_are_not_made_unreadable(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MAX_PLAYLIST_BYTES", 100)
    (tmp_path / FAVOURITES).write_text("http://example.org/" + "x" * 80)
    with pytest.raises(StateError, match="is full: remove lines of other programs"):
        Favourites(tmp_path).add(ENTRIES[:1])
    assert Favourites(tmp_path).load() == []


def test_favourites_that_cannot_be_read_or_saved_stay_as_they_are(tmp_path, monkeypatch):
    (tmp_path / FAVOURITES).mkdir()
    with pytest.raises(StateError, match=r"cannot read the favourites in .* is not an ordinary file"):
        Favourites(tmp_path).load()
    with pytest.raises(StateError, match="cannot read the favourites"):
        Favourites(tmp_path).add(ENTRIES)
    (tmp_path / FAVOURITES).rmdir()
    Favourites(tmp_path).add(ENTRIES[:1])

    def fill_disk(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_disk)
    with pytest.raises(StateError, match="cannot write"):
        Favourites(tmp_path).add(ENTRIES)
    assert Favourites(tmp_path).load() == ENTRIES[:1]


def test_corrupt_favourites_are_set_aside(tmp_path, caplog):
    (tmp_path / FAVOURITES).write_bytes(b"\xff")
    assert Favourites(tmp_path).load() == []
    assert (tmp_path / f"{FAVOURITES}.corrupt").read_bytes() == b"\xff"
    assert "was corrupt" in caplog.text


@pytest.mark.parametrize(
    ("is_read_only", "left", "says"),
    [
        (False, [], "numbers take nothing from this list"),
        (True, ENTRIES[:2], "numbers still take from one before this list"),
    ],
)
def test_numbers_take_from_no_list_but_the_one_that_was_shown(
    tmp_path, monkeypatch, caplog, is_read_only, left, says
):
    def refuse(*_given: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shown = ShownList(tmp_path)
    shown.save(ENTRIES[:2])
    assert shown.load() == ENTRIES[:2]
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", refuse)
        if is_read_only:
            disk.setattr(Path, "unlink", refuse)
        shown.save(ENTRIES)
    assert shown.load() == left
    assert says in caplog.text


def test_where_the_folder_cannot_be_made_that_is_said_too(tmp_path, caplog):
    (tmp_path / "file").touch()
    ShownList(tmp_path / "file" / "state").save(ENTRIES)
    assert "cannot save state: cannot make the state directory" in caplog.text
    assert "give loud: ids instead" in caplog.text
