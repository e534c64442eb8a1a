"""`lightpeer join`: keeps an invite, and sees whether its peer answers; `--remove` forgets it.

The invite is kept first, since a person may join a network where it cannot be reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.config.joined import read_joined
from lightpeer.core.trust.contact import INVITE_SCHEME, Contact, parse_contacts
from lightpeer.core.trust.identity import parse_peer_id
from lightpeer.core.trust.joined import with_invite, without_invite
from lightpeer.errors import NoPeerError, UsageError
from lightpeer.state.joined import change_joined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def join(settings: Settings, output: Output, invites: Sequence[str], *, removes: bool) -> int:
    """Keep invites, or forget them; without any, list those that are kept. Return the exit status.

    Args:
        settings: the state directory, and how long to wait for a peer.
        output: prints what was done.
        invites: invites, or other addresses of peers.
        removes: whether they are to be forgotten; then they may be ids.

    Raises:
        UsageError: one of them is no invite, or is not kept.
        StateError: they cannot be kept, or those that are kept cannot be read.
    """
    if removes and not invites:
        raise UsageError("--remove needs an invite or an id to forget (lightpeer join lists what was joined)")
    if removes:
        return _forget(settings.state_dir, output, invites)
    if not invites:
        for invite in read_joined(settings.state_dir):
            output.result("joined", invite, invite=invite)
        return 0
    contacts = [contact for invite in invites for contact in _checked(invite)]
    change_joined(settings.state_dir, lambda before: _with_all(before, invites))

    from lightpeer.console.signals import run_async

    return run_async(lambda: _meet(settings, output, contacts))


def _checked(invite: str) -> list[Contact]:
    if _is_id(invite):
        raise UsageError(f"{invite} is a peer's id, and its address is missing: {invite}@HOST:PORT")
    try:
        contacts = parse_contacts(invite)
    except ValueError as error:
        raise UsageError(f"{invite!r} is not {error}") from error
    if invite.isalnum():  # it could be a computer's name, but then its port is known
        raise UsageError(f"{invite!r} is not an invite, {INVITE_SCHEME}L…@HOST:PORT, nor HOST:PORT")
    return contacts


def _is_id(text: str) -> bool:
    try:
        parse_peer_id(text)
    except UsageError:
        return False
    return True


def _with_all(kept: list[str], invites: Sequence[str]) -> list[str]:
    for invite in invites:
        kept = with_invite(kept, invite.strip())
    return kept


def _forget(state_dir: Path, output: Output, names: Sequence[str]) -> int:
    _without_all(read_joined(state_dir), names)  # what is refused writes nothing
    left = change_joined(state_dir, lambda kept: _without_all(kept, names))
    output.remark("left", f"{len(names)} forgotten, {len(left)} left", count=len(names))
    return 0


def _without_all(kept: list[str], names: Sequence[str]) -> list[str]:
    for name in names:
        left = without_invite(kept, name.strip())
        if len(left) == len(kept):
            raise UsageError(f"{name!r} was not joined (lightpeer join lists what was)")
        kept = left
    return kept


async def _meet(settings: Settings, output: Output, contacts: list[Contact]) -> int:
    import trio

    from lightpeer.client.metered import open_metered
    from lightpeer.net.system import SystemNetwork

    failures: list[Exception] = []
    try:
        async with open_metered(settings, SystemNetwork()) as client:
            peer = await client.meet(contacts)
            known = len(client.cache.entries())
        output.remark("met", f"joined: {peer.name} answers", peer_id=peer.name, known=known)
    except* NoPeerError as group:  # from the client's nursery
        failures += group.exceptions
    await trio.lowlevel.checkpoint()  # a Ctrl-C fails the attempt too, and nothing is said of it
    if failures:
        output.notify(f"the invite is kept, but {failures[0]}")
    return 0
