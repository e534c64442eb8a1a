"""Where this peer can be reached, found out where nobody said it.

A server that listens on every address learns its own from what happens to it, in this order:

- what the person said is never changed;
- an accepted connection shows the address that it came in on: the kernel's word, good for a network
  as wide as the caller's, so that a caller from outside a NAT proves nothing;
- what a peer observed is taken once it is proven by a connection to ourselves through it, or once
  peers of two network groups say the same (`agreement.py`): one lying bootstrap peer decides nothing.

An address of a wider network replaces one of a narrower. What two groups agree on also replaces one of
the same width: our provider gave us another. Call order: `reached`, `observed` and `proven` as things
happen, in any order; `host` is the outcome.
"""

from __future__ import annotations

from ipaddress import ip_address

from lightpeer.core.agreement import Agreement
from lightpeer.core.peer_entry import network_group
from lightpeer.core.records import is_host, scope_of


class OwnAddress:
    """Our host, as it is announced. `host` is None until it is known."""

    def __init__(self, host: str | None = None) -> None:
        """Take the host that the person chose, if there is one."""
        self.host = host
        self._is_fixed = host is not None
        self._seen: Agreement[str] = Agreement()

    def reached(self, local_host: str, remote_host: str) -> None:
        """Note that a connection from `remote_host` came in on `local_host`; both are numeric."""
        if scope_of(local_host) <= scope_of(remote_host):
            self._take(local_host)

    def observed(self, host: str, source_host: str) -> bool:
        """Note where a peer sees us, and tell whether it is worth a proof.

        Args:
            host: the address that our connection came from, by the word of the peer.
            source_host: the numeric address that we reached the peer at.
        """
        if not _is_address(host) or scope_of(host) > scope_of(source_host):
            return False
        self._seen.hear(network_group(source_host), host)
        agreed = self._seen.agreed
        if agreed is not None and not self._is_fixed and self._width(agreed) >= 0:
            self.host = agreed
        return not self._is_fixed and self._width(host) > 0

    def proven(self, host: str) -> None:
        """Note that a connection to this address came out at ourselves."""
        self._take(host)

    def _take(self, host: str) -> None:
        if not self._is_fixed and _is_address(host) and self._width(host) > 0:
            self.host = host

    def _width(self, host: str) -> int:
        """Tell how much wider a network the address is of than ours is: above 0 if we have none."""
        return 1 if self.host is None else scope_of(self.host) - scope_of(host)


def _is_address(host: str) -> bool:
    """Tell whether a host is a unicast address: a name would be somebody else's to turn elsewhere."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return is_host(host)


def is_wildcard(host: str) -> bool:
    """Tell whether a listening address means every address of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host
