"""What one connection may cost: sizes, counts and times, for both halves."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost us. Each half has its own defaults for the last fields."""

    receive_message_bytes: int = 4 * 1024 * 1024  # gRPC's own default
    send_message_bytes: int = 16 * 1024 * 1024
    stream_window_bytes: int = 256 * 1024  # fills 5 Mbit/s at 400 ms; also what a slow consumer holds
    connection_window_bytes: int | None = None  # of all streams; None: each may be full, none starves another
    send_buffer_bytes: int = 128 * 1024  # of one stream, before its writer has to wait: what a socket takes
    connection_send_bytes: int = 2 * 1024 * 1024  # of all streams: when many are open, each has a share
    concurrent_calls: int = 100  # what HTTP/2 recommends as the least (RFC 9113 section 6.5.2)
    queued_calls: int = 1000  # client: calls that wait for a free stream
    header_list_bytes: int = 16 * 1024  # gRPC's own hard limit
    keepalive_s: float = 330.0  # silence, with calls open, before a PING; gRPC servers allow one in 300 s
    keepalive_timeout_s: float = 20.0  # and for its answer: a 3G link can be gone for so long
    idle_s: float = 300.0  # server: a connection without calls
    handshake_s: float = 10.0  # server: until the client's first frames
    connection_age_s: float = math.inf  # server: then the client is sent away, once its calls have ended
    connection_age_grace_s: float = math.inf  # and how long those may take
