"""Why a server cannot listen, and what its operator can do about it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from lightpeer.core.addresses import format_endpoint
from lightpeer.errors import StateError, UsageError

if TYPE_CHECKING:
    from lightpeer.net.network import Address


def listen_error(address: Address, error: OSError) -> StateError | UsageError:
    """Return what to tell an operator whose server cannot listen at an address."""
    where = format_endpoint(address)
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return UsageError(
            f"{where} is no address of this machine ({error.strerror}): choose one with --listen"
        )
    match error.errno:
        case errno.EADDRINUSE:
            text = f"{where} is in use: stop what listens there, or choose another with --listen"
        case errno.EACCES:
            text = f"{where} needs more rights: choose a port above 1023 with --listen"
        case _:
            text = f"cannot listen on {where} ({error.strerror or error}): choose another with --listen"
    return StateError(where, text)
