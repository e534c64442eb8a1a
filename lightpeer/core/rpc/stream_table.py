"""The open streams of one connection, and the message data that goes to and from them.

Data to send waits in each stream's own outbox, received messages wait in its decoder until they are taken.
What is still in flight for a stream that has ended is dropped, and its flow-control credit returned.

The table is the `Carrier` of its streams. The connection adds and removes them, hands it the events that are
about data and windows, and asks it which streams have changed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic

from lightpeer.core.rpc.outlet import Outlet, StreamT
from lightpeer.core.rpc.receive_window import ReceiveWindow
from lightpeer.core.rpc.wire import LATE_DATA_COST
from lightpeer.errors import FramingError

if TYPE_CHECKING:
    from collections.abc import Callable

    import h2.events

    from lightpeer.core.rpc.frame_gate import ErrorCode
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.stream import Stream
    from lightpeer.core.rpc.wire import Wire
    from lightpeer.errors import BadMessageError


class StreamTable(Generic[StreamT]):
    """The open streams of one connection.

    Args:
        wire: where their frames go.
        limits: what the connection may cost.
        refuse: ends a stream because of what its peer sent.
        on_trailers: called with a stream whose trailers have been sent.

    Attributes:
        by_id: the streams.
    """

    def __init__(
        self,
        wire: Wire,
        limits: Limits,
        refuse: Callable[[StreamT, BadMessageError], None],
        on_trailers: Callable[[StreamT], None],
    ) -> None:
        self.limits = limits
        self.refuse = refuse
        self.by_id: dict[int, StreamT] = {}
        self._wire = wire
        self._window = ReceiveWindow(wire.h2, limits)
        self.credit = self._window.credit
        self._outlet = Outlet[StreamT](wire, self.note_change, on_trailers)
        self.fill = self._outlet.fill
        self._changed: deque[StreamT] = deque()

    @property
    def has_output(self) -> bool:
        """Whether `fill` may have something to move to the wire."""
        return bool(self._outlet.ready)

    @property
    def held_bytes(self) -> int:
        """How much memory the streams take."""
        return sum(stream.held_bytes for stream in self.by_id.values())

    @property
    def send_share_bytes(self) -> int:
        """How much one stream may have queued before its writer waits."""
        limits = self.limits
        return min(limits.send_buffer_bytes, limits.connection_send_bytes // max(1, len(self.by_id)))

    def add(self, stream: StreamT) -> None:
        """Add a stream that has just been opened."""
        self.by_id[stream.stream_id] = stream
        if stream.outbox or not stream.is_sending:  # it was written to while it waited for its place
            self._outlet.ready[stream.stream_id] = stream

    def remove(self, stream: StreamT, reset: ErrorCode) -> None:
        """Remove a stream that has ended, with an RST_STREAM unless both sides have ended theirs."""
        stream.is_finished = True
        self.note_change(stream)
        if self.by_id.pop(stream.stream_id, None) is None or self._window.is_closed:
            return
        self._outlet.ready.pop(stream.stream_id, None)
        if not (stream.is_local_ended and stream.is_remote_ended):
            self._wire.reset(stream.stream_id, reset)
        self._window.credit_ended(stream.stream_id, stream.unreturned_bytes + stream.uncredited_bytes)

    def close(self) -> None:
        """Note that the connection has ended: frames mean nothing any more."""
        self._window.is_closed = True
        self._outlet.ready.clear()

    def note_change(self, stream: StreamT) -> None:
        """Note that a stream's state has changed."""
        if not stream.is_changed:
            stream.is_changed = True
            self._changed.append(stream)

    def next_changed(self) -> StreamT | None:
        """Return the next stream whose state has changed, or None."""
        if not self._changed:
            return None
        stream = self._changed.popleft()
        stream.is_changed = False
        return stream

    def mark_ready(self, stream: Stream) -> None:
        """Note that a stream has something to send."""
        if stream.stream_id in self.by_id:
            self._outlet.ready[stream.stream_id] = self.by_id[stream.stream_id]

    def on_window_updated(self, event: h2.events.WindowUpdated) -> None:
        """Resume sending after a WINDOW_UPDATE for one stream or for the connection."""
        if not event.stream_id:
            self.on_windows_changed()
        elif (stream := self.by_id.get(event.stream_id)) is not None:
            self._outlet.ready[event.stream_id] = stream

    def on_windows_changed(self) -> None:
        """Resume sending on all streams."""
        self._outlet.ready.update(self.by_id)

    def receive(self, event: h2.events.DataReceived) -> None:
        """Give received data to its stream.

        Raises:
            FramingError: the flood budget is exhausted by data for streams that have ended.
        """
        stream = self.by_id.get(event.stream_id)
        if stream is None:  # it ended while this was in flight
            self._window.credit_ended(event.stream_id, event.flow_controlled_length)
            self._wire.budget.charge(LATE_DATA_COST)
            return
        stream.uncredited_bytes += event.flow_controlled_length
        if stream.is_deaf:
            self.credit(stream, stream.uncredited_bytes)
            return
        try:
            stream.decoder.receive_untrusted(event.data)
        except FramingError as error:
            self.refuse(stream, error)
            return
        if stream.has_message:
            self.note_change(stream)
        else:  # the consumer needs the rest of this message; its size is within the limit
            self.credit(stream, stream.uncredited_bytes)
