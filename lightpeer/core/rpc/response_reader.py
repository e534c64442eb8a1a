"""Reads a server's headers and messages, and ends the calls that they decide.

A call ends by the server's word as soon as that is known: by trailers, by first headers that are no gRPC,
by more messages than the method has. An OK counts only if the messages agree with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import h2.events

from lightpeer.core.rpc.framing import MessageDecoder, accepts_gzip_untrusted
from lightpeer.core.rpc.response import head_refusal, only_status, trailers_status
from lightpeer.core.rpc.status import StatusCode, split_headers_untrusted
from lightpeer.errors import BadMessageError, FramingError

if TYPE_CHECKING:
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.status import CallStatus, Metadata
    from lightpeer.core.rpc.stream_table import StreamTable

_MORE_THAN_ONE: Final = "the server sent more than the one message that the method has"


class EndCall(Protocol):
    """Ends a call, unless it has ended."""

    def __call__(self, call: ClientCall, status: CallStatus, *, is_answer: bool = False) -> None:
        """End a call with a status; `is_answer` if that is the server's own."""


class ResponseReader:
    """Reads the responses on one connection.

    Args:
        table: the calls.
        end_call: ends one of them.

    Attributes:
        server_reads_gzip: whether requests may be compressed; True until the server says what it reads.
    """

    def __init__(self, table: StreamTable[ClientCall], end_call: EndCall) -> None:
        self.server_reads_gzip = True
        self._table = table
        self._calls = table.by_id
        self._end_call = end_call

    def on_headers(self, event: h2.events.ResponseReceived | h2.events.TrailersReceived) -> None:
        """Handle the first header fields of a response, or its trailers."""
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        try:
            own, metadata = split_headers_untrusted(event.headers, self._table.limits.header_list_bytes)
        except BadMessageError as error:
            self._table.refuse(call, error)
            return
        if isinstance(event, h2.events.TrailersReceived):
            self._conclude(call, trailers_status(own, metadata))
            return
        if (accepted := own.get(b"grpc-accept-encoding")) is not None:
            self.server_reads_gzip = accepts_gzip_untrusted(accepted)
        if event.stream_ended is not None:
            self._conclude(call, only_status(own, metadata))
        elif (refusal := head_refusal(own)) is not None:
            self._end_call(call, refusal)
        else:
            self._begin(call, own.get(b"grpc-encoding"), metadata)

    def on_data(self, event: h2.events.DataReceived) -> None:
        """Handle message data.

        Raises:
            FramingError: the flood budget is exhausted by data for calls that have ended.
        """
        self._table.receive(event)
        call = self._calls.get(event.stream_id)
        if call is not None and call.terms.expects_one and call.has_message and not call.decoder.has_one:
            self._table.refuse(call, FramingError(StatusCode.INTERNAL, _MORE_THAN_ONE))

    def _begin(self, call: ClientCall, encoding: bytes | None, metadata: Metadata) -> None:
        call.initial_metadata = metadata
        if encoding is not None:
            call.decoder = MessageDecoder(self._table.limits.receive_message_bytes, encoding)
        self._table.note_change(call)

    def _conclude(self, call: ClientCall, status: CallStatus) -> None:
        """End a call by the server's word."""
        call.is_remote_ended = True
        self._end_call(call, call.checked(status), is_answer=True)
