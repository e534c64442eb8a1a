"""One peer that serves a track to us, over UDP or, where that does not pass, over gRPC.

Which of the two is decided by `core/sources/transport.py`; here that is carried out: a UDP path and a
receiver, a `Streams.Pull` call and its connection. The hub, which is `Sources`, has what all of them share:
the scheduler and the one controller of the downlink.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

import trio

from lightpeer.core.content.manifest import table_bytes, table_segment
from lightpeer.core.rate.rests import EARLY_BYTES, rest_s
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.sources.pull_ahead import PullAhead
from lightpeer.core.sources.transport import Action, Transport
from lightpeer.core.udp.datagram import MAX_PAYLOAD, UnitRange
from lightpeer.core.udp.receiver import FIRST_RTT_S, Receiver, UnitArrived
from lightpeer.core.udp.unasked import Verdict
from lightpeer.errors import BadMessageError, RemoteError, RpcError, StreamFailedError
from lightpeer.net.udp_path import Path
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.config import Transport as TransportWanted
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.scheduler import Scheduler
    from lightpeer.core.udp.opening import UdpTerms
    from lightpeer.core.udp.receiver import Event
    from lightpeer.net.network import Datagram, Network
    from lightpeer.peering.peer import Peer
    from lightpeer.peering.pull import PullCall

logger = logging.getLogger(__name__)

MIN_PACE_BYTES_PER_S = 1000
_PROBE_PACE_BYTES_PER_S = 10_000
_WEATHER = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}


class Hub(Protocol):
    """What a source needs of what takes care of all."""

    track: Track
    network: Network
    nursery: trio.Nursery
    scheduler: Scheduler
    bandwidth: Bandwidth
    transport_wanted: TransportWanted

    def work(self) -> trio.Event:
        """Return an event that is set when there may be more to ask for."""

    @property
    def is_urgent(self) -> bool:
        """Whether what comes is to be taken at once."""

    def on_heard(self, source: Source, size: int, now: float) -> None:
        """Something that was asked for came, of so many bytes."""

    async def on_data(self, now: float) -> None:
        """Something arrived: take what is complete and ask for more."""

    def on_timers(self) -> None:
        """A deadline may have come nearer."""

    def on_released(self) -> None:
        """Others may be asked for what this one was asked for."""

    def on_transport(self, source: Source, transport: str) -> None:
        """The source's data comes by another transport from now on."""

    def do_others_deliver(self, source: Source, now: float) -> bool:
        """Return whether the network is there, by what others give, so that the source alone is to blame."""

    def does_udp_pass_beside(self, source: Source, now: float) -> bool:
        """Return whether others deliver by UDP."""

    def on_end(self, source: Source, reason: str, *, lied: bool = False) -> None:
        """The source is of no more use; `lied` if it sent what breaks the protocol."""


class Source:
    """A peer, the UDP stream it agreed to, and the Streams.Pull call that may stand in for it."""

    def __init__(self, hub: Hub, peer: Peer) -> None:
        now = trio.current_time()
        self.peer = peer
        self.receiver: Receiver | None = None
        self.retransmitted_units = 0
        self.duplicate_units = 0
        self.has_delivered = False
        self._may_hold = False  # an object that it was asked for a part of
        self.delivered_bytes = 0  # of what was asked for
        self.fetching_before_s = 0.0  # of its session, when it joined
        self.heard_at = now  # when something that was asked for came last; it answered Open
        burst = peer.burst  # of the Open's reply: a link that gives TCP no more does not police UDP
        self._tcp_bytes_per_s = (burst.rate_bytes_per_s if burst is not None else 0.0) or math.inf
        self._hub = hub
        self._flow = hub.bandwidth.open_flow()
        self._transport = self._make_transport(now, may_call=False)  # for `start` to say
        self._path: Path | None = None
        self._has_lost = False  # something that was not asked for again yet
        self._has_rested = False  # before what came last was taken
        self._closed = False
        self._pull_scope: trio.CancelScope | None = None
        self._pull_call: PullCall | None = None
        self._pull_asked: deque[tuple[int, int]] = deque()  # on the call, in the order of the answers
        peer.hold()

    def _make_transport(self, now: float, *, may_call: bool) -> Transport:
        track = self._hub.track
        least_bytes_per_s = min(rendition.bitrate_bps for rendition in track.renditions) / 8
        return Transport(
            self.receiver,
            least_bytes_per_s,
            now,
            units=track.segment_count,
            may_call=may_call,
        )

    @property
    def on_grpc(self) -> bool:
        """Whether data comes through Streams.Pull now."""
        return self._transport.on_grpc

    def silent_s(self, now: float) -> float:
        """Return for how long it has sent nothing of what it was asked for."""
        return self._transport.silent_s(now)

    def has_expired(self, now: float) -> bool:
        """Return whether UDP can come only from a new stream, and it is time to think of that."""
        return self._transport.has_expired(now)

    async def start(self, terms: UdpTerms | None) -> None:
        """Begin on UDP if both sides can, else on gRPC."""
        wanted = self._hub.transport_wanted
        if terms is not None and wanted != "grpc":
            await self._open_path(terms)
        if self._closed:  # in the meantime
            return
        now = trio.current_time()
        self._transport = self._make_transport(now, may_call=wanted != "udp")
        if self.receiver is not None:
            self._hub.on_transport(self, "udp")
        if self.receiver is None and wanted == "udp":
            self._hub.on_end(self, "UDP does not pass")
        else:
            self.check(now)

    async def _open_path(self, terms: UdpTerms) -> None:
        """Have a path and a receiver, unless there is no socket."""
        addresses = [(host, terms.port) for host in self.peer.hosts]
        self._path = Path(self._hub.network, addresses, self._hub.nursery, self._on_datagrams)
        try:
            await self._path.open()
        except OSError as error:
            logger.info("no UDP socket: %s", error)
            return
        self.receiver = Receiver(
            terms.stream_id,
            terms.keys,
            terms.path_token,
            self._flow.outstanding,
            trio.current_time(),
            first_rtt_s=self.peer.rtt_s or FIRST_RTT_S,
        )

    def close(self) -> None:
        """End everything; what was outstanding is nobody's any more."""
        self._closed = True
        if self._pull_scope is not None:
            self._pull_scope.cancel()
            self._pull_scope = self._pull_call = None  # what waits to make another call makes none
        if self._path is not None:
            self._path.close()
        self._forget()
        self._hub.bandwidth.close_flow(self._flow)
        self.peer.release()

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

    def limit(self, *, beside: int, share_bytes_per_s: float) -> None:
        """Ask for little while it is probed beside others, and expect no more than its share of the link."""
        self._hub.bandwidth.limit(self._flow, beside=beside)
        self._transport.share_bytes_per_s = min(share_bytes_per_s, self._tcp_bytes_per_s)

    def keep_rate(self) -> None:
        """Remember what it brings: another is probed beside it."""
        self._flow.keep_rate()

    def pay_back(self, size: float, now: float) -> None:
        """Make room for what the probe of another put into the queue."""
        self._flow.pay_back(size, now)

    def may_ask(self) -> bool:
        """Return whether to ask it now for what there is: a PULL's worth, or what was lost.

        After a rest a PULL goes out a unit early, rather than after a wake-up for that unit alone.
        """
        early_bytes = EARLY_BYTES if self._has_rested else 0
        ready = self._has_lost or self._flow.bytes_to_next_pull() <= early_bytes
        return ready and self.receiver is not None and not self.on_grpc

    @property
    def is_through(self) -> bool:
        """Whether all that was asked of it has come or was lost, so that others may have the rest."""
        return self._may_hold and not self._flow.outstanding_bytes

    def hand_over(self) -> None:
        """Leave the rest of what it has begun to others."""
        self._may_hold = self._has_lost = False
        self._hub.scheduler.release(self.peer)

    def ask(self, now: float) -> int:
        """Ask for what is wished next; return how many bytes that is."""
        flow, self._has_lost = self._flow, False
        if self.receiver is None:
            return 0
        ranges = self._hub.scheduler.next_ranges(self.peer, flow.budget_bytes(), now)
        self._may_hold |= bool(ranges)
        if self.receiver.is_at_end != (not ranges):
            self.receiver.is_at_end = not ranges
            self._hub.on_timers()
        if not ranges:
            return 0
        was_idle = not self.receiver.is_waiting
        pace_bytes_per_s = max(flow.pace_bytes_per_s(now), MIN_PACE_BYTES_PER_S)
        size = self.receiver.ask(ranges, pace_bytes_per_s, now)
        self._hub.bandwidth.on_asked(flow, size, now)
        if was_idle:
            self._hub.on_timers()
        return size

    async def flush(self) -> None:
        """Send the datagrams that are due."""
        if self.receiver is None or self._path is None:
            return
        while (datagram := self.receiver.data_to_send()) is not None:
            await self._path.send(datagram)

    async def _on_datagrams(self, came: Sequence[Datagram]) -> bool:
        """Take what came from the source's address; return whether any of it was the source's."""
        receiver = self.receiver
        if receiver is None or self._closed:
            return False
        rejected = receiver.rejected
        for datagram in came:
            receiver.receive(datagram.data, datagram.came_at)
            self._drain(receiver, datagram.came_at)
        self._judge(receiver)
        if self._closed:
            return True
        await self._hub.on_data(trio.current_time())
        if receiver.probes_unanswered:  # the source waits for a token that may get lost
            self._hub.on_timers()
        if self._path is not None:
            now = trio.current_time()
            may_rest_s = 0.0 if self._hub.is_urgent else rest_s(self._flow, receiver, now)
            self._has_rested = may_rest_s > 0
            self._path.rest(now + may_rest_s)
        return receiver.rejected < rejected + len(came)

    def _drain(self, receiver: Receiver, now: float) -> None:
        while (event := receiver.next_event()) is not None:
            self._on_event(event, now)

    def _on_event(self, event: Event, now: float) -> None:
        if isinstance(event, UnitArrived):
            size = len(event.payload)
            self._hub.bandwidth.on_arrived(self._flow, size, event.rtt_s, now, event.pulled_at)
            if event.was_asked:
                self._heard(now, size)
                self._transport.on_unit(size, now)
                self._hub.scheduler.on_unit(self.peer, event.unit, event.payload)
                if self.on_grpc:
                    self._on_passed(now)
            else:
                self.duplicate_units += 1  # left alone: it may be meant to spoil another's
        else:
            self._hub.bandwidth.on_lost(self._flow, event.size_bytes, now)
            self._hub.scheduler.on_lost(event.units)
            self._transport.on_lost(len(event.units))
            self._has_lost = True
            self.retransmitted_units += len(event.units)

    def _judge(self, receiver: Receiver) -> None:
        """See whether too much comes that was not asked for."""
        match receiver.unasked.verdict():
            case Verdict.MOVE:
                logger.info("more comes from the address of %s than was asked for", self.peer.name)
                self._hub.nursery.start_soon(self._move, receiver, True)
            case Verdict.LEAVE:
                self.has_delivered, self.delivered_bytes = False, 0  # it has cost more than it was worth
                self._hub.on_end(self, "more comes from its address than was asked for")
            case Verdict.LIE:
                self._hub.on_end(self, "it sends what was not asked for", lied=True)

    def _heard(self, now: float, size: int) -> None:
        self._hub.on_heard(self, size, now)
        self.heard_at = now
        self.has_delivered = True
        self.delivered_bytes += size

    # Time.

    def next_deadline(self) -> float:
        """Return when `check` is due."""
        due = None
        if self.receiver is not None and self._transport.uses_udp:
            due = self.receiver.next_deadline()
        return min(math.inf if due is None else due, self._transport.next_deadline())

    def check(self, now: float) -> None:
        """Do what is due: probe, move, or change the transport."""
        if self.receiver is not None and self._transport.uses_udp:
            self.receiver.handle_timeout(now)
            self._drain(self.receiver, now)
        transport = self._transport
        transport.rtt_s = self._hub.bandwidth.srtt_s or self.peer.rtt_s or 0.0
        transport.is_alive = self.peer.is_alive
        transport.passes_for_others = self._hub.does_udp_pass_beside(self, now)
        if self._pull_call is not None:
            transport.heard_at = self._pull_call.heard_s
        while not self._closed:
            action = transport.decide(now)
            if action is Action.NOTHING:
                return
            self._do(action, now)

    def _do(self, action: Action, now: float) -> None:
        spawn = self._hub.nursery.start_soon
        match action:
            case Action.MOVE:
                assert self.receiver is not None
                spawn(self._move, self.receiver)
            case Action.FALL_BACK:
                self._fall_back()
            case Action.RETURN:
                self._return_to_udp()
            case Action.PROBE:
                assert self.receiver is not None
                self._probe_udp(self.receiver, now)
            case Action.RECONNECT:
                spawn(self._reconnect)
            case Action.END_CALL:
                self._end_call()
                self._on_call_failed(RpcError(StatusCode.DEADLINE_EXCEEDED, "it sends nothing"))

    async def _move(self, receiver: Receiver, is_flooded: bool = False) -> None:
        """Go on over another port; hear nothing more on one that is flooded."""
        assert self._path is not None, "a receiver has one"
        await self._path.renew(keep_former=not is_flooded)
        if is_flooded:
            receiver.unasked.on_moved()
        receiver.on_moved(trio.current_time())
        await self.flush()
        self._hub.on_timers()

    # gRPC.

    def _fall_back(self) -> None:
        self._hub.scheduler.release(self.peer)  # what the radio network holds of it counts when it comes
        if self.receiver is not None and self.receiver.arrived:
            self.peer.renew()  # what ended UDP may be a change of network, and TCP hangs then
        self._hub.on_transport(self, "grpc")
        self._call()

    def _call(self) -> None:
        self._pull_scope = trio.CancelScope()
        self._hub.nursery.start_soon(self._pull, self._pull_scope)

    def _end_call(self) -> None:
        if self._pull_scope is not None:
            self._pull_scope.cancel()
            self._pull_scope = self._pull_call = None
        self._hub.scheduler.release(self.peer)
        self._hub.on_released()

    def _probe_udp(self, receiver: Receiver, now: float) -> None:
        """Ask for one small unit again, while the radio is awake anyway."""
        receiver.forget_all()
        size = min(table_bytes(self._hub.track, 0), MAX_PAYLOAD)
        table = [(UnitRange(0, table_segment(0), 0, 1), [size])]
        self._hub.bandwidth.on_asked(self._flow, receiver.ask(table, _PROBE_PACE_BYTES_PER_S, now), now)
        self._hub.on_timers()

    def _on_passed(self, now: float) -> None:
        """Note that a unit came by UDP while data comes by gRPC: after the first, ask for as many as show."""
        if self._transport.take_trial() and self.receiver is not None:
            trial = range(self._transport.trial_units)
            ranges = [(UnitRange(0, segment, 0, 1), [MAX_PAYLOAD]) for segment in trial]
            size = self.receiver.ask(ranges, _PROBE_PACE_BYTES_PER_S, now)
            self._hub.bandwidth.on_asked(self._flow, size, now)
        self._hub.on_timers()

    def _return_to_udp(self) -> None:
        self._end_call()
        self._hub.on_transport(self, "udp")

    async def _reconnect(self) -> None:
        """Make another connection; call anew over it, unless something came on the old one meanwhile."""
        scope = self._pull_scope
        self.peer.renew()
        try:
            await self.peer.connect()
        except RpcError as error:
            if self._pull_scope is scope is not None:
                self._end_call()
                self._on_call_failed(error)
            return
        if self._pull_scope is scope is not None and self._transport.is_hung:
            self._end_call()
            self._transport.on_reconnected()
            self._call()

    def _on_call_failed(self, error: RemoteError) -> None:
        """Go on by UDP where the network is to blame and there is a stream; else the source is of no use."""
        now = trio.current_time()
        is_weather = isinstance(error, RpcError) and error.code() in _WEATHER
        is_weather = is_weather and not self.peer.is_gone and not self._hub.do_others_deliver(self, now)
        if is_weather and self._transport.on_call_failed(now):
            self._end_call()
            self._hub.on_timers()
        else:
            self._hub.on_end(self, str(error), lied=error.is_lie)

    async def _pull(self, scope: trio.CancelScope) -> None:
        try:
            with scope:
                call = self._pull_call = self.peer.pull()
                try:
                    await self._pull_segments(call, scope)
                finally:
                    call.cancel()
        except RemoteError as error:
            if self._pull_scope is scope and not self._closed:
                self._on_call_failed(error)

    async def _pull_segments(self, call: PullCall, scope: trio.CancelScope) -> None:
        asked = self._pull_asked = deque()
        awaited_at = 0.0  # since when, without a break
        ahead = PullAhead()
        track_id = self._hub.track.track_id
        while not scope.cancel_called:  # what is asked for after that is never received
            keys = self._hub.scheduler.next_objects(self.peer, ahead.free, trio.current_time())
            if keys:
                ahead.on_asked(len(keys), trio.current_time())
                awaited_at = awaited_at if asked else trio.current_time()
                asked.extend(keys)
                self._transport.on_call(trio.current_time())
                self._hub.on_timers()
                ranges = [pb.Range(rendition=r, first=s, count=1) for r, s in keys]
                await call.send(pb.PullRequest(track_id=track_id, ranges=ranges))
                track_id = b""
            if not asked:
                await self._hub.work().wait()
                continue
            chunk = await call.receive()
            if chunk is None:
                raise StreamFailedError("it ended the stream")
            if (chunk.rendition, chunk.segment) != asked.popleft():
                raise BadMessageError("a segment that was not asked for")
            now = trio.current_time()
            ahead.on_answer(now)
            self._heard(now, len(chunk.data))
            self._transport.on_chunk(now, call.take_silence_s(), is_more_due=bool(asked))
            self._hub.bandwidth.on_streamed(len(chunk.data), awaited_at, now)
            self._hub.scheduler.on_object(self.peer, chunk.rendition, chunk.segment, chunk.data)
            await self._hub.on_data(now)
