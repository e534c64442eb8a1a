"""Who may listen, and to what: the lists that an operator writes, and what they decide.

A list has one entry a line; `#` begins a remark. It is read whole or not at all: a line that cannot be
read is told by its number, for what was meant to shut somebody out must not be passed over. `Rules` are
all lists that are in force, and never change: another `Rules` takes their place.

An entry that denies counts more than one that allows. Where there is a list of who is allowed, nobody
else is, so an empty one leaves the server to itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from lightpeer.core.identity import ID_BYTES, PeerId, parse_peer_id
from lightpeer.core.packed import NetworkSet, PackedSet
from lightpeer.core.records import PeerRecord
from lightpeer.core.uri import TRACK_ID_BYTES, is_uri, parse_uri
from lightpeer.errors import UsageError

MAX_ENTRIES: Final = 2_000_000  # of one list: some 65 MB
MAX_LINE_BYTES: Final = 1024
_SHOWN_CHARS: Final = 60
_PUBLISHER: Final = "publisher:"


class Kind(Enum):
    """What an entry names."""

    PEER = "a peer id (L…)"
    PUBLISHER = "publisher:L…"
    TRACK = "a track id (loud:…)"
    NETWORK = "a network (192.0.2.0/24)"


ALLOWABLE: Final = frozenset({Kind.PEER})
DENIABLE: Final = frozenset(Kind)
WITHDRAWABLE: Final = frozenset({Kind.TRACK})


class Refusal(StrEnum):
    """Why a call is refused, in the word that begins the status message (`proto/README.md`, section 3.3)."""

    PRIVATE = "private"
    DENIED = "denied"


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
        """Take one more entry, of one of these kinds; raise UsageError for what is none."""
        expected = " or ".join(kind.value for kind in Kind if kind in kinds)
        try:
            kind, value = _parse(text)
        except (UsageError, ValueError) as error:
            raise UsageError(f"{_shown(text)} is not {expected}") from error
        if kind not in kinds:
            raise UsageError(f"{_shown(text)} is {kind.value}, and this list takes {expected} only")
        if not isinstance(value, bytes):
            self.networks.add(value)
        elif kind is Kind.TRACK:
            self.tracks.add(value)
        elif kind is Kind.PUBLISHER:
            self.publishers.add(value)
        else:
            self.peers.add(value)

    def flush(self) -> None:
        """Merge in what was added, so that it is found."""
        for entries in (self.peers, self.publishers, self.tracks, self.networks):
            entries.flush()


def read_list(lines: Iterable[bytes], kinds: Collection[Kind]) -> RuleList:
    """Return the list that some lines are.

    Args:
        lines: as they are read, each cut at MAX_LINE_BYTES + 1 or later.
        kinds: what its entries may name.

    Raises:
        LineError: a line is no such entry, or there are more than MAX_ENTRIES.
    """
    entries, count = RuleList(), 0
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_BYTES:
            raise LineError(number, f"it is longer than {MAX_LINE_BYTES} bytes")
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line  # as some editors begin a file
        entry = text.partition(b"#")[0].strip()
        if not entry:
            continue
        count += 1
        if count > MAX_ENTRIES:
            raise LineError(number, f"a list has at most {MAX_ENTRIES} entries")
        try:
            entries.add(entry.decode("ascii", "backslashreplace"), kinds)
        except UsageError as error:
            raise LineError(number, str(error)) from error
    entries.flush()
    return entries


@dataclass(frozen=True, slots=True)
class Rules:
    """All lists that are in force. `own` is the server's id, by which it calls itself: always let in."""

    own: PeerId
    allow: tuple[RuleList, ...] | None = None  # None: everybody
    deny: tuple[RuleList, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether this server answers only whom it names."""
        return self.allow is not None

    @property
    def deny_tracks(self) -> bool:
        """Whether there is any track that is not served."""
        return any(entries.tracks for entries in self.deny)

    def refusal(self, caller: PeerId, host: str) -> Refusal | None:
        """Return why a caller is not answered, or None if it is.

        Args:
            caller: who sealed the request.
            host: the numeric address that it came from.
        """
        if caller == self.own:
            return None
        if any(caller in entries.peers for entries in self.deny) or not self.admits_host(host):
            return Refusal.DENIED
        if self.allow is not None and not any(caller in entries.peers for entries in self.allow):
            return Refusal.PRIVATE
        return None

    def admits_host(self, host: str) -> bool:
        """Tell whether an address is in none of the networks that are denied."""
        return not any(len(entries.networks) and host in entries.networks for entries in self.deny)

    def serves(self, track_id: bytes) -> bool:
        """Tell whether a track may be served, told of, or fetched."""
        return not any(track_id in entries.tracks for entries in self.deny)

    def takes_from(self, peer_id: PeerId, hosts: Iterable[str] = ()) -> bool:
        """Tell whether tracks may be taken from a peer, or passed on as held by it.

        Args:
            peer_id: who offers them.
            hosts: its addresses, as far as they are known.
        """
        return not any(
            peer_id in entries.peers or peer_id in entries.publishers for entries in self.deny
        ) and (all(map(self.admits_host, hosts)))

    def may_know(self, record: PeerRecord) -> bool:
        """Tell whether another server may be asked, and recommended."""
        return self.takes_from(record.peer_id, (host for host, _ in record.endpoints))


def _parse(text: str) -> tuple[Kind, bytes | IPv4Network | IPv6Network]:
    """Return what an entry names; raise UsageError or ValueError for what is none."""
    if is_uri(text):
        return Kind.TRACK, parse_uri(text)
    if text.startswith(_PUBLISHER):
        return Kind.PUBLISHER, parse_peer_id(text.removeprefix(_PUBLISHER))
    if text.startswith("L"):
        return Kind.PEER, parse_peer_id(text)
    if len(text) == 2 * TRACK_ID_BYTES:
        return Kind.TRACK, bytes.fromhex(text)  # as the folder of a track has it
    return Kind.NETWORK, ip_network(text, strict=False)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")
