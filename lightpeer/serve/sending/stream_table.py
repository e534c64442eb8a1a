"""All UDP streams of a server: one socket, one task that receives and one that paces.

A datagram goes to the stream whose id it claims; its `StreamSender` does the rest. The pacing task sleeps
until the earliest of the streams' deadlines, or until a datagram arrives, so an idle stream costs nothing.
The number of streams is limited, in all and for each peer. A peer that opens too many loses its
least recently used one. When the server is full, the networks with most streams make room
(`core/guard/places.py`), or the newcomer goes without UDP (it has `Streams.Pull`). A bug in one stream ends
that stream alone.

If the uplink has a cap, due streams stand in its row (`uplink.py`), and send one datagram each time.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import trio

from lightpeer.core.addresses import network_group, network_of
from lightpeer.core.guard.places import Places
from lightpeer.core.trust.identity import Identity, PeerId
from lightpeer.core.udp.asked import MAX_QUEUED_UNITS
from lightpeer.core.udp.datagram import LEASE_S, UDP_HEADER_BYTES, derive_keys, peek_stream_id
from lightpeer.core.udp.sender import (
    Missing,
    StreamSender,
    path_token,
)
from lightpeer.net.network import Address, DatagramSocket
from lightpeer.serve.access.node import Node
from lightpeer.serve.sending.agenda import Agenda
from lightpeer.serve.sending.segment_cache import Objects, ReadableTrack
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.tasks.supervision import kept_up, log_failure

MAX_STREAMS: Final = 4096  # 2 kB each at rest; a queue grows no faster than the requests for it arrive
MAX_STREAMS_PER_PEER: Final = 16  # a person listens to one track, opens the next, and loses an address or two
_SERVED_AT_ONCE = 8  # streams, mostly with one datagram each: a millisecond, then other tasks run
_RETRY_S = 0.1  # after the network refused to receive


class OpenedStream(NamedTuple):
    """The reply to the client: its stream, our half of the key exchange, its first path token."""

    stream_id: int
    ephemeral_key: bytes
    path_token: int


@dataclass(slots=True)
class _Stream:
    """A sender, its client, and where that opened it from."""

    sender: StreamSender
    client: PeerId
    track_id: bytes
    host: str  # that it was opened from
    network: str  # that it was opened from
    opened_s: float


@dataclass(slots=True, eq=False)
class _Reader:
    """A stream's way to the objects of its track."""

    track_id: bytes
    track: ReadableTrack
    stream_id: int
    objects: Objects
    note_read: Callable[[int, int, int, bool], None]

    def find(self, rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
        """Return an object, or why it is missing; see `FindObject`."""
        return self.objects.find(self, rendition, segment, is_ahead=is_ahead)

    def told(self, rendition: int, segment: int, is_sound: bool) -> None:
        """Have the stream go on with an object that was read."""
        self.note_read(self.stream_id, rendition, segment, is_sound)


class StreamTable:
    """The streams of one server. `bind` first, then keep `run` running while `open` is called."""

    def __init__(self, node: Node, *, max_streams: int = MAX_STREAMS, uplink: Uplink | None = None) -> None:
        """Begin without streams.

        Args:
            node: this server; the streams' keys are bound to its identity.
            max_streams: how many there may be.
            uplink: shared by all audio; None where it has no cap.
        """
        self.uplink = uplink
        self._access = node.access
        self._network = node.network
        self._identity = node.identity
        self._max_streams = max_streams
        self._secret = node.network.entropy(32)
        self._streams: dict[int, _Stream] = {}
        self._places: Places[int] = Places()
        self._agenda = Agenda()
        self._objects = Objects()
        self._wake = trio.Event()
        self._socket: DatagramSocket | None = None

    @property
    def port(self) -> int:
        """The UDP port, 0 until bound."""
        return self._socket.local_address[1] if self._socket else 0

    def __len__(self) -> int:
        return len(self._streams)

    async def bind(self, host: str, port: int = 0) -> None:
        """Bind a port of a local address, or any other if it is taken; raise OSError if that fails."""
        try:
            self._socket = await self._network.open_udp(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            self._socket = await self._network.open_udp(host)

    async def run(self) -> None:
        """Serve all streams until cancelled; the socket is closed then."""
        assert self._socket is not None, "bind comes first"
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(kept_up, "reading tracks", self._objects.run)
                nursery.start_soon(kept_up, "receiving datagrams", self._receive, self._socket)
                nursery.start_soon(kept_up, "sending datagrams", self._send, self._socket)
        finally:
            self._socket.close()

    def open(
        self,
        *,
        client: PeerId,
        client_key: bytes,
        caller: Address,
        track_id: bytes,
        track: ReadableTrack,
    ) -> OpenedStream | None:
        """Open a stream for a client whose sealed request came over TCP from `caller`.

        Args:
            client: the caller's id.
            client_key: its half of the key exchange.
            caller: its address.
            track_id: the track's.
            track: gives the segments.

        Returns:
            None if the server has no room.

        Raises:
            BadMessageError: `client_key` is no compressed point of secp256k1.
        """
        ephemeral = Identity(self._network.entropy(32))
        shared = ephemeral.shared_secret_untrusted(client_key)
        network, group = network_of(caller[0]), network_group(caller[0])
        if not self._make_room(client, network, group):
            return None
        stream_id = self._unused_id()
        keys = derive_keys(
            shared, track_id=track_id, client=client, server=self._identity.peer_id, stream_id=stream_id
        )
        now = trio.current_time()
        reader = _Reader(track_id, track, stream_id, self._objects, self._note_read)
        sender = StreamSender(stream_id=stream_id, keys=keys, find=reader.find, secret=self._secret, now=now)
        self._streams[stream_id] = _Stream(sender, client, track_id, caller[0], network, now)
        self._places.add(stream_id, network, group)
        self._schedule(stream_id, sender.next_deadline())
        return OpenedStream(
            stream_id, ephemeral.public_key, path_token(self._secret, stream_id, caller[0], 0)
        )

    def drop_refused(self) -> None:
        """End the streams that the rules in force do not allow."""
        rules = self._access.rules
        for stream_id, stream in list(self._streams.items()):
            hosts = {stream.host, stream.sender.host or stream.host}
            is_refused = any(rules.refusal(stream.client, host) for host in hosts)
            if is_refused or not rules.serves(stream.track_id):
                self._drop(stream_id)

    def _unused_id(self) -> int:
        while True:
            stream_id = int.from_bytes(self._network.entropy(4), "big")
            if stream_id and stream_id not in self._streams:
                return stream_id

    def _make_room(self, client: PeerId, network: str, group: str) -> bool:
        own = [i for i, s in self._streams.items() if s.client == client]
        if len(own) >= MAX_STREAMS_PER_PEER:
            self._drop(min(own, key=self._used_s))
        elif len(self._streams) >= self._max_streams:
            idle_since_s = trio.current_time() - LEASE_S
            last = self._places.gives_way(network, group, self._used_s, idle_since_s)
            if last is None:
                return False
            self._drop(last)
        return True

    def _used_s(self, stream_id: int) -> float:
        """When a stream was pulled last, or opened."""
        stream = self._streams[stream_id]
        return max(stream.opened_s, stream.sender.last_pull_s or -math.inf)

    def _drop(self, stream_id: int) -> None:
        if self._streams.pop(stream_id, None) is not None:
            self._places.remove(stream_id)
            self._agenda.remove(stream_id)

    def _schedule(self, stream_id: int, when: float | None) -> None:
        """Give a stream its next turn; None drops it."""
        if when is None:
            self._drop(stream_id)
            return
        self._agenda.put(stream_id, when)
        self._wake.set()

    async def _receive(self, socket: DatagramSocket) -> None:
        while True:
            try:
                datagram, address = await socket.receive_from()
            except OSError:
                await trio.sleep(_RETRY_S)
                continue
            stream_id = peek_stream_id(datagram)
            stream = self._streams.get(stream_id) if stream_id is not None else None
            if stream is None or stream_id is None or not self._access.rules.admits_host(address[0]):
                continue
            with self._ended_by_failure(stream):
                stream.sender.receive(datagram, address, trio.current_time())
                self._reschedule(stream)

    @contextmanager
    def _ended_by_failure(self, stream: _Stream) -> Iterator[None]:
        """Drop a stream for which a block fails: the client goes on elsewhere, the others go on here."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any bug in it is this stream's alone
            log_failure("a stream", error)
            self._drop(stream.sender.stream_id)

    def _note_read(self, stream_id: int, rendition: int, segment: int, is_sound: bool) -> None:
        """Continue a stream that may have waited for an object."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            with self._ended_by_failure(stream):
                stream.sender.note_read(rendition, segment, is_sound=is_sound)
                self._reschedule(stream)

    def _reschedule(self, stream: _Stream) -> None:
        """Give a stream an earlier turn, if its deadline is earlier now."""
        stream_id, due = stream.sender.stream_id, stream.sender.next_deadline()
        if due is None:
            self._drop(stream_id)
        elif self._agenda.advance(stream_id, due):
            self._wake.set()

    async def _send(self, socket: DatagramSocket) -> None:
        while True:
            self._wake = trio.Event()
            served = 0
            while self._agenda.next_at() <= trio.current_time():
                if served == _SERVED_AT_ONCE:
                    served = 0
                    await trio.lowlevel.checkpoint()
                served += 1
                if (stream_id := self._agenda.pop()) is None:
                    continue
                stream = self._streams[stream_id]
                if self.uplink is None:
                    await self._serve(stream, socket, MAX_QUEUED_UNITS)
                else:
                    self.uplink.join(stream.network, partial(self._serve, stream, socket, 1))
            with trio.move_on_at(self._agenda.next_at()):
                await self._wake.wait()

    async def _serve(self, stream: _Stream, socket: DatagramSocket, most: int) -> int:
        """Let a stream send `most` datagrams at most, and schedule it; return the bytes sent."""
        sender, size = stream.sender, 0
        if self._streams.get(sender.stream_id) is not stream:  # closed to make room while it was in the row
            return 0
        with self._ended_by_failure(stream):
            now = trio.current_time()
            sender.handle_timeout(now)
            for datagram, address in sender.datagrams_to_send(now, most):
                size += len(datagram) + UDP_HEADER_BYTES
                try:
                    if not socket.send_now(datagram, address):
                        await socket.send_to(datagram, address)  # waits until the socket has room
                except OSError:
                    break  # the receiver sees a loss like any other
            if self._streams.get(sender.stream_id) is stream:
                self._schedule(sender.stream_id, sender.next_deadline())
        return size
