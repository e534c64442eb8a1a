"""Servers that are not what a peer should be: our own server role, with one thing broken.

wrong-byte    one bit of each segment from TURN on is wrong
wrong-start   so it is from the first one on, which comes with the Open
false-seals   every reply is sealed with a bit changed
false-chunks  so are those of Streams.Pull, from the TURNth on
mortal        it is killed as it is asked for segment TURN
mute          it has nothing to send from segment TURN on, and tells its stdout when it is asked
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from lightpeer.core.datagram import TABLE_BASE
from lightpeer.core.identity import ServerSeals
from lightpeer.errors import StateError
from lightpeer.serve.__main__ import main
from lightpeer.serve.store import StoredTrack

TURN = 6  # past what comes with the Open, and before the end of what the tests play

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
        case _:
            raise ValueError(fault)
    main()
