"""One peer that serves a track to us: over UDP or, where that does not pass, by a call of Streams.Pull.

`Transport` decides which of the two; here that is carried out, on the `UdpStream` and the `PullCall`. What
only a shell can do is told as an event. When the source turns out to be of no use, `fault` says why; its
owner (`source_set.py`) looks at that after each call.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lightpeer.core.segments.events import MovePort, Reconnect
from lightpeer.core.segments.handle import SourceHandle
from lightpeer.core.segments.pull_call import PullCall
from lightpeer.core.segments.shared import Fault
from lightpeer.core.segments.udp_stream import UdpStream
from lightpeer.core.sources.transport import Action, Transport
from lightpeer.core.udp.unasked import Conduct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.segments.assembly import Key
    from lightpeer.core.segments.handle import PeerState
    from lightpeer.core.segments.shared import Beside, Shared
    from lightpeer.core.udp.events import ReceivedDatagram
    from lightpeer.core.udp.opening import Chunk, UdpTerms
    from lightpeer.core.udp.receiver import Receiver


class Source(SourceHandle):
    """One source; see the module's docstring. It is its own key with the scheduler and the selection.

    Attributes:
        peer: what the shell knows of it.
        transport: the choice between UDP and gRPC.
        fault: why it is of no more use, None while it is.
        heard_at: when something that was asked for came last; it answered Open.
        arrivals: of this wake-up, the bytes that were asked for, and when they came.
        is_timer_due: whether a deadline may have come nearer.
        told_transport: the one that its owner has told of last, empty before.
    """

    def __init__(self, shared: Shared, peer: PeerState, now: float) -> None:
        self.peer = peer
        self.fault: Fault | None = None
        self.is_closed = False
        self.has_delivered = False
        self.delivered_bytes = 0  # of what was asked for
        self.fetching_before_s = shared.stats.fetching_s  # when it joined
        self.heard_at = now
        self.arrivals: list[tuple[int, float]] = []
        self.is_timer_due = False
        self.told_transport = ""
        self.udp = UdpStream(shared, self)
        self.call = PullCall(shared, self)
        self._shared = shared
        self.transport = self._make_transport(now, may_call=False)  # for `start` to say

    def _make_transport(self, now: float, *, may_call: bool) -> Transport:
        track = self._shared.track
        least_bytes_per_s = min(rendition.bitrate_bps for rendition in track.renditions) / 8
        receiver = self.udp.receiver
        return Transport(receiver, least_bytes_per_s, now, units=track.segment_count, may_call=may_call)

    def start(self, terms: UdpTerms | None, now: float) -> None:
        """Begin on UDP where there are terms, and a socket to go with them; else on gRPC."""
        if terms is not None:
            self.udp.open(terms, self.peer.rtt_s, now)
        wanted = self._shared.transport
        self.transport = self._make_transport(now, may_call=wanted != "udp")
        if terms is None and wanted == "udp":
            self.fault = Fault("UDP does not pass")

    def close(self) -> None:
        """End; what was outstanding is nobody's any more."""
        self.is_closed = True
        self.call.end()
        self.udp.close()
        self._shared.scheduler.queue.release(self)

    def forget(self) -> None:
        """Stop what is being sent: playback goes on elsewhere."""
        self.udp.forget()
        self._shared.scheduler.queue.release(self)

    @property
    def on_grpc(self) -> bool:
        """Whether data comes through Streams.Pull now."""
        return self.transport.on_grpc

    def silent_s(self, now: float) -> float:
        """Return for how long it has sent nothing of what it was asked for."""
        return self.transport.silent_s(now)

    def has_expired(self, now: float) -> bool:
        """Return whether UDP can come only from a new stream, and it is time to think of that."""
        return self.transport.has_expired(now)

    def limit(self, *, beside: int, share_bytes_per_s: float) -> None:
        """Ask for little while it is probed beside others, and expect no more than its share of the link."""
        self._shared.bandwidth.limit(self.udp.flow, beside=beside)
        self.transport.path.share_bytes_per_s = min(share_bytes_per_s, self.peer.tcp_bytes_per_s)

    def ask_call(self, now: float) -> list[Key]:
        """Return the objects to ask for on the call, if any; they are taken as asked for."""
        keys = self.call.ask(now)
        if keys:
            self.transport.on_call(now)
        return keys

    # What comes.

    def receive(self, datagrams: Sequence[ReceivedDatagram]) -> bool:
        """Receive what came from the source's address by UDP; return whether any of it was the source's."""
        receiver = self.udp.receiver
        if receiver is None:
            return False
        is_ours = self.udp.receive(datagrams)
        self._take_units()
        if receiver.unasked.is_pending:
            self._judge(receiver)
        self.is_timer_due |= receiver.probes_unanswered > 0  # it waits for a token that may get lost
        return is_ours

    def _judge(self, receiver: Receiver) -> None:
        """See whether too much comes that was not asked for."""
        match receiver.unasked.judge():
            case Conduct.MOVE:
                self._shared.events.append(MovePort(self, is_flooded=True))
            case Conduct.LEAVE:
                self.has_delivered, self.delivered_bytes = False, 0  # it has cost more than it was worth
                self.fault = Fault("more comes from its address than was asked for")
            case Conduct.LIE:
                self.fault = Fault("it sends what was not asked for", is_lie=True)

    def _take_units(self) -> None:
        """Tell what came, or was lost, by UDP."""
        arrived, self.udp.arrived = self.udp.arrived, []
        if arrived:
            came = [(len(unit.payload), unit.came_at) for unit in arrived]
            self._heard(came)
            self.transport.on_units(came)
            self._shared.scheduler.on_units(self, arrived)
            if self.on_grpc:
                self._on_passed(self.heard_at)
        if lost := self.udp.lost_units:
            self.udp.lost_units = 0
            self.transport.on_lost(lost)
            self._shared.stats.retransmitted_units += lost

    def _on_passed(self, now: float) -> None:
        """Note that a unit came by UDP while data comes by gRPC: after the first, ask for as many as show."""
        if self.transport.take_trial():
            self.udp.probe_more(self.transport.trial_units, now)
        self.is_timer_due = True

    def receive_chunk(self, chunk: Chunk, silence_s: float, now: float) -> None:
        """Receive an answer on the call.

        Args:
            chunk: a segment or a table, not verified yet.
            silence_s: the longest time without a byte since the answer before.
            now: the time in seconds.
        """
        if not self.call.accept((chunk.rendition, chunk.segment), now):
            self.fault = Fault("a segment that was not asked for", is_lie=True)
            return
        size = len(chunk.data)
        self._heard([(size, now)])
        self.transport.on_chunk(now, silence_s, is_more_due=self.call.is_answer_due)
        self._shared.bandwidth.on_streamed(size, self.call.awaited_at, now)
        self._shared.scheduler.on_object(self, *chunk)

    def _heard(self, came: Sequence[tuple[int, float]]) -> None:
        """Note what came that was asked for: bytes and times."""
        self.arrivals.extend(came)
        self.heard_at = came[-1][1]
        self.has_delivered = True
        self.delivered_bytes += sum(size for size, _ in came)

    # Time.

    def next_deadline(self) -> float:
        """Return when `handle_timeout` is due."""
        due = None
        if self.udp.receiver is not None and self.transport.uses_udp:
            due = self.udp.receiver.next_deadline()
        return min(math.inf if due is None else due, self.transport.next_deadline())

    def handle_timeout(self, now: float, beside: Beside) -> None:
        """Do what is due: probe, move, or change the transport."""
        transport = self.transport
        if transport.uses_udp:
            self.udp.handle_timeout(now)
        path = transport.path
        path.rtt_s = self._shared.bandwidth.srtt_s or self.peer.rtt_s or 0.0
        path.is_alive = self.peer.is_alive
        path.passes_for_others = beside.udp_passes
        if self.call.is_open:
            path.heard_at = self.peer.heard_at
        while self.fault is None and (action := transport.decide(now)) is not Action.NOTHING:
            self._do(action, now, beside)

    def _do(self, action: Action, now: float, beside: Beside) -> None:
        match action:
            case Action.MOVE:
                self._shared.events.append(MovePort(self))
            case Action.FALL_BACK:
                self.udp.hand_over()  # what the radio network holds counts when it comes
                # What ended UDP may be a change of network, and TCP hangs then.
                receiver = self.udp.receiver
                self.call.start(renews=receiver is not None and receiver.arrived > 0)
            case Action.RETURN:
                self.call.end()
            case Action.PROBE:
                self.udp.probe(now)
            case Action.RECONNECT:
                self._shared.events.append(Reconnect(self, self.call.number))
            case _:
                assert action is Action.END_CALL, "there is no other"
                self.on_call_failed(Fault("it sends nothing"), now, is_weather=not beside.deliver)

    def on_reconnected(self, call_no: int) -> None:
        """Call anew over another connection, unless something came on the old one meanwhile."""
        if self.call.is_present(call_no) and self.transport.is_hung:
            self.call.end()
            self.transport.on_reconnected()
            self.call.start()

    def on_call_failed(self, fault: Fault, now: float, *, is_weather: bool) -> None:
        """Go on by UDP where the network is to blame and there is a stream; else the source is of no use."""
        self.call.end()
        is_weather = is_weather and not self.peer.is_gone
        if not (is_weather and self.transport.on_call_failed(now)):
            self.fault = fault
