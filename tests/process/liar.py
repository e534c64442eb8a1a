"""Servers that are not what a peer should be: our own server role, with one thing broken.

wrong-byte    one bit of each segment from TURN on is wrong
wrong-start   so it is from the first one on, which comes with the Open
false-seals   every reply is sealed with a bit changed
false-chunks  so are those of Streams.Pull, from the TURNth on
mortal        it is killed as it is asked for segment TURN
mute          it has nothing to send from segment TURN on, and tells its stdout when it is asked
bomb-…        every reply is some kilobytes of gzip that a careless client makes hundreds of megabytes of:
              one of BOMBS, in place of a SearchReply. Those that fit have as many bytes as our client takes
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.core.rpc.server_call import ServerCall
from lightpeer.core.trust.messages import MAX_REPLY_BYTES
from lightpeer.core.trust.seals import ServerSeals
from lightpeer.errors import StateError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.handlers import Context
from lightpeer.serve.__main__ import main
from lightpeer.serve.library.store import StoredTrack

TURN = 6  # past what comes with the Open, and before the end of what the tests play

_MOST = 4_000_000  # bytes: what gRPC takes by default
_FIT = MAX_REPLY_BYTES - 300  # what our own client takes


def _field(number: int, data: bytes) -> bytes:
    size = len(data)
    return bytes((number << 3 | 2, size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14)) + data


_HIT = pb.Hit(title="a", artist="b", album="c", duration_ms=1, bitrates_kbps=[1] * 8).SerializeToString()
_WIDE = "\U0001f3b5" + "a" * (_FIT - 50)  # four bytes for each character once it is text
BOMBS = {
    "hits": b"\x0a\x00" * (_MOST // 2),
    "long-hits": _field(1, _HIT) * (_MOST // len(_field(1, _HIT))),
    "fitting-hits": b"\x0a\x00" * (_FIT // 2),
    "fitting-peers": b"\x12\x00" * (_FIT // 2),
    "fitting-chunks": _field(3, b"\x32\x00" * (_FIT // 2 - 4)),
    "fitting-opens": b"\x1a\x02\x32\x00" * (_FIT // 4),
    "fitting-holders": _field(1, _field(7, bytes(_FIT - 10))),
    "fitting-unknown": b"\x70\x00" * (_FIT // 2),
    "fitting-text": _field(1, _field(2, _WIDE.encode())),
    "least-hits": b"\x0a\x00" * 6000,
    "least-chunks": _field(3, b"\x32\x00" * 6000),
}

_read = StoredTrack.read
_seal_reply = ServerSeals.seal_reply


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _wrong_from(first: int) -> Callable[[StoredTrack, int, int], bytes]:
    def read(track: StoredTrack, rendition: int, segment: int) -> bytes:
        data = _read(track, rendition, segment)
        return _flipped(data) if first <= segment < TABLE_BASE else data

    return read


def _dies(track: StoredTrack, rendition: int, segment: int) -> bytes:
    if TURN <= segment < TABLE_BASE:
        os.kill(os.getpid(), signal.SIGKILL)
    return _read(track, rendition, segment)


def _falls_silent(track: StoredTrack, rendition: int, segment: int) -> bytes:
    if TURN <= segment < TABLE_BASE:
        print('{"event": "asked"}', flush=True)
        raise StateError("here", "nothing to say")
    return _read(track, rendition, segment)


def _falsely_sealed(path_end: bytes, first: int) -> Callable[[ServerSeals, bytes], bytes]:
    def seal_reply(seals: ServerSeals, reply: bytes) -> bytes:
        false = seals._path.endswith(path_end) and seals._sent >= first
        sealed = _seal_reply(seals, reply)
        return sealed[:-1] + bytes([sealed[-1] ^ 1]) if false else sealed

    return seal_reply


def _seal_bomb(body: bytes) -> Callable[[ServerSeals, bytes], bytes]:
    return lambda seals, reply: _seal_reply(seals, body if seals._path.endswith(b"/Search") else reply)


def _always_compress() -> None:
    set_gzip = ServerCall.set_gzip
    ServerCall.set_gzip = lambda call, *, on: set_gzip(call, on=on or True)
    Context.disable_next_message_compression = lambda context: None


def serve(fault: str) -> None:
    """Be `lightpeer-serve`, with a fault."""
    match fault:
        case "wrong-byte":
            StoredTrack.read = _wrong_from(TURN)
        case "wrong-start":
            StoredTrack.read = _wrong_from(0)
        case "false-seals":
            ServerSeals.seal_reply = _falsely_sealed(b"", 0)
        case "false-chunks":
            ServerSeals.seal_reply = _falsely_sealed(b"/Pull", TURN)
        case "mortal":
            StoredTrack.read = _dies
        case "mute":
            StoredTrack.read = _falls_silent
        case _ if fault.startswith("bomb-"):
            ServerSeals.seal_reply = _seal_bomb(BOMBS[fault.removeprefix("bomb-")])
            _always_compress()
        case _:
            raise ValueError(fault)
    main()
