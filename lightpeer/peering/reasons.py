"""Why a peer was not reached, or is lost, in plain words: codes and errors of the system are for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.addresses import format_endpoint
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, Unreached

if TYPE_CHECKING:
    from lightpeer.core.addresses import Endpoint
    from lightpeer.errors import RemoteError

_CAUSES: Final = {
    Unreached.REFUSED: ("nobody listens at {at}", "start the peer there or check the port"),
    Unreached.NO_ROUTE: ("there is no route to {at}", "check this machine's network"),
    Unreached.NO_NAME: ("the name {host} is not found", "check its spelling"),
    Unreached.NO_NAME_SERVER: ("no name server answers for {host}", "check this machine's network"),
    Unreached.CLOSED: ("{at} closes the connection at once", "check the port"),
    Unreached.FOREIGN: ("what answers at {at} does not speak HTTP/2 and is no peer", "check the port"),
    Unreached.SILENT: ("{at} does not answer", "check the address, and the firewall there"),
}
"""What is so, and what to do about it; "or name another" follows."""


def unreached_sentence(unreached: Unreached, address: Endpoint) -> tuple[str, str]:
    """Return why nobody was reached at an address, and what to do about it."""
    what, remedy = _CAUSES[unreached]
    return what.format(at=format_endpoint(address), host=address[0]), remedy


def plain_reason(error: RemoteError, address: Endpoint) -> str:
    """Return why a peer at an address is of no more use, as a part of a sentence."""
    if not isinstance(error, RpcError):
        return str(error)
    match error.unreached, error.code():
        case Unreached() as unreached, _:
            return unreached_sentence(unreached, address)[0]
        case _, StatusCode.DEADLINE_EXCEEDED:
            return unreached_sentence(Unreached.SILENT, address)[0]
        case _, StatusCode.UNAVAILABLE:
            return f"the connection to {format_endpoint(address)} is lost"
    return error.details() or str(error)
