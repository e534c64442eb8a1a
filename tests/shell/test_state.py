"""Files of ours: whole or not at all, and nobody else's to read."""

from __future__ import annotations

import os
from pathlib import Path

from lightpeer.state import load_or_create_identity, write_atomically


def test_a_key_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    state = tmp_path / "a" / "b"
    identity = load_or_create_identity(state)
    assert (state / "key").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert load_or_create_identity(state).peer_id == identity.peer_id
    assert os.listdir(state) == ["key"]  # noqa: PTH208 - with hidden ones


def test_a_key_is_not_written_into_a_file_that_somebody_else_put_there(tmp_path: Path) -> None:
    trap, target = tmp_path / f".key.{os.getpid()}.part", tmp_path / "stolen"
    target.touch(mode=0o666)
    trap.symlink_to(target)
    write_atomically(tmp_path / "key", b"secret")
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert target.read_bytes() == b""
