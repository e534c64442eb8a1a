"""One peer that serves a track to us, over UDP or, where that does not pass, over gRPC.

A source begins on UDP. If no DATA comes in time, or it stops coming while the
connection stands, the segments come through `Streams.Pull` instead, and now and
then a small unit is asked for over UDP again, to see whether it passes now. The
hub, which is `Sources`, has what all of them share: the scheduler and the one
controller of the downlink.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

import trio

from lightpeer.core.datagram import MAX_PAYLOAD, UnitRange
from lightpeer.core.manifest import table_bytes, table_segment
from lightpeer.core.receiver import Receiver, UnitArrived
from lightpeer.core.sieve import Sieve
from lightpeer.errors import BadMessageError, RemoteError, StreamFailedError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.wire.path import Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.config import Transport
    from lightpeer.core.bandwidth import Bandwidth
    from lightpeer.core.manifest import Track
    from lightpeer.core.opening import UdpTerms
    from lightpeer.core.receiver import Event
    from lightpeer.core.scheduler import Scheduler
    from lightpeer.wire.network import Datagram, Network
    from lightpeer.wire.peer import Peer, PullCall

logger = logging.getLogger(__name__)

FALLBACK_AFTER_S = 1.0  # without any DATA; or three round trips, if they are longer
UDP_RETRY_S = 15.0
RETURN_UNITS = 6  # that must come by UDP before it is trusted again: who polices it lets single ones pass
TRICKLE_S = 2.0  # from the first DATA, in which UDP must once bring half of what the least rendition needs
STREAM_ENDS_S = 55.0  # after which a server may have ended our stream: 60 s, less what a PULL may take
MOVE_AFTER_S = 1.5  # without an answer: longer than a radio's handover takes
GIVE_UP_AFTER_S = 2.5  # of silence, a second of it over the new socket,
GIVE_UP_PROBES = 4  # and so many probes in vain: UDP does not pass any more
HASTE = 0.4  # of these times, when its connection has ended too: it is gone, or our network is
PULL_AHEAD = 8  # whole segments asked for on a Streams.Pull call: TCP has a window of its own
MIN_PACE_BYTES_PER_S = 1000
REST_SLACK_BYTES = MAX_PAYLOAD // 2  # units come whole: rather the one more than a wake-up for it alone
REST_BYTES = 32 * 1024  # to come at most before we look: a third of what Linux holds for a socket
MAX_UNASKED = 256  # units beyond as many as were asked: no network repeats so much, it is a flood
_PROBE_PACE_BYTES_PER_S = 10_000


class Hub(Protocol):
    """What a source needs of what takes care of all."""

    track: Track
    network: Network
    nursery: trio.Nursery
    scheduler: Scheduler
    bandwidth: Bandwidth
    transport_wanted: Transport

    def work(self) -> trio.Event:
        """Return an event that is set when there may be more to ask for."""

    @property
    def is_urgent(self) -> bool:
        """Whether what comes is to be taken at once."""

    def on_heard(self, now: float) -> None:
        """Something that was asked for came."""

    async def on_data(self, now: float) -> None:
        """Something arrived: take what is complete and ask for more."""

    def on_timers(self) -> None:
        """A deadline may have come nearer."""

    def on_transport(self, source: Source, transport: str) -> None:
        """The source's data comes by another transport from now on."""

    def on_end(self, source: Source, reason: str, *, lied: bool = False) -> None:
        """The source is of no more use; `lied` if it sent what breaks the protocol."""


class Source:
    """A peer, the UDP stream it agreed to, and the Streams.Pull call that may stand in for it."""

    def __init__(self, hub: Hub, peer: Peer) -> None:
        self.peer = peer
        self.receiver: Receiver | None = None
        self.retransmitted_units = 0
        self.duplicate_units = 0
        self.has_delivered = False
        self.delivered_bytes = 0  # of what was asked for
        self.fetching_before_s = 0.0  # of its session, when it joined
        self.heard_at = trio.current_time()  # when something that was asked for came last; it answered Open
        self._hub = hub
        self._flow = hub.bandwidth.open_flow()
        self._path: Path | None = None
        self._retry_udp_at = math.inf
        self._is_trying_udp = False
        self._sieve = Sieve()
        self._passed_units = 0  # by UDP, of late, while data comes by gRPC
        self._is_seen_to_pass = False
        self._udp_began_at = math.inf  # with the first DATA
        self._udp_bytes = 0  # since then
        self._has_lost = False  # something that was not asked for again yet
        self._moved_at = -math.inf
        self._udp_heard_at = self.heard_at
        self._closed = False
        self._pull_scope: trio.CancelScope | None = None

    @property
    def on_grpc(self) -> bool:
        """Whether data comes through Streams.Pull now."""
        return self._pull_scope is not None

    def silent_s(self, now: float) -> float:
        """Return for how long it has sent nothing of what it was asked for."""
        if self.receiver is not None and not self.on_grpc:
            return self.receiver.silent_s(now)
        return now - self.heard_at if self._hub.scheduler.holds(self.peer) else 0.0

    def has_expired(self, now: float) -> bool:
        """Tell whether UDP can come only from a new stream; on gRPC, once it is time to try that again."""
        is_due = not self.on_grpc or now >= self._retry_udp_at
        return self.receiver is not None and is_due and now >= self._udp_heard_at + STREAM_ENDS_S

    async def start(self, terms: UdpTerms | None) -> None:
        """Begin on UDP if both sides can, else on gRPC."""
        if terms is not None and self._hub.transport_wanted != "grpc":
            self._path = Path(
                self._hub.network,
                [(host, terms.port) for host in self.peer.hosts],
                self._hub.nursery,
                self._on_datagrams,
            )
            try:
                await self._path.open()
            except OSError as error:
                logger.info("no UDP socket: %s", error)
            else:
                self.receiver = Receiver(
                    terms.stream_id,
                    terms.keys,
                    terms.path_token,
                    self._flow.outstanding,
                    trio.current_time(),
                )
                self._hub.on_transport(self, "udp")
                return
        self._fall_back()

    def close(self) -> None:
        """End everything; what was outstanding is nobody's any more."""
        self._closed = True
        if self._pull_scope is not None:
            self._pull_scope.cancel()
        if self._path is not None:
            self._path.close()
        self._forget()
        self._hub.bandwidth.close_flow(self._flow)

    def seek(self) -> None:
        """Stop what is being sent: playback goes on elsewhere."""
        self._forget()

    def _forget(self) -> None:
        if self.receiver is not None:
            self.receiver.forget_all()
        self._hub.scheduler.release(self.peer)

    # UDP.

    def backlog_s(self) -> float:
        """Return how long what was asked of it will take to come."""
        return self._flow.outstanding_bytes / (self._flow.rate_bytes_per_s or 1.0)

    def may_ask(self) -> bool:
        """Tell whether to ask it now for what there is: a PULL's worth, or what was lost."""
        ready = self._has_lost or self._flow.wants_pull()
        return ready and self.receiver is not None and not self.on_grpc

    def ask(self, now: float) -> None:
        """Ask for what is wished next."""
        flow, self._has_lost = self._flow, False
        if self.receiver is None:
            return
        ranges = self._hub.scheduler.next_ranges(self.peer, flow.budget_bytes(), now)
        if self.receiver.is_at_end != (not ranges):
            self.receiver.is_at_end = not ranges
            self._hub.on_timers()
        if not ranges:
            return
        was_idle = self.receiver.next_deadline() is None
        pace_bytes_per_s = max(flow.pace_bytes_per_s(now), MIN_PACE_BYTES_PER_S)
        self._hub.bandwidth.on_asked(flow, self.receiver.ask(ranges, pace_bytes_per_s, now), now)
        if was_idle:
            self._hub.on_timers()

    async def flush(self) -> None:
        """Send the datagrams that are due."""
        if self.receiver is None or self._path is None:
            return
        while (datagram := self.receiver.data_to_send()) is not None:
            await self._path.send(datagram)

    async def _on_datagrams(self, came: Sequence[Datagram]) -> bool:
        """Take what came from the source's address; tell whether any of it was the source's."""
        receiver = self.receiver
        if receiver is None or self._closed:
            return False
        rejected = receiver.rejected
        for datagram in came:
            receiver.receive(datagram.data, datagram.came_at)
            self._drain(receiver, datagram.came_at)
            if self._closed:
                return True
        await self._hub.on_data(trio.current_time())
        if receiver.probes_unanswered:  # the source waits for a token that may get lost
            self._hub.on_timers()
        if self._path is not None:
            self._path.rest(self._rest_s(receiver))
        return receiver.rejected < rejected + len(came)

    def _rest_s(self, receiver: Receiver) -> float:
        """Return how long what comes may wait: until the unit may have come with which the next PULL is due.

        A PULL that is later than the queue lasts idles the link, and by the rate that comes of that the
        next would be later still.
        """
        flow, probe_at = self._flow, receiver.next_deadline()
        rate, fastest = flow.rate_bytes_per_s, flow.fastest_bytes_per_s()
        in_doubt = receiver.has_gap or receiver.probes_unanswered > 0
        if probe_at is None or receiver.is_at_end or in_doubt or self._hub.is_urgent:
            return 0.0
        expected = min(flow.bytes_to_next_pull() + REST_SLACK_BYTES, REST_BYTES)
        if expected < 2 * MAX_PAYLOAD or not rate or not fastest:  # as many wake-ups as without
            return 0.0
        probe_s = probe_at - trio.current_time()
        return min(expected / rate, expected / fastest + flow.delay.queue_s, probe_s / 2)

    def _drain(self, receiver: Receiver, now: float) -> None:
        while (event := receiver.next_event()) is not None:
            self._on_event(event, now)

    def _on_event(self, event: Event, now: float) -> None:
        if isinstance(event, UnitArrived):
            self._hub.bandwidth.on_arrived(self._flow, len(event.payload), event.rtt_s, now, event.pulled_at)
            if event.was_asked:
                self._sieve.on_arrived()
                self._heard(now, len(event.payload))
                self._udp_heard_at, self._udp_began_at = now, min(self._udp_began_at, now)
                self._udp_bytes += len(event.payload)
                self._is_seen_to_pass = self._is_seen_to_pass or self._brings_enough(now)
                self._hub.scheduler.on_unit(self.peer, event.unit, event.payload)
                if self.on_grpc:
                    self._on_passed(now)
            else:
                self._on_unasked()
        else:
            self._hub.bandwidth.on_lost(self._flow, event.size_bytes, now)
            self._hub.scheduler.on_lost(event.units)
            self._sieve.on_lost(len(event.units))
            self._has_lost = True
            self.retransmitted_units += len(event.units)

    def _on_unasked(self) -> None:
        """Leave a unit alone that was not asked for, or not any more: it may be meant to spoil another's."""
        self.duplicate_units += 1
        assert self.receiver is not None
        if self.receiver.duplicates > self.receiver.arrived + MAX_UNASKED:
            self._hub.on_end(self, "it sends what was not asked for", lied=True)

    def _heard(self, now: float, size: int) -> None:
        self._hub.on_heard(now)
        self.heard_at = now
        self.has_delivered = True
        self.delivered_bytes += size

    # Time.

    def next_deadline(self) -> float:
        """Return when `check` is due."""
        if self.receiver is None:
            return math.inf
        deadline = self.receiver.next_deadline()
        due = math.inf if deadline is None else deadline
        if self.on_grpc:
            return due if self._is_trying_udp else math.inf
        return min(due, self._udp_limit(self.receiver), self._trickle_at(), self._move_at(self.receiver))

    def check(self, now: float) -> None:
        """Do what is due: probe, move, fall back, try UDP again, or give the source up."""
        receiver = self.receiver
        if receiver is None:
            return
        if self.on_grpc:
            if now >= self.next_deadline():  # it was lost; the next one will tell
                self._is_trying_udp = False
            return
        if now >= self._move_at(receiver):
            self._moved_at = now
            self._hub.nursery.start_soon(self._move, receiver)
        receiver.handle_timeout(now)
        self._drain(receiver, now)
        silent_s, alive = receiver.silent_s(now), self.peer.is_alive
        if not alive and silent_s >= HASTE * GIVE_UP_AFTER_S:
            self._hub.on_end(self, "it is gone")
        elif (
            now >= self._udp_limit(receiver)
            or (silent_s >= GIVE_UP_AFTER_S and receiver.probes_unanswered >= GIVE_UP_PROBES)
            or self._sieve.is_closed
            or self._is_trickle(receiver, now)
        ):
            self._fall_back()

    async def _move(self, receiver: Receiver) -> None:
        assert self._path is not None, "a receiver has one"
        await self._path.renew()
        receiver.on_moved(trio.current_time())
        await self.flush()
        self._hub.on_timers()

    def _move_at(self, receiver: Receiver) -> float:
        """Return when to take another socket: our address may have changed, and nobody tells."""
        moved_already = self._moved_at >= receiver.last_heard
        if moved_already or not receiver.arrived or receiver.next_deadline() is None:
            return math.inf
        return receiver.last_heard + MOVE_AFTER_S * (1.0 if self.peer.is_alive else HASTE)

    def _udp_limit(self, receiver: Receiver) -> float:
        """Return until when the first DATA must come."""
        if receiver.arrived or receiver.first_pull_at is None:
            return math.inf
        return receiver.first_pull_at + max(FALLBACK_AFTER_S, 3 * (self._hub.bandwidth.srtt_s or 0.0))

    def _trickle_at(self) -> float:
        """Return when to see whether more than a trickle comes."""
        return math.inf if self._is_seen_to_pass else self._udp_began_at + TRICKLE_S

    def _is_trickle(self, receiver: Receiver, now: float) -> bool:
        """Tell whether UDP brings too little from the start: some networks let hardly any of it through."""
        if now < self._trickle_at():
            return False
        self._is_seen_to_pass = receiver.next_deadline() is None
        return not self._is_seen_to_pass

    def _brings_enough(self, now: float) -> bool:
        """Tell, as something comes over UDP, whether it comes fast enough; the first began it."""
        least_bps = min(rendition.bitrate_bps for rendition in self._hub.track.renditions)
        needed = least_bps / 8 / 2 * (now - self._udp_began_at)
        return self._udp_bytes - MAX_PAYLOAD >= max(needed, MAX_PAYLOAD)

    # gRPC.

    def _fall_back(self) -> None:
        if self._hub.transport_wanted == "udp":
            self._hub.on_end(self, "UDP does not pass")
            return
        self._hub.scheduler.release(
            self.peer
        )  # what the radio network holds of it still counts when it comes
        if self.receiver is not None and self.receiver.arrived:
            self.peer.renew()  # what ended UDP may be a change of network, and TCP hangs then
        self._sieve.reset()
        self._passed_units = 0
        self._retry_udp_at = trio.current_time() + UDP_RETRY_S
        self._pull_scope = trio.CancelScope()
        self._hub.on_transport(self, "grpc")
        self._hub.nursery.start_soon(self._pull, self._pull_scope)

    def _probe_udp(self, receiver: Receiver, now: float) -> None:
        """Ask for one small unit again, while the radio is awake anyway."""
        self._retry_udp_at, self._is_trying_udp, self._passed_units = now + UDP_RETRY_S, True, 0
        receiver.forget_all()
        size = min(table_bytes(self._hub.track, 0), MAX_PAYLOAD)
        table = [(UnitRange(0, table_segment(0), 0, 1), [size])]
        self._hub.bandwidth.on_asked(self._flow, receiver.ask(table, _PROBE_PACE_BYTES_PER_S, now), now)
        self._hub.on_timers()

    def _on_passed(self, now: float) -> None:
        """Note that a unit came by UDP: when enough did return to it, and ask for so many after the first."""
        self._passed_units += 1
        most = min(RETURN_UNITS, self._hub.track.segment_count)
        if self._passed_units >= most:
            self._return_to_udp()
        elif self._passed_units == 1 and self._is_trying_udp and self.receiver is not None:
            ranges = [(UnitRange(0, segment, 0, 1), [MAX_PAYLOAD]) for segment in range(most)]
            size = self.receiver.ask(ranges, _PROBE_PACE_BYTES_PER_S, now)
            self._hub.bandwidth.on_asked(self._flow, size, now)

    def _return_to_udp(self) -> None:
        assert self._pull_scope is not None
        self._pull_scope.cancel()
        self._pull_scope = None
        self._is_seen_to_pass, self._udp_began_at, self._udp_bytes = False, math.inf, 0
        self._hub.scheduler.release(self.peer)
        self._hub.on_transport(self, "udp")

    async def _pull(self, scope: trio.CancelScope) -> None:
        call = self.peer.pull()
        try:
            with scope:
                await self._pull_segments(call, scope)
        except RemoteError as error:
            self._hub.on_end(self, str(error), lied=isinstance(error, BadMessageError))
        finally:
            call.cancel()

    async def _pull_segments(self, call: PullCall, scope: trio.CancelScope) -> None:
        asked: deque[tuple[int, int]] = deque()  # in the order of the answers
        awaited_at = 0.0  # since when, without a break
        ahead = 1  # at first: if the dead zone ends, all of it comes over UDP as well
        track_id = self._hub.track.track_id
        while not scope.cancel_called:  # what is asked for after that is never received
            keys = self._hub.scheduler.next_objects(self.peer, ahead - len(asked), trio.current_time())
            if keys:
                awaited_at = awaited_at if asked else trio.current_time()
                ranges = [pb.Range(rendition=r, first=s, count=1) for r, s in keys]
                await call.send(pb.PullRequest(track_id=track_id, ranges=ranges))
                track_id = b""
                asked.extend(keys)
                self._hub.on_timers()
            if not asked:
                await self._hub.work().wait()
                continue
            chunk = await call.receive()
            if chunk is None:
                raise StreamFailedError("it ended the stream")
            if (chunk.rendition, chunk.segment) != asked.popleft():
                raise BadMessageError("a segment that was not asked for")
            ahead = min(2 * ahead, PULL_AHEAD)
            now = trio.current_time()
            self._heard(now, len(chunk.data))
            self._hub.bandwidth.on_streamed(len(chunk.data), awaited_at, now)
            self._hub.scheduler.on_object(self.peer, chunk.rendition, chunk.segment, chunk.data)
            if self.receiver is not None and now >= self._retry_udp_at and not self.has_expired(now):
                self._probe_udp(self.receiver, now)
            await self._hub.on_data(now)
