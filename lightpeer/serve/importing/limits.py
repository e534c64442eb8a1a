"""How long a worker may compute on one file without coming any further.

Nothing in the process itself stops a decoder or a parser of tags that a file has busy for ever. So the kernel
does: each has a clock of processor time, at whose end a signal ends the worker (`jobs.py`), and by the signal
the server knows what took too long. ffmpeg is a process of its own, which `decoders.py` waits for only so
long. How much sound there may be is bounded by the segments of a track: 18 hours.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TAGS_CPU_S: Final = 30.0  # for the tags of one file: ten times what a Pi Zero takes for the first
SOUND_CPU_S: Final = 60.0  # for a second of sound: ten times what a Pi Zero takes at eight bitrates
TOO_LONG: Final = {
    -signal.SIGPROF: "its tags take too long to read",
    -signal.SIGVTALRM: "it takes too long to decode",
}
"""What a worker's exit status says."""


@contextmanager
def tags_in_time() -> Iterator[None]:
    """End this process if the block computes for longer than tags may take."""
    signal.setitimer(signal.ITIMER_PROF, TAGS_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def sound_in_time() -> Iterator[None]:
    """End this process if the block computes for too long between two calls of `came_further`."""
    came_further()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def came_further() -> bool:
    """Wind the clock of `sound_in_time` again; False, so that it can stand where a job asks about a stop."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SOUND_CPU_S)
    return False
