"""A peer as a client sees it: the loudp2p services over one channel, every message sealed.

Calls go out as bytes; `core.trust.seals.ClientSeals` adds and checks the seals, so
nothing unsealed is ever parsed. A Raspberry Pi has no clock at boot: when a peer
answers that our seal is stale, its time is adopted for seals alone, and the call
is made once more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from lightpeer.core.addresses import family_of, format_endpoint, is_name, scope_of
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity, PeerId, format_peer_id
from lightpeer.core.trust.messages import PACKAGE, parse_body_untrusted
from lightpeer.core.trust.seals import NONCE_BYTES, ClientSeals
from lightpeer.errors import RemoteError, RpcError, SealError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.calls import EOF
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from google.protobuf.message import Message

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.net.network import Network
    from lightpeer.rpc.channel import Call, Channel, StreamStreamCall

    M = TypeVar("M", bound=Message)
    T = TypeVar("T")

TIME_METADATA = "loudp2p-time-ms"
_REPEATED_TIMES = 3.0  # as long as a reply came, TCP's timer may be
_MOST_TIMES = 2.0  # as long a silence
CALL_S: Final = 60.0
"""For a whole call, whatever comes meanwhile: a reply of 16 kB behind three others at 16 kbit/s."""


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
        silence_s: float = 10.0,
    ) -> None:
        """Speak to a peer.

        Args:
            channel: the connection.
            identity: ours.
            clock: for our seals.
            network: for entropy.
            address: as it was given.
            peer_id: whom to expect there, if that is known.
            silence_s: without a byte on the connection, after which a call fails.
        """
        self.address = address
        self.peer_id = peer_id
        self.has_answered = False  # so that its id is proven
        self.was_silent = False  # when it was asked last
        self._channel = channel
        self._identity = identity
        self._clock = clock
        self._network = network
        self._silence_s = silence_s
        self._holders = 0
        self._close: Callable[[], None] = lambda: None
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
    def is_gone(self) -> bool:
        """Whether its host answers that nobody listens there any more."""
        return self._channel.was_refused

    @property
    def is_resting(self) -> bool:
        """Whether the connection was left: the next call makes another."""
        return self._channel.is_resting

    @property
    def rtt_s(self) -> float | None:
        """The round trip, by the reply to the latest call, or by how long it took to connect."""
        burst = self._channel.burst
        return burst.rtt_s if burst is not None and burst.rtt_s is not None else self._channel.connect_s

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
        return [self.host, *(host for host, _ in self._places if family_of(host) != family_of(self.host))]

    def learn_places(self, record: PeerRecord) -> None:
        """Take where the peer says that it is, by its own verified record: an address of each family."""
        self._places = _places(record, self.host)
        self._channel.also_at(self._places)

    def renew(self) -> None:
        """Have the next call make a new connection; calls that go on stay with the present one."""
        self._channel.renew()

    async def connect(self) -> None:
        """Have a connection, made now if need be; raise RpcError if there cannot be one."""
        self._check_open()
        await self._channel.connect()

    def hold(self) -> None:
        """Keep the connection open for a stream, whatever others think of it; until `release`."""
        self._holders += 1

    def release(self) -> None:
        """Need the connection no more."""
        self._holders -= 1
        if not self._holders:
            self._close()

    def give_up(self, close: Callable[[], None]) -> None:
        """Have the connection closed, by a function, once nobody holds it."""
        self._close = close
        if not self._holders:
            close()

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
        self, request: pb.SearchRequest, *, timeout_s: float = CALL_S, first_reply_s: float = math.inf
    ) -> AsyncGenerator[pb.SearchReply, None]:
        """Index.Search: the replies as they come, until the call's time is over.

        Args:
            request: what to search for.
            timeout_s: for the whole call.
            first_reply_s: of silence on the connection, before the first reply, which needs no walk.
        """
        path = PACKAGE + "Index/Search"
        call_it = self._channel.unary_stream(path)
        for attempt in (0, 1):
            self._check_open()
            seals = self._seals(path)
            call = call_it(seals.seal_request(request.SerializeToString()), timeout=timeout_s)
            try:
                data = await self._within(first_reply_s, call.read(), call)
                while data is not EOF:
                    yield self._opened_untrusted(seals, data, pb.SearchReply)
                    data = await self._within(self._silence_s, call.read(), call)
            except RpcError as error:
                if attempt or not self._clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return
            finally:
                call.cancel()

    def pull(self) -> PullCall:
        """Streams.Pull: audio where UDP does not pass; raises RpcError."""
        path = PACKAGE + "Streams/Pull"
        self._check_open()
        return PullCall(self._seals(path), self._channel.stream_stream(path)(), self._explained)

    async def _unary(self, method: str, request: Message, reply: type[M]) -> M:
        path = PACKAGE + method
        body = request.SerializeToString()
        for attempt in (0, 1):
            self._check_open()
            seals = self._seals(path)
            call = self._channel.unary_unary(path)(seals.seal_request(body), timeout=CALL_S)
            try:
                data = await self._within(self._silence_s, call, call)
            except RpcError as error:
                if attempt or not self._clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return self._opened_untrusted(seals, data, reply)
        raise AssertionError("unreachable")

    def _check_open(self) -> None:
        """Raise RpcError if the connection was given up: it made room for another, or was of no use."""
        if self._channel.is_closed:
            raise RpcError(StatusCode.UNAVAILABLE, "the connection was given up")

    async def _within(self, silence_s: float, answer: Awaitable[T], call: Call) -> T:
        """Return an answer to a call; raise RpcError once its connection has been silent for so long.

        A reply that is on its way has time, however slow the link is, and so has one behind others.
        """
        async with open_nursery() as nursery:
            nursery.start_soon(_watch, silence_s, call, nursery.cancel_scope)
            result = await answer
            nursery.cancel_scope.cancel()
            return result
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer said nothing in time")

    def _explained(self, error: RpcError) -> RemoteError:
        """Return the error, or what it means if another peer than the expected one gave it.

        Another peer cannot open what was sealed for the one that was expected: to it, it was changed. That
        happens in mid-connection too, if a server is started again with another key.
        """
        refused = error.code() == StatusCode.UNAUTHENTICATED and error.details().startswith("changed")
        if not refused or self.peer_id is None:
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
        self.was_silent = False
        if self.peer_id is None:
            self.peer_id = seals.peer_id
        return parse_body_untrusted(kind, body)


async def _watch(silence_s: float, call: Call, scope: trio.CancelScope) -> None:
    """Cancel a scope when nothing has come over a call's connection for so long.

    A reply that was coming has longer, up to twice that: where all of it stood in one queue, TCP repeats what
    is lost at its end only after three times as long as it came (RFC 6298: a round trip, and four times its
    variation, which is half of it at first).
    """
    began_s = heard_s = trio.current_time()
    while True:
        repeated_s = min(_REPEATED_TIMES * (heard_s - began_s), _MOST_TIMES * silence_s)
        await trio.sleep_until(heard_s + max(silence_s, repeated_s))
        if call.heard_s <= heard_s:
            break
        heard_s = call.heard_s
    scope.cancel()


def _places(record: PeerRecord, host: str) -> list[Endpoint]:
    """Return the first numeric address of each family that is in as wide a network as a host."""
    places: dict[int, Endpoint] = {}
    for endpoint in record.endpoints:
        place = endpoint[0]
        if not is_name(place) and scope_of(place) <= scope_of(host):  # a name leads wherever its owner likes
            places.setdefault(family_of(place), endpoint)
    return list(places.values())


class PullCall:
    """One Streams.Pull: ranges of segments go out, whole segments come back."""

    def __init__(
        self, seals: ClientSeals, call: StreamStreamCall, explained: Callable[[RpcError], RemoteError]
    ) -> None:
        """Take the call, and what makes more of its errors."""
        self._seals = seals
        self._call = call
        self._explained = explained

    async def send(self, request: pb.PullRequest) -> None:
        """Ask for more; raises RpcError when the call has ended."""
        await self._call.write(self._seals.seal_request(request.SerializeToString()))

    async def receive(self) -> pb.Chunk | None:
        """Return the next segment, None at the end; raises RpcError or BadMessageError."""
        try:
            data = await self._call.read()
        except RpcError as error:
            raise self._explained(error) from error
        if data is EOF:
            return None
        return parse_body_untrusted(pb.Chunk, self._seals.open_reply_untrusted(data))

    @property
    def heard_s(self) -> float:
        """When bytes came last over the call's connection, or the call was made."""
        return self._call.heard_s

    def take_silence_s(self) -> float:
        """Return the longest time without a byte on the call's connection since this was asked last."""
        return self._call.take_silence_s()

    def cancel(self) -> None:
        """End the call."""
        self._call.cancel()
