"""Both languages of filters, and what is no filter in either."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.filter_parser import MAX_DEPTH, parse_filter_untrusted
from lightpeer.core.mpd.filters import AddedSince, All, Base, Comparison, Not, Operator
from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError

IS, CONTAINS, STARTS = Operator.IS, Operator.CONTAINS, Operator.STARTS_WITH


def found(*words: str):
    return parse_filter_untrusted(words, is_search=False)


def searched(*words: str):
    return parse_filter_untrusted(words, is_search=True)


def test_pairs_are_whole_values_in_find_and_parts_in_search():
    assert found("artist", "Ada") == Comparison("Artist", IS, "Ada")
    assert searched("ARTIST", "Ada") == Comparison("Artist", CONTAINS, "Ada", folds=True)
    assert searched("any", "x", "Filename", "loud:") == All(
        (Comparison("any", CONTAINS, "x", folds=True), Comparison("file", CONTAINS, "loud:", folds=True))
    )
    assert found("Artist", "Ada", "Album", "C", "Date", "") == All(
        (Comparison("Artist", IS, "Ada"), Comparison("Album", IS, "C"), Comparison("Date", IS, ""))
    )
    assert found("base", "Albums/Ada/", "modified-since", "1970-01-02") == All(
        (Base("Albums/Ada"), AddedSince(86_400))
    )
    assert found() == All(())


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("(Artist == 'Ada')", Comparison("Artist", IS, "Ada")),
        ('(artist=="Ada")', Comparison("Artist", IS, "Ada")),
        ("( Artist  ==  'Ada' )", Comparison("Artist", IS, "Ada")),
        ("(Artist != 'Ada')", Not(Comparison("Artist", IS, "Ada"))),
        ("(any contains 'a')", Comparison("any", CONTAINS, "a")),
        ("(title !contains 'a')", Not(Comparison("Title", CONTAINS, "a"))),
        ("(Title starts_with 'a')", Comparison("Title", STARTS, "a")),
        ("(Title !starts_with_ci 'a')", Not(Comparison("Title", STARTS, "a", folds=True))),
        ("(Title eq_ci 'a')", Comparison("Title", IS, "a", folds=True)),
        ("(Title !eq_cs 'a')", Not(Comparison("Title", IS, "a"))),
        ("(Title contains_ci 'a')", Comparison("Title", CONTAINS, "a", folds=True)),
        ("(file == 'loud:x')", Comparison("file", IS, "loud:x")),
        ("(base 'Albums/')", Base("Albums")),
        ("(modified-since '86400')", AddedSince(86_400)),
        ('(added-since "1970-01-01T00:00:01Z")', AddedSince(1)),
        (r"(Title == 'it\'s \\ \x')", Comparison("Title", IS, r"it's \ x")),
        (r'(Title == "\"")', Comparison("Title", IS, '"')),
        ("(Title == '')", Comparison("Title", IS, "")),
        ("(!(Artist == 'Ada'))", Not(Comparison("Artist", IS, "Ada"))),
        ("((Artist == 'Ada'))", All((Comparison("Artist", IS, "Ada"),))),
        (
            "((Artist == 'Ada') AND (!(Date == '1')) AND (base 'x'))",
            All((Comparison("Artist", IS, "Ada"), Not(Comparison("Date", IS, "1")), Base("x"))),
        ),
        ("((Album != '') AND (AlbumArtist != ''))",
         All((Not(Comparison("Album", IS, "")), Not(Comparison("AlbumArtist", IS, ""))))),
    ],
)  # fmt: skip
def test_an_expression_is_a_tree(text, asked):
    assert found(text) == asked


def test_a_search_folds_where_the_operator_does_not_say():
    assert searched("(Title == 'a')") == Comparison("Title", IS, "a", folds=True)
    assert searched("(Title contains_cs 'a')") == Comparison("Title", CONTAINS, "a")
    assert searched("(Title eq_cs 'a')", "any", "b") == All(
        (Comparison("Title", IS, "a"), Comparison("any", CONTAINS, "b", folds=True))
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["artist"], "Incorrect number of filter arguments"),
        (["artist", "a", "album"], "Incorrect number of filter arguments"),
        (["mpaa", "a"], "Unknown filter type: mpaa"),
        (["(mpaa == 'a')"], "Unknown filter type: mpaa"),
        (["(artist =~ 'a*')"], "regular expressions are not taken"),
        (["(artist !~ 'a*')"], "regular expressions are not taken"),
        (["(artist > 'a')"], "Unknown filter operator: $"),
        (["(artist is 'a')"], "Unknown filter operator: is"),
        (["(artist eq 'a')"], "Unknown filter operator: eq"),
        (["(artist == a)"], "Quoted string expected"),
        (["(artist == 'a)"], "Quoted string expected"),
        (["(base x)"], "Quoted string expected"),
        (["(artist == 'a'"], r"'\)' expected"),
        (["(artist == 'a') x"], "Unparsed garbage"),
        (["((artist == 'a') OR (artist == 'b'))"], r"'\)' expected"),
        (["((artist == 'a') AND artist)"], r"'\(' expected"),
        (["(!artist)"], r"'\(' expected"),
        (["("], "Word expected"),
        (["()"], "Word expected"),
        (["(modified-since 'x')"], "Malformed time"),
        (["(" * 8000], "nested too deeply"),
    ],
)
def test_what_is_no_filter_is_refused(words, fault):
    with pytest.raises(CommandError, match=fault) as refusal:
        found(*words)
    assert refusal.value.code == Ack.ARG


def test_the_depth_is_bounded():
    def nested(depth: int) -> str:
        return "(" * depth + "base 'x'" + ")" * depth

    assert found(nested(MAX_DEPTH)) is not None
    with pytest.raises(CommandError, match="nested too deeply"):
        found(nested(MAX_DEPTH + 1))
