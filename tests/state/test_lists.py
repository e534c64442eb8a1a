"""Lists between runs: bounded, set aside when corrupt, and no failure where nothing can be written."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from lightpeer.core.content.playlist import Entry
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import StateError
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


def test_favourites_are_all_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MOST_KEPT", 3)
    assert Favourites(tmp_path / "new").load() == []
    Favourites(tmp_path / "new").save(ENTRIES)
    assert Favourites(tmp_path / "new").load() == ENTRIES


def test_favourites_that_cannot_be_read_or_saved_stay_as_they_are(tmp_path):
    (tmp_path / FAVOURITES).mkdir()
    with pytest.raises(StateError, match=r"cannot read the favourites in .* is not an ordinary file"):
        Favourites(tmp_path).load()
    with pytest.raises(StateError, match="cannot write"):
        Favourites(tmp_path).save(ENTRIES)


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
