"""One wrong letter in a query: what else to ask for, and which of the words found were meant.

A search finds whole words and their beginnings, so a word with a wrong letter finds nothing. Then the
beginnings of the words are searched for, which are right if the mistake is further on; after that the query
without one of its words, the longest first. Each is one ordinary search, which every server answers. Of what
comes, a track counts if its words differ from those of the query by one letter in all: one that is wrong,
missing, too much, or swapped with its neighbour (optimal string alignment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.search.words import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_LETTERS: Final = 4  # of a word that may have a mistake: shorter ones are like too many others


def other_queries(query: str) -> Iterator[str]:
    """Yield at most three queries that may find what was meant by one that found nothing."""
    words = tokens_of(query)
    long = [word for word in words if len(word) >= LEAST_LETTERS]
    if not long:
        return
    beginnings = " ".join(_beginning(word) if word in long else word for word in words)
    yield beginnings
    if len(long) == 1:
        if (shortest := long[0][:2]) != beginnings:
            yield shortest
    else:
        for wrong in sorted(long, key=len, reverse=True)[:2]:
            yield " ".join(word for word in words if word != wrong)


def meant(query: str, text: str) -> str | None:
    """Return the query with its mistake put right by a text, None if the text has not what was meant."""
    there = list(dict.fromkeys(tokens_of(text)))
    right: list[str] = []
    mistakes = 0
    for word in tokens_of(query):
        if any(known.startswith(word) for known in there):
            right.append(word)
            continue
        near = next((known for known in there if _is_near(word, known)), None)
        mistakes += 1
        if near is None or mistakes > 1:
            return None
        right.append(near)
    return " ".join(right) if mistakes else None


def _beginning(word: str) -> str:
    return word[: max(2, len(word) // 2)]


def _is_near(word: str, known: str) -> bool:
    """Return whether a word differs from a known one, or from its beginning, by one letter."""
    if len(word) < LEAST_LETTERS:
        return False
    at = next((i for i, (a, b) in enumerate(zip(word, known, strict=False)) if a != b), None)
    if at is None:  # the word goes on where the known one ends
        return len(word) == len(known) + 1
    rest, known_rest = word[at:], known[at:]
    wrong = known_rest[1:].startswith(rest[1:])
    missing = known_rest[1:].startswith(rest)
    too_much = known_rest.startswith(rest[1:])
    swapped = rest[1:2] + rest[:1] == known_rest[:2] and known_rest[2:].startswith(rest[2:])
    return wrong or missing or too_much or swapped
