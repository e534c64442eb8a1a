"""The commands about the connection."""

from __future__ import annotations

import pytest

from tests.core.mpd.remote import Remote

ALL_TAGS = [f"tagtype: {tag}" for tag in ("Artist", "Album", "AlbumArtist", "Title", "Track", "Disc", "Date")]


def test_the_password():
    remote = Remote(password="sésame")
    assert remote.says("ping") == []
    assert remote.fails("status") == (4, 'you don\'t have permission for "status"')
    assert remote.fails("password wrong") == (3, "incorrect password")
    assert remote.fails("status")[0] == 4
    assert remote.says("password sésame") == []
    assert remote.says("status")


def test_the_tags_that_a_client_wants():
    remote = Remote()
    assert remote.says("tagtypes") == ALL_TAGS
    remote.says('tagtypes "clear"')
    assert (remote.says("tagtypes"), remote.says("tagtypes available")) == ([], ALL_TAGS)
    remote.says("tagtypes enable title ARTIST")
    assert remote.says("tagtypes") == ["tagtype: Artist", "tagtype: Title"]
    remote.says("tagtypes disable artist date")
    assert remote.says("tagtypes") == ["tagtype: Title"]
    remote.says("tagtypes reset album")
    assert remote.says("tagtypes") == ["tagtype: Album"]
    remote.says("tagtypes all")
    assert remote.says("tagtypes") == ALL_TAGS


def test_a_client_may_ask_for_tags_that_no_track_has():
    remote = Remote()
    remote.says("tagtypes clear")
    remote.says("tagtypes enable Artist Name Genre Composer")  # mpc
    assert remote.says("tagtypes") == ["tagtype: Artist"]


def test_what_a_client_wants_is_its_own():
    remote, other = Remote(), Remote()
    for line in ("tagtypes clear", "tagtypes enable title", "tagtypes disable title"):
        remote.says(line)
        assert other.says("tagtypes") == ALL_TAGS


def test_the_features_that_a_client_enables():
    remote = Remote()
    hidden = ["feature: hide_playlists_in_root"]
    assert (remote.says("protocol"), remote.says("protocol available")) == ([], hidden)
    remote.says("protocol enable hide_playlists_in_root")
    assert remote.says("protocol") == hidden
    remote.says("protocol disable hide_playlists_in_root")
    assert remote.says("protocol") == []
    remote.says("protocol all")
    assert remote.says("protocol") == hidden
    remote.says("protocol clear")
    assert remote.says("protocol") == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("tagtypes enable mpaa", "Unknown tag type: mpaa"),
        ("tagtypes enable", "Unknown sub command"),
        ("tagtypes clear title", "Unknown sub command"),
        ("tagtypes what", "Unknown sub command"),
        ("protocol enable more", "Unknown protocol feature: more"),
        ("protocol disable", "Unknown sub command"),
        ("protocol all more", "Unknown sub command"),
        ("protocol what", "Unknown sub command"),
        ("binarylimit 63", "Number too small: 63"),
    ],
)
def test_what_makes_no_sense_is_refused(line, fault):
    remote = Remote()
    assert remote.fails(line) == (2, fault)
    assert (remote.says("tagtypes"), remote.says("protocol")) == (ALL_TAGS, [])


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("binarylimit 262144", []),
        ("urlhandlers", ["handler: loud:"]),
        ("decoders", ["plugin: opus", "suffix: opus", "mime_type: audio/ogg"]),
        ("listpartitions", ["partition: default"]),
        ("listmounts", ["mount: ", "storage: loud:"]),
        ("listneighbors", []),
    ],
)
def test_what_there_is(line, lines):
    assert Remote().says(line) == lines
