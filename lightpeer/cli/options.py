"""The arguments of the commands that choose tracks: search, play, fetch, pin, and the lists."""

from __future__ import annotations

import argparse
import contextlib
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightpeer.console.report import Parser

_MPD_PORT: Final = 6600  # MPD's
MAX_TRACK_S = 65_536  # no track is longer than 18 hours (core/content/manifest.py)

ITEMS = (
    "Words are one query, however many arguments they are; artist:, album: and title: narrow it, as in "
    'artist:"Die Mole". A number, or several as 2-5 or 1,4, takes from the list shown last. A loud: id and a '
    "playlist (FILE.m3u8) stand for themselves; words between them are a query each."
)


class ListAskedError(Exception):
    """The outputs are to be listed: what else the command line says is no matter, as for --help."""


def add_search(search: Parser) -> None:
    """Add the arguments of `search`."""
    search.add_argument(
        "query", nargs="+", metavar="QUERY", help='words; artist:"A B" narrows, or album:, title:'
    )
    search.add_argument("--limit", type=_limit, default=10, metavar="N", help="at most this many (10)")
    search.add_argument("--m3u", action="store_true", help="print a playlist, for a file or another player")


def add_play(play: Parser) -> None:
    """Add the arguments of `play`."""
    _add_choice(play)
    play.add_argument("--favourites", action="store_true", help="your favourites")
    play.add_argument("--shuffle", action="store_true", help="play in random order")
    play.add_argument("--repeat", action="store_true", help="begin again at the end")
    _add_output(play)
    play.add_argument("--bitrate", dest="bitrate_kbps", metavar="auto|KBPS", help="the rendition (auto)")
    play.add_argument("--transport", metavar="auto|udp|grpc", help="how audio comes (auto)")
    play.add_argument("--start", type=_seconds, default=0.0, metavar="SECONDS|1:30", help="where to begin")
    play.add_argument("--volume", dest="volume_db", metavar="DB", help="louder or quieter (0)")
    play.add_argument("--normalize", action="store_true", default=None, help="play all tracks equally loud")
    play.add_argument(
        "--wait",
        dest="first_contact_wait_s",
        metavar="SECONDS",
        help="how long to wait for a first peer, or forever (15)",
    )
    play.add_argument(
        "--give-up",
        dest="give_up_s",
        metavar="SECONDS",
        help="end after so long a silence, with status 3 (6: no sound device); else only you end it",
    )
    play.add_argument("--stats", metavar="FILE", help="write measurements as JSON at the end")
    _add_cache_size(play)


def add_speaker(speaker: Parser) -> None:
    """Add the arguments of `speaker`."""
    speaker.add_argument(
        "--mpd-listen",
        type=_mpd_address,
        default=str(_MPD_PORT),
        metavar="PORT|HOST:PORT",
        help="where remote controls connect, from this machine and its networks (port 6600)",
    )
    speaker.add_argument(
        "--mpd-socket", metavar="PATH", help="a socket too, for programs of this user on this machine"
    )
    _add_output(speaker)
    speaker.add_argument("--volume", dest="volume_db", metavar="DB", help="how loud to begin (0)")
    _add_cache_size(speaker)


def _mpd_address(text: str) -> tuple[str, int]:
    from lightpeer.core.addresses import parse_endpoint

    try:
        return parse_endpoint(f"[::]:{text}" if text.isdigit() else text, 0, _MPD_PORT)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from error


def add_cache(cache: Parser) -> None:
    """Add the arguments of `cache`."""
    cache.add_argument("--clear", action="store_true", help="remove all of it but pinned tracks")
    cache.add_argument("--pinned", action="store_true", help="with --clear: these too")
    _add_cache_size(cache)


def add_pin(pin: Parser) -> None:
    """Add the arguments of `pin`."""
    _add_choice(pin)
    pin.add_argument("--favourites", action="store_true", help="your favourites")
    pin.add_argument("--remove", action="store_true", help="let these tracks go again, given by id")
    pin.add_argument("--bitrate", dest="bitrate_kbps", metavar="KBPS", help="the rendition (the best)")
    _add_timeout(pin)
    _add_cache_size(pin)


def add_fetch(fetch: Parser) -> None:
    """Add the arguments of `fetch`."""
    _add_choice(fetch)
    fetch.add_argument("--favourites", action="store_true", help="your favourites")
    fetch.add_argument("-o", "--out", metavar="FILE", help="the file to write, for one track; -: stdout")
    fetch.add_argument("--force", action="store_true", help="replace files that are there already")
    fetch.add_argument("-d", "--dir", metavar="DIR", help="the folder for files that are named (this one)")
    fetch.add_argument(
        "--name",
        metavar="TEMPLATE",
        help="names files: {artist} - {title}, of albums {album_artist}/{album}/{number} {title}; "
        "also {year}, {disc}, {track}",
    )
    _add_timeout(fetch)
    fetch.add_argument("--bitrate", dest="bitrate_kbps", metavar="KBPS", help="the rendition (the best)")


def add_list(parser: Parser, what: str) -> None:
    """Add the arguments of `favourite` and `history`; `what` a playlist is printed of."""
    parser.add_argument("--m3u", action="store_true", help=f"print {what} as a playlist")


def add_favourite(favourite: Parser) -> None:
    """Add the arguments of `favourite`."""
    _add_choice(favourite)
    favourite.add_argument("--remove", action="store_true", help="remove these instead")
    add_list(favourite, "favourites")


def _add_choice(command: Parser) -> None:
    command.description = f"{command.description}. {ITEMS}"
    command.add_argument("items", nargs="*", metavar="QUERY|NUMBER|loud:ID|FILE.m3u8")
    command.add_argument("--album", metavar="NAME", help="all tracks of an album, in its order")
    command.add_argument("--artist", metavar="NAME", help="all tracks of an artist, by album")
    command.add_argument("--all", action="store_true", help="all hits of a query, not only the best")
    command.add_argument("--pick", action="store_true", help="choose among the hits, on a terminal")
    command.set_defaults(favourites=False)


def _add_output(command: Parser) -> None:
    command.add_argument(
        "--output",
        type=_output,
        metavar="SINK|list",
        help="wav:FILE, pipe (s16le on stdout), command:PROGRAM, null; else the sound device",
    )


def _add_timeout(command: Parser) -> None:
    command.add_argument(
        "--timeout",
        type=_timeout,
        metavar="SECONDS",
        help="give up after this long without data (two minutes); 0: never",
    )


def _add_cache_size(command: Parser) -> None:
    command.add_argument(
        "--cache-size",
        type=_megabytes,
        dest="cache_bytes",
        metavar="MB",
        help="keep so much on disk of what was heard (200, or a tenth of what is free); 0: nothing",
    )


def _limit(text: str) -> int:
    from lightpeer.core.trust.bounds import MAX_HITS  # a search asks a peer for no more

    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_HITS):
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {MAX_HITS}, not {text!r}")
    return int(text)


def _megabytes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise argparse.ArgumentTypeError(f"a whole number of megabytes, or 0, not {text!r}")
    return int(text) * 1_000_000


def _seconds(text: str) -> float:
    from lightpeer.console.text import seconds_of

    with contextlib.suppress(ValueError):
        if (seconds := seconds_of(text)) <= MAX_TRACK_S:
            return seconds
    raise argparse.ArgumentTypeError(
        f"a number of seconds from 0 to {MAX_TRACK_S}, or a time as 1:30, not {text!r}"
    )


def _timeout(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"a number of seconds, or 0 to wait for ever, not {text!r}")


def _output(text: str) -> str:
    if text == "list":
        raise ListAskedError
    return text
