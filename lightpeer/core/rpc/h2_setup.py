"""h2, set up for gRPC: our settings and windows, without work that we do not need.

`make_h2` returns a connection with its preface queued. It remembers fewer ended streams than by default,
formats no frames for a log, and leaves our own headers as they are, since they are well-formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h2.config
import h2.connection
import h2.frame_buffer
import h2.settings

if TYPE_CHECKING:
    from hyperframe.frame import Frame

    from lightpeer.core.rpc.limits import Limits

LARGEST_WINDOW_BYTES: Final = 2**31 - 1

HEADER_LISTS: Final = 4
"""A list of header fields above the limit ends its call; one this many times as large ends the connection."""

REMEMBERED_STREAMS: Final = 256
"""How many ended streams h2 remembers, to ignore frames that were in flight for them: more than can be open
at a time. Its default of 65,536 would cost 9 MB over the life of a busy connection."""


class _FrameBuffer(h2.frame_buffer.FrameBuffer):
    """Keeps h2 from formatting every frame in hexadecimal for a log that is off."""

    def __next__(self) -> Frame:
        frame = super().__next__()
        vars(frame)["_body_repr"] = str  # of this frame alone
        return frame


class H2Connection(h2.connection.H2Connection):
    """h2's connection, with counters that it lacks and a shorter memory.

    Attributes:
        late_bytes: DATA that came for streams that had ended, of which h2 gives no event.
        late_frames: the number of those frames.
    """

    MAX_CLOSED_STREAMS = REMEMBERED_STREAMS
    late_bytes = late_frames = 0

    def _handle_data_on_closed_stream(self, events: Any, exc: Any, frame: Any) -> Any:
        self.late_bytes += frame.flow_controlled_length
        self.late_frames += 1
        return super()._handle_data_on_closed_stream(events, exc, frame)

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` has something to return, which h2 itself shows only by returning it."""
        return bool(self._data_to_send)

    @property
    def output_bytes(self) -> int:
        """How many bytes `data_to_send` has to return."""
        return len(self._data_to_send)


def connection_window_bytes(limits: Limits) -> int:
    """Return the connection's window; by default it holds all streams' windows: no call starves another."""
    wanted = limits.connection_window_bytes or limits.concurrent_calls * limits.stream_window_bytes
    return min(LARGEST_WINDOW_BYTES, max(wanted, limits.stream_window_bytes))


def make_h2(*, client_side: bool, limits: Limits) -> H2Connection:
    """Return a connection with its preface queued.

    The limit on streams goes into a second SETTINGS, because h2 enforces the first one before the peer can
    have read it.
    """
    codes = h2.settings.SettingCodes
    config = h2.config.H2Configuration(
        client_side=client_side,
        header_encoding=None,
        validate_inbound_headers=False,  # `core.rpc.status` validates them without ending the connection
        validate_outbound_headers=False,  # ours are well-formed; `core.rpc.status` validates metadata
        normalize_outbound_headers=False,
    )
    connection = H2Connection(config)
    connection.incoming_buffer = _FrameBuffer(server=not client_side)
    initial = {
        codes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
        codes.MAX_HEADER_LIST_SIZE: limits.header_list_bytes,
    }
    if client_side:
        initial[codes.ENABLE_PUSH] = 0
    connection.decoder.max_header_list_size = HEADER_LISTS * limits.header_list_bytes
    connection.local_settings = h2.settings.Settings(client=client_side, initial_values=initial)
    connection.initiate_connection()
    if not client_side:
        connection.update_settings({codes.MAX_CONCURRENT_STREAMS: limits.concurrent_calls})
    more_bytes = connection_window_bytes(limits) - connection.inbound_flow_control_window
    if more_bytes > 0:  # HTTP/2 begins with 65,535 and cannot announce less
        connection.increment_flow_control_window(more_bytes)
    return connection
