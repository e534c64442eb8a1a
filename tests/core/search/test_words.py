"""Whether texts have the words of a query."""

from __future__ import annotations

import pytest

from lightpeer.core.search.words import has_words


@pytest.mark.parametrize(
    ("query", "texts", "expected"),
    [
        ("fur elise", ("Für Elise", "Beethoven"), True),
        ("BEETHOVEN eli", ("Für Elise", "Beethoven"), True),
        ("fu\N{COMBINING DIAERESIS}r", ("Für Elise",), True),
        ("lodz strasse", ("Łódź", "Straße"), True),
        ("ac/dc", ("AC/DC live",), True),
        ("elise mozart", ("Für Elise", "Beethoven"), False),
        ("song", ("Buy this",), False),
        ("?! --", ("?! --",), False),
        ("", ("Song",), False),
    ],
)
def test_texts_have_the_words_of_a_query(query, texts, expected):
    assert has_words(query, *texts) is expected
