"""Why the system could not connect us, from its errors: a kind for programs, a few words for people."""

from __future__ import annotations

import errno
import socket
from typing import Final

from lightpeer.errors import Unreached, leaves_of

_BY_ERRNO: Final = {
    errno.ECONNREFUSED: Unreached.REFUSED,
    errno.ETIMEDOUT: Unreached.SILENT,
    errno.ENETUNREACH: Unreached.NO_ROUTE,
    errno.EHOSTUNREACH: Unreached.NO_ROUTE,
    errno.ENETDOWN: Unreached.NO_ROUTE,
    errno.EADDRNOTAVAIL: Unreached.NO_ROUTE,  # we have no address of that family
    errno.EAFNOSUPPORT: Unreached.NO_ROUTE,
    errno.ECONNRESET: Unreached.CLOSED,
    errno.ECONNABORTED: Unreached.CLOSED,
    errno.EPIPE: Unreached.CLOSED,
}
_TELLING: Final = (Unreached.REFUSED, Unreached.CLOSED, Unreached.SILENT)
"""Of several addresses the one that got furthest is told of, in this order."""


def reasons_of(error: OSError) -> list[OSError]:
    """Return the errors of all attempts, which trio puts into one that only repeats the address."""
    group = error.__cause__
    leaves = leaves_of(group) if isinstance(group, BaseExceptionGroup) else ()
    return [leaf for leaf in leaves if isinstance(leaf, OSError)] or [error]


def unreached_by(error: OSError) -> Unreached | None:
    """Return why an address could not be connected to; None: for another reason than those."""
    kinds = [_kind(reason) for reason in reasons_of(error)]
    return next((kind for kind in (*_TELLING, *kinds) if kind in kinds), None)


def _kind(error: OSError) -> Unreached | None:
    if isinstance(error, socket.gaierror):
        return Unreached.NO_NAME_SERVER if error.errno == socket.EAI_AGAIN else Unreached.NO_NAME
    if isinstance(error, TimeoutError):
        return Unreached.SILENT
    return _BY_ERRNO.get(error.errno or 0)
