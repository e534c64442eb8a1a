"""The tags in music files, under one set of names, whatever the format calls them.

mutagen reads Vorbis comments, ID3, APEv2, MP4 and ASF. It does not read a WAV file's INFO list, which is read
here, nor Matroska and other kinds that only ffmpeg can play: there ffmpeg is asked, where it is installed.

mutagen is under the GPL, and only servers need it, so it comes with an extra. Without it a file other than
WAV is not imported: under a name that its tags do not give it, it would be another track.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lightpeer.errors import MissingLibraryError
from lightpeer.serve.importing.ffmpeg import running_ffmpeg

_NAMES: Final = {
    "title": ("title", "tit2", "©nam", "inam"),
    "artist": ("artist", "author", "tpe1", "©art", "iart"),
    "albumartist": ("albumartist", "album artist", "album_artist", "wm/albumartist", "tpe2", "aart"),
    "album": ("album", "wm/albumtitle", "talb", "©alb", "iprd"),
    "tracknumber": ("tracknumber", "track", "wm/tracknumber", "trck", "trkn", "itrk", "iprt"),
    "tracktotal": ("tracktotal", "totaltracks"),
    "discnumber": ("discnumber", "disc", "wm/partofset", "tpos", "disk"),
    "date": ("date", "year", "wm/year", "tdrc", "©day", "icrd"),
    "r128_track_gain": ("r128_track_gain",),
    "replaygain_track_gain": ("replaygain_track_gain",),
}
_OWN_NAMES: Final = ("txxx:", "----:com.apple.itunes:")  # in front of a name that a program made up
_NO_MUTAGEN: Final = "tags of {} files are not read: pip install 'lightpeer[serve]'"
_RIFF: Final = frozenset({".wav", ".wave"})
_FFMPEG_S: Final = 10.0
_MAX_INFO_BYTES: Final = 1 << 16


def by_mutagen(path: Path) -> Any:
    """Return what mutagen makes of a file, or None; raise MissingLibraryError where it is not installed."""
    try:
        from mutagen import File  # only an import needs it
    except ImportError as error:
        raise MissingLibraryError("mutagen", _NO_MUTAGEN.format(path.suffix[1:].upper())) from error
    with suppress(Exception):  # a parser of hostile files raises anything
        return File(path)
    return None


def stored_tags(path: Path) -> Mapping[str, list[str]]:
    """Return the texts of each tag that a file has: `title`, `artist` and so on; unreadable ones are none.

    Raises:
        MissingLibraryError: mutagen is not installed, and the file is none of WAV's.
    """
    found = dict(_raw_tags(path))
    return {name: texts for name, keys in _NAMES.items() if (texts := _texts_of(found, keys))}


def _raw_tags(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the tags by the names that the format has for them, in lower case."""
    is_riff = path.suffix.lower() in _RIFF
    tags = _mutagens_tags(path, is_needed=not is_riff)
    try:
        for key, value in tags.items():
            name = key.lower()
            for own in _OWN_NAMES:
                name = name.removeprefix(own)
            yield name, list(_strings_in(value))
        if is_riff:
            yield from _info_list(path)
        elif not tags:
            yield from _ffmpeg_tags(path)
    except Exception:  # noqa: BLE001 - a parser of hostile files raises anything
        return


def _mutagens_tags(path: Path, *, is_needed: bool) -> Any:
    try:
        return getattr(by_mutagen(path), "tags", None) or {}
    except MissingLibraryError:
        if is_needed:
            raise
        return {}


def _texts_of(found: Mapping[str, list[str]], keys: Iterable[str]) -> list[str]:
    """Return the texts of the first key that has any, each once."""
    for key in keys:
        if texts := [text for text in found.get(key, ()) if text.strip("\0 \t\r\n")]:
            return list(dict.fromkeys(texts))
    return []


def _strings_in(value: Any) -> Iterator[str]:
    values = getattr(value, "text", value)  # of a frame of ID3
    for item in [values] if isinstance(values, (str, bytes)) else values:
        match item:
            case bytes():
                yield item.decode("utf-8", "replace")
            case (int(number), int(total)):  # MP4's track and disc numbers
                yield f"{number}/{total}"
            case _:
                yield str(item)


def _info_list(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the entries of a RIFF file's INFO list; those that are not UTF-8 are Latin-1."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"LIST" and size <= _MAX_INFO_BYTES and (data := file.read(size))[:4] == b"INFO":
                yield from _info_entries(data)
            elif head[:4] != b"LIST" or size > _MAX_INFO_BYTES:
                file.seek(size, 1)
            if size % 2:
                file.seek(1, 1)


def _info_entries(data: bytes) -> Iterator[tuple[str, list[str]]]:
    at = 4
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        text = data[at + 8 : at + 8 + size].split(b"\0")[0]
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            decoded = text.decode("cp1252", "replace")
        yield data[at : at + 4].decode("ascii", "replace").lower(), [decoded]
        at += 8 + size + size % 2


def _ffmpeg_tags(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield what ffmpeg finds, as its own format of metadata has it: `name=value`, with backslashes."""
    with running_ffmpeg(path, ["-f", "ffmetadata"]) as process:
        told, _ = process.communicate(timeout=_FFMPEG_S)
    for line in told.decode("utf-8", "replace").split("\n"):
        name, is_pair, text = line.partition("=")
        if is_pair and not line.startswith(";"):
            yield name.lower(), [text.replace("\\", "")]
