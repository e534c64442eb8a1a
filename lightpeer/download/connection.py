"""What a source needs of the outside world: UDP sockets, a call of Streams.Pull, and the connection under it.

All that comes is given to the `Download`, and it says what is to be done; nothing is decided here.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING

import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.shared import Fault
from lightpeer.core.trust.bounds import MAX_RENDITIONS
from lightpeer.core.udp.opening import Chunk, present_untrusted
from lightpeer.errors import RemoteError, RpcError, StreamFailedError
from lightpeer.net.udp_path import Path
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.reasons import plain_reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from lightpeer.core.segments.assembly import Key
    from lightpeer.core.segments.download import Download
    from lightpeer.core.segments.source import Source
    from lightpeer.core.udp.opening import UdpTerms
    from lightpeer.net.network import Datagram, Network
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

_WEATHER = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}


def state_of(peer: Peer, present: int = MAX_RENDITIONS) -> PeerState:
    """Return what the core is told of a peer, which has so many renditions of the track."""
    burst = peer.burst  # of the Open's reply
    tcp_bytes_per_s = (burst.rate_bytes_per_s if burst is not None else 0.0) or math.inf
    return PeerState(peer.peer_id, peer.name, peer.rtt_s, tcp_bytes_per_s, present=present)


async def _nowhere(_datagram: bytes) -> None:
    """Send nothing: there is no path."""


class Connection:
    """A source's sockets and call; `close` it once the source is closed."""

    def __init__(
        self,
        download: Download,
        source: Source,
        peer: Peer,
        nursery: trio.Nursery,
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        """Hold the peer's connection.

        Args:
            download: given all that comes.
            source: of the download.
            peer: that it is.
            nursery: to receive and call in.
            turn: carries out what the download says after it was told something.
        """
        self.peer = peer
        self._download = download
        self._source = source
        self._nursery = nursery
        self._turn = turn
        self.send: Callable[[bytes], Awaitable[None]] = _nowhere  # over the path, once there is one
        self._path: Path | None = None
        self._call_scope = trio.CancelScope()
        self._call_heard_s: Callable[[], float] = lambda: -math.inf
        self._to_ask: deque[list[Key]] = deque()
        self._has_work = trio.Event()
        peer.hold()

    def close(self) -> None:
        """End everything."""
        self.end_call()
        if self._path is not None:
            self._path.close()
        self.peer.release()

    def refresh(self) -> None:
        """Tell the core how the connection is."""
        state = self._source.peer
        state.rtt_s, state.is_alive, state.is_gone = self.peer.rtt_s, self.peer.is_alive, self.peer.is_gone
        state.heard_at = self._call_heard_s()

    async def ask_present(self) -> None:
        """Ask which renditions the peer has now, unless the source is closed meanwhile."""
        present, track = self._source.peer.present, self._download.track
        if self._source.is_closed:
            return
        try:
            reply = await self.peer.open(pb.OpenRequest(track_id=track.track_id, manifest_known=True))
            present = present_untrusted(reply, track)
        except RemoteError as error:  # what is lost shows by what it sends
            logger.info("%s cannot say which renditions it has: %s", self.peer.name, error)
        self._download.sources.presence.on_told(self._source, present, trio.current_time())
        self._download.handle_timeout(trio.current_time())
        await self._turn()

    # UDP.

    async def open_path(self, network: Network, terms: UdpTerms) -> bool:
        """Have a socket to the peer; return False if there can be none."""
        addresses = [(host, terms.port) for host in self.peer.hosts]
        path = Path(network, addresses, self._nursery, self._on_datagrams)
        try:
            await path.open()
        except OSError as error:
            logger.info("no UDP socket: %s", error)
            return False
        if self._source.is_closed:  # in the meantime
            path.close()
        self._path, self.send = path, path.send
        return True

    async def move(self, *, is_flooded: bool) -> None:
        """Go on over another port, unless the source is closed meanwhile."""
        if self._source.is_closed:
            return
        assert self._path is not None, "it has a stream"
        await self._path.rebind(keep_former=not is_flooded)
        self._download.on_moved(self._source, trio.current_time(), is_flooded=is_flooded)
        await self._turn()

    async def _on_datagrams(self, came: Sequence[Datagram]) -> bool:
        """Take what came from the source's address; return whether any of it was the source's."""
        is_ours, rest_s = self._download.receive(self._source, came, trio.current_time())
        await self._turn()
        assert self._path is not None, "it came over it"
        # The turn took time: a rest that began before it would often end a unit short.
        self._path.rest_until = trio.current_time() + rest_s
        return is_ours

    # gRPC.

    def ask(self, keys: list[Key]) -> None:
        """Ask for objects on the call."""
        self._to_ask.append(keys)
        self._has_work.set()

    def start_call(self, call_no: int, *, renews: bool) -> None:
        """Call Streams.Pull."""
        self.end_call()
        if renews:
            self.peer.renew()
        self._to_ask.clear()
        self._call_scope = trio.CancelScope()
        self._nursery.start_soon(self._pull, call_no, self._call_scope)

    def end_call(self) -> None:
        """Cancel the call."""
        self._call_scope.cancel()
        self._call_heard_s = lambda: -math.inf

    async def reconnect(self, call_no: int) -> None:
        """Make another connection, unless the source is closed meanwhile."""
        if self._source.is_closed:
            return
        self.peer.renew()
        try:
            await self.peer.connect()
        except RpcError as error:
            await self._on_call_failed(call_no, error)
        else:
            self._download.on_reconnected(self._source, call_no, trio.current_time())
            await self._turn()

    async def _on_call_failed(self, call_no: int, error: RemoteError) -> None:
        self.refresh()
        fault = Fault(plain_reason(error, self.peer.address), error.is_lie)
        is_weather = isinstance(error, RpcError) and error.code() in _WEATHER
        now = trio.current_time()
        self._download.on_call_failed(self._source, call_no, fault, now, is_weather=is_weather)
        await self._turn()

    async def _pull(self, call_no: int, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await trio.lowlevel.checkpoint_if_cancelled()  # it may have been ended before it began
                await self._pull_segments(scope)
        except RemoteError as error:
            await self._on_call_failed(call_no, error)

    async def _pull_segments(self, scope: trio.CancelScope) -> None:
        call = self.peer.pull()
        self._call_heard_s = lambda: call.heard_s
        track_id, due = self._download.track.track_id, 0  # answers
        try:
            while not scope.cancel_called:  # what is asked for after that is another call's
                if self._to_ask:
                    ranges = [pb.Range(rendition=r, first=s, count=1) for r, s in self._to_ask.popleft()]
                    due += len(ranges)
                    await call.send(pb.PullRequest(track_id=track_id, ranges=ranges))
                    track_id = b""
                elif due:
                    chunk = await call.receive()
                    due -= 1
                    await self._on_chunk(chunk, call.take_silence_s(), scope)
                else:
                    self._has_work = trio.Event()
                    await self._has_work.wait()
        finally:
            call.cancel()

    async def _on_chunk(self, chunk: pb.Chunk | None, silence_s: float, scope: trio.CancelScope) -> None:
        """Give an answer to the download, unless its call was ended while it came."""
        if scope.cancel_called:
            return
        if chunk is None:
            raise StreamFailedError("it ended the stream")
        came = Chunk(chunk.rendition, chunk.segment, chunk.data)
        self._download.receive_chunk(self._source, came, silence_s, trio.current_time())
        await self._turn()
