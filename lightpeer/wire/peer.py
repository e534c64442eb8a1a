"""A peer as a client sees it: the loudp2p services over one channel, every message sealed.

Calls go out as bytes; `core.identity.ClientSeals` adds and checks the seals, so
nothing unsealed is ever parsed. A Raspberry Pi has no clock at boot: when a peer
answers that our seal is stale, its time is adopted for seals alone, and the call
is made once more.
"""

from __future__ import annotations

import math
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

import trio

from lightpeer.core.identity import NONCE_BYTES, ClientSeals, Identity, PeerId, format_peer_id
from lightpeer.core.messages import parse_body_untrusted
from lightpeer.core.records import format_endpoint, scope_of
from lightpeer.core.status import StatusCode
from lightpeer.errors import RemoteError, RpcError, SealError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.protobuf.message import Message

    from lightpeer.core.meters import ReplyBurst
    from lightpeer.core.records import Endpoint, PeerRecord
    from lightpeer.wire.network import Network
    from lightpeer.wire.tcp import Channel, StreamStreamCall, UnaryStreamCall

    M = TypeVar("M", bound=Message)

_PACKAGE = "/loudp2p.v1."
TIME_METADATA = "loudp2p-time-ms"


class SealClock:
    """The time that goes into seals: the system's, plus what a peer told us it is wrong by.

    Each peer has one of its own, so that one that lies about the time spoils no other's calls.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._offset_ms = 0

    @property
    def offset_ms(self) -> int:
        """What the system's clock is behind, by what the peer told; 0 if it took our seals as they were."""
        return self._offset_ms

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return max(0, self._system_ms() + self._offset_ms)

    def _system_ms(self) -> int:
        return int(self._network.unix_time() * 1000)

    def adopt_untrusted(self, error: RpcError) -> bool:
        """Take over the time in a "stale" answer; tell whether there was one."""
        for key, value in error.trailing_metadata():
            if key == TIME_METADATA and isinstance(value, str) and value.isascii() and value.isdigit():
                self._offset_ms = int(value[:16]) - self._system_ms()
                return True
        return False


class Peer:
    """One connected peer. `peer_id` is None until its first sealed reply, unless it was expected."""

    def __init__(
        self,
        channel: Channel,
        identity: Identity,
        clock: SealClock,
        network: Network,
        *,
        address: tuple[str, int],
        peer_id: PeerId | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.address = address
        self.peer_id = peer_id
        self.has_answered = False  # so that its id is proven
        self._channel = channel
        self._identity = identity
        self._clock = clock
        self._network = network
        self._timeout_s = timeout_s
        self._places: list[Endpoint] = []  # by its own record, one of each family at most

    @property
    def name(self) -> str:
        """How to call it in a message to a person."""
        return format_peer_id(self.peer_id) if self.peer_id else f"{self.address[0]}:{self.address[1]}"

    @property
    def is_alive(self) -> bool:
        """Whether the connection stands, or only rests until it is needed."""
        return self._channel.is_alive or self._channel.is_resting

    @property
    def is_resting(self) -> bool:
        """Whether the connection was left: the next call makes another."""
        return self._channel.is_resting

    @property
    def host(self) -> str:
        """The numeric address that the connection reached."""
        return (self._channel.remote_address or self.address)[0]

    @property
    def burst(self) -> ReplyBurst | None:
        """How the reply to the latest call came."""
        return self._channel.burst

    @property
    def own_host(self) -> str | None:
        """The numeric address that we have in the network that leads to the peer, once there was one."""
        address = self._channel.local_address
        return address[0] if address is not None else None

    @property
    def hosts(self) -> list[str]:
        """The numeric addresses that it is at: the one that was reached, and that of the other family."""
        family = ip_address(self.host).version
        return [self.host, *(host for host, _ in self._places if ip_address(host).version != family)]

    def learn_places(self, record: PeerRecord) -> None:
        """Take where the peer says that it is, by its own verified record: an address of each family."""
        self._places = _places(record, self.host)
        self._channel.also_at(self._places)

    def renew(self) -> None:
        """Have the next call make a new connection; calls that go on stay with the present one."""
        self._channel.renew()

    def unix_time(self) -> float:
        """Return the Unix time that the peer goes by, as far as it has told us: for records that it gives."""
        return self._clock.now_ms() / 1000

    async def exchange(self, request: pb.ExchangeRequest) -> pb.ExchangeReply:
        """Discovery.Exchange; raises RpcError or BadMessageError, as all calls here do."""
        return await self._unary("Discovery/Exchange", request, pb.ExchangeReply)

    async def announce(self, request: pb.Announcement) -> pb.AnnounceReply:
        """Discovery.Announce."""
        return await self._unary("Discovery/Announce", request, pb.AnnounceReply)

    async def open(self, request: pb.OpenRequest) -> pb.OpenReply:
        """Streams.Open."""
        return await self._unary("Streams/Open", request, pb.OpenReply)

    async def search(
        self, request: pb.SearchRequest, *, timeout_s: float | None = None, first_reply_s: float = math.inf
    ) -> AsyncGenerator[pb.SearchReply, None]:
        """Index.Search: the replies as they come, until the call's time is over.

        Args:
            request: what to search for.
            timeout_s: for the whole call; None: as for all calls.
            first_reply_s: for the first reply, which needs no walk.
        """
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        path = _PACKAGE + "Index/Search"
        call_it = self._channel.unary_stream(path)
        for attempt in (0, 1):
            seals = self._seals(path)
            call = call_it(seals.seal_request(request.SerializeToString()), timeout=timeout_s)
            try:
                data = await _within(first_reply_s, call)
                while data:
                    yield self._opened_untrusted(seals, data, pb.SearchReply)
                    data = await call.read()
            except RpcError as error:
                if attempt or not self._clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return
            finally:
                call.cancel()

    def pull(self) -> PullCall:
        """Streams.Pull: audio where UDP does not pass."""
        path = _PACKAGE + "Streams/Pull"
        return PullCall(self._seals(path), self._channel.stream_stream(path)())

    async def _unary(self, method: str, request: Message, reply: type[M]) -> M:
        path = _PACKAGE + method
        body = request.SerializeToString()
        for attempt in (0, 1):
            seals = self._seals(path)
            try:
                data = await self._channel.unary_unary(path)(
                    seals.seal_request(body), timeout=self._timeout_s
                )
            except RpcError as error:
                if attempt or not self._clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return self._opened_untrusted(seals, data, reply)
        raise AssertionError("unreachable")

    def _explained(self, error: RpcError) -> RemoteError:
        """Return the error, or what it means if somebody else than the expected peer gave it.

        Another peer cannot open what was sealed for the one that was expected: to it, it was changed.
        """
        refused = error.code() == StatusCode.UNAUTHENTICATED and error.details().startswith("changed")
        if not refused or self.has_answered or self.peer_id is None:
            return error
        where = format_endpoint(self.address)
        return SealError("foreign", f"another peer than {format_peer_id(self.peer_id)} answers at {where}")

    def _seals(self, path: str) -> ClientSeals:
        return ClientSeals(
            self._identity,
            path,
            time_ms=self._clock.now_ms(),
            nonce=self._network.entropy(NONCE_BYTES),
            recipient=self.peer_id,
        )

    def _opened_untrusted(self, seals: ClientSeals, data: bytes, kind: type[M]) -> M:
        body = seals.open_reply_untrusted(data)
        self.has_answered = True
        if self.peer_id is None:
            self.peer_id = seals.peer_id
        return parse_body_untrusted(kind, body)


async def _within(timeout_s: float, call: UnaryStreamCall) -> bytes:
    """Return a call's next reply, empty at the end; raise RpcError if it takes longer than that."""
    with trio.move_on_after(timeout_s):
        return await call.read() or b""
    raise RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer said nothing in time")


def _places(record: PeerRecord, host: str) -> list[Endpoint]:
    """Return the first numeric address of each family that is in as wide a network as a host."""
    places: dict[int, Endpoint] = {}
    for endpoint in record.endpoints:
        try:
            family = ip_address(endpoint[0]).version
        except ValueError:  # a name, which leads wherever its owner likes
            continue
        if scope_of(endpoint[0]) <= scope_of(host):
            places.setdefault(family, endpoint)
    return list(places.values())


class PullCall:
    """One Streams.Pull: ranges of segments go out, whole segments come back."""

    def __init__(self, seals: ClientSeals, call: StreamStreamCall) -> None:
        self._seals = seals
        self._call = call

    async def send(self, request: pb.PullRequest) -> None:
        """Ask for more; raises RpcError when the call has ended."""
        await self._call.write(self._seals.seal_request(request.SerializeToString()))

    async def receive(self) -> pb.Chunk | None:
        """Return the next segment, None at the end; raises RpcError or BadMessageError."""
        data = await self._call.read()
        if not data:
            return None
        return parse_body_untrusted(pb.Chunk, self._seals.open_reply_untrusted(data))

    def cancel(self) -> None:
        """End the call."""
        self._call.cancel()
