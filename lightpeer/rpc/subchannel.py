"""The connection beneath a channel, made when a call needs it, and made again when the next one does.

Connecting (`rpc.connector`) and each connection are one task in the channel's nursery; calls that are made
meanwhile wait (`rpc.pending_calls`). Calls go out as soon as TCP stands, a round trip before the server's
first word; that word makes the channel READY. Without it, or without TCP, the attempt has failed, and until
the next one calls fail at once, except those that wait for a server. There is no attempt while no call
wants one.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.errors import Unreached, UsageError
from lightpeer.rpc.connector import Connector
from lightpeer.rpc.pending_calls import PendingCalls
from lightpeer.rpc.running_links import RunningLinks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.core.rpc.client import ClientConnection
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.rpc.call import Call
    from lightpeer.rpc.dial import Dialling
    from lightpeer.rpc.link import Link

CONNECT_TIMEOUT_S: Final = 20.0
"""gRPC's minimum connect timeout (connection-backoff.md); also for the server's first word."""

_CLOSED: Final = "the channel was closed"


class ChannelConnectivity(Enum):
    """The state of a channel; the names are grpcio's (connectivity-semantics-and-api.md)."""

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
        dialling: how to connect.
        limits: what a connection may cost.
        idle_s: a connection is closed after this many seconds without calls.

    Attributes:
        connector: the attempts to connect.
        changed: unparked when the state may have changed.
    """

    def __init__(
        self, links: trio.Nursery, work: trio.Nursery, dialling: Dialling, limits: Limits, *, idle_s: float
    ) -> None:
        self.connector = Connector(work, dialling, self)
        self.changed = trio.lowlevel.ParkingLot()
        self._links = links
        self._work = work
        self._limits = limits
        self._idle_s = idle_s
        self._link: Link[ClientCall] | None = None  # the latest
        self._running = RunningLinks(_CLOSED)
        self._pending = PendingCalls(limits.queued_calls)
        self._waiters = 0  # tasks in `wait_until_ready`
        self._is_closed = False

    @property
    def state(self) -> ChannelConnectivity:
        """The state of the channel."""
        if self._is_closed:
            return ChannelConnectivity.SHUTDOWN
        if self.is_ready:
            return ChannelConnectivity.READY
        if self.connector.is_attempting or self._usable_link() is not None:
            return ChannelConnectivity.CONNECTING
        if self.connector.is_failing:
            return ChannelConnectivity.TRANSIENT_FAILURE
        return ChannelConnectivity.IDLE

    @property
    def is_ready(self) -> bool:
        """Whether there is a server that takes calls."""
        return self._ready_link() is not None

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection that takes calls."""
        return not self._is_closed and self._usable_link() is not None

    @property
    def burst(self) -> ReplyBurst | None:
        """How the reply to the latest call arrived; None before the first connection."""
        return cast("ClientConnection", self._link.core).burst if self._link is not None else None

    @property
    def is_resting(self) -> bool:
        """Whether the latest connection was left, so that the next call makes another."""
        link = self._link
        was_left = link is not None and cast("ClientConnection", link.core).was_left
        return was_left and self.connector.failure is None and not self._is_closed

    async def wait_until_ready(self) -> None:
        """Wait until there is a server, however many attempts it takes.

        Raises:
            UsageError: the channel is or becomes closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._waiters += 1
        try:
            while not self.is_ready:
                if self._is_closed:
                    raise UsageError("the channel is closed; open another one")
                self.connector.run_in_task()
                await self.changed.park()
        finally:
            self._waiters -= 1

    async def connect(self) -> None:
        """Make one attempt at a TCP connection, unless there is one or the backoff lasts.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self.is_alive and not self.connector.is_failing:
            await self.connector.run_in_task().wait()
        if not self.is_alive and self.connector.failure is not None:
            raise self.connector.failure.to_error()

    async def close(self, grace_s: float) -> None:
        """Take no more calls, give running ones `grace_s` seconds to end, and cancel the others."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._take_no_more()
        self._running.drain()
        with trio.move_on_after(grace_s):
            while self._running:
                await self.changed.park()
        self.cancel()

    def renew(self) -> None:
        """Have the next call make a new connection; running calls stay on the present one."""
        if self._link is not None:
            cast("ClientConnection", self._link.core).leave()
            self._link.flush()

    def cancel(self) -> None:
        """Cancel every call and say goodbye; no more calls are taken."""
        self._take_no_more()
        self._running.end()

    def _take_no_more(self) -> None:
        self._is_closed = True
        self._pending.cancel(_CLOSED)
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
            return
        failure = self.connector.failure
        if failure is not None and self.connector.is_failing and not call.wait_for_ready:
            call.fail(failure)
        elif self._pending.put(call):
            self.connector.run_in_task()
        else:
            call.fail(CallStatus(StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a connection"))

    def forget(self, call: Call) -> None:
        """Drop a call that has ended before there was a connection."""
        self._pending.remove(call)

    def spawn(self, function: Callable[[Any], Awaitable[None]], argument: Any) -> None:
        """Run a call's own task until the channel closes."""
        self._work.start_soon(function, argument)

    # --- connecting -------------------------------------------------------------------------------

    def _usable_link(self) -> Link[ClientCall] | None:
        return self._link if self._link is not None and self._link.core.takes_calls else None

    def _ready_link(self) -> Link[ClientCall] | None:
        link = self._usable_link()
        return link if link is not None and link.core.is_greeted else None

    def is_wanted(self) -> bool:
        """Return whether any call or task waits for a server."""
        self._pending.expire(trio.current_time())
        return bool(self._pending or self._waiters)

    def on_attempt(self) -> None:
        """Note that an attempt begins or has failed."""
        if self.connector.failure is not None:
            self._pending.fail(self.connector.failure)
        self.changed.unpark_all()

    async def adopt(self, stream: trio.abc.Stream) -> None:
        """Use a connection, and report to the connector whether there is a server."""
        link = self._make_link(stream)
        with trio.move_on_after(CONNECT_TIMEOUT_S):
            while link.core.is_open and not link.core.is_greeted:
                await self.changed.park()
        if not link.core.is_greeted:
            link.core.close(why="the server says nothing")
            link.flush()
            self.connector.fail(link.core.why_closed, link.core.unreached or Unreached.SILENT)
        elif link.core.takes_calls:  # unless the server has already gone away again
            self.connector.succeeded()

    def _make_link(self, stream: trio.abc.Stream) -> Link[ClientCall]:
        from lightpeer.core.rpc.client import ClientConnection
        from lightpeer.rpc.link import Hooks, Link

        now = trio.current_time()
        dialling = self.connector.dialling
        scheme = "http" if dialling.tls is None else "https"
        core = ClientConnection(str(dialling), self._limits, now, scheme=scheme, idle_s=self._idle_s)
        self._link = link = Link(stream, core, Hooks(_tell, lambda: self._begin_pending(link)))
        self._links.start_soon(self._run, link)
        self._begin_pending(link)
        return link

    def _begin_pending(self, link: Link[ClientCall]) -> None:
        self._pending.begin(link, trio.current_time())
        link.flush()
        self.changed.unpark_all()

    async def _run(self, link: Link[ClientCall]) -> None:
        try:
            await self._running.run(link)
        finally:
            if cast("ClientConnection", link.core).pings_too_much:  # as keepalive.md wants
                self._limits = replace(self._limits, keepalive_s=2 * self._limits.keepalive_s)
            self.changed.unpark_all()


def _tell(core: ClientCall) -> None:
    """Tell a call that it has changed, unless it was dropped."""
    call: Call | None = core.context and core.context()
    if call is not None:
        call.on_change()
