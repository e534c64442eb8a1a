"""The server's end of one UDP stream: it sends the units of verified PULLs, at the pace that they set.

The receiver is in charge. A PULL names units and a pace. The sender queues the units in the order asked and
sends them through a small token bucket (`pacer.py`). It keeps no record of losses: the receiver asks again.
Without PULLs it falls silent after two seconds and ends after ten minutes.

It never waits for the disk. `find` returns an object or starts to read it, so the sender looks for the next
objects while one is being sent, and mostly finds each when its turn comes. An object that exists but cannot
be read ends the stream, and the receiver goes on elsewhere.

A datagram that does not verify is never answered. An address that has not yet shown its path token gets
nothing but a PATH (as in QUIC's path validation, RFC 9000 §8.2). That is fewer bytes than it sent, so the
stream cannot be used to attack a third party.

Call order: `receive` each datagram, and `note_read` each object that has been read. After that, and whenever
`next_deadline` is reached, call `handle_timeout` and send `datagrams_to_send`. When `closed`, drop the
sender. `proto/README.md`, "Datagrams", is the normative text.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import Final, Protocol, TypeAlias

from lightpeer.core.udp.asked import MAX_QUEUED_UNITS, AskedQueue
from lightpeer.core.udp.datagram import (
    LEASE_S,
    MAX_PAYLOAD,
    UDP_HEADER_BYTES,
    Data,
    DatagramKeys,
    PathToken,
    Pull,
    Unit,
    build_data,
    build_path,
    parse_pull_untrusted,
    unit_layout,
)
from lightpeer.core.udp.pacer import OVERHEAD_BYTES, Pacer
from lightpeer.errors import BadMessageError

Address: TypeAlias = tuple[str, int]

MAX_PACE_BYTES_PER_S: Final = 1_000_000  # 80 times a good rendition; one stream does not fill a server's link
READ_AHEAD_S: Final = 0.25  # of sending, read ahead: ten seeks of a disk
MAX_AHEAD: Final = 8  # objects
END_S: Final = 600.0  # a listener fetches minutes of music at once, and rests until they are heard

_REPLAY_WINDOW = 64  # as DTLS and IPsec have it (RFC 4303 §3.4.3)


class Missing(Enum):
    """Why there are no bytes."""

    YET = "it is being read"
    FOR_GOOD = "there is no such object"


class FindObject(Protocol):
    """Gives a sender its objects; called for each unit."""

    def __call__(self, rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
        """Return a segment or table, or why it is missing.

        Args:
            rendition: its number.
            segment: the segment's, or from TABLE_BASE on a table's.
            is_ahead: whether it is only to be read soon.
        """


def path_token(secret: bytes, stream_id: int, host: str, port: int) -> int:
    """Return the token that proves a receiver at an address; never 0.

    Args:
        secret: the server's own, up to 64 bytes.
        stream_id: the stream's.
        host: the receiver's numeric address.
        port: 0 stands for all ports of a host whose address a TCP connection has proven.
    """
    place = b"".join((stream_id.to_bytes(4, "big"), port.to_bytes(2, "big"), host.encode()))
    return int.from_bytes(blake2b(place, digest_size=4, key=secret, person=b"path").digest(), "big") or 1


class StreamSender:
    """One stream to one client; all times are monotonic seconds."""

    def __init__(
        self,
        *,
        stream_id: int,
        keys: DatagramKeys,
        find: FindObject,
        secret: bytes,
        now: float,
    ) -> None:
        """Begin a stream that has been opened.

        Args:
            stream_id: its id, which its datagrams carry.
            keys: its keys, of both directions.
            find: gives the objects that are sent.
            secret: the server's own, for path tokens.
            now: monotonic seconds.
        """
        self.stream_id = stream_id
        self.closed = False
        self.last_pull_s: float | None = None
        self._keys = keys
        self._find = find
        self._waits = False  # for the object at the head of the queue
        self._secret = secret
        self._opened_s = now
        self._replay = _ReplayWindow()
        self._epoch = 0
        self._queue = AskedQueue()
        self._pacer = Pacer(MAX_PACE_BYTES_PER_S)
        self._address: Address | None = None
        self._proven = False
        self._token = 0  # of the present address
        self._token_due: float | None = None  # since when it is to be told
        self._path_no = 0

    @property
    def host(self) -> str | None:
        """The client's latest address; None before the first PULL."""
        return self._address[0] if self._address else None

    def receive(self, datagram: bytes, address: Address, now: float) -> None:
        """Process a datagram; ignore it unless it is a fresh PULL of this stream.

        Args:
            datagram: as it was received.
            address: its source.
            now: monotonic seconds.
        """
        try:
            pull = parse_pull_untrusted(datagram, self._keys)
        except BadMessageError:
            return
        newest = self._replay.is_newest(pull.pull_no)
        if self.closed or not self._replay.accept(pull.pull_no) or not self._enter_epoch(pull.epoch):
            return
        if newest:
            self._pacer.set_pace(pull.pace_bytes_per_s, now)
            self._follow(pull, address, now)
        self.last_pull_s = now
        self._queue.put(pull, now)

    def datagrams_to_send(self, now: float, most: int = MAX_QUEUED_UNITS) -> list[tuple[bytes, Address]]:
        """Return the datagrams that may leave now, `most` of them, in order, each with its destination."""
        datagrams: list[tuple[bytes, Address]] = []
        if self._token_due is not None:
            self._token_due = None
            datagrams.append(self._show_path(now))
        while len(datagrams) < most and (asked := self._queue.head) and self._may_send(now):
            data = self._find(asked.rendition, asked.segment)
            if data is Missing.YET:
                self._waits = True
                break
            unit = Unit(asked.rendition, asked.segment, asked.unit)
            payload = _payload(data, unit.unit)
            self._queue.advance(1 if payload else asked.end - asked.unit)  # none: nor any after it
            if payload:
                datagrams.append(self._build(unit, payload, asked.pull_no, asked.arrived_s, now))
        if self._proven and not self._waits:
            self._look_ahead()
        return datagrams

    def note_read(self, rendition: int, segment: int, *, is_sound: bool) -> None:
        """Go on with an object that has been read, or end the stream if it cannot be read.

        Args:
            rendition: the object's.
            segment: the object's.
            is_sound: whether it could be read.
        """
        asked = self._queue.head
        if asked is not None and (asked.rendition, asked.segment) == (rendition, segment):
            self._waits = False
            self.closed = self.closed or not is_sound

    def next_deadline(self) -> float | None:
        """Return when to call `handle_timeout` and `datagrams_to_send` next; None once closed."""
        if self.closed:
            return None
        if self._token_due is not None:
            return self._token_due
        times = [self._silent_since() + END_S]
        if self._queue.head is not None:
            times.append(self._silent_since() + LEASE_S)
            if self._proven and not self._waits:
                times.append(self._pacer.ready_at())
        return min(times)

    def handle_timeout(self, now: float) -> None:
        """Clear the queue when PULLs have stopped, and end the stream when they stay away."""
        if now >= self._silent_since() + LEASE_S:
            self._clear()
        if now >= self._silent_since() + END_S:
            self.closed = True

    def _silent_since(self) -> float:
        return self._opened_s if self.last_pull_s is None else self.last_pull_s

    def _enter_epoch(self, epoch: int) -> bool:
        """Return whether a PULL is of the present epoch, or begins a newer one (RFC 1982)."""
        ahead = (epoch - self._epoch) % 256
        if ahead >= 128 and self.last_pull_s is not None:
            return False
        if ahead:
            self._clear()
            self._epoch = epoch
        return True

    def _clear(self) -> None:
        self._queue.clear()
        self._waits = False

    def _follow(self, pull: Pull, address: Address, now: float) -> None:
        """Send to where the newest PULL came from, once its token shows that it receives there."""
        if address != self._address:
            self._address = address
            self._token = path_token(self._secret, self.stream_id, *address)
            self._proven = False
        if not self._proven:
            host_token = path_token(self._secret, self.stream_id, address[0], 0)
            self._proven = pull.path_token in (self._token, host_token)
        self._token_due = None if self._proven else now

    def _may_send(self, now: float) -> bool:
        return self._proven and not self._waits and now >= self._pacer.ready_at()

    def _look_ahead(self) -> None:
        """Have the next objects read: one at least, and as many as are sent in the next moment."""
        left_bytes = self._pacer.pace_bytes_per_s * READ_AHEAD_S
        for number, (rendition, segment, units) in enumerate(self._queue.upcoming(MAX_AHEAD)):
            if left_bytes <= 0:
                break
            self._find(rendition, segment, is_ahead=True)
            if number > 0:
                left_bytes -= units * MAX_PAYLOAD

    def _show_path(self, now: float) -> tuple[bytes, Address]:
        assert self._address is not None
        datagram = build_path(PathToken(self.stream_id, self._path_no, self._token), self._keys)
        self._path_no = (self._path_no + 1) & 0xFFFF_FFFF
        self._pacer.sent(len(datagram) + UDP_HEADER_BYTES, now)
        return datagram, self._address

    def _build(
        self, unit: Unit, payload: bytes, pull_no: int, arrived_s: float, now: float
    ) -> tuple[bytes, Address]:
        assert self._address is not None
        data = Data(
            stream_id=self.stream_id,
            pull_no=pull_no,
            hold_s=max(0.0, now - arrived_s),
            unit=unit,
            payload=payload,
        )
        self._pacer.sent(len(payload) + OVERHEAD_BYTES, now)
        return build_data(data, self._keys), self._address


def _payload(data: bytes | Missing, unit: int) -> bytes | None:
    """Return the bytes of an object's unit; None if there is no such object or unit."""
    if isinstance(data, Missing):
        return None
    count, step = unit_layout(len(data))
    return data[unit * step : (unit + 1) * step] if unit < count else None


class _ReplayWindow:
    """Which PULL numbers were met: the highest, and a bit for each of the 64 up to it."""

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest = -1
        self._seen = 0

    def is_newest(self, number: int) -> bool:
        return number > self._highest

    def accept(self, number: int) -> bool:
        """Return whether a number is new, and remember it."""
        if number > self._highest:
            shift = min(number - self._highest, _REPLAY_WINDOW)
            self._seen = (self._seen << shift | 1) & ((1 << _REPLAY_WINDOW) - 1)
            self._highest = number
            return True
        bit = 1 << (self._highest - number) if self._highest - number < _REPLAY_WINDOW else 0
        fresh = bool(bit) and not self._seen & bit
        self._seen |= bit
        return fresh
