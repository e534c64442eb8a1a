"""One call that a server answers: what the client asked, and the state it has reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.rpc.stream import Stream
from lightpeer.errors import StateMisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.request import Request
    from lightpeer.core.rpc.status import Metadata, RawHeader
    from lightpeer.core.rpc.stream import Carrier

METADATA_ITEM_BYTES: Final = 200
"""What a pair of short strings takes in memory, however little HPACK sent for it."""


class CallServer(Protocol):
    """What a call needs of its connection."""

    @property
    def table(self) -> Carrier:
        """What carries its stream."""

    def send_headers(self, call: ServerCall, headers: Sequence[RawHeader]) -> None:
        """Send a call's first headers."""

    def finish_call(
        self, call: ServerCall, code: StatusCode, details: str = "", headers: Sequence[RawHeader] = ()
    ) -> None:
        """End a call with a status once what is queued has gone, as `ServerCall.finish` does."""


class ServerCall(Stream):
    """One call. `send` and `take` are the stream's.

    Attributes:
        is_proved: whether the caller has shown who it is.
        reads_gzip: whether the client reads compressed messages.
        is_cancelled: whether nobody waits for the handler's answer any more.
        left_bytes: how much a finished call had still to send when that was last looked at, or None.
        status: the code that the call ended with, or None.
    """

    __slots__ = (
        "_server",
        "has_sent_headers",
        "is_cancelled",
        "is_proved",
        "left_bytes",
        "metadata",
        "path",
        "reads_gzip",
        "status",
    )

    def __init__(self, server: CallServer, stream_id: int, request: Request, now: float) -> None:
        timeout_s = request.timeout_s
        super().__init__(server.table, None if timeout_s is None else now + timeout_s)
        self._server = server
        self.stream_id = stream_id
        self.path = request.path
        self.metadata: Metadata = request.metadata
        self.kept_bytes = _metadata_bytes(request.metadata)
        self.is_proved = False
        self.reads_gzip = request.reads_gzip
        self.has_sent_headers = False
        self.left_bytes: int | None = None
        self.is_cancelled = False
        self.status: StatusCode | None = None

    def send_initial_metadata(self, headers: Sequence[RawHeader] = ()) -> None:
        """Send the first headers, with metadata from `encode_metadata`, ahead of any message.

        Raises:
            StateMisuseError: they have been sent.
        """
        if self.has_sent_headers:
            raise StateMisuseError("the initial metadata has been sent; send it before the first message")
        self._server.send_headers(self, headers)

    def set_gzip(self, *, on: bool) -> None:
        """Choose before the first headers whether to compress messages; off if the client cannot read that.

        Raises:
            StateMisuseError: they have been sent.
        """
        if self.has_sent_headers:
            raise StateMisuseError("the first headers have been sent; choose the compression before them")
        self.gzip = on and self.reads_gzip

    def send(self, message: bytes, *, end: bool = False, compress: bool = True) -> None:
        """Queue a message, unless the call has ended.

        Args:
            message: the bytes.
            end: whether the sending side ends with it.
            compress: False sends this message as it is in a call that compresses.
        """
        if self.status is not None:
            return
        if not self.has_sent_headers:
            self._server.send_headers(self, ())
        super().send(message, end=end, compress=compress)

    def finish(
        self,
        code: StatusCode = StatusCode.OK,
        details: str = "",
        headers: Sequence[RawHeader] = (),
    ) -> None:
        """End the call with a status once what is queued has gone, unless it has ended.

        Args:
            code: the status.
            details: the status message.
            headers: the trailing metadata, from `encode_metadata`.
        """
        self._server.finish_call(self, code, details, headers)


def _metadata_bytes(metadata: Metadata) -> int:
    return sum(METADATA_ITEM_BYTES + len(key) + len(value) for key, value in metadata)
