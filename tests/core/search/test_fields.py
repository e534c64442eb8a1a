"""Queries with fields: what servers are asked, and which hits stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.uri import format_uri
from lightpeer.core.search.fields import Query, field, joined, parse_query
from tests.core.search.made import track

URI = format_uri(bytes(32))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("copper  rain", Query("copper rain")),
        ("artist:mole rain", Query("mole rain", (("artist", "mole"),))),
        ('Album:"Die Flut" rain', Query("Die Flut rain", (("album", "Die Flut"),))),
        ("title:a artist:b", Query("a b", (("title", "a"), ("artist", "b")))),
        ("artist: mole", Query("artist: mole")),
        ('artist:"" mole', Query('artist:"" mole')),
        ("re:title of it", Query("re:title of it")),
        ("year:1999", Query("year:1999")),
        (URI, Query(URI)),
    ],
)
def test_a_query_is_its_words_and_its_fields(text, query):
    assert parse_query(text) == query


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["return", "to", "wesnoth"], "return to wesnoth"),
        (["artist:Die Mole", "rain"], 'artist:"Die Mole" rain'),
        (["artist:mole", "rain"], "artist:mole rain"),
        (['artist:"Die Mole" rain'], 'artist:"Die Mole" rain'),
    ],
)
def test_a_field_has_all_of_the_argument_that_it_begins(arguments, text):
    assert joined(arguments) == text


def test_a_field_is_read_as_it_was_written():
    assert parse_query(field("album", 'Die "grosse"  Flut')).fields == (("album", "Die grosse Flut"),)


def test_hits_stay_whose_fields_have_their_words():
    song = replace(track("Rain"), artist="Björk", album="Flood", place=AlbumPlace(album_artist="Several"))
    assert parse_query("rain").admits(song)
    assert parse_query("title:rain artist:bjork").admits(song)
    assert parse_query("artist:several").admits(song), "the artist of its album is one, too"
    assert not parse_query("title:flood").admits(song)
    assert not parse_query("album:flood artist:rain").admits(song)
