"""What a person is told of the system's errors."""

from __future__ import annotations

import errno
import socket

import pytest

from lightpeer.errors import Unreached
from lightpeer.net.reasons import reasons_of, unreached_by

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
NO_ROUTE = OSError(errno.ENETUNREACH, "unreachable")


def all_of(*errors: OSError) -> OSError:
    """As trio raises it where no address of a name can be connected to."""
    error = OSError("all attempts to connect failed")
    error.__cause__ = ExceptionGroup("all", errors)
    return error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (REFUSED, Unreached.REFUSED),
        (NO_ROUTE, Unreached.NO_ROUTE),
        (OSError(errno.EHOSTUNREACH, ""), Unreached.NO_ROUTE),
        (OSError(errno.ETIMEDOUT, ""), Unreached.SILENT),
        (TimeoutError("no name server in time"), Unreached.SILENT),
        (ConnectionResetError(errno.ECONNRESET, ""), Unreached.CLOSED),
        (socket.gaierror(socket.EAI_NONAME, ""), Unreached.NO_NAME),
        (socket.gaierror(socket.EAI_AGAIN, ""), Unreached.NO_NAME_SERVER),
        (OSError(errno.EPERM, "not permitted"), None),
        (OSError("of another kind"), None),
        (all_of(NO_ROUTE, REFUSED), Unreached.REFUSED),
        (all_of(NO_ROUTE, OSError(errno.EPERM, "")), Unreached.NO_ROUTE),
    ],
)
def test_the_kind_that_says_most_is_told(error, why):
    assert unreached_by(error) is why


def test_the_errors_of_all_attempts():
    assert reasons_of(all_of(NO_ROUTE, REFUSED)) == [NO_ROUTE, REFUSED]
    assert reasons_of(REFUSED) == [REFUSED]
