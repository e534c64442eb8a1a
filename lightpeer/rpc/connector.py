"""Attempts to reach the server: one after another, as far apart as gRPC's backoff wants.

One task makes the attempts, while anybody wants a server and there is none. An attempt fails without TCP,
or without the server's first word; `failure` then says why, and calls fail at once until the next attempt
is due. h2 is imported while the TCP handshake is in flight, because on a small machine that import takes
longer than the round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from lightpeer.core.rpc.backoff import ENTROPY_BYTES, Backoff
from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.errors import Unreached

if TYPE_CHECKING:
    from lightpeer.net.network import Address
    from lightpeer.rpc.dial import Dialling


class ConnectorOwner(Protocol):
    """What a connector needs of its channel."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a server."""

    def is_wanted(self) -> bool:
        """Return whether any call or task waits for a server."""

    async def adopt(self, stream: trio.abc.Stream) -> None:
        """Use a connection, and report `succeeded` or `fail` once the server has greeted us or has not."""

    def on_attempt(self) -> None:
        """Note that an attempt begins, has failed, or has led to TCP."""


class Connector:
    """The attempts of one channel.

    Args:
        work: where the task of attempts runs.
        dialling: how to connect; it may be told other addresses at any time.
        owner: who wants the connection.

    Attributes:
        failure: the latest attempt's, or None.
        is_attempting: whether an attempt is under way that has no TCP yet.
        remote_address: where the latest connection reached, or None before the first.
        local_address: where it came from, in the network that it was made in.
        connect_s: how long it took to make it.
    """

    def __init__(self, work: trio.Nursery, dialling: Dialling, owner: ConnectorOwner) -> None:
        self.dialling = dialling
        self.failure: CallStatus | None = None
        self.is_attempting = False
        self.remote_address: Address | None = None
        self.local_address: Address | None = None
        self.connect_s: float | None = None
        self._work = work
        self._owner = owner
        self._backoff = Backoff()
        self._is_running = False  # the task of attempts
        self._attempt = trio.Event()  # set when the attempt under way, or the next, has TCP or has failed

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt has failed and the next is not due."""
        has_failed = self.failure is not None and not self.is_attempting
        return has_failed and trio.current_time() < self._backoff.retry_at_s

    def run_in_task(self) -> trio.Event:
        """Have attempts made; return an event that is set when the next one has TCP, or has failed."""
        if not self._is_running:
            self._is_running = True
            self._attempt = trio.Event()
            self._work.start_soon(self._run)
        return self._attempt

    @property
    def was_refused(self) -> bool:
        """Whether the latest attempt was refused: nobody listens there."""
        return self.failure is not None and self.failure.unreached is Unreached.REFUSED

    def fail(self, reason: str, unreached: Unreached | None = None) -> None:
        """Note that the latest attempt has failed; `unreached` is the kind of the reason."""
        details = f"cannot connect to {self.dialling}: {reason}"
        self.failure = CallStatus(StatusCode.UNAVAILABLE, details, was_processed=False, unreached=unreached)
        self._owner.on_attempt()

    def succeeded(self) -> None:
        """Note that the latest attempt has led to a server."""
        self._backoff.succeeded()

    async def _run(self) -> None:
        self._work.start_soon(self.dialling.use_the_wait)
        try:
            if not self.is_failing:  # otherwise a task waits for the next attempt
                await self._try_once()
            while not self._owner.is_ready and self._owner.is_wanted():
                self._attempt = trio.Event()
                await trio.sleep_until(self._backoff.retry_at_s)
                if self._owner.is_wanted():
                    await self._try_once()
        finally:
            self._is_running = False
            self._attempt.set()

    async def _try_once(self) -> None:
        now = trio.current_time()
        self._backoff.begin(now, self.dialling.network.entropy(ENTROPY_BYTES))
        self.failure = None
        self.is_attempting = True
        self._owner.on_attempt()
        try:
            with trio.fail_after(max(self.dialling.connect_timeout_s, self._backoff.retry_at_s - now)):
                stream, self.remote_address, self.local_address = await self.dialling.dial()
        except OSError as error:
            from lightpeer.net.reasons import reasons_of, unreached_by

            reasons = dict.fromkeys(reason.strerror or str(reason) for reason in reasons_of(error))
            self.fail(", ".join(reasons), unreached_by(error))
            return
        except trio.TooSlowError:
            self.fail("it did not answer in time", Unreached.SILENT)
            return
        finally:
            self.is_attempting = False
            self._attempt.set()
        self.connect_s = trio.current_time() - now
        await self._owner.adopt(stream)
