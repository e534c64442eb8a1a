"""HTTP/2 frames of one connection: h2 behind the frame gate, and what the peer's frames cost us.

h2 shuts a connection at the first GOAWAY, in either direction, although the streams up to its last id may
still finish (RFC 9113 section 6.8). So GOAWAY frames bypass h2: the gate takes received ones out, and ours
are queued behind what h2 has to send.

Frames cost twice. The flood budget ends the connection of a peer that sends too many cheap ones.
`work_received` measures all of them, so that a server can read each client at a bearable pace
(`core.guard.turns`).

Call order: `receive_untrusted` with each piece of data, then `data_to_send` until it is empty.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import h2.events
import h2.exceptions
import h2.settings

from lightpeer.core.rpc.frame_gate import FrameGate, GoAway, encode_goaway
from lightpeer.core.rpc.h2_setup import make_h2
from lightpeer.errors import FramingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lightpeer.core.rpc.frame_gate import ErrorCode, FloodBudget
    from lightpeer.core.rpc.limits import Limits

HEADER_TABLE_BYTES: Final = 4096
"""The size of HPACK's table at the start. A peer may allow us more, but we need not use the memory."""

LARGEST_SETTING_CODE: Final = 8  # the last one that h2 knows
SENT_BYTES_PER_UPDATE: Final = 1024
"""A WINDOW_UPDATE that lets out this much counts as no work; an honest peer's lets out more."""

LATE_DATA_COST: Final = 1
"""Drawn from the flood budget by each DATA frame of a call that has ended; a few are always in flight."""

Event: TypeAlias = h2.events.Event | GoAway


class Wire:
    """The frames of one connection.

    Args:
        client_side: whether we are the client.
        limits: what the connection may cost.
        budget: the flood budget for the peer's frames; None gives the connection one of its own.

    Attributes:
        h2: the state machine.
        budget: the flood budget.
        sent_bytes: how many bytes of message data h2 was given to send.
    """

    def __init__(self, *, client_side: bool, limits: Limits, budget: FloodBudget | None = None) -> None:
        self.h2 = make_h2(client_side=client_side, limits=limits)
        self._gate = FrameGate(is_server=not client_side, budget=budget)
        self.budget = self._gate.budget
        self.sent_bytes = 0
        self._late_frames = 0  # DATA frames of ended calls that the budget has paid for
        self._extra_work = 0.0
        self._owed_cost = 0
        self._after_h2 = b""  # frames that bypass h2
        self._has_h2_said_goodbye = False

    def receive_untrusted(self, data: bytes, now: float) -> Iterator[Event]:
        """Parse received bytes and yield the events in them, in order.

        Raises:
            FramingError: the peer floods us or breaks HTTP/2. Close the connection with the error's `code`.
        """
        owed_cost, self._owed_cost = self._owed_cost, 0
        self.budget.refill(now)
        self.budget.charge(owed_cost)
        for piece in self._gate.receive_untrusted(data, now):
            if isinstance(piece, GoAway):
                yield piece
                continue
            try:
                events = self.h2.receive_data(piece)
            except h2.exceptions.ProtocolError as error:
                self._has_h2_said_goodbye = True
                reason = f"the peer broke HTTP/2: {type(error).__name__}"
                raise FramingError(error.error_code, reason) from error
            yield from events
            late_frames = self.h2.late_frames - self._late_frames
            self._late_frames += late_frames
            self.budget.charge(late_frames * LATE_DATA_COST)

    def data_to_send(self) -> bytes:
        """Return the next bytes for the transport, or b"" if there are none."""
        data = self.h2.data_to_send() + self._after_h2
        self._after_h2 = b""
        return data

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` has something to return."""
        return bool(self._after_h2 or self.h2.has_output)

    @property
    def output_bytes(self) -> int:
        """How much `data_to_send` has to return."""
        return len(self._after_h2) + self.h2.output_bytes

    @property
    def work_received(self) -> float:
        """How much work the peer has caused, in small frames; window updates for our messages are free."""
        free_updates = min(self._gate.window_updates, self.sent_bytes / SENT_BYTES_PER_UPDATE)
        return self._gate.frames - free_updates + self._extra_work

    def add_work(self, frames: float) -> None:
        """Count work beyond that of the frames themselves, in small frames."""
        self._extra_work += frames

    def owe(self, cost: int) -> None:
        """Draw on the flood budget when the peer sends again: an exhausted one then closes the connection."""
        self._owed_cost += cost

    def send_after_h2(self, frames: bytes) -> None:
        """Queue encoded frames behind what h2 has to send, without telling it."""
        self._after_h2 += frames

    def send_goaway(self, last_stream_id: int, error_code: int) -> None:
        """Queue a GOAWAY, unless h2 has queued one because the peer broke the protocol."""
        if not self._has_h2_said_goodbye:
            self.send_after_h2(encode_goaway(last_stream_id, error_code))

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Queue an RST_STREAM, unless h2 knows that the stream has ended."""
        with suppress(h2.exceptions.ProtocolError):  # it may have ended in the bytes being handled
            self.h2.reset_stream(stream_id, code)

    def bound_settings(self, changed: Collection[int]) -> None:
        """Keep the peer's changed settings from costing memory.

        Args:
            changed: the codes of the settings that came.
        """
        if h2.settings.SettingCodes.HEADER_TABLE_SIZE in changed:
            encoder = self.h2.encoder
            encoder.header_table_size = min(encoder.header_table_size, HEADER_TABLE_BYTES)
        for code in changed:
            if code > LARGEST_SETTING_CODE:  # h2 would keep all 65,536 possible ones
                del self.h2.remote_settings[code]
