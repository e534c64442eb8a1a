"""The connection beneath a channel: made when a call wants it, made again when one wants it again.

Connecting and each connection are one task in the channel's nursery; calls that are
made meanwhile wait here. h2 is imported while the TCP handshake is in flight, since on
a small machine that import takes longer than the round trip.

Calls go out as soon as TCP stands, a round trip before the server's first word;
that word makes the channel READY. Without it, or without TCP, the attempt has
failed, and the next waits for its time (`core.rpc.backoff`). Until then calls fail at
once, but for those that wait for a server. There is no attempt while no call
wants one.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from lightpeer.core.rpc.backoff import ENTROPY_BYTES, Backoff
from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.errors import UsageError, leaves_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from lightpeer.core.rpc.client import ClientConnection
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.net.network import Address
    from lightpeer.rpc.call import Call
    from lightpeer.rpc.dial import Dialling
    from lightpeer.rpc.link import Link

CONNECT_TIMEOUT_S: Final = 20.0
"""gRPC's minimum connect timeout (connection-backoff.md); also for the server's first word."""

GOODBYE_S: Final = 1.0
"""How long a closing channel may take to tell the server; it takes no time unless the link is stuck."""

_CLOSED = "the channel was closed"


class ChannelConnectivity(Enum):
    """What a channel is at; the names are grpcio's (connectivity-semantics-and-api.md)."""

    IDLE = auto()
    CONNECTING = auto()
    READY = auto()
    TRANSIENT_FAILURE = auto()
    SHUTDOWN = auto()


class Subchannel:
    """One host and port's connection, and the calls that wait for it.

    Args:
        links: where connections run, which get a moment to say goodbye.
        work: where everything else runs, which ends with the channel.
        dialling: how to connect; it may be told of another address at any time.
        limits: what a connection may cost.
        idle_s: a connection without calls for so long is closed.

    Attributes:
        remote_address: where the latest connection reached, or None before the first.
        local_address: where it came from, in the network that it was made in.
        connect_s: how long it took to make it.
        was_refused: whether the latest attempt was answered that nobody listens there.
        changed: unparked when the state may have changed.
    """

    def __init__(
        self, links: trio.Nursery, work: trio.Nursery, dialling: Dialling, limits: Limits, *, idle_s: float
    ) -> None:
        self._links = links
        self._work = work
        self.dialling = dialling
        self._limits = limits
        self._idle_s = idle_s
        self._link: Link[ClientCall] | None = None  # the latest
        # It, and those that finish after a GOAWAY; each in a shielded scope, to say goodbye in.
        self._running: dict[Link[ClientCall], trio.CancelScope] = {}
        self._pending: dict[Call, None] = {}  # until there is a connection; bounded by `queued_calls`
        self._waiters = 0  # that want the channel to be ready, as pending calls do
        self._is_connecting = False  # the task of attempts runs
        self._attempt = trio.Event()  # set when the attempt under way, or the next, has TCP or has failed
        self._is_attempting = False
        self._backoff = Backoff()
        self._failure: CallStatus | None = None  # of the latest attempt
        self._is_closed = False
        self.changed = trio.lowlevel.ParkingLot()
        self.remote_address: Address | None = None
        self.local_address: Address | None = None
        self.connect_s: float | None = None
        self.was_refused = False

    @property
    def state(self) -> ChannelConnectivity:
        """What the connection is at."""
        if self._is_closed:
            return ChannelConnectivity.SHUTDOWN
        if self._ready_link() is not None:
            return ChannelConnectivity.READY
        if self._is_attempting or self._usable_link() is not None:
            return ChannelConnectivity.CONNECTING
        if self._is_failing():
            return ChannelConnectivity.TRANSIENT_FAILURE
        return ChannelConnectivity.IDLE

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection that takes calls."""
        return not self._is_closed and self._usable_link() is not None

    @property
    def burst(self) -> ReplyBurst | None:
        """How the reply to the latest call came; None before the first connection."""
        return cast("ClientConnection", self._link.core).burst if self._link is not None else None

    @property
    def is_resting(self) -> bool:
        """Whether the latest connection was left: the next call makes another."""
        link = self._link
        was_left = link is not None and cast("ClientConnection", link.core).was_left
        return was_left and self._failure is None and not self._is_closed

    async def wait_until_ready(self) -> None:
        """Wait until there is a server, however many attempts it takes.

        Raises:
            UsageError: the channel is or becomes closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._waiters += 1
        try:
            while self._ready_link() is None:
                if self._is_closed:
                    raise UsageError("the channel is closed; open another one")
                self.connect_in_task()
                await self.changed.park()
        finally:
            self._waiters -= 1

    async def connect(self) -> None:
        """Have a TCP connection, unless there is one, by one attempt; none is made while the backoff lasts.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self.is_alive and not self._is_failing():
            await self.connect_in_task().wait()
        if not self.is_alive and self._failure is not None:
            raise self._failure.to_error()

    async def close(self, grace_s: float) -> None:
        """Take no more calls, let those that run end within the grace, and cancel the others."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._take_no_more()
        for link in list(self._running):
            cast("ClientConnection", link.core).drain(_CLOSED)
            link.flush()
        with trio.move_on_after(grace_s):
            while self._running:
                await self.changed.park()
        self.cancel()

    def renew(self) -> None:
        """Have the next call make a new connection; calls that go on stay with the present one."""
        if self._link is not None:
            cast("ClientConnection", self._link.core).leave()
            self._link.flush()

    def cancel(self) -> None:
        """Cancel every call and say goodbye; no more calls are taken."""
        self._take_no_more()
        for link, scope in self._running.items():
            self._end(link, scope)

    def _end(self, link: Link[ClientCall], scope: trio.CancelScope) -> None:
        scope.deadline = trio.current_time() + GOODBYE_S
        core = cast("ClientConnection", link.core)
        core.cancel_all(_CLOSED)
        core.close()
        link.flush()

    def _take_no_more(self) -> None:
        self._is_closed = True
        for call in list(self._pending):
            call.cancel(_CLOSED)
        self.changed.unpark_all()

    # --- for calls --------------------------------------------------------------------------------

    @property
    def takes_calls(self) -> bool:
        """Whether calls can be submitted."""
        return not self._is_closed

    def submit(self, call: Call, now: float) -> None:
        """Begin a call, now or once there is a connection, or fail it.

        Raises:
            UsageError: the channel is closed.
        """
        if self._is_closed:
            raise UsageError("the channel is closed; open another one")
        link = self._ready_link() if call.wait_for_ready else self._usable_link()
        if link is not None:
            call.begin(link, now)
            link.flush(at_once=True)
        elif self._failure is not None and self._is_failing() and not call.wait_for_ready:
            call.fail(self._failure)
        elif len(self._pending) < self._limits.queued_calls:
            self._pending[call] = None
            self.connect_in_task()
        else:
            call.fail(CallStatus(StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a connection"))

    def forget(self, call: Call) -> None:
        """Drop a call that has ended before there was a connection."""
        self._pending.pop(call, None)

    def spawn(self, function: Callable[[Any], Awaitable[None]], argument: Any) -> None:
        """Run a call's own task until the channel closes."""
        self._work.start_soon(function, argument)

    # --- connecting -------------------------------------------------------------------------------

    def _usable_link(self) -> Link[ClientCall] | None:
        return self._link if self._link is not None and self._link.core.takes_calls else None

    def _ready_link(self) -> Link[ClientCall] | None:
        link = self._usable_link()
        return link if link is not None and link.core.is_greeted else None

    def _is_failing(self) -> bool:
        """Whether the latest attempt has failed and the next is not due."""
        has_failed = self._failure is not None and not self._is_attempting
        return has_failed and trio.current_time() < self._backoff.retry_at_s

    def connect_in_task(self) -> trio.Event:
        """See to it that attempts are made; give what is set when the next has TCP, or has failed."""
        if not self._is_connecting:
            self._is_connecting = True
            self._attempt = trio.Event()
            self._work.start_soon(self._connect)
        return self._attempt

    async def _connect(self) -> None:
        """Make attempts, as far apart as the backoff wants, until there is a server or nobody waits."""
        self._work.start_soon(self.dialling.use_the_wait)
        try:
            if not self._is_failing():  # otherwise this is for somebody who waits
                await self._try_once()
            while self._ready_link() is None and self._is_wanted():
                self._attempt = trio.Event()
                await trio.sleep_until(self._backoff.retry_at_s)
                if self._is_wanted():
                    await self._try_once()
        finally:
            self._is_connecting = False
            self._attempt.set()

    def _is_wanted(self) -> bool:
        """Whether anybody still waits for a server."""
        now = trio.current_time()
        for call in list(self._pending):
            if call.deadline_s <= now:
                call.expire()
        return bool(self._pending or self._waiters)

    async def _try_once(self) -> None:
        """Make an attempt, and begin or fail the calls that wait for it."""
        now = trio.current_time()
        self._backoff.begin(now, self.dialling.network.entropy(ENTROPY_BYTES))
        self._failure = None
        self.was_refused = False
        self._is_attempting = True
        self.changed.unpark_all()
        try:
            with trio.fail_after(max(self.dialling.connect_timeout_s, self._backoff.retry_at_s - now)):
                stream, self.remote_address, self.local_address = await self.dialling.dial()
        except OSError as error:
            self._fail(str(error))
            self.was_refused = any(cause.errno == errno.ECONNREFUSED for cause in _causes(error))
            return
        except trio.TooSlowError:
            self._fail("it did not answer in time")
            return
        finally:
            self._is_attempting = False
            self._attempt.set()
        self.connect_s = trio.current_time() - now
        await self._wait_for_greeting(self._adopt(stream))

    def _fail(self, reason: str) -> None:
        details = f"cannot connect to {self.dialling}: {reason}"
        self._failure = CallStatus(StatusCode.UNAVAILABLE, details, was_processed=False)
        for call in list(self._pending):
            if not call.wait_for_ready:
                call.fail(self._failure)
        self.changed.unpark_all()

    def _adopt(self, stream: trio.abc.Stream) -> Link[ClientCall]:
        from lightpeer.core.rpc.client import ClientConnection
        from lightpeer.rpc.link import Link

        now = trio.current_time()
        scheme = "http" if self.dialling.tls is None else "https"
        core = ClientConnection(str(self.dialling), self._limits, now, scheme=scheme, idle_s=self._idle_s)
        self._link = link = Link(stream, core, _tell, lambda: self._begin_pending(link))
        self._links.start_soon(self._run, link)
        self._begin_pending(link)
        return link

    def _begin_pending(self, link: Link[ClientCall]) -> None:
        """Begin the calls that wait for this connection: all of them, once the server has greeted us."""
        now = trio.current_time()
        for call in list(self._pending) if link.core.takes_calls else ():
            if link.core.is_greeted or not call.wait_for_ready:
                del self._pending[call]
                call.begin(link, now)
        link.flush()
        self.changed.unpark_all()

    async def _wait_for_greeting(self, link: Link[ClientCall]) -> None:
        """Wait for the server's first word; a connection without it is closed."""
        with trio.move_on_after(CONNECT_TIMEOUT_S):
            while link.core.is_open and not link.core.is_greeted:
                await self.changed.park()
        if not link.core.is_greeted:
            link.core.close(why="the server says nothing")
            link.flush()
            self._fail(link.core.why_closed)
        elif link.core.takes_calls:  # and has not gone away again in the same breath
            self._backoff.succeeded()

    async def _run(self, link: Link[ClientCall]) -> None:
        with trio.CancelScope(shield=True) as scope:
            self._running[link] = scope
            if self._is_closed:  # since it was adopted
                self._end(link, scope)
            try:
                await link.run()
            finally:
                del self._running[link]
                if cast("ClientConnection", link.core).pings_too_much:  # as keepalive.md wants
                    self._limits = replace(self._limits, keepalive_s=2 * self._limits.keepalive_s)
                self.changed.unpark_all()


def _causes(error: OSError) -> Iterator[OSError]:
    """Give an error and those that led to it: trio tells of the attempts at several addresses in one."""
    yield error
    if error.__cause__ is not None:
        for leaf in leaves_of(error.__cause__):
            if isinstance(leaf, OSError):
                yield leaf


def _tell(core: ClientCall) -> None:
    """Have a call look at what has changed, unless it was dropped."""
    call: Call | None = core.context and core.context()
    if call is not None:
        call.on_change()
