"""Lists between runs: bounded, set aside when corrupt, and no failure where nothing can be written."""

from __future__ import annotations

import logging

from lightpeer.core.content.playlist import Entry
from lightpeer.core.content.uri import format_uri
from lightpeer.state import lists
from lightpeer.state.lists import HISTORY, SHOWN, KeptList

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
