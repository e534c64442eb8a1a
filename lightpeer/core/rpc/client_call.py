"""One call of a client: what it asks for, and the state it has reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.core.rpc.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.status import Metadata, RawHeader
    from lightpeer.core.rpc.stream import Carrier


class CallTerms(NamedTuple):
    """How a call is made.

    Attributes:
        deadline: the monotonic time at which it fails with DEADLINE_EXCEEDED, or None.
        headers: the metadata, from `encode_metadata`.
        expects_one: whether the method replies with exactly one message.
        gzip: whether to compress messages, unless the server is known not to read that.
    """

    deadline: float | None = None
    headers: Sequence[RawHeader] = ()
    expects_one: bool = False
    gzip: bool = False


class CallOwner(Protocol):
    """What a call needs of its connection."""

    @property
    def table(self) -> Carrier:
        """What carries its stream."""

    def end_call(self, call: ClientCall, status: CallStatus) -> None:
        """End a call with a status, unless it has ended."""


class ClientCall(Stream):
    """One call. `send`, `end` and `take` are the stream's.

    Attributes:
        initial_metadata: what the server sent first, or None until then.
        status: how the call ended, or None until then.
    """

    __slots__ = ("_owner", "initial_metadata", "path", "status", "terms")

    def __init__(self, owner: CallOwner, path: str, terms: CallTerms) -> None:
        super().__init__(owner.table, terms.deadline)
        self._owner = owner
        self.path = path
        self.terms = terms
        self.gzip = terms.gzip
        self.initial_metadata: Metadata | None = None
        self.status: CallStatus | None = None

    def cancel(self, details: str = "the call was cancelled here") -> None:
        """End the call now with CANCELLED; an RST_STREAM tells the server."""
        self._owner.end_call(self, CallStatus(StatusCode.CANCELLED, details))

    def checked(self, status: CallStatus) -> CallStatus:
        """Return the server's status, or INTERNAL if it is an OK that the messages contradict."""
        if status.code is not StatusCode.OK:
            return status
        if not self.decoder.is_whole:
            return CallStatus(StatusCode.INTERNAL, "the server ended the call inside a message")
        if self.terms.expects_one and not self.has_message:
            return CallStatus(
                StatusCode.INTERNAL, "the server sent no message although the method replies with one"
            )
        return status
