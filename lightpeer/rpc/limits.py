"""What a gRPC server lets its clients cost it."""

from __future__ import annotations

from typing import Final


class ServeLimits:
    """What a gRPC server lets its clients cost it, all of them and each; `rpc.server` goes by it.

    What a flood of frames may cost stands beside the code that counts it (core/rpc/frame_gate.py).
    Not a dataclass: that would cost every command a millisecond and more on a Pi Zero.
    """

    connections: Final = 512  # at most; fewer where few files may be open (`serve.library.descriptors`)
    connections_per_host: Final = 64  # an eighth of them: a household, and all that one who means us ill gets
    calls_per_connection: Final = 100  # what HTTP/2 recommends as the least (RFC 9113 section 6.5.2)
    request_bytes: Final = 16 * 1024  # twice loudp2p's largest; each call may hold the most part of one
    stream_window_bytes: Final = 256 * 1024  # what a slow handler holds of each call
    connection_window_bytes: Final = 512 * 1024  # of all its calls, which are small
    connection_send_bytes: Final = 512 * 1024  # of all its calls, before they wait
    held_bytes_per_connection: Final = 2 * 1024 * 1024  # whatever it is: eight of the largest replies
    held_bytes: Final = 16 * 1024 * 1024  # for all of them; beside it, each connection takes 40 kB
    connections_per_s: Final = 1.0  # of one host, which may have all its places twice at once
    work_per_s: Final = 200.0  # of one host, in frames (core/guard/turns.py): 8 calls, 1 % of a laptop's core
    header_list_bytes: Final = 16 * 1024  # gRPC's own hard limit

    handshake_s: Final = 10.0  # for TLS, and again until the first frames: nothing honest takes longer
    request_s: Final = 60.0  # for the one request of a method to come whole, where there is no deadline
    idle_s: Final = 300.0  # without calls: a client that is still there will connect anew
    keepalive_s: Final = 120.0  # silence, with calls open, before a PING: each wakes a phone's radio
    keepalive_timeout_s: Final = 20.0  # for the answer: a 3G link can be gone for so long
    connection_age_s: Final = 6 * 3600.0  # then a client is sent away, so that none holds a place for ever
    connection_age_grace_s: Final = 3600.0  # for its calls of then: a Pull lasts as long as its track
