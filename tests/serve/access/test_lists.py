from __future__ import annotations

import os

import pytest

from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import ConfigError, StateError, UsageError
from lightpeer.serve.access import lists
from lightpeer.serve.access.lists import allow_source, deny_source, withdraw, withdrawn_source

ANNA, BEN = PeerId(b"a" * 20), PeerId(b"b" * 20)
RAIN, SNOW = b"r" * 32, b"s" * 32


def test_entries_may_be_given_themselves() -> None:
    source = allow_source(f"{format_peer_id(ANNA)}, {format_peer_id(BEN)}")
    assert source.path is None
    assert list(source.entries.peers) == [ANNA, BEN]
    assert "10.1.2.3" in deny_source("10.0.0.0/8").entries.networks


def test_a_list_may_be_a_file(tmp_path) -> None:
    file = tmp_path / "friends"
    file.write_text(f"{format_peer_id(ANNA)} # a phone\n")
    source = allow_source(str(file))
    assert list(source.read().peers) == [ANNA]
    assert not source.has_changed()
    file.write_text(f"{format_peer_id(BEN)} # her new phone\n")
    assert source.has_changed()
    file.unlink()
    assert source.has_changed()


def test_whoever_reads_a_list_rests_after_each_piece_of_it(tmp_path, monkeypatch) -> None:
    rests = []
    monkeypatch.setattr(lists.time, "sleep", rests.append)
    file = tmp_path / "friends"
    file.write_text("# a remark\n" * 10_000)
    allow_source(str(file)).read()
    assert len(rests) > 110_000 // lists.PIECE_BYTES
    assert set(rests) == {lists.READ_REST_S}


@pytest.mark.parametrize("text", ["", "friends", "10.0.0.0/8", ",", "L,L"])
def test_what_is_neither_is_told(text: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"--allow: '{text}' is neither a file nor peer ids"):
        allow_source(text)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch) -> None:
    with pytest.raises(StateError, match="is not a file"):
        allow_source(str(tmp_path)).read()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StateError, match="pipe is not a file"):
        allow_source(str(pipe)).read()
    file = tmp_path / "friends"
    file.write_bytes(b"\n" + b"x" * 5000)
    source = allow_source(str(file))
    with pytest.raises(ConfigError, match="friends, line 2: it is longer than 1024 bytes"):
        source.read()
    monkeypatch.setattr(type(file), "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Denied")))
    with pytest.raises(StateError, match=r"friends cannot be read \(Denied\)"):
        source.read()


def test_withdrawn_tracks_are_kept_in_the_state_directory(tmp_path) -> None:
    source = withdrawn_source(tmp_path)
    assert len(source.read()) == 0
    assert withdraw(tmp_path, [RAIN, RAIN]) == [RAIN]
    assert list(source.read().tracks) == [RAIN]
    (tmp_path / "withdrawn").write_text(format_uri(RAIN))  # by hand, without the end of its line
    assert withdraw(tmp_path, [SNOW, RAIN]) == [SNOW]
    assert list(source.read().tracks) == [RAIN, SNOW]
    (tmp_path / "withdrawn").unlink()
    with pytest.raises(StateError, match="does not exist"):
        source.read()  # it was there


def test_what_cannot_be_withdrawn_is_told(tmp_path) -> None:
    with pytest.raises(StateError, match="give its own --state"):
        withdraw(tmp_path / "nowhere", [RAIN])
    (tmp_path / "withdrawn").write_text("nonsense\n")
    with pytest.raises(ConfigError, match="withdrawn, line 1"):
        withdraw(tmp_path, [RAIN])
    (tmp_path / "withdrawn").write_text("")
    (tmp_path / "withdrawn").chmod(0o400)
    if os.geteuid():
        with pytest.raises(StateError, match="is not writable"):
            withdraw(tmp_path, [RAIN])
