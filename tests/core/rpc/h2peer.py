"""A plain h2 connection that a test drives by hand, against one of our halves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.framing import encode_message
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import ServerConnection

if TYPE_CHECKING:
    from lightpeer.core.rpc.connection import Connection

PATH = "/pkg.Service/Method"
METHOD = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", PATH.encode()), (b":authority", b"h"))
GRPC = ((b"content-type", b"application/grpc+proto"), (b"te", b"trailers"))
REQUEST = (*METHOD, *GRPC)
READS_GZIP = (*REQUEST, (b"grpc-accept-encoding", b"identity, gzip"))
RESPONSE = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK = ((b"grpc-status", b"0"),)


class H2Peer:
    """h2, the events it has seen, and a clock."""

    def __init__(self, ours: Connection[Any], *, settings: dict[int, int] | None = None) -> None:
        self.ours = ours
        self.now = 0.0
        self.is_client = not ours._h2.config.client_side
        config = h2.config.H2Configuration(client_side=self.is_client, validate_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        if settings:
            values = {**dict(self.h2.local_settings), **settings}
            self.h2.local_settings = h2.settings.Settings(client=self.is_client, initial_values=values)
        self.h2.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.raw = b""  # what ours has sent, GOAWAYs that h2 would hide included
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes both ways until nobody has any."""
        while True:
            from_ours, from_peer = self.ours.data_to_send(), self.h2.data_to_send()
            if not from_ours and not from_peer:
                return
            self.raw += from_ours
            if from_ours:
                self.events += self.h2.receive_data(from_ours)
            if from_peer:
                self.ours.receive(from_peer, self.now)

    def of(self, kind: type[Any]) -> list[Any]:
        """Give the events of one kind so far."""
        self.exchange()
        return [event for event in self.events if type(event) is kind]

    def headers(self, stream_id: int, headers: Any, *, end: bool = False) -> None:
        self.h2.send_headers(stream_id, list(headers), end_stream=end)
        self.exchange()

    def message(self, stream_id: int, *messages: bytes, end: bool = False, gzip: bool = False) -> None:
        self.data(stream_id, b"".join(encode_message(message, gzip=gzip) for message in messages), end=end)

    def data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes in frames, as far as the windows go now; what does not fit fails the test."""
        while len(data) > 16384:
            self.h2.send_data(stream_id, data[:16384])
            data = data[16384:]
            self.exchange()
        self.h2.send_data(stream_id, data, end_stream=end)
        self.exchange()

    def reply(self, stream_id: int, *messages: bytes, trailers: Any = OK) -> None:
        """Answer a call in full."""
        self.headers(stream_id, RESPONSE)
        if messages:
            self.message(stream_id, *messages)
        self.headers(stream_id, trailers, end=True)

    def reset(self, stream_id: int, code: int) -> None:
        self.h2.reset_stream(stream_id, code)
        self.exchange()

    def events_of_ours(self) -> list[Any]:
        """Drain our side's events."""
        events = []
        while (event := self.ours.next_event()) is not None:
            events.append(event)
        return events


def connect(*, settings=None, **limits) -> tuple[ClientConnection, H2Peer]:
    client = ClientConnection("host:1", Limits(**limits), 0.0)
    return client, H2Peer(client, settings=settings)


def accept(**limits) -> tuple[ServerConnection, H2Peer]:
    server = ServerConnection(Limits(**limits), 0.0)
    return server, H2Peer(server)


def call_of(peer: H2Peer, stream_id: int = 1, headers=REQUEST, *, end: bool = False):
    """Open a call and give the server's side of it."""
    peer.headers(stream_id, headers, end=end)
    (call,) = [call for call in peer.events_of_ours() if call.stream_id == stream_id]
    return call


def response(peer: H2Peer, stream_id: int = 1) -> tuple[list, bytes, list]:
    """Give first headers, data and trailers of an answer."""
    first = [e.headers for e in peer.of(h2.events.ResponseReceived) if e.stream_id == stream_id]
    last = [e.headers for e in peer.of(h2.events.TrailersReceived) if e.stream_id == stream_id]
    data = b"".join(e.data for e in peer.of(h2.events.DataReceived) if e.stream_id == stream_id)
    return [dict(headers) for headers in first], data, [dict(headers) for headers in last]


def bytes_sent(peer: H2Peer, stream_id: int) -> int:
    return sum(len(event.data) for event in peer.of(h2.events.DataReceived) if event.stream_id == stream_id)
