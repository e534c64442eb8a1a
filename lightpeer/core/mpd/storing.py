"""The commands on stored playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.mpd.arguments import Range, number, span
from lightpeer.core.mpd.browsing import entry_of_song, playlist_lines
from lightpeer.core.mpd.filter_parser import parse_filter_untrusted
from lightpeer.core.mpd.filters import matches
from lightpeer.core.mpd.folders import membership
from lightpeer.core.mpd.options import split_options
from lightpeer.core.mpd.playlists import check_new, without
from lightpeer.core.mpd.queueing import add_songs, folder_query, songs_named
from lightpeer.core.mpd.song import Song, song_lines
from lightpeer.core.mpd.speaker import Call, Rule
from lightpeer.core.mpd.wire import MAX_WORDS, Ack, Lines, pair
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.content.playlist import Entry


def _entries(call: Call, window: Range | None = None) -> Sequence[Entry]:
    """Return the entries of the playlist that the first argument names."""
    entries = call.speaker.playlists.get(call.arguments[0]).entries
    return entries if window is None else entries[window.cut]


def _window(call: Call) -> Range | None:
    return span(call.arguments[1]) if len(call.arguments) > 1 else None


def _song(call: Call, entry: Entry) -> Song:
    """Return what is known of an entry; what its label says, where it was not seen otherwise."""
    artist, dash, title = entry.label.partition(" - ")
    told = Song(entry.uri, title, artist) if dash else Song(entry.uri, entry.label)
    return call.speaker.catalogue.get(entry.uri) or told._replace(duration_s=float(entry.duration_s))


def _keep(call: Call, entries: Sequence[Entry]) -> Lines:
    """Keep entries as the playlist that the first argument names."""
    call.speaker.playlists.put(call.arguments[0], entries, call.now_s)
    call.speaker.on_change("stored_playlist")
    return []


# Showing.


def _list_playlists(call: Call) -> Lines:
    return playlist_lines(call)


def _list_playlist(call: Call) -> Lines:
    return [pair("file", entry.uri) for entry in _entries(call, _window(call))]


def _list_playlist_info(call: Call) -> Lines:
    return _info(call, [_song(call, entry) for entry in _entries(call, _window(call))])


def _info(call: Call, songs: Sequence[Song]) -> Lines:
    return [line for song in songs for line in song_lines(song, call.session.tags)]


def _playlist_length(call: Call) -> Lines:
    entries = _entries(call)
    return [f"songs: {len(entries)}", f"playtime: {sum(entry.duration_s for entry in entries)}"]


def _search_playlist(call: Call) -> Lines:
    words, options = split_options(call.arguments[1:], "window")
    asked, is_in = parse_filter_untrusted(words, is_search=True), membership(call.speaker.catalogue)
    songs = [_song(call, entry) for entry in _entries(call)]
    return _info(call, [song for song in songs if matches(asked, song, is_in)][options.window.cut])


# Loading and keeping.


def _load(call: Call) -> Lines:
    name, *rest = call.arguments
    songs = [_song(call, entry) for entry in _entries(call, _window(call))]
    add_songs(call, songs, rest[1] if len(rest) > 1 else "")
    call.speaker.catalogue.remember(songs, call.now_s)
    call.speaker.loaded = name
    return []


def _save(call: Call) -> Lines:
    """Keep the queue: as a new list, at the end of one, or in place of one."""
    speaker, name = call.speaker, call.arguments[0]
    mode = call.arguments[1] if len(call.arguments) > 1 else "create"
    entries = [entry_of_song(speaker.song(entry.item)) for entry in speaker.queue.entries]
    match mode:
        case "create":
            check_new(speaker.playlists, name)
        case "append":
            entries = [*_entries(call), *entries]
        case "replace":
            _entries(call)
        case _:
            raise CommandError(
                Ack.ARG, "Unrecognized save mode, expected one of 'create', 'append', 'replace'"
            )
    return _keep(call, entries)


def _remove(call: Call) -> Lines:
    call.speaker.playlists.remove(call.arguments[0])
    call.speaker.on_change("stored_playlist")
    return []


def _rename(call: Call) -> Lines:
    name, to = call.arguments
    call.speaker.playlists.rename(name, to, call.now_s)
    call.speaker.on_change("stored_playlist")
    return []


# Editing.


def _add(call: Call) -> Lines:
    name, path, *position = call.arguments
    before = call.speaker.playlists.get(name).entries if name in call.speaker.playlists else ()
    at = number(position[0], 0, len(before)) if position else len(before)
    added = map(entry_of_song, songs_named(call, path))
    return _keep(call, [*before[:at], *added, *before[at:]])


def _query_of_addition(call: Call) -> str:
    return folder_query(call._replace(arguments=call.arguments[1:]))


def _clear(call: Call) -> Lines:
    return _keep(call, [])


def _delete(call: Call) -> Lines:
    entries = _entries(call)
    return _keep(call, without(entries, span(call.arguments[1]).of(len(entries))))


def _move(call: Call) -> Lines:
    entries = _entries(call)
    places = span(call.arguments[1]).of(len(entries))
    rest = without(entries, places)
    at = number(call.arguments[2], 0, len(rest))
    return _keep(call, [*rest[:at], *entries[places.start : places.stop], *rest[at:]])


RULES: Final = {
    "listplaylist": Rule(_list_playlist, 1, 2),
    "listplaylistinfo": Rule(_list_playlist_info, 1, 2),
    "listplaylists": Rule(_list_playlists),
    "load": Rule(_load, 1, 3),
    "playlistadd": Rule(_add, 2, 3, _query_of_addition),
    "playlistclear": Rule(_clear, 1, 1),
    "playlistdelete": Rule(_delete, 2, 2),
    "playlistlength": Rule(_playlist_length, 1, 1),
    "playlistmove": Rule(_move, 3, 3),
    "rename": Rule(_rename, 2, 2),
    "rm": Rule(_remove, 1, 1),
    "save": Rule(_save, 1, 2),
    "searchplaylist": Rule(_search_playlist, 2, MAX_WORDS),
}
