"""The file of joined networks: what is there, what is not, and what cannot be read."""

from __future__ import annotations

import os

import pytest

from lightpeer.config.joined import JOINED_FILE, MAX_FILE_BYTES, read_joined
from lightpeer.errors import StateError


def test_the_invites_come_as_they_stand_the_latest_first(tmp_path):
    (tmp_path / JOINED_FILE).write_text("# of the office\nb:1\n\na:2  # at home\n")
    assert read_joined(tmp_path) == ["b:1", "a:2"]


def test_where_nothing_was_joined_there_is_nothing(tmp_path):
    assert read_joined(tmp_path) == []
    assert read_joined(tmp_path / "none") == []
    (tmp_path / "file").touch()
    assert read_joined(tmp_path / "file") == [], "it is no folder"
    (tmp_path / JOINED_FILE).touch()
    assert read_joined(tmp_path) == []


def test_a_file_as_long_as_it_may_be_is_read_and_a_longer_one_is_not(tmp_path):
    path = tmp_path / JOINED_FILE
    path.write_bytes(b"a:1\n".ljust(MAX_FILE_BYTES, b"\n"))
    assert read_joined(tmp_path) == ["a:1"]
    path.write_bytes(b"a:1\n".ljust(MAX_FILE_BYTES + 1, b"\n"))
    with pytest.raises(StateError, match="cannot read the joined networks"):
        read_joined(tmp_path)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_an_error_that_names_it(tmp_path, make):
    make(tmp_path / JOINED_FILE)
    with pytest.raises(StateError, match=f"cannot read the joined networks {tmp_path}/joined: "):
        read_joined(tmp_path)
