"""Files of ours: whole or not at all, and nobody else's to read."""

from __future__ import annotations

import errno
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightpeer.core.trust.identity import PeerId
from lightpeer.errors import BadMessageError, StateError
from lightpeer.state import files as state_module
from lightpeer.state.files import (
    LEFTOVER_S,
    Losses,
    SmallFile,
    load_or_create_identity,
    load_or_make_identity,
    write_atomically,
)


def test_a_key_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    state = tmp_path / "a" / "b"
    identity = load_or_create_identity(state)
    assert (state / "key").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert load_or_create_identity(state).peer_id == identity.peer_id
    assert os.listdir(state) == ["key"]  # noqa: PTH208 - with hidden ones


def test_a_key_is_not_written_into_a_file_that_somebody_else_put_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(state_module.os, "urandom", bytes)  # as if it could be foreseen
    trap, target = tmp_path / f".key.{bytes(8).hex()}.part", tmp_path / "stolen"
    target.touch(mode=0o666)
    trap.symlink_to(target)
    with pytest.raises(StateError, match="File exists"):
        write_atomically(tmp_path / "key", b"secret")
    assert target.read_bytes() == b""


def test_two_that_write_at_a_time_leave_one_whole_file(tmp_path, monkeypatch) -> None:
    path, flush = tmp_path / "peers", os.fsync

    def write_another(descriptor: int) -> None:
        monkeypatch.setattr(state_module.os, "fsync", flush)
        write_atomically(path, b"short")
        assert path.read_bytes() == b"short"
        flush(descriptor)

    monkeypatch.setattr(state_module.os, "fsync", write_another)
    write_atomically(path, b"a longer one")
    assert path.read_bytes() == b"a longer one"
    assert os.listdir(tmp_path) == ["peers"]  # noqa: PTH208 - with hidden ones


def test_what_a_crash_left_half_written_is_removed_at_the_next_start(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    old, young = tmp_path / ".peers.1.part", tmp_path / ".peers.2.part"
    for path in (old, young):
        path.touch()
    since = young.stat().st_mtime
    os.utime(old, (since, since - LEFTOVER_S - 60))
    load_or_create_identity(tmp_path)
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"


# What the program can do without.


def parsed(data: bytes) -> str:
    if data == b"junk":
        raise BadMessageError("junk")
    return data.decode()


def test_a_small_file_comes_back_and_is_its_owners_alone(tmp_path, caplog) -> None:
    file = SmallFile(tmp_path / "x", 5, "the memory", Losses())
    assert file.load(parsed) is None, "nothing was ever kept"
    assert SmallFile(tmp_path / "x" / "y", 5, "the memory", Losses()).load(parsed) is None
    for text in ("first", "other"):
        file.save(text.encode())
        assert file.load(parsed) == text
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert not caplog.text


@pytest.mark.parametrize("movable", [True, False])
def test_a_corrupt_small_file_is_set_aside_and_said_so(tmp_path, caplog, monkeypatch, movable) -> None:
    (tmp_path / "x").write_bytes(b"junk")
    if not movable:
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(30, "read-only")))
    assert SmallFile(tmp_path / "x", 5, "the memory", Losses()).load(parsed) is None
    assert ("the memory was corrupt; it is now" if movable else "cannot move") in caplog.text
    assert (tmp_path / "x.corrupt").exists() == movable


def test_a_small_file_that_is_too_large_or_none_is_left_and_said_so(tmp_path, caplog) -> None:
    (tmp_path / "x").write_bytes(b"longer")
    (tmp_path / "y").mkdir()
    for name in "xy":
        assert SmallFile(tmp_path / name, 5, "the memory", Losses()).load(parsed) is None
        assert f"cannot read the memory {tmp_path / name}" in caplog.text
    assert (tmp_path / "x").read_bytes() == b"longer"


def test_what_cannot_be_written_is_told_once(tmp_path, caplog) -> None:
    losses = Losses()
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        SmallFile(tmp_path / "none" / "x", 5, "the memory", losses).save(b"a")
    assert caplog.text.count("cannot write") == 1


# Where nothing can be kept.


def refuse_to_write(monkeypatch, number: int = errno.EROFS) -> None:
    """As a disk does that is read-only or full; who runs the tests may be root, whom no mode keeps out."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise StateError(path, f"cannot write {path}: {os.strerror(number)}")

    monkeypatch.setattr(state_module, "write_atomically", refuse)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_key_that_cannot_be_kept_is_one_for_this_run(tmp_path, monkeypatch, caplog, number) -> None:
    refuse_to_write(monkeypatch, number)
    losses = Losses()
    first = load_or_make_identity(tmp_path, os.urandom, losses)
    assert load_or_make_identity(tmp_path, os.urandom, losses).peer_id != first.peer_id
    (told,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert told.startswith(f"cannot save state: cannot write {tmp_path}/key: ")
    assert "--state" in told
    assert not list(tmp_path.iterdir())


def test_a_server_does_not_go_by_a_key_that_cannot_be_kept(tmp_path, monkeypatch) -> None:
    refuse_to_write(monkeypatch)
    with pytest.raises(StateError, match="Read-only file system: choose another place with --state"):
        load_or_create_identity(tmp_path)


def test_a_state_directory_that_cannot_be_made(tmp_path, caplog) -> None:
    (tmp_path / "file").touch()
    load_or_make_identity(tmp_path / "file/state", os.urandom, Losses())
    assert "cannot make the state directory" in caplog.text


def test_a_key_that_is_there_is_taken_where_nothing_can_be_written(tmp_path, monkeypatch, caplog) -> None:
    kept = load_or_create_identity(tmp_path)
    refuse_to_write(monkeypatch)
    assert load_or_make_identity(tmp_path, os.urandom, Losses()).peer_id == kept.peer_id
    assert not caplog.records


@pytest.mark.parametrize("left", [b"", bytes(65), b"\n"])
def test_a_key_that_a_power_failure_has_emptied_is_set_aside_by_a_player_alone(
    tmp_path, left, caplog
) -> None:
    key = tmp_path / "key"
    key.write_bytes(left)
    with pytest.raises(StateError, match=r"key is empty, as after a power failure: restore a copy"):
        load_or_create_identity(tmp_path)
    assert key.read_bytes() == left
    identity = load_or_make_identity(tmp_path, os.urandom, Losses())
    assert f"this is a new id ({key}.corrupt)" in caplog.text
    assert (tmp_path / "key.corrupt").read_bytes() == left
    assert load_or_create_identity(tmp_path).peer_id == identity.peer_id


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_key_that_cannot_be_used_is_never_replaced(tmp_path, is_readable) -> None:
    key = tmp_path / "key"
    if is_readable:
        key.write_bytes(b"junk")
    else:
        key.mkdir()
    with pytest.raises(StateError, match="corrupt" if is_readable else "cannot read the key"):
        load_or_make_identity(tmp_path, os.urandom, Losses())
    assert key.is_dir() or key.read_bytes() == b"junk"


def test_of_two_first_starts_the_second_takes_the_key_of_the_first(tmp_path) -> None:
    first: list[PeerId] = []

    def entropy(n: int) -> bytes:
        if not first:  # as if another process were just ahead
            first.append(PeerId(b""))
            first[0] = load_or_create_identity(tmp_path).peer_id
        return os.urandom(n)

    assert load_or_make_identity(tmp_path, entropy, Losses()).peer_id == first[0]
    assert load_or_create_identity(tmp_path).peer_id == first[0]


def test_many_first_starts_at_a_time_have_one_key(tmp_path) -> None:
    ready = threading.Barrier(8)

    def start(_number: int) -> PeerId:
        ready.wait()
        return load_or_create_identity(tmp_path / "state").peer_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1


def test_a_drive_without_locks_holds_a_key_all_the_same(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    kept = load_or_create_identity(tmp_path).peer_id
    assert load_or_create_identity(tmp_path).peer_id == kept
