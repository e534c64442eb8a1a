"""Names of files for tracks, by a template such as `{album_artist}/{album}/{number} {title}`.

Titles come from strangers, so that a name never leaves its folder: slashes and control characters are
replaced, dots at the beginning fall away, and each part is short enough for any file system. What is not
known leaves nothing behind, nor the dash beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final = ("title", "artist", "album", "album_artist", "year", "disc", "track", "number")
ONE_TRACK: Final = "{artist} - {title}"
ALBUM: Final = "{album_artist}/{album}/{number} {title}"
ENDING: Final = ".opus"
_MAX_BYTES: Final = 200  # of a part: most file systems take 255, and `.opus.part` is added
_FIELD: Final = re.compile(r"\{(\w*)\}")
_BEGUN: Final = re.compile(rf"\{{({'|'.join(FIELDS)})\b")
_KNOWN: Final = ", ".join(f"{{{name}}}" for name in FIELDS)
_AT_ENDS: Final = " -_.,"


def check_template(template: str) -> None:
    """Raise UsageError if a template has a field that no track has, a stray brace, or leaves the folder."""
    for match in _FIELD.finditer(template):
        if match[1] not in FIELDS:
            raise UsageError(f"--name has no field {match[0]}: there are {_KNOWN}")
    if set("{}") & set(_FIELD.sub("", template)):
        raise UsageError(f"--name {template!r} has braces without a field: fields are {_KNOWN}")
    if not template.strip() or ".." in template.split("/") or template.startswith("/"):
        raise UsageError(f"--name {template!r} is no name within a folder: use --dir for another folder")


def check_file(name: str) -> None:
    """Raise UsageError if what is to name one file is a template: other programs take one with `-o`."""
    if _BEGUN.search(name):
        raise UsageError(f"-o {name!r} names one file, and fills in nothing: give --name {name!r} for that")


def file_name(template: str, known: Mapping[str, str | int], encoding: str = "utf-8") -> str:
    """Return the relative path of a track's file.

    Args:
        template: one that `check_template` takes.
        known: the fields that are known; empty texts and 0 are not.
        encoding: of the file system's names; what it lacks is replaced.
    """
    values = {name: _shown(value) for name, value in known.items() if value}
    values.setdefault("album_artist", values.get("artist", ""))
    values["number"] = _number(values)
    parts = [_FIELD.sub(lambda match: values.get(match[1], ""), part) for part in template.split("/")]
    kept = [short for part in parts[:-1] if (short := _tidy(part))]
    name = "/".join([*kept, (_tidy(parts[-1]) or "untitled") + ENDING])
    return "".join(char if _has(encoding, char) else "_" for char in name)


def _shown(value: str | int) -> str:
    text = str(value).zfill(2) if isinstance(value, int) else value
    return "".join(char if char.isprintable() and char not in "/\\" else "_" for char in text)


def _has(encoding: str, char: str) -> bool:
    try:
        return bool(char.encode(encoding))
    except UnicodeEncodeError:
        return False


def _number(values: Mapping[str, str]) -> str:
    """Return the number by which an album's files are sorted: `05`, on later discs `2-05`."""
    track, disc = values.get("track", ""), values.get("disc", "01")
    return f"{disc.lstrip('0')}-{track}" if track and disc != "01" else track


def _tidy(part: str) -> str:
    text = re.sub(r" {2,}", " ", part).strip(_AT_ENDS)
    while len(text.encode()) > _MAX_BYTES:
        text = text[:-1].rstrip(_AT_ENDS)
    return text
