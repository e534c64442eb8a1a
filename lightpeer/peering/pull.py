"""One Streams.Pull: ranges of segments go out, whole segments come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.core.trust.messages import parse_body_untrusted
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.calls import EOF

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.trust.seals import ClientSeals
    from lightpeer.errors import RemoteError
    from lightpeer.rpc.calls import StreamStreamCall


class PullCall:
    """The call.

    Args:
        seals: of the call.
        call: what carries it.
        explained: returns what an error of the call means.
    """

    def __init__(
        self, seals: ClientSeals, call: StreamStreamCall, explained: Callable[[RpcError], RemoteError]
    ) -> None:
        self._seals = seals
        self._call = call
        self._explained = explained

    async def send(self, request: pb.PullRequest) -> None:
        """Ask for more.

        Raises:
            RpcError: the call has ended.
        """
        await self._call.write(self._seals.seal_request(request.SerializeToString()))

    async def receive(self) -> pb.Chunk | None:
        """Return the next segment, or None at the end.

        Raises:
            RemoteError: the call failed, or the segment is not what the protocol allows.
        """
        try:
            data = await self._call.read()
        except RpcError as error:
            raise self._explained(error) from error
        if data is EOF:
            return None
        return parse_body_untrusted(pb.Chunk, self._seals.open_reply_untrusted(data))

    @property
    def heard_s(self) -> float:
        """When bytes last came over the call's connection, or the call was made, in trio's time."""
        return self._call.heard_s

    def take_silence_s(self) -> float:
        """Return the longest time without a byte on the call's connection since this was last asked."""
        return self._call.take_silence_s()

    def cancel(self) -> None:
        """End the call."""
        self._call.cancel()
