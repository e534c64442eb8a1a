"""The commands that search and browse: the network by words, the seen catalogue by all else.

Before a search is answered, the network may be asked: `Rule.query` says for what. The answer itself then
comes from the catalogue alone, so that it is the same whether that was quick, slow, or cut short.
"""

from __future__ import annotations

from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.playlist import Entry, label_of
from lightpeer.core.mpd.arguments import iso_time, number
from lightpeer.core.mpd.filter_parser import FILE_NAMES, parse_filter_untrusted
from lightpeer.core.mpd.filters import Comparison, Filter, Operator, matches, query_of
from lightpeer.core.mpd.folders import check_folder, folders_in, membership, songs_in, tidy
from lightpeer.core.mpd.options import Options, arranged, split_options
from lightpeer.core.mpd.queueing import add_songs, folder_query, songs_named
from lightpeer.core.mpd.song import checked_tag, song_lines, tag_named, value_of
from lightpeer.core.mpd.speaker import Call, Rule
from lightpeer.core.mpd.wire import MAX_WORDS, Ack, Lines, pair
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lightpeer.core.mpd.song import Song

_AS_THEY_COME: Final = Options()
_SORTED: Final = ("sort", "window")
_PUT: Final = ("sort", "window", "position")


# Searching.


def _matching(call: Call, asked: Filter, options: Options = _AS_THEY_COME) -> list[Song]:
    catalogue = call.speaker.catalogue
    is_in = membership(catalogue)
    found = (song for song in catalogue if matches(asked, song, is_in))
    return arranged(found, options, lambda song: song)


def _asked(call: Call, allowed: Sequence[str], *, is_search: bool) -> tuple[Filter, Options]:
    words, options = split_options(call.arguments, *allowed)
    return parse_filter_untrusted(words, is_search=is_search), options


def _search(call: Call) -> Lines:
    return _song_lines(call, _matching(call, *_asked(call, _SORTED, is_search=True)))


def _find(call: Call) -> Lines:
    return _song_lines(call, _matching(call, *_asked(call, _SORTED, is_search=False)))


def _search_add(call: Call) -> Lines:
    return _add_matching(call, is_search=True)


def _find_add(call: Call) -> Lines:
    return _add_matching(call, is_search=False)


def _add_matching(call: Call, *, is_search: bool) -> Lines:
    asked, options = _asked(call, _PUT, is_search=is_search)
    add_songs(call, _matching(call, asked, options), options.position)
    return []


def _search_add_to_playlist(call: Call) -> Lines:
    name, *words = call.arguments
    asked, options = _asked(call._replace(arguments=words), _SORTED, is_search=True)
    playlists = call.speaker.playlists
    before = playlists.get(name).entries if name in playlists else ()
    found = map(entry_of_song, _matching(call, asked, options))
    playlists.put(name, [*before, *found], call.now_s)
    call.speaker.on_change("stored_playlist")
    return []


def entry_of_song(song: Song) -> Entry:
    """Return a song as a playlist has it."""
    return Entry(song.uri, label_of(song.title, song.artist), round(song.duration_s))


def _query_of_search(call: Call) -> str:
    return query_of(_asked(call, _PUT, is_search=True)[0])


def _query_of_addition(call: Call) -> str:
    return _query_of_search(call._replace(arguments=call.arguments[1:]))


def _query_of_find(call: Call) -> str:
    """Return what to search for: nothing, if the catalogue has songs to answer with."""
    asked = _asked(call, _PUT, is_search=False)[0]
    return "" if _matching(call, asked) else query_of(asked)


# Counting.


def _count(call: Call) -> Lines:
    return _counted(call, is_search=False)


def _search_count(call: Call) -> Lines:
    return _counted(call, is_search=True)


def _counted(call: Call, *, is_search: bool) -> Lines:
    asked, options = _asked(call, ("group",), is_search=is_search)
    songs = _matching(call, asked)
    if not options.groups:
        return _sum(songs)
    tag = options.groups[0]
    by_value = groupby(sorted(songs, key=lambda song: value_of(song, tag)), lambda song: value_of(song, tag))
    return [line for value, group in by_value for line in (pair(tag, value), *_sum(list(group)))]


def _sum(songs: Sequence[Song]) -> Lines:
    return [f"songs: {len(songs)}", f"playtime: {round(sum(song.duration_s for song in songs))}"]


def _list(call: Call) -> Lines:
    """Return the values that a tag has, each once, by those of the tags that group them."""
    words, options = split_options(call.arguments[1:], "group", "window")
    name = call.arguments[0]
    asked = _list_filter(name, words)
    songs = _matching(call, asked)
    if name.lower() in FILE_NAMES:
        return [pair("file", song.uri) for song in songs][options.window.cut]
    tags = [*options.groups, checked_tag(name)]
    if len(set(tags)) < len(tags):
        raise CommandError(Ack.ARG, "Conflicting group")
    rows = sorted({tuple(value_of(song, tag) for tag in tags) for song in songs})
    return _grouped(tags, rows[options.window.cut])


def _list_filter(name: str, words: Sequence[str]) -> Filter:
    """Return which songs count; of old clients one word alone is an artist, whose albums they want."""
    if len(words) == 1 and not words[0].startswith("("):
        if tag_named(name) != "Album":
            raise CommandError(Ack.ARG, 'should be "Album" for 3 arguments')
        return Comparison("Artist", Operator.IS, words[0])
    return parse_filter_untrusted(words, is_search=False)


def _grouped(tags: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Lines:
    """Return the lines of sorted rows, without what a row has in common with the one before."""
    lines: Lines = []
    before: tuple[str, ...] = ()
    for row in rows:
        alike = takewhile(lambda both: both[0] == both[1], zip(row[:-1], before, strict=False))
        same = len(list(alike))
        lines += [pair(tag, value) for tag, value in zip(tags[same:], row[same:], strict=True)]
        before = row
    return lines


# Browsing.


def _path(call: Call) -> str:
    return call.arguments[0] if call.arguments else ""


def _ls_info(call: Call) -> Lines:
    path, speaker = _path(call), call.speaker
    folders, songs = folders_in(speaker.catalogue, path), songs_in(speaker.catalogue, path)
    check_folder(path, [*folders, *songs])
    lines = [pair("directory", folder) for folder in folders] + _song_lines(call, songs)
    if not tidy(path) and "hide_playlists_in_root" not in call.session.features:
        lines += playlist_lines(call)
    return lines


def playlist_lines(call: Call) -> Lines:
    """Return the names of the stored playlists, each with the time of its last change."""
    playlists = call.speaker.playlists
    times = ((name, iso_time(playlists.get(name).changed_s)) for name in playlists.names)
    return [line for name, time in times for line in (pair("playlist", name), f"Last-Modified: {time}")]


def _list_all(call: Call) -> Lines:
    files = [pair("file", song.uri) for song in songs_named(call, _path(call))]
    return _folder_lines(call) + files


def _list_all_info(call: Call) -> Lines:
    return _folder_lines(call) + _song_lines(call, songs_named(call, _path(call)))


def _folder_lines(call: Call) -> Lines:
    return [pair("directory", folder) for folder in folders_in(call.speaker.catalogue, _path(call))]


def _song_lines(call: Call, songs: Iterable[Song]) -> Lines:
    return [line for song in songs for line in song_lines(song, call.session.tags)]


# Pictures, which tracks do not have: as MPD says so, clients show their own.


def _read_picture(call: Call) -> Lines:
    songs_named(call, call.arguments[0])
    number(call.arguments[1])
    return []


def _album_art(call: Call) -> Lines:
    number(call.arguments[1])
    raise CommandError(Ack.NO_EXIST, "No file exists")


# The catalogue as a whole.


def _stats(call: Call) -> Lines:
    speaker, catalogue = call.speaker, call.speaker.catalogue
    return [
        f"uptime: {max(0, int(call.now_s - speaker.started_s))}",
        f"artists: {len({song.artist for song in catalogue})}",
        f"albums: {len({(value_of(song, 'AlbumArtist'), song.album) for song in catalogue if song.album})}",
        f"songs: {len(catalogue)}",
        f"db_playtime: {round(sum(song.duration_s for song in catalogue))}",
        f"db_update: {int(catalogue.changed_s or speaker.started_s)}",
    ]


def _update(call: Call) -> Lines:
    """Answer as if the catalogue had been brought up to date, which it always is."""
    call.speaker.updates += 1
    for subsystem in ("update", "database"):
        call.speaker.on_change(subsystem)
    return [f"updating_db: {call.speaker.updates}"]


RULES: Final = {
    "albumart": Rule(_album_art, 2, 2),
    "count": Rule(_count, 0, MAX_WORDS),
    "find": Rule(_find, 1, MAX_WORDS, _query_of_find),
    "findadd": Rule(_find_add, 1, MAX_WORDS, _query_of_find),
    "list": Rule(_list, 1, MAX_WORDS),
    "listall": Rule(_list_all, 0, 1, folder_query),
    "listallinfo": Rule(_list_all_info, 0, 1, folder_query),
    "lsinfo": Rule(_ls_info, 0, 1, folder_query),
    "readpicture": Rule(_read_picture, 2, 2),
    "rescan": Rule(_update, 0, 1),
    "search": Rule(_search, 1, MAX_WORDS, _query_of_search),
    "searchadd": Rule(_search_add, 1, MAX_WORDS, _query_of_search),
    "searchaddpl": Rule(_search_add_to_playlist, 2, MAX_WORDS, _query_of_addition),
    "searchcount": Rule(_search_count, 1, MAX_WORDS),
    "stats": Rule(_stats),
    "update": Rule(_update, 0, 1),
}
