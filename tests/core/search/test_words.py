"""Whether texts have the words of a query."""

from __future__ import annotations

import pytest

from lightpeer.core.search.words import has_words, phrases_of, tokens_of


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
        ("?! --", ("?! --",), True),
        ("?! --", ("elise ?! --",), False),
        ("elise --", ("Für Elise",), True),
        ("", ("Song",), False),
    ],
)
def test_texts_have_the_words_of_a_query(query, texts, expected):
    assert has_words(query, *texts) is expected


SCRIPTS = [
    ("駆ける", "夜に駆ける"),
    ("ヒカル", "宇多田ヒカル"),
    ("ﾋｶﾙ", "宇多田ヒカル"),  # of half width
    ("ガ", "カ\u3099"),  # decomposed
    ("랑해", "사랑해요"),
    ("랑해", "\u1109\u1161\u1105\u1161\u11bc\u1112\u1162"),  # decomposed
    ("ดี", "สวัสดีครับ"),
    ("еще вечер", "Ещё не вечер"),
    ("ЛАИМА", "Лайма"),
    ("Καλημερα", "Καλημέρα Ελλάδα"),
    ("ΚΑΛΗΜΕΡΑ ΘΕΟΔΩΡΑΚΗΣ", "Καλημέρα Θεοδωράκης"),
    ("شمس", "شَمْس"),
    ("שלום", "שָׁלוֹם"),
    ("हिन्दी", "हिन्दी गीत"),
    ("BJORK", "Bjo\u0308rk"),
    ("ﬁnlandia", "Finlandia"),
    ("ac/dc", "AC/DC"),
    ("!!!", "!!!!!!!"),
    ("÷", "÷"),
]


@pytest.mark.parametrize(("query", "name"), SCRIPTS)
def test_a_name_in_any_script_is_found_as_it_is_typed(query, name):
    assert has_words(query, name)
    assert has_words(name, name)


def test_what_a_text_is_split_into():
    assert tokens_of("Für_Elise, No. 2") == ["fur", "elise", "no", "2"]
    assert tokens_of("夜に Song") == ["夜", "に", "song"]
    assert tokens_of(' +/- "x\0') == ["x"]
    assert tokens_of(' +/- "') == ["+/-"]
    assert tokens_of("") == []


def test_what_a_query_is_split_into():
    assert phrases_of("AC/DC ac/dc 夜に - x") == ["ac dc", "夜 に", "x"]
    assert phrases_of("!!! ÷ !!!") == ["!!!", "÷"]
