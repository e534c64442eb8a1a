"""Where this peer can be reached, found out where nobody said it.

A server that listens on every address learns its own from what happens to it, in this order:

- what the person said is never changed;
- an accepted connection shows the address that it came in on: the kernel's word, good for a network
  as wide as the caller's, so that a caller from outside a NAT proves nothing;
- what a peer observed is taken once it is proven by a connection to ourselves through it, or once
  peers of three network groups say the same (`agreement.py`): one lying bootstrap peer decides nothing.

Each family, IPv4 and IPv6, is found out for itself. An address of a wider network replaces one of a
narrower. What they agree on also replaces one of the same width: our provider gave us another.
Call order: `reached`, `observed` and `proven` as things happen, in any order; `hosts` is the outcome.
"""

from __future__ import annotations

from lightpeer.core.addresses import family_of, is_host, is_name, network_group, scope_of
from lightpeer.core.overlay.agreement import Agreement


class OwnAddress:
    """Our addresses, one of each family at most, as they are announced."""

    def __init__(self, *hosts: str) -> None:
        """Take the hosts that the person chose, if any, best first."""
        self._chosen = hosts
        self._found: dict[int, str] = {}  # by IP version
        self._seen: dict[int, Agreement[str]] = {4: Agreement(), 6: Agreement()}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where we can be reached, best first; none until that is known.

        All are in the widest network that we are known to be in: a record that names a narrower one as well
        would be refused by those outside (`check_scope_untrusted`). IPv4 leads, for most peers have that.
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
        """Note where a peer sees us, and tell whether it is worth a proof.

        Args:
            host: the address that our connection came from, by the word of the peer.
            source_host: the numeric address that we reached the peer at.
            is_named: our operator named the peer.
        """
        if not _is_address(host) or scope_of(host) > scope_of(source_host):
            return False
        seen = self._seen[family_of(host)]
        seen.hear(network_group(source_host), host, is_named=is_named)
        if seen.agreed is not None and self._width(seen.agreed) >= 0:
            self._found[family_of(host)] = seen.agreed
        return not self._chosen and self._width(host) > 0

    def proven(self, host: str) -> None:
        """Note that a connection to this address came out at ourselves."""
        self._take(host)

    def _take(self, host: str) -> None:
        if _is_address(host) and self._width(host) > 0:
            self._found[family_of(host)] = host

    def _width(self, host: str) -> int:
        """Tell how much wider a network it is of than our own of its family: above 0 if we have none."""
        known = self._found.get(family_of(host))
        return 1 if known is None else scope_of(known) - scope_of(host)


def _is_address(host: str) -> bool:
    """Tell whether a host is a unicast address: a name would be somebody else's to turn elsewhere."""
    return is_host(host) and not is_name(host)
