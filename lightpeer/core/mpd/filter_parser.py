"""Both languages of filters: pairs of a tag and a value, and expressions such as `((artist == "X") AND …)`.

Regular expressions are refused: with patterns of strangers, the usual engines can be made to run for hours.

Source: MPD's doc/protocol.rst, "Filters", and its song/Filter.cxx.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from lightpeer.core.mpd.arguments import moment
from lightpeer.core.mpd.filters import ANY, FILE, AddedSince, All, Base, Comparison, Filter, Not, Operator
from lightpeer.core.mpd.song import tag_named
from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_DEPTH: Final = 16
FILE_NAMES: Final = frozenset((FILE, "filename"))
_SINCE: Final = frozenset(("modified-since", "added-since"))
_WORD: Final = re.compile(r"\s*([A-Za-z-]+)\s*", re.ASCII)
_OPERATOR: Final = re.compile(r"([!=][=~]|[!a-z_]+)\s*", re.ASCII)
_VALUE: Final = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*""")
_AND: Final = re.compile(r"\s*AND\b\s*")
_SPACE: Final = re.compile(r"\s*")

_Way: TypeAlias = tuple[Operator, bool, bool | None]
"""How to compare, whether the contrary is asked, and whether case matters not; None: as in the command."""


def _ways() -> Iterator[tuple[str, _Way]]:
    yield "==", (Operator.IS, False, None)
    yield "!=", (Operator.IS, True, None)
    for name, operator in (
        ("eq", Operator.IS),
        ("contains", Operator.CONTAINS),
        ("starts_with", Operator.STARTS_WITH),
    ):
        for sign in ("", "!"):
            if operator is not Operator.IS:
                yield sign + name, (operator, bool(sign), None)
            yield f"{sign}{name}_cs", (operator, bool(sign), False)
            yield f"{sign}{name}_ci", (operator, bool(sign), True)


_WAYS: Final = dict(_ways())


def parse_filter_untrusted(words: Sequence[str], *, is_search: bool) -> Filter:
    """Return the filter that some arguments say; without any, one that takes every song.

    Args:
        words: expressions, and pairs of a tag and a value.
        is_search: whether case does not matter, and pairs take any part of a value.

    Raises:
        CommandError: they say none.
    """
    parts: list[Filter] = []
    rest = list(words)
    while rest:
        if rest[0].startswith("("):
            parts.append(_Expression(rest.pop(0), folds=is_search).whole())
        elif len(rest) == 1:
            raise CommandError(Ack.ARG, "Incorrect number of filter arguments")
        else:
            operator = Operator.CONTAINS if is_search else Operator.IS
            name, value = rest.pop(0), rest.pop(0)
            parts.append(_special(name, value) or Comparison(_tag(name), operator, value, is_search))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _special(name: str, value: str) -> Filter | None:
    """Return what is asked by a name that stands for no tag; None: it does."""
    if name.lower() == "base":
        return Base(value.rstrip("/"))
    return AddedSince(moment(value)) if name.lower() in _SINCE else None


def _tag(name: str) -> str:
    if name.lower() in FILE_NAMES:
        return FILE
    tag = ANY if name.lower() == ANY else tag_named(name)
    if tag is None:
        raise CommandError(Ack.ARG, f"Unknown filter type: {name}")
    return tag


class _Expression:
    """A text that is read from its beginning to its end."""

    def __init__(self, text: str, *, folds: bool) -> None:
        self._text = text
        self._at = 0
        self._folds = folds

    def whole(self) -> Filter:
        """Read all of it; raise CommandError if it is no expression."""
        asked = self._expression(0)
        if self._at < len(self._text):
            raise CommandError(Ack.ARG, "Unparsed garbage after expression")
        return asked

    def _expression(self, depth: int) -> Filter:
        if depth == MAX_DEPTH:
            raise CommandError(Ack.ARG, "an expression that is nested too deeply")
        self._expect("(")
        if self._text.startswith("!", self._at):
            self._at += 1
            asked: Filter = Not(self._expression(depth + 1))
        elif self._text.startswith("(", self._at):
            parts = [self._expression(depth + 1)]
            while self._take(_AND):
                parts.append(self._expression(depth + 1))
            asked = All(tuple(parts))
        else:
            asked = self._test()
        self._expect(")")
        return asked

    def _test(self) -> Filter:
        word = self._take(_WORD)
        if word is None:
            raise CommandError(Ack.ARG, "Word expected")
        if (special := self._special(word[1])) is not None:
            return special
        tag = _tag(word[1])
        said = self._take(_OPERATOR)
        if said is not None and said[1].endswith("~"):
            text = "regular expressions are not taken here: use contains or starts_with"
            raise CommandError(Ack.ARG, text)
        if said is None or said[1] not in _WAYS:
            raise CommandError(Ack.ARG, f"Unknown filter operator: {said[1] if said else ''}")
        operator, is_contrary, folds = _WAYS[said[1]]
        test = Comparison(tag, operator, self._value(), self._folds if folds is None else folds)
        return Not(test) if is_contrary else test

    def _special(self, name: str) -> Filter | None:
        if name.lower() != "base" and name.lower() not in _SINCE:
            return None
        return _special(name, self._value())

    def _value(self) -> str:
        found = self._take(_VALUE)
        if found is None:
            raise CommandError(Ack.ARG, "Quoted string expected")
        text = found[1] if found[1] is not None else found[2]
        return re.sub(r"\\(.)", r"\1", text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _expect(self, char: str) -> None:
        self._take(_SPACE)
        if not self._text.startswith(char, self._at):
            raise CommandError(Ack.ARG, f"'{char}' expected")
        self._at += 1
        self._take(_SPACE)
