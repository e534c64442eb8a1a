"""Whether texts contain the words of a query, as a listener would judge.

Case, diacritics and substituted letters do not matter, and a word in the text may be longer. A track that a
server's index finds (`serve/library/index.py`) contains its words by this rule too. It only decides whether a
track is the wanted one where a hit and the track's manifest differ.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import combining, normalize

LETTERS: Final = str.maketrans(
    {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ß": "ss", "ẞ": "ss", "þ": "th", "Þ": "th"}
    | dict(zip("øØłŁđĐðÐħĦı", "oollddddhhi", strict=True))
)
"""Letters that Unicode does not decompose, and their usual substitutes."""

_WORD: Final = re.compile(r"[^\W_]+")


def has_words(query: str, *texts: str) -> bool:
    """Return whether the texts together contain all words of a query; one without words is in none."""
    text = _folded(" ".join(texts))
    words = _WORD.findall(_folded(query))
    return bool(words) and all(word in text for word in words)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without case and diacritics."""
    return _WORD.findall(_folded(text))


def _folded(text: str) -> str:
    decomposed = normalize("NFKD", text.translate(LETTERS))
    return "".join(char for char in decomposed if not combining(char)).casefold()
