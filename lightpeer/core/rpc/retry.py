"""Transparent retries: a call that its server has certainly not seen begins anew.

A GOAWAY below the call's stream, or a refused stream, says so. What the call has sent is kept until the
server's first word, or until it is too much. A call that had a stream begins anew once; one that never
reached a stream does so as often as need be.

Source: "Transparent Retries" in gRFC A6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightpeer.core.rpc.status import CallStatus

KEPT_BYTES: Final = 256 * 1024
"""What is kept of a call with many requests: as much as a server's window commonly takes."""


class TransparentRetry:
    """What one call has sent, and whether it may begin anew."""

    def __init__(self) -> None:
        self._sent: list[tuple[bytes, bool]] | None = []  # None: it cannot begin anew
        self._kept_bytes = 0
        self._had_stream = False

    @property
    def sent(self) -> list[tuple[bytes, bool]]:
        """The messages to send anew, in order, and whether each is compressed."""
        return self._sent or []

    def keep_only(self, message: bytes) -> None:
        """Keep the one request of a call, whatever its size."""
        self._sent = [(message, True)]

    def keep(self, message: bytes, *, compress: bool) -> None:
        """Keep one of many requests; above `KEPT_BYTES`, the call cannot begin anew.

        Args:
            message: the request.
            compress: whether it is compressed, in a call that compresses.
        """
        if self._sent is None:
            return
        self._kept_bytes += len(message)
        if self._kept_bytes > KEPT_BYTES:
            self._sent = None
        else:
            self._sent.append((message, compress))

    def commit(self) -> None:
        """Note that the call cannot begin anew: the server has spoken, or the call has ended."""
        self._sent = None

    def take(self, status: CallStatus, *, has_stream: bool) -> bool:
        """Return whether a call that has ended begins anew; if so, its retry is used.

        Args:
            status: how it has ended.
            has_stream: whether it had a stream on the wire.
        """
        if status.was_processed or self._sent is None or (self._had_stream and has_stream):
            return False
        self._had_stream |= has_stream
        return True
