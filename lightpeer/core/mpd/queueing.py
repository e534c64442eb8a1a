"""The commands that show and change the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.content.uri import is_uri, named_track
from lightpeer.core.mpd.arguments import Range, number, span
from lightpeer.core.mpd.filter_parser import parse_filter_untrusted
from lightpeer.core.mpd.filters import matches
from lightpeer.core.mpd.folders import check_folder, membership, query_in, songs_below
from lightpeer.core.mpd.options import arranged, split_options
from lightpeer.core.mpd.song import song_lines
from lightpeer.core.mpd.speaker import Call, Rule
from lightpeer.core.mpd.wire import MAX_WORDS, Ack, Lines
from lightpeer.errors import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lightpeer.core.mpd.song import Song
    from lightpeer.core.queue.entries import Entry


# Entries and places.


def entry_at(call: Call, text: str) -> int:
    """Return the id of the entry at a place; raise CommandError if there is none."""
    return call.speaker.queue.entries.ids[_place(call, text)]


def entry_of(call: Call, text: str) -> int:
    """Return the id of an entry; raise CommandError if there is none of this id."""
    entry = number(text)
    if entry not in call.speaker.queue.entries:
        raise CommandError(Ack.NO_EXIST, "No such song")
    return entry


def _place(call: Call, text: str) -> int:
    place = number(text)
    if place >= len(call.speaker.queue.entries):
        raise CommandError(Ack.ARG, "Bad song index")
    return place


def _current_place(call: Call, rest: Sequence[int]) -> int:
    """Return where in some entries the one that is due stands; raise CommandError if it is not there."""
    turn = call.speaker.queue.turn
    if turn is None:
        raise CommandError(Ack.NOT_PLAYING, "No current song")
    if turn.entry not in rest:
        raise CommandError(Ack.ARG, "Cannot move current song relative to itself")
    return rest.index(turn.entry)


def destination(call: Call, text: str, rest: Sequence[int]) -> int:
    """Return the place that an argument names: from the beginning, or from the song that is due.

    Args:
        call: the command.
        text: `3`, `+0` (right after what is due) or `-0` (right before it).
        rest: the entries among which it is.

    Raises:
        CommandError: there is no such place, or nothing is due.
    """
    distance = number(text.removeprefix("+").removeprefix("-"))
    if text.startswith("+"):
        place = _current_place(call, rest) + 1 + distance
    elif text.startswith("-"):
        place = _current_place(call, rest) - distance
    else:
        place = distance
    if not 0 <= place <= len(rest):
        raise CommandError(Ack.ARG, "Bad song index")
    return place


# Adding.


def add_songs(call: Call, songs: Sequence[Song], position: str = "") -> list[int]:
    """Put songs into the queue; return the ids of their entries.

    Args:
        call: the command.
        songs: the songs.
        position: where, as it was said; empty: at the end.

    Raises:
        CommandError: there is no such place, or the queue is full.
    """
    queue = call.speaker.queue
    place = destination(call, position, queue.entries.ids) if position else None
    known = [song for song in songs if song.uri in call.speaker.catalogue]
    call.speaker.catalogue.remember(known, call.now_s)
    try:
        return queue.add([song.uri for song in songs], place)
    except UsageError as error:
        raise CommandError(Ack.PLAYLIST_MAX, str(error)) from error


def songs_named(call: Call, path: str) -> list[Song]:
    """Return the songs that a uri or a folder names; raise CommandError if there are none."""
    if is_uri(path) and named_track(path) is None:
        raise CommandError(Ack.NO_EXIST, "no track has such an id: copy it whole, it looks like loud:8FxR…")
    if "://" in path:
        raise CommandError(
            Ack.NO_EXIST, "only tracks of this network are played: give loud:… or Search/WORDS"
        )
    songs = songs_below(call.speaker.catalogue, path)
    check_folder(path, songs)
    return songs


def folder_query(call: Call) -> str:
    """Return what to search for before a folder is looked into."""
    return query_in(call.arguments[0]) if call.arguments else ""


def _add(call: Call) -> Lines:
    add_songs(call, songs_named(call, call.arguments[0]), *call.arguments[1:])
    return []


def _add_id(call: Call) -> Lines:
    path = call.arguments[0]
    if not is_uri(path) and "://" not in path:
        raise CommandError(Ack.NO_EXIST, "No such song")
    return [f"Id: {entry}" for entry in add_songs(call, songs_named(call, path), *call.arguments[1:])]


# Removing and moving.


def _delete(call: Call) -> Lines:
    queue = call.speaker.queue
    places = span(call.arguments[0]).of(len(queue.entries))
    queue.delete([queue.entries.ids[place] for place in places])
    return []


def _delete_id(call: Call) -> Lines:
    call.speaker.queue.delete([entry_of(call, call.arguments[0])])
    return []


def _clear(call: Call) -> Lines:
    call.speaker.queue.clear()
    return []


def _move(call: Call) -> Lines:
    ids = call.speaker.queue.entries.ids
    places = span(call.arguments[0]).of(len(ids))
    return _move_entries(call, [ids[place] for place in places])


def _move_id(call: Call) -> Lines:
    return _move_entries(call, [entry_of(call, call.arguments[0])])


def _move_entries(call: Call, entries: list[int]) -> Lines:
    queue = call.speaker.queue
    rest = [entry for entry in queue.entries.ids if entry not in set(entries)]
    queue.move(entries, destination(call, call.arguments[1], rest))
    return []


def _swap(call: Call) -> Lines:
    return _swap_entries(call, *(entry_at(call, text) for text in call.arguments))


def _swap_id(call: Call) -> Lines:
    return _swap_entries(call, *(entry_of(call, text) for text in call.arguments))


def _swap_entries(call: Call, one: int, other: int) -> Lines:
    queue = call.speaker.queue
    first, last = sorted((one, other), key=queue.entries.place)
    to, at = queue.entries.place(first), queue.entries.place(last)
    queue.move([last], to)
    queue.move([first], at)
    return []


def _shuffle(call: Call) -> Lines:
    queue = call.speaker.queue
    places = span(call.arguments[0]).of(len(queue.entries)) if call.arguments else None
    queue.shuffle(None if places is None else [queue.entries.ids[place] for place in places])
    return []


# Showing.


def _lines(call: Call, placed: Iterable[tuple[int, Entry]]) -> Lines:
    return [
        line
        for place, entry in placed
        for line in song_lines(call.speaker.song(entry.item), call.session.tags, (place, entry.id))
    ]


def _playlist_info(call: Call) -> Lines:
    entries = list(call.speaker.queue.entries)
    places = (span(call.arguments[0]) if call.arguments else Range()).of(len(entries))
    return _lines(call, ((place, entries[place]) for place in places))


def _playlist_id(call: Call) -> Lines:
    if not call.arguments:
        return _playlist_info(call)
    entry = entry_of(call, call.arguments[0])
    return _lines(call, (placed for placed in enumerate(call.speaker.queue.entries) if placed[1].id == entry))


def _playlist(call: Call) -> Lines:
    return [f"{place}:file: {entry.item}" for place, entry in enumerate(call.speaker.queue.entries)]


def _changes(call: Call) -> list[tuple[int, Entry]]:
    """Return what has changed since a version; all of it, if that is of another run."""
    entries = call.speaker.queue.entries
    since = number(call.arguments[0])
    window = span(call.arguments[1]) if len(call.arguments) > 1 else Range()
    changes = entries.changes(since if since <= entries.version else 0)
    places = range(len(entries))[window.cut]
    return [(place, entry) for place, entry in changes if place in places]


def _plchanges(call: Call) -> Lines:
    return _lines(call, _changes(call))


def _plchangesposid(call: Call) -> Lines:
    return [line for place, entry in _changes(call) for line in (f"cpos: {place}", f"Id: {entry.id}")]


def _playlist_find(call: Call) -> Lines:
    return _found(call, is_search=False)


def _playlist_search(call: Call) -> Lines:
    return _found(call, is_search=True)


def _found(call: Call, *, is_search: bool) -> Lines:
    """Return the entries that a filter takes."""
    words, options = split_options(call.arguments, "sort", "window")
    asked = parse_filter_untrusted(words, is_search=is_search)
    speaker, is_in = call.speaker, membership(call.speaker.catalogue)

    def song_of(placed: tuple[int, Entry]) -> Song:
        return speaker.song(placed[1].item)

    found = [placed for placed in enumerate(speaker.queue.entries) if matches(asked, song_of(placed), is_in)]
    return _lines(call, arranged(found, options, song_of))


RULES: Final = {
    "add": Rule(_add, 1, 2, folder_query),
    "addid": Rule(_add_id, 1, 2),
    "clear": Rule(_clear),
    "delete": Rule(_delete, 1, 1),
    "deleteid": Rule(_delete_id, 1, 1),
    "move": Rule(_move, 2, 2),
    "moveid": Rule(_move_id, 2, 2),
    "playlist": Rule(_playlist),
    "playlistfind": Rule(_playlist_find, 1, MAX_WORDS),
    "playlistid": Rule(_playlist_id, 0, 1),
    "playlistinfo": Rule(_playlist_info, 0, 1),
    "playlistsearch": Rule(_playlist_search, 1, MAX_WORDS),
    "plchanges": Rule(_plchanges, 1, 2),
    "plchangesposid": Rule(_plchangesposid, 1, 2),
    "shuffle": Rule(_shuffle, 0, 1),
    "swap": Rule(_swap, 2, 2),
    "swapid": Rule(_swap_id, 2, 2),
}
