"""Playlists: written, read, and whatever else may be in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content import playlist
from lightpeer.core.content.playlist import (
    Entry,
    build_playlist,
    edited_playlist_untrusted,
    label_of,
    parse_playlist_untrusted,
)
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import BadMessageError

A, B = format_uri(bytes(32)), format_uri(b"b" * 32)


def test_a_playlist_comes_back():
    entries = (Entry(A, "Die Mole - Ebbe, und Flut", 125), Entry(B))
    text = build_playlist(entries)
    assert text == f"#EXTM3U\n#EXTINF:125,Die Mole - Ebbe, und Flut\n{A}\n#EXTINF:-1,\n{B}\n"
    assert parse_playlist_untrusted(text.encode()) == (entries, 0)


def test_a_label_is_one_line():
    assert build_playlist([Entry(A, "a\nloud:x\x1b[2J", 1)]).splitlines()[1] == "#EXTINF:1,a loud:x [2J"
    assert (label_of("Song", "Somebody"), label_of("Song", "")) == ("Somebody - Song", "Song")


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_what_others_write_is_read(start):
    text = f'{start}#EXTM3U\r\n# a comment\r\n#EXTINF:12.5 x="1",A - B\r\n{A}\r\n\r\n/music/file.mp3\r\n'
    text += f"http://example.org/x\r\nloud:wrong\r\n{B}"
    assert parse_playlist_untrusted(text.encode()) == ((Entry(A, "A - B", 12), Entry(B)), 3)


def test_of_an_edited_list_all_other_lines_stay():
    text = f"""\ufeff#EXTM3U
# mine
#EXTINF:12,A
{A}

#EXTINF:5,Radio
http://example.org/x
# at the end
"""
    added = edited_playlist_untrusted(text.encode(), (), [Entry(B, "B", 3)])
    assert added == f"{text[1:]}#EXTINF:3,B\n{B}\n"
    removed = edited_playlist_untrusted(added.encode(), {A}, ())
    assert removed == added.replace(f"#EXTINF:12,A\n{A}\n", "")
    assert parse_playlist_untrusted(removed.encode()) == ((Entry(B, "B", 3),), 1)


def test_of_an_empty_list_a_playlist_is_made():
    entries = [Entry(A, "A", 1), Entry(B)]
    assert edited_playlist_untrusted(b"", (), entries) == build_playlist(entries)
    assert edited_playlist_untrusted(build_playlist(entries).encode(), {A, B}, ()) == "#EXTM3U\n"


@given(
    st.lists(st.sampled_from([A, B, "#x", "#EXTINF:1,y", "http://z", ""])), st.sets(st.sampled_from([A, B]))
)
def test_what_goes_goes_and_nothing_else(lines, removed):
    data = "\n".join(lines).encode()
    before = parse_playlist_untrusted(data)
    after = parse_playlist_untrusted(edited_playlist_untrusted(data, removed, ()).encode())
    assert [entry.uri for entry in after.entries] == [e.uri for e in before.entries if e.uri not in removed]
    assert after.foreign == before.foreign


def test_it_is_bounded(monkeypatch):
    monkeypatch.setattr(playlist, "MAX_ENTRIES", 1)
    assert parse_playlist_untrusted(f"{A}\n{B}\n".encode()) == ((Entry(A),), 1)
    monkeypatch.setattr(playlist, "MAX_PLAYLIST_BYTES", 10)
    with pytest.raises(BadMessageError, match="more than 10 bytes"):
        parse_playlist_untrusted(bytes(11))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_playlist_or_refused(data):
    try:
        found = parse_playlist_untrusted(data)
    except BadMessageError:
        return
    assert all(entry.uri.startswith("loud:") for entry in found.entries)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(BadMessageError, match="not UTF-8"):
        parse_playlist_untrusted(b"\xff")
