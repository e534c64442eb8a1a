"""The lists that an operator writes: up to millions of peers, publishers, tracks and networks.

A list has one entry a line; `#` begins a remark. It is read whole or not at all: an unreadable line is an
error with its number, because an entry that was meant to shut somebody out must not be passed over.

It is read piece by piece. Entries of the usual form are read together, by kind (`many_ids.py`,
`networks.py`). If one of them is invalid, each is read by itself, which finds the line.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum
from typing import Final

from lightpeer.core.content.uri import SCHEME, TRACK_ID_BYTES, is_uri, parse_uri
from lightpeer.core.lists.many_ids import (
    PEER_ID_CHARS,
    TRACK_ID_CHARS,
    read_hex_track_ids,
    read_peer_ids,
    read_track_ids,
)
from lightpeer.core.lists.networks import NetworkSet, network_key
from lightpeer.core.lists.packed import PackedSet
from lightpeer.core.trust.identity import ID_BYTES, parse_peer_id
from lightpeer.errors import UsageError

MAX_ENTRIES: Final = 2_000_000  # of one list: some 65 MB
MAX_LINE_BYTES: Final = 1024
_SHOWN_CHARS: Final = 60
_PUBLISHER: Final = "publisher:"
_PUBLISHER_BYTES: Final = _PUBLISHER.encode()
_PUBLISHER_CHARS: Final = len(_PUBLISHER) + PEER_ID_CHARS
_TRACK: Final = SCHEME.encode()
_TRACK_CHARS: Final = tuple(len(_TRACK) + chars for chars in TRACK_ID_CHARS)
_PEER_BEGINS: Final = ord("L")
_NETWORK_BEGINS: Final = b"0123456789abcdefABCDEF:"
_ZERO: Final = ord("1")  # in base58


class Kind(Enum):
    """The kinds of things that an entry names."""

    PEER = "a peer id (L…)"
    PUBLISHER = "publisher:L…"
    TRACK = "a track id (loud:…)"
    NETWORK = "a network (192.0.2.0/24)"


ALLOWABLE: Final = frozenset({Kind.PEER})
DENIABLE: Final = frozenset(Kind)
WITHDRAWABLE: Final = frozenset({Kind.TRACK})


class LineError(UsageError):
    """A line of a list that cannot be read; `number` counts from 1."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number


class RuleList:
    """The entries of one list."""

    def __init__(self) -> None:
        self.peers = PackedSet(ID_BYTES)
        self.publishers = PackedSet(ID_BYTES)
        self.tracks = PackedSet(TRACK_ID_BYTES)
        self.networks = NetworkSet()

    def __len__(self) -> int:
        return len(self.peers) + len(self.publishers) + len(self.tracks) + len(self.networks)

    def add(self, text: str, kinds: Collection[Kind]) -> None:
        """Add an entry of one of these kinds; raise UsageError for anything else."""
        try:
            kind, value = _parse(text)
        except (UsageError, ValueError) as error:
            raise UsageError(f"{_shown(text)} is not {_expected(kinds)}") from error
        if kind not in kinds:
            raise UsageError(f"{_shown(text)} is {kind.value}, and this list takes {_expected(kinds)} only")
        self._set_of(kind).update([value])

    def add_many(self, entries: Iterable[bytes], kinds: Collection[Kind]) -> bool:
        """Add many entries, or blanks; return whether all were valid. Some may be added even if not.

        Those that look as most of their kind do are read at once.
        """
        peers: list[bytes] = []
        publishers: list[bytes] = []
        tracks: list[bytes] = []
        hex_tracks: list[bytes] = []
        networks: list[bytes] = []
        others: list[bytes] = []
        for entry in entries:
            size = len(entry)
            if size == PEER_ID_CHARS and entry[0] == _PEER_BEGINS:
                peers.append(entry)
            elif size in _TRACK_CHARS and entry.startswith(_TRACK) and entry[len(_TRACK)] != _ZERO:
                tracks.append(entry[len(_TRACK) :])
            elif size == _PUBLISHER_CHARS and entry.startswith(_PUBLISHER_BYTES):
                publishers.append(entry[len(_PUBLISHER) :])
            elif size == 2 * TRACK_ID_BYTES:
                hex_tracks.append(entry)
            elif entry and entry[0] in _NETWORK_BEGINS:
                networks.append(entry)
            elif entry:
                others.append(entry)
        for kind, alike, read_all in (
            (Kind.PEER, peers, read_peer_ids),
            (Kind.PUBLISHER, publishers, read_peer_ids),
            (Kind.TRACK, tracks, read_track_ids),
            (Kind.TRACK, hex_tracks, read_hex_track_ids),
            (Kind.NETWORK, networks, _read_networks),
        ):
            values = read_all(alike) if kind in kinds or not alike else None
            if values is None:
                return False
            self._set_of(kind).update(values)
        try:
            for entry in others:
                self.add(_text(entry), kinds)
        except UsageError:
            return False
        return True

    def flushing(self) -> Iterator[None]:
        """Merge the added entries in short steps; they are found after that."""
        for entries in (self.peers, self.publishers, self.tracks, self.networks):
            yield from entries.flushing()

    def flush(self) -> None:
        """Merge the added entries, so that they are found."""
        for _ in self.flushing():
            pass

    def _set_of(self, kind: Kind) -> PackedSet | NetworkSet:
        if kind is Kind.PEER:
            return self.peers
        if kind is Kind.PUBLISHER:
            return self.publishers
        return self.tracks if kind is Kind.TRACK else self.networks


def read_list(
    pieces: Iterable[bytes], kinds: Collection[Kind], rest: Callable[[], object] = lambda: None
) -> RuleList:
    """Return the list that a file is.

    Args:
        pieces: the file's bytes, cut anywhere.
        kinds: the kinds that its entries may be of.
        rest: called after each piece, and as often afterwards: so others of the process come to their turn.

    Raises:
        LineError: a line is no entry of these kinds, or there are more than MAX_ENTRIES.
    """
    entries, first, count = RuleList(), 1, 0
    for lines in _lines(pieces):
        if first == 1 and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")  # as some editors begin a file
        error, size = None, len(lines)
        if max(map(len, lines), default=0) > MAX_LINE_BYTES:
            size = next(at for at, line in enumerate(lines) if len(line) > MAX_LINE_BYTES)
            error = LineError(first + size, f"it is longer than {MAX_LINE_BYTES} bytes")
        texts = [(line.partition(b"#")[0] if b"#" in line else line).strip() for line in lines[:size]]
        count += size - texts.count(b"")
        while count > MAX_ENTRIES:
            count -= bool(texts.pop())
            error = LineError(first + len(texts), f"a list has at most {MAX_ENTRIES} entries")
        if not entries.add_many(texts, kinds):
            _add_each(entries, enumerate(texts, first), kinds)
        if error is not None:
            raise error
        first += size
        rest()
    for _ in entries.flushing():
        rest()
    return entries


def _add_each(entries: RuleList, lines: Iterable[tuple[int, bytes]], kinds: Collection[Kind]) -> None:
    for number, entry in lines:
        try:
            if entry:
                entries.add(_text(entry), kinds)
        except UsageError as error:
            raise LineError(number, str(error)) from error


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the whole lines of each piece, and an overlong line as soon as it is known to be one."""
    begun = b""
    for piece in pieces:
        *lines, begun = (begun + piece).split(b"\n")
        if len(begun) > MAX_LINE_BYTES:
            lines.append(begun)
        yield lines
    yield [begun]


def _parse(text: str) -> tuple[Kind, bytes]:
    """Return the kind and value of an entry; raise UsageError or ValueError for anything else."""
    if is_uri(text):
        return Kind.TRACK, parse_uri(text)
    if text.startswith(_PUBLISHER):
        return Kind.PUBLISHER, parse_peer_id(text.removeprefix(_PUBLISHER))
    if text.startswith("L"):
        return Kind.PEER, parse_peer_id(text)
    if len(text) == 2 * TRACK_ID_BYTES:
        return Kind.TRACK, unhexlify(text)  # as the folder of a track has it
    return Kind.NETWORK, network_key(text)


def _read_networks(texts: Iterable[bytes]) -> list[bytes] | None:
    try:
        return [network_key(text.decode("ascii")) for text in texts]
    except ValueError:
        return None


def _text(entry: bytes) -> str:
    return entry.decode("ascii", "backslashreplace")


def _expected(kinds: Collection[Kind]) -> str:
    return " or ".join(kind.value for kind in Kind if kind in kinds)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")
