"""The peers that were found on the local network, real or simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from lightpeer.core.trust.contact import Contact


class Lan:
    """The peers found on the local network so far, as `Network.lan` gives them.

    Attributes:
        is_looking: whether peers can be found at all.
        changed: set, and replaced, when a peer is found or leaves.
    """

    def __init__(self, *, is_looking: bool = True) -> None:
        self.is_looking = is_looking
        self.changed = trio.Event()
        self._found: dict[object, list[Contact]] = {}  # by the service, and where it was heard

    @property
    def contacts(self) -> list[Contact]:
        """The addresses of the peers that are there."""
        return list(dict.fromkeys(contact for contacts in self._found.values() for contact in contacts))

    def put(self, name: object, contacts: list[Contact]) -> None:
        """Note the addresses of a service; none: it is gone."""
        if contacts:
            self._found[name] = contacts
        else:
            self._found.pop(name, None)
        self.changed.set()
        self.changed = trio.Event()
