"""Flow-control credit for received data, returned in steps that are worth a WINDOW_UPDATE.

A stream's credit is returned as its messages are taken, so a slow consumer bounds what its peer can make us
hold. The credit of a stream that has ended is returned to the connection alone: nobody may ever take its
data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.core.rpc.h2_setup import connection_window_bytes

if TYPE_CHECKING:
    from lightpeer.core.rpc.h2_setup import H2Connection
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.stream import Stream


class ReceiveWindow:
    """What one connection has received and not yet credited to the peer.

    Args:
        h2_connection: what sends the WINDOW_UPDATEs.
        limits: the sizes of the windows.

    Attributes:
        is_closed: set once the connection is closed and credit means nothing.
    """

    def __init__(self, h2_connection: H2Connection, limits: Limits) -> None:
        self.is_closed = False
        self._h2 = h2_connection
        self._unreturned_bytes = 0  # of streams that have ended
        # All streams together hold back at most a quarter of the connection's window.
        share_bytes = connection_window_bytes(limits) // (4 * limits.concurrent_calls)
        self._step_bytes = min(limits.stream_window_bytes // 4, share_bytes)

    def credit(self, stream: Stream, n: int) -> None:
        """Note that the consumer of a stream has taken or dropped `n` received bytes."""
        stream.uncredited_bytes -= n
        if stream.is_finished or self.is_closed:
            return
        stream.unreturned_bytes += n
        if stream.unreturned_bytes >= self._step_bytes:
            self._h2.acknowledge_received_data(stream.unreturned_bytes, stream.stream_id)
            stream.unreturned_bytes = 0

    def credit_ended(self, stream_id: int, n: int) -> None:
        """Return `n` bytes that came for a stream that has ended."""
        self._unreturned_bytes += n
        if self._unreturned_bytes >= self._step_bytes:
            self._h2.acknowledge_received_data(self._unreturned_bytes, stream_id)
            self._unreturned_bytes = 0
