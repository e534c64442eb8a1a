"""Names of files: by their template, and never outside of their folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.names import ALBUM, ONE_TRACK, check_file, check_template, file_name
from lightpeer.errors import UsageError

SONG = {"title": "Ebbe", "artist": "Die Mole", "album": "Flut", "year": 1999, "track": 5}


@pytest.mark.parametrize(
    ("template", "known", "name"),
    [
        (ONE_TRACK, SONG, "Die Mole - Ebbe.opus"),
        (ONE_TRACK, {"title": "Ebbe"}, "Ebbe.opus"),
        (ALBUM, SONG, "Die Mole/Flut/05 Ebbe.opus"),
        (ALBUM, SONG | {"album_artist": "Several", "disc": 2}, "Several/Flut/2-05 Ebbe.opus"),
        (ALBUM, SONG | {"disc": 1}, "Die Mole/Flut/05 Ebbe.opus"),
        (ALBUM, SONG | {"track": 0, "disc": 3}, "Die Mole/Flut/Ebbe.opus"),
        (ALBUM, {"title": "Ebbe"}, "Ebbe.opus"),
        ("{year} {album}/{track}. {title}", SONG, "1999 Flut/05. Ebbe.opus"),
        ("{title}", {"title": ""}, "untitled.opus"),
        ("{title}", {"title": "AC/DC\\x\n"}, "AC_DC_x.opus"),
        ("{artist}/{title}", {"artist": "..", "title": ".hidden"}, "hidden.opus"),
        ("{title}", {"title": "é" * 300}, "é" * 100 + ".opus"),
    ],
)
def test_names(template, known, name):
    check_template(template)
    assert file_name(template, known) == name


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{song}", "no field {song}: there are {title}, {artist}"),
        ("{}", "no field {}"),
        ("../{title}", "no name within a folder"),
        ("/{title}", "no name within a folder"),
        (" ", "no name within a folder"),
        ("", "no name within a folder"),
        ("{artist", "braces without a field: fields are {title}, {artist}"),
        ("{artist} - title}", "braces without a field"),
        ("{{title}}", "braces without a field"),
        ("{artist!r}", "braces without a field"),
        ("{track:>999999999}", "braces without a field"),
    ],
)
def test_what_is_no_template(template, says):
    with pytest.raises(UsageError) as caught:
        check_template(template)
    assert says in str(caught.value)


@given(st.fixed_dictionaries(dict.fromkeys(("title", "artist", "album"), st.text(max_size=400))))
def test_no_title_leaves_the_folder(known):
    parts = file_name(ALBUM, known).split("/")
    assert len(parts) <= 3
    assert all(part and part not in {".", ".."} and len(part.encode()) < 220 for part in parts)
    assert all(part.isprintable() for part in parts)


def test_what_the_file_system_lacks_is_replaced():
    known = {"title": "Jóga 歌", "artist": "Björk"}
    assert file_name(ONE_TRACK, known) == "Björk - Jóga 歌.opus"
    assert file_name(ONE_TRACK, known, "latin-1") == "Björk - Jóga _.opus"
    assert file_name(ONE_TRACK, known, "ascii") == "Bj_rk - J_ga _.opus"


@pytest.mark.parametrize("name", ["{artist", "x/{title}.opus", "{artist} - {title}"])
def test_a_template_is_no_name_of_one_file(name):
    with pytest.raises(UsageError, match="names one file"):
        check_file(name)


@pytest.mark.parametrize("name", ["a.opus", "{}", "{a}.opus", "{titles}"])
def test_other_braces_are_ordinary_there(name):
    check_file(name)
