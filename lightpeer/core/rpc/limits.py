"""What one connection may cost: sizes, counts and times, for both halves."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost us. A comment says if a field is for one half alone."""

    receive_message_bytes: int = 4 * 1024 * 1024  # gRPC's own default
    send_message_bytes: int = 16 * 1024 * 1024
    stream_window_bytes: int = 256 * 1024  # fills 5 Mbit/s at 400 ms; bounds what a slow consumer holds
    connection_window_bytes: int | None = None  # of all streams; None is the sum of theirs
    send_buffer_bytes: int = 128 * 1024  # of one stream, before its writer waits: as much as a socket takes
    connection_send_bytes: int = 2 * 1024 * 1024  # of all streams; each has a share when many are open
    concurrent_calls: int = 100  # the least that HTTP/2 recommends (RFC 9113 section 6.5.2)
    queued_calls: int = 1000  # client: calls that wait for a free stream
    header_list_bytes: int = 16 * 1024  # gRPC's own hard limit
    keepalive_s: float = 330.0  # of silence, with calls open, before a PING; gRPC servers allow one per 300 s
    keepalive_timeout_s: float = 20.0  # for its answer: a 3G link can be gone for as long
    idle_s: float = 300.0  # server: until a connection without calls is drained
    handshake_s: float = 10.0  # server: until the client's first frames
    connection_age_s: float = math.inf  # server: until the client is sent away, once its calls have ended
    connection_age_grace_s: float = math.inf  # server: how long those may then take
