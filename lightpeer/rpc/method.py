"""The callables for the methods of a service, which generated stub classes and people use.

Source: the signatures of grpcio's aio API (`UnaryUnaryMultiCallable` and its like).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lightpeer.core.rpc.framing import is_gzip
from lightpeer.core.rpc.status import encode_metadata
from lightpeer.errors import UsageError
from lightpeer.rpc.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.rpc.status import MetadataLike
    from lightpeer.rpc.call import CallOptions
    from lightpeer.rpc.subchannel import Subchannel

CallT = TypeVar("CallT", bound=Call)


class Method(Generic[CallT]):
    """A method of a service, from `Channel.unary_unary` and its like; calling it begins a call.

    Args:
        channel: where calls are made.
        kind: the class of the calls.
        options: what holds unless a call says otherwise.
    """

    def __init__(self, channel: Subchannel, kind: type[CallT], options: CallOptions) -> None:
        self._channel = channel
        self._kind: Callable[..., CallT] = kind
        self._options = options

    def __call__(
        self,
        request: Any = None,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: None = None,
        wait_for_ready: bool | None = None,
        compression: int | str | None = None,
        *,
        request_iterator: Any = None,
    ) -> CallT:
        """Begin a call.

        Args:
            request: the request; for a method of many, an iterable of them, or None to `write` them.
            timeout: seconds until the call fails with DEADLINE_EXCEEDED, or None.
            metadata: key and value pairs; values are bytes for keys that end in "-bin".
            credentials: must be None; grpcio has it, but here metadata takes its place.
            wait_for_ready: whether to wait for a server instead of failing while there is none.
            compression: of the requests; None is the channel's.
            request_iterator: grpcio's name for `request` of a method of many.

        Raises:
            UsageError: an argument is invalid, or the channel is closed.
        """
        if credentials is not None:
            raise UsageError("call credentials are not supported: give what they would add as metadata=")
        if timeout is not None and math.isnan(timeout):
            raise UsageError("a timeout is a number of seconds, or None")
        options = self._options._replace(
            timeout_s=timeout,
            headers=encode_metadata(metadata or ()),
            wait_for_ready=bool(wait_for_ready),
            gzip=self._options.gzip if compression is None else is_gzip(compression),
        )
        return self._kind(self._channel, options, request if request_iterator is None else request_iterator)
