"""The server's own record: its addresses and roles, sealed again when they change.

A record is sealed for each introduction that the server makes, so that its neighbours have a young one, and
otherwise once half of its lifetime is over. Its sequence always grows, even when two are sealed within a
second or the clock is set back a little.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from lightpeer.core.addresses import format_endpoint
from lightpeer.core.trust.records import MAX_AHEAD_S, Role, build_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.trust.identity import Identity
    from lightpeer.serve.overlay.place import Place

logger = logging.getLogger(__name__)

RECORD_LIFETIME_S: Final = 3600  # a server that crashed is forgotten within the hour


class OwnRecord:
    """A server's word on itself. `roles` may be changed while it runs."""

    def __init__(self, identity: Identity, place: Place, unix_time: Callable[[], float]) -> None:
        """Seal the first record, if an address is known.

        Args:
            identity: the server's.
            place: where it is reached.
            unix_time: gives the time in seconds.

        Raises:
            UsageError: an address that no peer could use.
        """
        self.place = place
        self.roles: int = Role.SERVES
        self._identity = identity
        self._unix_time = unix_time
        self._sealed: tuple[list[Endpoint], int] | None = None  # the endpoints and the roles in `_data`
        self._data = b""
        self._sequence = 0
        self.current()

    @property
    def serves(self) -> bool:
        """Whether this peer answers searches and streams."""
        return bool(self.roles & Role.SERVES)

    def current(self) -> bytes | None:
        """Return the sealed record; None while no address is known."""
        if self._said() is None:
            return None
        age_s = int(self._unix_time()) - self._sequence
        if self._said() == self._sealed and -MAX_AHEAD_S < age_s <= RECORD_LIFETIME_S // 2:
            return self._data
        return self.fresh()

    def fresh(self) -> bytes | None:
        """Return the record sealed just now; None while no address is known."""
        said = self._said()
        if said is None:
            return None
        if self._sealed is None or self._sealed[0] != said[0]:
            logger.info("announcing %s", ", ".join(map(format_endpoint, said[0])))
        now_s = int(self._unix_time())
        ahead_s = self._sequence - now_s
        # After a clock was set back far, the count begins anew: peers refuse a record from the future.
        self._sequence += 1 if 0 <= ahead_s < MAX_AHEAD_S else -ahead_s
        self._data = build_record(
            self._identity, said[0], said[1], self._sequence, self._sequence + RECORD_LIFETIME_S
        )
        self._sealed = said
        return self._data

    def _said(self) -> tuple[list[Endpoint], int] | None:
        endpoints = self.place.endpoints
        return (endpoints, self.roles) if endpoints else None
