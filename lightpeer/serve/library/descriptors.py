"""How the descriptors of this process are shared out, so that no use of them starves another.

An idle connection costs its maker next to nothing. So the number of connections is limited, and leaves
descriptors for streamed renditions and for the server's own needs: calls to peers, the databases, an import.
When all places are taken, idle connections give way (`core/guard/admission.py`).
"""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

from lightpeer.rpc.limits import ServeLimits

MAX_OPEN_RENDITIONS: Final = 4096  # as many as streams; 2 kB each as a rule
WANTED_DESCRIPTORS: Final = 2 * MAX_OPEN_RENDITIONS
OWN: Final = 256  # the walks of searches have 64 connections; a quarter of all where there are few


class Shares(NamedTuple):
    """How many there may be of each."""

    connections: int
    renditions: int


def raise_descriptor_limit() -> None:
    """Let this process have more files open, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def shares() -> Shares:
    """Return how many connections may be taken, and how many renditions be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Shares(ServeLimits.connections, MAX_OPEN_RENDITIONS)
    left = soft - min(OWN, soft // 4)
    connections = min(ServeLimits.connections, left // 2)
    return Shares(connections, min(MAX_OPEN_RENDITIONS, left - connections))
