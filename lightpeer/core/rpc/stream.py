"""One HTTP/2 stream as gRPC uses it: messages queued to go out, messages waiting to be taken.

A `Carrier` moves bytes between a stream and the wire. All that waits in a stream is bounded: the outbox
because writers check `can_send` before `send`, the decoder by the flow-control window, whose credit returns
to the peer only with `take`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lightpeer.core.rpc.framing import MessageDecoder, encode_message
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import FramingError, StateMisuseError

if TYPE_CHECKING:
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.status import RawHeader
    from lightpeer.errors import BadMessageError


STREAM_BYTES = 8 * 1024
"""Memory of a call without data: h2's stream, ours, and the task that answers it."""


class Carrier(Protocol):
    """What a stream needs of its connection."""

    limits: Limits

    @property
    def send_share_bytes(self) -> int:
        """How much one stream may have queued before its writer waits."""

    def mark_ready(self, stream: Stream) -> None:
        """Note that a stream has something to send."""

    def credit(self, stream: Stream, n: int) -> None:
        """Note that the consumer of a stream has taken or dropped `n` received bytes."""

    def refuse(self, stream: Any, error: BadMessageError) -> None:
        """End a stream because of what its peer sent."""


class Stream:
    """One HTTP/2 stream that carries messages both ways.

    Args:
        connection: what carries it.
        deadline: the monotonic time at which the call fails, or None.

    Attributes:
        context: the shell's own.
        stream_id: 0 until the stream exists on the wire.
        outbox: encoded messages to send.
        trailers: the header fields to send at the end, or None.
        uncredited_bytes: received, and not taken or dropped by the consumer.
        unreturned_bytes: taken or dropped, but not yet worth a WINDOW_UPDATE.
        kept_bytes: memory that the call takes elsewhere.
        gzip: whether messages are compressed, unless `send` is told otherwise.
        was_compressed: whether the message that was last taken was.
        is_changed: whether the stream waits among the connection's events.
        is_deaf: whether received data is dropped.
        is_finished: whether it has ended.
        is_sending: whether more messages may be sent.
        is_local_ended: whether END_STREAM was sent.
        is_remote_ended: whether END_STREAM was received.
    """

    __slots__ = (
        "connection",
        "context",
        "deadline",
        "decoder",
        "gzip",
        "is_changed",
        "is_deaf",
        "is_finished",
        "is_local_ended",
        "is_remote_ended",
        "is_sending",
        "kept_bytes",
        "outbox",
        "stream_id",
        "trailers",
        "uncredited_bytes",
        "unreturned_bytes",
        "was_compressed",
    )

    def __init__(self, connection: Carrier, deadline: float | None) -> None:
        self.connection = connection
        self.decoder = MessageDecoder(connection.limits.receive_message_bytes)  # bounded by the window
        self.outbox = bytearray()  # bounded by `send_share_bytes` and one message
        self.trailers: list[RawHeader] | None = None
        self.uncredited_bytes = 0
        self.unreturned_bytes = 0
        self.kept_bytes = 0
        self.context: Any = None
        self.deadline = deadline
        self.stream_id = 0
        self.gzip = False
        self.was_compressed = False
        self.is_changed = False
        self.is_deaf = False
        self.is_finished = False
        self.is_sending = True
        self.is_local_ended = False
        self.is_remote_ended = False

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait to be sent and to be taken."""
        return len(self.outbox) + self.decoder.held_bytes

    @property
    def held_bytes(self) -> int:
        """About how much memory the stream takes."""
        return STREAM_BYTES + self.kept_bytes + self.buffered_bytes

    @property
    def can_send(self) -> bool:
        """Whether a writer may send another message now, instead of waiting for a change."""
        return len(self.outbox) < self.connection.send_share_bytes

    @property
    def has_message(self) -> bool:
        """Whether a whole message can be taken."""
        return self.decoder.has_message

    def send(self, message: bytes, *, end: bool = False, compress: bool = True) -> None:
        """Queue a message, unless the call has ended.

        A message above the limit ends the call with RESOURCE_EXHAUSTED.

        Args:
            message: the bytes.
            end: whether the sending side ends with it.
            compress: False sends this message as it is on a stream that compresses.

        Raises:
            StateMisuseError: the sending side has ended.
        """
        if self.is_finished:
            return
        if not self.is_sending:
            raise StateMisuseError("the sending side of this call has ended; open another call")
        limit = self.connection.limits.send_message_bytes
        if len(message) > limit:
            text = f"a message of {len(message)} bytes is above the sending limit of {limit}"
            self.connection.refuse(self, FramingError(StatusCode.RESOURCE_EXHAUSTED, text))
            return
        self.outbox += encode_message(message, gzip=self.gzip and compress)
        self.is_sending = not end
        self.connection.mark_ready(self)

    def end(self) -> None:
        """End the sending side after what is queued."""
        if self.is_sending and not self.is_finished:
            self.is_sending = False
            self.connection.mark_ready(self)

    def take(self) -> bytes | None:
        """Remove and return the next message, or return None; its window credit goes back to the peer."""
        if not self.decoder.has_message:
            return None
        frame = self.decoder.take()
        self.was_compressed = frame.compressed
        self.connection.credit(self, frame.wire_bytes if self.has_message else self.uncredited_bytes)
        try:
            return frame.message_untrusted(self.connection.limits.receive_message_bytes)
        except FramingError as error:
            self.connection.refuse(self, error)
            return None

    def discard(self) -> None:
        """Drop everything that waits in either direction."""
        self.decoder.clear()
        self.outbox.clear()
        self.connection.credit(self, self.uncredited_bytes)
