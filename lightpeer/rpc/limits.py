"""How much the clients of a gRPC server may cost it."""

from __future__ import annotations

from typing import Final


class ServeLimits:
    """How much the clients of a gRPC server may cost it, all together and each; the defaults of `rpc.server`.

    The cost of a flood of frames is in core/rpc/frame_gate.py, beside the code that counts it. This is not
    a dataclass, because making one would cost every command a millisecond or more on a Pi Zero.
    """

    connections: Final = 512  # at most; fewer where few files may be open (`serve.library.descriptors`)
    connections_per_host: Final = 64  # an eighth: enough for a household, and all that an attacker gets
    calls_per_connection: Final = 100  # the least that HTTP/2 recommends (RFC 9113 section 6.5.2)
    request_bytes: Final = 16 * 1024  # twice loudp2p's largest; each call may hold most of one
    stream_window_bytes: Final = 256 * 1024  # the most that a slow handler holds of each call
    connection_window_bytes: Final = 512 * 1024  # of all its calls, which are small
    connection_send_bytes: Final = 512 * 1024  # of all its calls, before they wait
    held_bytes_per_connection: Final = 2 * 1024 * 1024  # of any kind: eight of the largest replies
    held_bytes: Final = 16 * 1024 * 1024  # for all of them, beside 40 kB for each connection
    connections_per_s: Final = 1.0  # of one host, beside a burst of twice its places
    work_per_s: Final = 200.0  # of one host, in frames (core/guard/turns.py): 8 calls, 1 % of a laptop's core
    header_list_bytes: Final = 16 * 1024  # gRPC's own hard limit

    handshake_s: Final = 10.0  # for TLS, and again until the first frames; no honest client takes longer
    request_s: Final = 60.0  # for a method's only request, or the first of many
    idle_s: Final = 300.0  # without calls; a client that needs the connection will make another
    keepalive_s: Final = 120.0  # silence, with calls open, before a PING: each wakes a phone's radio
    keepalive_timeout_s: Final = 20.0  # for the answer: a 3G link can be gone for as long
    connection_age_s: Final = 6 * 3600.0  # then a client is sent away, so that none keeps a place for ever
    connection_age_grace_s: Final = 3600.0  # for its calls: a Pull lasts as long as its track
