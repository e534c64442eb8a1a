"""Our own addresses, discovered unless the person states them.

A server that listens on every address learns its own from three sources:

- An address that the person states is never changed.
- An accepted connection shows the address that it arrived at. That is the kernel's word, and holds for a
  network as wide as the caller's, so a caller from outside a NAT proves nothing.
- An address that a peer observed is adopted once a connection to ourselves through it proves it, or once
  peers of three network groups agree (`agreement.py`). One lying bootstrap peer decides nothing.

IPv4 and IPv6 are handled separately. An address of a wider network replaces one of a narrower network. An
agreed one also replaces one of the same width, since the provider may have assigned another. Call `reached`,
`observed` and `proven` as things happen, in any order; `hosts` is the outcome.
"""

from __future__ import annotations

from lightpeer.core.addresses import family_of, is_host, is_name, network_group, scope_of
from lightpeer.core.overlay.agreement import Agreement


class OwnAddress:
    """Our addresses as they are announced, at most one of each family."""

    def __init__(self, *hosts: str) -> None:
        """Begin with the hosts that the person states, if any, best first."""
        self._chosen = hosts
        self._found: dict[int, str] = {}  # by IP version
        self._seen: dict[int, Agreement[str]] = {4: Agreement(), 6: Agreement()}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Our addresses, best first; empty until one is known.

        All are in the widest network that we are known to be in: peers outside would refuse a record that
        also names a narrower one (`check_scope_untrusted`). IPv4 comes first, as most peers have it.
        """
        if self._chosen:
            return self._chosen
        widest = min(map(scope_of, self._found.values()), default=0)
        return tuple(host for _, host in sorted(self._found.items()) if scope_of(host) == widest)

    def reached(self, local_host: str, remote_host: str) -> None:
        """Note that a connection from `remote_host` came in on `local_host`; both are numeric."""
        if scope_of(local_host) <= scope_of(remote_host):
            self._take(local_host)

    def observed(self, host: str, source_host: str, *, is_named: bool = False) -> bool:
        """Note the address at which a peer sees us; return whether it is worth proving.

        Args:
            host: the address that our connection came from, as the peer says.
            source_host: the numeric address that we reached the peer at.
            is_named: whether our operator named the peer.
        """
        if not _is_address(host) or scope_of(host) > scope_of(source_host):
            return False
        seen = self._seen[family_of(host)]
        seen.hear(network_group(source_host), host, is_named=is_named)
        if seen.agreed is not None and self._width(seen.agreed) >= 0:
            self._found[family_of(host)] = seen.agreed
        return not self._chosen and self._width(host) > 0

    def proven(self, host: str) -> None:
        """Note that a connection to this address reached ourselves."""
        self._take(host)

    def _take(self, host: str) -> None:
        if _is_address(host) and self._width(host) > 0:
            self._found[family_of(host)] = host

    def _width(self, host: str) -> int:
        """Return how much wider a host's network is than that of our known address; above 0 without one."""
        known = self._found.get(family_of(host))
        return 1 if known is None else scope_of(known) - scope_of(host)


def _is_address(host: str) -> bool:
    """Return whether a host is a unicast address: a name could be pointed elsewhere by its owner."""
    return is_host(host) and not is_name(host)
