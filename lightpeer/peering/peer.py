"""A peer as a client sees it: the loudp2p services over one channel, every message sealed.

Calls go out as bytes; `core.trust.seals.ClientSeals` adds and checks the seals, so nothing unsealed is ever
parsed. A call whose seal the peer finds stale is made once more, by the peer's time (`peering.sealing`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

from lightpeer.core.addresses import family_of, format_endpoint, is_name, scope_of
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.core.trust.messages import PACKAGE, parse_body_untrusted
from lightpeer.errors import RpcError, SealError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.pull import PullCall
from lightpeer.peering.silence import within_silence
from lightpeer.rpc.calls import EOF

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from google.protobuf.message import Message

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.core.trust.seals import ClientSeals
    from lightpeer.errors import RemoteError
    from lightpeer.peering.sealing import Sealer
    from lightpeer.rpc.channel import Channel

    M = TypeVar("M", bound=Message)

CALL_S: Final = 60.0
"""The limit on a whole call: enough for a reply of 16 kB behind three others at 16 kbit/s."""


class Peer:
    """One connected peer.

    Args:
        channel: the connection.
        sealer: makes our seals.
        address: the peer's, as it was given.
        peer_id: the id to expect there, if it is known.
        silence_s: without a byte on the connection, after which a call fails.

    Attributes:
        peer_id: None until its first sealed reply, unless it was expected.
        has_answered: whether it has, so that its id is proven.
        was_silent: whether it did not answer when it was last asked.
    """

    def __init__(
        self,
        channel: Channel,
        sealer: Sealer,
        *,
        address: Endpoint,
        peer_id: PeerId | None = None,
        silence_s: float = 10.0,
    ) -> None:
        self.address = address
        self.peer_id = peer_id
        self.has_answered = False
        self.was_silent = False
        self._channel = channel
        self._sealer = sealer
        self._silence_s = silence_s
        self._holders = 0
        self._close: Callable[[], None] = lambda: None
        self._places: list[Endpoint] = []  # by its own record, one of each family at most

    @property
    def name(self) -> str:
        """Its name in messages to a person."""
        return format_peer_id(self.peer_id) if self.peer_id else f"{self.address[0]}:{self.address[1]}"

    @property
    def is_alive(self) -> bool:
        """Whether the connection is open, or only rests until it is needed."""
        return self._channel.is_alive or self._channel.is_resting

    @property
    def is_gone(self) -> bool:
        """Whether its host refused the latest connection, so that nobody listens there any more."""
        return self._channel.was_refused

    @property
    def is_resting(self) -> bool:
        """Whether the connection was left, so that the next call makes another."""
        return self._channel.is_resting

    @property
    def rtt_s(self) -> float | None:
        """The round trip in seconds, from the reply to the latest call, or else from connecting."""
        burst = self._channel.burst
        return burst.rtt_s if burst is not None and burst.rtt_s is not None else self._channel.connect_s

    @property
    def host(self) -> str:
        """The numeric address that the connection reached."""
        return (self._channel.remote_address or self.address)[0]

    @property
    def burst(self) -> ReplyBurst | None:
        """How the reply to the latest call arrived."""
        return self._channel.burst

    @property
    def own_host(self) -> str | None:
        """Our own numeric address on the way to the peer; None before the first connection."""
        address = self._channel.local_address
        return address[0] if address is not None else None

    @property
    def hosts(self) -> list[str]:
        """Its numeric addresses: the one that was reached, and perhaps one of the other family."""
        return [self.host, *(host for host, _ in self._places if family_of(host) != family_of(self.host))]

    def learn_places(self, record: PeerRecord) -> None:
        """Learn the peer's addresses, one of each family, from its own verified record."""
        self._places = _places(record, self.host)
        self._channel.also_at(self._places)

    def renew(self) -> None:
        """Have the next call make a new connection; running calls stay on the present one."""
        self._channel.renew()

    async def connect(self) -> None:
        """Connect, unless there is a connection.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        self._check_open()
        await self._channel.connect()

    def hold(self) -> None:
        """Keep the connection open for a stream until `release`, even if it is given up."""
        self._holders += 1

    def release(self) -> None:
        """Undo one `hold`."""
        self._holders -= 1
        if not self._holders:
            self._close()

    def give_up(self, close: Callable[[], None]) -> None:
        """Call `close` once nobody holds the connection."""
        self._close = close
        if not self._holders:
            close()

    def unix_time(self) -> float:
        """Return the peer's Unix time in seconds, as far as it has told us, to check its records."""
        return self._sealer.clock.now_ms() / 1000

    async def exchange(self, request: pb.ExchangeRequest) -> pb.ExchangeReply:
        """Call Discovery.Exchange.

        Raises:
            RemoteError: the call failed, or the reply breaks the protocol; so for all calls here.
        """
        return await self._unary("Discovery/Exchange", request, pb.ExchangeReply)

    async def announce(self, request: pb.Announcement) -> pb.AnnounceReply:
        """Call Discovery.Announce."""
        return await self._unary("Discovery/Announce", request, pb.AnnounceReply)

    async def open(self, request: pb.OpenRequest) -> pb.OpenReply:
        """Call Streams.Open."""
        return await self._unary("Streams/Open", request, pb.OpenReply)

    async def search(
        self, request: pb.SearchRequest, *, timeout_s: float = CALL_S, first_reply_s: float = math.inf
    ) -> AsyncGenerator[pb.SearchReply, None]:
        """Call Index.Search and yield the replies as they come.

        Args:
            request: what to search for.
            timeout_s: seconds for the whole call.
            first_reply_s: seconds of silence on the connection before the first reply, which needs no walk.

        Raises:
            RemoteError: the call failed, or a reply breaks the protocol.
        """
        path = PACKAGE + "Index/Search"
        call_it = self._channel.unary_stream(path)
        for attempt in (0, 1):
            self._check_open()
            seals = self._sealer.seals(path, self.peer_id)
            call = call_it(seals.seal_request(request.SerializeToString()), timeout=timeout_s)
            try:
                data = await within_silence(first_reply_s, call.read(), call)
                while data is not EOF:
                    yield self._opened_untrusted(seals, data, pb.SearchReply)
                    data = await within_silence(self._silence_s, call.read(), call)
            except RpcError as error:
                if attempt or not self._sealer.clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return
            finally:
                call.cancel()

    def pull(self) -> PullCall:
        """Call Streams.Pull, for audio where UDP does not pass.

        Raises:
            RpcError: the connection was given up.
        """
        path = PACKAGE + "Streams/Pull"
        self._check_open()
        seals = self._sealer.seals(path, self.peer_id)
        return PullCall(seals, self._channel.stream_stream(path)(), self._explained)

    async def _unary(self, method: str, request: Message, reply: type[M]) -> M:
        path = PACKAGE + method
        body = request.SerializeToString()
        for attempt in (0, 1):
            self._check_open()
            seals = self._sealer.seals(path, self.peer_id)
            call = self._channel.unary_unary(path)(seals.seal_request(body), timeout=CALL_S)
            try:
                data = await within_silence(self._silence_s, call, call)
            except RpcError as error:
                if attempt or not self._sealer.clock.adopt_untrusted(error):
                    raise self._explained(error) from error
            else:
                return self._opened_untrusted(seals, data, reply)
        raise AssertionError("unreachable")

    def _check_open(self) -> None:
        """Raise RpcError if the connection was given up, for another or because it was useless."""
        if self._channel.is_closed:
            raise RpcError(StatusCode.UNAVAILABLE, "the connection was given up")

    def _explained(self, error: RpcError) -> RemoteError:
        """Return the error, or a clearer one if another peer than the expected one answered.

        Another peer cannot open a request that was sealed for the expected one, and finds it changed. This
        also happens in mid-connection, if a server restarts with another key.
        """
        refused = error.code() == StatusCode.UNAUTHENTICATED and error.details().startswith("changed")
        if not refused or self.peer_id is None:
            return error
        where = format_endpoint(self.address)
        return SealError("foreign", f"another peer than {format_peer_id(self.peer_id)} answers at {where}")

    def _opened_untrusted(self, seals: ClientSeals, data: bytes, kind: type[M]) -> M:
        body = seals.open_reply_untrusted(data)
        self.has_answered = True
        self.was_silent = False
        if self.peer_id is None:
            self.peer_id = seals.peer_id
        return parse_body_untrusted(kind, body)


def _places(record: PeerRecord, host: str) -> list[Endpoint]:
    """Return the first numeric address of each family that is in no narrower network than a host."""
    places: dict[int, Endpoint] = {}
    for endpoint in record.endpoints:
        place = endpoint[0]
        if not is_name(place) and scope_of(place) <= scope_of(host):  # a name leads wherever its owner wants
            places.setdefault(family_of(place), endpoint)
    return list(places.values())
