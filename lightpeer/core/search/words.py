"""The words of a text, as a listener types them: the same for the index and for the judgement of hits.

Case does not matter in any script, nor do the marks of Latin, Greek, Cyrillic, Hebrew and Arabic letters, nor
the form of Unicode that they come in. Scripts without spaces (Chinese, Japanese, Thai), and Korean, which
joins words, have no words that a program could find. So each character counts as one, and any run of a name
finds it, as a phrase. Symbols count only where a text has nothing else: `!!!` is a band.

Whether a hit has the words of a query (`has_words`) is judged a little more loosely than the index finds
(`serve/library/index.py`): a word in the text may be longer on both sides.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

LETTERS: Final = str.maketrans(
    {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ß": "ss", "ẞ": "ss", "þ": "th", "Þ": "th"}
    | dict(zip("øØłŁđĐðÐħĦı", "oollddddhhi", strict=True))
)
"""Letters that Unicode does not decompose, and their usual substitutes."""

_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u1dc0-\u1dff\u20d0-\u20f0\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u200b-\u200d\ufeff]"
)
"""Accents, points and joiners, which people leave out. The marks of other scripts are vowels, and stay."""

_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Hangul, kana and Han."""

_TOKEN: Final = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}_])[\w\u0900-\u0dff])+")  # vowels of India too


def folded(text: str) -> str:
    """Return a text without what listeners do not care for: case, marks, forms of Unicode."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", normalize("NFKD", text.translate(LETTERS)))
    return normalize("NFC", bare).casefold()


def tokens_of(text: str) -> list[str]:
    """Return the words of a text, folded, and each character of scripts without spaces; else its symbols."""
    text = folded(text)
    return _TOKEN.findall(text) or _symbols_of(text)


def phrases_of(query: str) -> list[str]:
    """Return the words of a query, folded, each once: of several tokens in a row where it has them.

    Symbols are left out, unless the query has nothing else.
    """
    query = folded(query)
    words = [" ".join(_TOKEN.findall(word)) for word in query.split()]
    return list(dict.fromkeys(filter(None, words) if any(words) else _symbols_of(query)))


def has_words(query: str, *texts: str) -> bool:
    """Return whether the texts together contain all words of a query; an empty one is in none."""
    text = " ".join(token for text in texts for token in tokens_of(text))
    phrases = phrases_of(query)
    return bool(phrases) and all(phrase in text for phrase in phrases)


def _symbols_of(text: str) -> list[str]:
    return text.replace('"', " ").replace("\0", " ").split()  # FTS5 quotes with one, and ends at the other
