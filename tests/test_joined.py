"""The networks that the person has joined: a small file of invites."""

from __future__ import annotations

from pathlib import Path

from lightpeer.config import load_settings
from lightpeer.core.trust.contact import Contact, format_invite
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.joined import (
    JOINED_FILE,
    MAX_JOINED,
    contacts_of,
    read_joined,
    to_bytes,
    with_invite,
    without_invite,
)

ONE, TWO = (Identity(bytes([n]) * 32).peer_id for n in (1, 2))
NEAR, FAR = ("192.168.1.2", 47474), ("2001:db8::1", 5)
INVITE = format_invite(ONE, [NEAR, FAR])


def test_the_latest_is_first_and_one_peer_has_one_invite():
    kept = with_invite(with_invite([INVITE], "a:47474"), "b:47474")
    assert kept == ["b:47474", "a:47474", INVITE]
    moved = format_invite(ONE, [("192.168.1.3", 5)])
    assert with_invite(kept, moved) == [moved, "b:47474", "a:47474"]
    many = [f"host{n}" for n in range(2 * MAX_JOINED)]
    assert with_invite(many, "new") == ["new", *many[: MAX_JOINED - 1]]


def test_one_is_forgotten_by_its_id_or_invite():
    kept = [INVITE, "a:47474", "b:47474"]
    for name in (INVITE, format_peer_id(ONE), f"{format_peer_id(ONE)}@other:1"):
        assert without_invite(kept, name) == ["a:47474", "b:47474"]
    assert without_invite(kept, format_peer_id(TWO)) == kept
    assert without_invite(kept, "b:47474") == [INVITE, "a:47474"]


def test_the_file_may_be_edited(tmp_path: Path, caplog):
    assert read_joined(tmp_path) == read_joined(tmp_path / "file" / "none") == []
    (tmp_path / JOINED_FILE).write_bytes(b"# friends\n\n  " + to_bytes([INVITE]) + b"b:1 # at work\n\xff\n")
    invites = read_joined(tmp_path)
    assert invites == [INVITE, "b:1", "\ufffd"]
    assert contacts_of([*invites, "a:b"], tmp_path)[:3] == (
        Contact(NEAR, ONE),
        Contact(FAR, ONE),
        Contact(("b", 1)),
    )
    assert f"{tmp_path / JOINED_FILE}: 'a:b' is not HOST:PORT" in caplog.text


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, caplog):
    (tmp_path / JOINED_FILE).mkdir()
    assert read_joined(tmp_path) == []
    assert "cannot read the joined networks" in caplog.text


def test_they_follow_the_bootstrap_list(tmp_path: Path):
    (tmp_path / JOINED_FILE).write_bytes(to_bytes([INVITE, *(f"host{n}" for n in range(20))]))
    settings = load_settings(environ={"HOME": "/none"}, overrides={"state_dir": tmp_path, "bootstrap": "x:1"})
    assert settings.bootstrap[:3] == (Contact(("x", 1)), Contact(NEAR, ONE), Contact(FAR, ONE))
    assert len(settings.bootstrap) == 3 + MAX_JOINED - 1
