"""Whether texts have the words of a query, as far as a listener would say so.

Case, diacritics and letters that stand for others do not matter, and a word may go on: what a server's index
finds (`serve/library/index.py`) has its words by this too. It decides whether a track is what was looked for,
where a hit said something else of it than its manifest does; no more hangs on it.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import combining, normalize

LETTERS: Final = str.maketrans(
    {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ß": "ss", "ẞ": "ss", "þ": "th", "Þ": "th"}
    | dict(zip("øØłŁđĐðÐħĦı", "oollddddhhi", strict=True))
)
"""Letters that Unicode does not decompose, and what is written in their place."""

_WORD: Final = re.compile(r"[^\W_]+")


def has_words(query: str, *texts: str) -> bool:
    """Tell whether the texts together have all words of a query; one that is mere punctuation has none."""
    text = _folded(" ".join(texts))
    words = _WORD.findall(_folded(query))
    return bool(words) and all(word in text for word in words)


def _folded(text: str) -> str:
    decomposed = normalize("NFKD", text.translate(LETTERS))
    return "".join(char for char in decomposed if not combining(char)).casefold()
