"""The lines of MPD's protocol: words from a remote control, pairs and errors to it.

Titles come from strangers, and a line break in one would begin another line of the answer. So whatever is
put into a line is cleaned here, and nowhere else.

Source: MPD's doc/protocol.rst, and its util/Tokenizer.cxx, which takes commands and tags by their letters,
and arguments bare or quoted.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final, TypeAlias

from lightpeer.errors import CommandError

Lines: TypeAlias = list[str]
"""The lines of an answer, without what ends it."""

MAX_LINE_BYTES: Final = 8192  # MPD's input buffer
MAX_WORDS: Final = 70  # as MPD's
_NAME: Final = re.compile(r"([a-z][a-z0-9_]*)(?:[\x01-\x20]+|$)")
_ARGUMENT: Final = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\x00-\x20"\']+))(?:[\x01-\x20]+|$)')
_ESCAPED: Final = re.compile(r"\\(.)")


class Ack(IntEnum):
    """Why a command is refused, by MPD's numbers; clients know no others."""

    NOT_LIST = 1
    ARG = 2
    PASSWORD = 3
    PERMISSION = 4
    UNKNOWN = 5
    NO_EXIST = 50
    PLAYLIST_MAX = 51
    SYSTEM = 52
    NOT_PLAYING = 55
    EXIST = 56


class Command(tuple[str, ...]):
    """A command: its name, and its arguments."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """What is to be done."""
        return self[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """With what."""
        return self[1:]


def parse_line_untrusted(line: bytes) -> Command:
    """Return the command in a line, which has no end any more.

    Raises:
        CommandError: it is none.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise CommandError(Ack.UNKNOWN, "a line that is not UTF-8 text") from error
    found = _NAME.match(text)
    if found is None:
        raise CommandError(Ack.UNKNOWN, "Letter expected")
    words, at = [found[1]], found.end()
    while at < len(text):
        argument = _ARGUMENT.match(text, at)
        if argument is None:
            raise CommandError(Ack.UNKNOWN, _fault(text[at:]))
        if len(words) == MAX_WORDS:
            raise CommandError(Ack.ARG, "Too many arguments")
        words.append(argument[2] or _ESCAPED.sub(r"\1", argument[1]))
        at = argument.end()
    return Command(words)


def _fault(text: str) -> str:
    """Return what is wrong with what is no argument."""
    if not text.startswith('"'):
        return "Invalid unquoted character"
    closed = re.match(r'"(?:[^"\\]|\\.)*"', text)
    return "Space expected after closing '\"'" if closed else "Missing closing '\"'"


def clean(text: str) -> str:
    """Return a text as it may stand in a line."""
    return "".join(char if char.isprintable() else " " for char in text)


def pair(name: str, value: str | float) -> str:
    """Return the line that says what something is."""
    return f"{name}: {clean(str(value))}"


def ack(error: CommandError, number: int, name: str) -> str:
    """Return the line that refuses a command.

    Args:
        error: why.
        number: which it is in its list, from 0.
        name: the command's; empty where there is none of that name.
    """
    return f"ACK [{int(error.code)}@{number}] {{{name}}} {clean(str(error))}"
