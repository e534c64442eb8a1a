"""Which stream's data goes to the wire next: one DATA frame of each in turn.

A stream that has data is in `ready`. It leaves when its outbox is empty or its flow-control window is full; a
WINDOW_UPDATE brings it back. So streams share the connection evenly, and none is looked at in vain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from lightpeer.core.rpc.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.rpc.wire import Wire

OUTPUT_BYTES: Final = 192 * 1024
"""How much data goes to h2 in one `fill`: what a socket takes at once, and enough for a full outbox with the
message that filled it, so that no small rest is sent by itself."""

StreamT = TypeVar("StreamT", bound=Stream)


class Outlet(Generic[StreamT]):
    """The streams of a connection that have data to send.

    Args:
        wire: where the frames go.
        on_room: called with a stream whose writer may continue.
        on_trailers: called with a stream whose trailers have been sent.

    Attributes:
        ready: streams by id whose window may let something out.
    """

    def __init__(
        self, wire: Wire, on_room: Callable[[StreamT], None], on_trailers: Callable[[StreamT], None]
    ) -> None:
        self.ready: dict[int, StreamT] = {}
        self._wire = wire
        self._h2 = wire.h2
        self._on_room = on_room
        self._on_trailers = on_trailers

    def fill(self) -> bool:
        """Move data from outboxes to h2, up to `OUTPUT_BYTES`.

        Returns:
            Whether a stream kept data because its window, or the connection's, is full.
        """
        left_bytes = OUTPUT_BYTES
        is_blocked = False
        while self.ready and left_bytes > 0:
            for stream in list(self.ready.values()):
                size = self._send_frame(stream)
                left_bytes -= size
                is_blocked |= not size and bool(stream.outbox)
        return is_blocked

    def _send_frame(self, stream: StreamT) -> int:
        """Send one frame of a stream and return how many bytes of its data were in it."""
        outbox = stream.outbox
        room = min(self._h2.local_flow_control_window(stream.stream_id), self._h2.max_outbound_frame_size)
        size = min(len(outbox), max(room, 0))
        if size:
            with memoryview(outbox) as view:
                data = bytes(view[:size])
            del outbox[:size]
            ends = not outbox and not stream.is_sending and stream.trailers is None
            self._h2.send_data(stream.stream_id, data, end_stream=ends)
            self._wire.budget.earn(size)
            self._wire.sent_bytes += size
            stream.is_local_ended = ends
            if stream.is_sending and stream.can_send:
                self._on_room(stream)
        if not outbox and not stream.is_sending and not stream.is_local_ended:
            self._send_end(stream)
        if not outbox or size == 0:
            self.ready.pop(stream.stream_id, None)
        return size

    def _send_end(self, stream: StreamT) -> None:
        stream.is_local_ended = True
        if stream.trailers is None:
            self._h2.end_stream(stream.stream_id)
        else:
            self._h2.send_headers(stream.stream_id, stream.trailers, end_stream=True)
            self._on_trailers(stream)
